"""How branches are called, coloured and grouped in tables and figures.

A figure with more than about six lines is not read. So the branches of a large
run are spread over several figures, each with the ticket in it; a branch has
the same place in all of them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

TICKET = "ticket"
MOST_LINES = 6

_LABELS = {
    "random_reinit": "random reinit",
    "signed_reinit": "random reinit, signs kept",
    "signed_constant": "constant, signs kept",
    "unsigned_constant": "constant, random signs",
    "survivor_reinit": "reinit from survivors",
    "one_shot": "one-shot",
    "magnitude_at_init": "magnitude at init",
    "snip": "SNIP",
    "grasp": "GraSP",
    "synflow": "SynFlow",
    "fine_tuning": "fine-tuning",
    "learning_rate_rewinding": "learning-rate rewinding",
    "one_shot_fine_tuning": "one-shot fine-tuning",
    "one_shot_weight_rewinding": "one-shot weight rewinding",
    "one_shot_learning_rate_rewinding": "one-shot learning-rate rewinding",
    "dense_longer": "dense, trained longer",
    "reordered": "other data order",
    "reordered_random_ticket": "random ticket, other data order",
}


def label(branch: str) -> str:
    """Returns what a reader calls a branch.

    Example:
        >>> label("random_reinit"), label("one_shot"), label("snip")
        ('random reinit', 'one-shot', 'SNIP')
        >>> label("noisy_init@0.5"), label("fine_tuning@500it")
        ('noise of 0.5σ', 'fine-tuning (500 steps)')
    """
    name, at, argument = branch.partition("@")
    if name == "noisy_init" and at:
        return f"noise of {argument}σ"
    text = _LABELS.get(name, name.replace("_", " "))
    if not at:
        return text
    steps = re.fullmatch(r"(\d+)it", argument)
    return f"{text} ({f'{int(steps[1]):,} steps' if steps else argument})"


@dataclasses.dataclass(frozen=True)
class Group:
    """Branches that are drawn together, the ticket first.

    Args:
        name: For file names.
        title: What the reader is told.
        branches: Their names, with their arguments.
    """

    name: str
    title: str
    branches: tuple[str, ...]


# Group -> what it is called, and the names in it, without arguments.
_GROUPS = {
    "controls": (
        "the ticket and the plainest controls",
        ("random_reinit", "random_ticket", "shuffled_mask"),
    ),
    "starting_weights": (
        "the ticket's mask over other weights",
        (
            "random_reinit",
            "signed_reinit",
            "signed_constant",
            "unsigned_constant",
            "survivor_reinit",
            "noisy_init",
        ),
    ),
    "at_initialisation": (
        "pruned at initialisation",
        ("random_ticket", "magnitude_at_init", "snip", "grasp", "synflow"),
    ),
    "retraining": (
        "what becomes of the weights between rounds",
        (
            "continued_training",
            "fine_tuning",
            "weight_rewinding",
            "learning_rate_rewinding",
            "dense_longer",
        ),
    ),
    "one_shot": (
        "pruned at once",
        (
            "one_shot",
            "one_shot_fine_tuning",
            "one_shot_weight_rewinding",
            "one_shot_learning_rate_rewinding",
        ),
    ),
    "data_order": (
        "another order of the data",
        ("random_ticket", "reordered", "reordered_random_ticket"),
    ),
}
# These are drawn in a group only if others of it are there.
_GUESTS = {
    "starting_weights": {"random_reinit"},
    "at_initialisation": {"random_ticket"},
    "data_order": {"random_ticket"},
}
_ORDER = tuple(
    dict.fromkeys(name for _, names in _GROUPS.values() for name in names)
)


def _base(branch: str) -> str:
    return branch.partition("@")[0]


def ordered(branches: Iterable[str]) -> list[str]:
    """Sorts branches: the ticket, those we know, then others by name.

    Example:
        >>> ordered(["mine", "snip", "random_reinit", "ticket"])
        ['ticket', 'random_reinit', 'snip', 'mine']
    """

    def place(branch: str) -> tuple:
        base = _base(branch)
        if branch == TICKET:
            return (0, 0, 0.0, branch)
        if base not in _ORDER:
            return (2, 0, 0.0, branch)
        number = re.search(r"@([\d.]+)", branch)
        amount = float(number[1]) if number else 0.0
        return (1, _ORDER.index(base), amount, branch)

    return sorted(dict.fromkeys(branches), key=place)


def groups(branches: Iterable[str]) -> list[Group]:
    """Spreads branches over figures.

    Args:
        branches: Names as in `results.csv`; the ticket may be among them.

    Returns:
        One group of all if there are at most six; else a group per kind of
        control, a long one cut in parts. The first group is named `""`.

    Example:
        >>> [g.branches for g in groups(["ticket", "random_reinit"])]
        [('ticket', 'random_reinit')]
    """
    found = ordered(branches)
    if len(found) <= MOST_LINES:
        return [Group("", "", tuple(found))]
    ticket = [name for name in found if name == TICKET]
    parts = [Group("", *_members("controls", found, ticket))]
    others = [name for name in found if _base(name) not in _ORDER]
    for name in _GROUPS:
        if name == "controls":
            continue
        title, members = _members(name, found, ticket)
        guests = {*_GUESTS.get(name, ()), TICKET}
        if any(_base(member) not in guests for member in members):
            parts += _cut(name, title, members, len(ticket))
    shown = {name for group in parts for name in group.branches}
    others = [name for name in others if name not in shown and name != TICKET]
    if others:
        parts += _cut("others", "others", (*ticket, *others), len(ticket))
    return parts


def _members(name: str, found: list[str], ticket: list[str]) -> tuple:
    title, names = _GROUPS[name]
    return title, (*ticket, *(b for b in found if _base(b) in names))


def _cut(
    name: str, title: str, members: tuple[str, ...], shared: int
) -> list[Group]:
    """Cuts a group that is too long; each part begins with the ticket."""
    most = MOST_LINES + 1 - shared
    rest = members[shared:]
    parts = [rest[i : i + most] for i in range(0, len(rest), most)]
    return [
        Group(
            name if i == 0 else f"{name}_{i + 1}",
            title if len(parts) == 1 else f"{title} ({i + 1} of {len(parts)})",
            (*members[:shared], *part),
        )
        for i, part in enumerate(parts)
    ]


_FIXED = {TICKET: 0, "random_reinit": 1, "random_ticket": 2}


def places(branches: Iterable[str]) -> dict[str, int]:
    """Gives each branch of a figure a number for its colour and marker.

    The ticket, the random reinit and the random ticket have the same number
    in every figure.

    Example:
        >>> places(["ticket", "random_ticket", "snip"])
        {'ticket': 0, 'random_ticket': 2, 'snip': 3}
    """
    branches = list(branches)
    found = {name: _FIXED[name] for name in branches if name in _FIXED}
    free = [i for i in (3, 4, 5, 6, 1, 2) if i not in found.values()]
    free += list(range(7, 7 + len(branches)))
    for name in branches:
        if name not in found:
            found[name] = free.pop(0)
    return found
