"""`Branch`: a way to make a network that a ticket is compared with."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterable

from tflottery.core.mask import Mask
from tflottery.lottery.branches.asked import Asked
from tflottery.lottery.config import SearchConfig
from tflottery.rewinding.snapshot import Snapshot

REWINDING = "weight_rewinding"


@dataclasses.dataclass(frozen=True)
class Start:
    """What a round of a branch begins with.

    Args:
        mask: the mask that holds through the round.
        snapshot: the weights; what the mask prunes is zeroed.
        first_step: place in the stream of batches and of the learning-rate
            schedule to begin at.
        last_step: where to end.
        order_seed: seed of the order of the data.
        optimizer: `"fresh"` starts the optimizer's slots anew, `"restore"`
            takes those of the snapshot.
    """

    mask: Mask
    snapshot: Snapshot
    first_step: int
    last_step: int
    order_seed: int
    optimizer: str = "fresh"


class Branch(abc.ABC):
    """A way to make a network that a ticket is compared with.

    Subclasses say what a round begins with; everything after that is the same
    for all branches and for the ticket.

    Attributes:
        name: what `results.csv` and the folders call it.
        description: what differs from the ticket, one phrase.
        source: paper and section.
        beside_rewound: whether it is a control of tickets that are rewound,
            so that it says nothing of a search with another policy.
        first_round: the first round that makes sense; 0 is dense.
        is_random: whether draws differ from one another.
        is_chain: whether a round goes on from the branch's own round before.
        keeps_slots: whether the round after needs the optimizer too.
        example: an argument that `name@argument` takes; empty if none.
    """

    name: str
    description: str
    source: str
    beside_rewound = True
    first_round = 1
    is_random = False
    is_chain = False
    keeps_slots = False
    example = ""

    def __init__(self, argument: str = ""):
        self.argument = argument

    def resolve(self, config: SearchConfig, steps_per_epoch: int) -> Branch:
        """Returns this branch for one search, its argument made plain.

        Args:
            config: the settings of the search.
            steps_per_epoch: of its data.

        Returns:
            A branch whose `label` is the same for all ways to write the same
            argument.

        Raises:
            ValueError: the branch makes no sense for this search.
        """
        if self.beside_rewound and config.policy != REWINDING:
            raise ValueError(
                f"The branch {self.name!r} is a control of tickets whose "
                "weights go back to step k. Received: a search with policy="
                f"{config.policy!r}, whose tickets keep their weights. Search "
                f"with policy={REWINDING!r}; this policy is a branch there, "
                "see `tflottery controls --help`."
            )
        return self

    @property
    def label(self) -> str:
        """The name with its argument, as `results.csv` has it."""
        return f"{self.name}@{self.argument}" if self.argument else self.name

    def needed(self, wanted: Iterable[int]) -> list[int]:
        """Returns the rounds it takes to have the wanted ones, ascending.

        Args:
            wanted: numbers of rounds.
        """
        found = sorted(r for r in wanted if r >= self.first_round)
        if self.is_chain and found:
            return list(range(self.first_round, found[-1] + 1))
        return found

    @abc.abstractmethod
    def start(self, asked: Asked) -> Start:
        """Returns what a round begins with.

        Args:
            asked: which round, and what there is to begin with.
        """


def check_unstructured(branch: Branch, config: SearchConfig) -> None:
    """Refuses a branch whose masks have no structure but single weights."""
    names = ("unstructured", "channel")
    if config.structure in names:
        return
    raise ValueError(
        f"The branch {branch.name!r} would break the structure of the masks. "
        f"Received: structure={config.structure!r}; it can be one of {names}. "
        "Use 'random_ticket', which draws masks of the same structure."
    )
