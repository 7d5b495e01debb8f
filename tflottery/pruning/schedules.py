"""How dense each round is.

A search is a row of rounds, of which round 0 is the dense network. A schedule
says what density each asks for, always of the full size and never of what the
last round left: so rounding does not add up, and a round can be repeated.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

from tflottery.core import checks
from tflottery.pruning import registry

_SPARSITY = "It is the share of weights set to zero; use 0.8 for 80 percent."


class Schedule(registry.Configurable, abc.ABC):
    """The density of each round.

    Subclass it, as a frozen dataclass, to bring a schedule of your own. The
    density must not rise: a pruned weight never returns.
    """

    name: str

    @abc.abstractmethod
    def density(self, round: int) -> float:
        """Returns the share of all weights that a round keeps.

        Args:
            round: The round, from 0 (dense) upwards.

        Returns:
            A density in (0, 1].

        Raises:
            TypeError: If `round` is not an integer.
            ValueError: If it is negative.
        """


schedule_registry: registry.Registry[Schedule] = registry.Registry(
    "schedule", Schedule
)


def register(cls: type[Schedule]) -> type[Schedule]:
    """Makes a schedule of your own known by its `name`; a decorator.

    Args:
        cls: A subclass of `Schedule`.

    Returns:
        The class itself.

    Raises:
        ValueError: If the name is taken.
    """
    return schedule_registry.register(cls)


def names() -> tuple[str, ...]:
    """Returns the valid names.

    Example:
        >>> names()
        ('geometric', 'one_shot', 'constant', 'polynomial')
    """
    return schedule_registry.names()


def get(identifier: Any) -> Schedule:
    """Returns a schedule from a config or a schedule.

    Args:
        identifier: What `serialize` returned, or an instance. A name will do
            for a schedule without arguments.

    Returns:
        A `Schedule`.

    Raises:
        TypeError: If `identifier` is none of these.
        ValueError: If the name is unknown, or needs arguments.

    Example:
        >>> get({"name": "geometric", "config": {"prune_fraction": 0.2}})
        Geometric(prune_fraction=0.2)
    """
    return schedule_registry.get(identifier)


def serialize(schedule: Schedule) -> str | dict[str, Any]:
    """Returns plain JSON values from which `get` makes an equal schedule.

    Args:
        schedule: An instance of a registered class.

    Returns:
        `{"name": name, "config": arguments}`.

    Example:
        >>> serialize(OneShot(0.8))
        {'name': 'one_shot', 'config': {'sparsity': 0.8}}
    """
    return schedule_registry.serialize(schedule)


def _check_round(round: int) -> int:
    return checks.check_non_negative_int(
        "round", round, what="Round 0 is the dense network."
    )


@schedule_registry.register
@dataclasses.dataclass(frozen=True)
class Geometric(Schedule):
    """Each round keeps the same share of the survivors: (1 - p)**r.

    The one of the lottery-ticket papers.

    Args:
        prune_fraction: The share p of the survivors removed in one round, in
            [0, 1).

    Example:
        >>> [round(Geometric(0.2).density(r), 3) for r in range(4)]
        [1.0, 0.8, 0.64, 0.512]

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 2.
    """

    prune_fraction: float
    name = "geometric"

    def __post_init__(self):
        fraction = checks.check_fraction(
            "prune_fraction",
            self.prune_fraction,
            what="It is the share of surviving weights removed each round; "
            "use 0.2 to remove a fifth.",
        )
        object.__setattr__(self, "prune_fraction", fraction)

    def density(self, round: int) -> float:
        """Returns (1 - p)**r."""
        return (1.0 - self.prune_fraction) ** _check_round(round)


@schedule_registry.register
@dataclasses.dataclass(frozen=True)
class OneShot(Schedule):
    """Everything goes in round 1; round 0 is dense.

    Args:
        sparsity: The share of weights removed, in [0, 1).

    Example:
        >>> [OneShot(0.75).density(r) for r in range(3)]
        [1.0, 0.25, 0.25]

    Reference: Frankle and Carbin, 2019, section 1.
    """

    sparsity: float
    name = "one_shot"

    def __post_init__(self):
        value = checks.check_fraction("sparsity", self.sparsity, what=_SPARSITY)
        object.__setattr__(self, "sparsity", value)

    def density(self, round: int) -> float:
        """Returns 1 in round 0 and 1 - sparsity from then on."""
        return 1.0 if _check_round(round) == 0 else 1.0 - self.sparsity


@schedule_registry.register
@dataclasses.dataclass(frozen=True)
class Constant(Schedule):
    """Every round, round 0 too, has the same density: to prune before training.

    Args:
        sparsity: The share of weights removed, in [0, 1).

    Example:
        >>> [Constant(0.75).density(r) for r in range(3)]
        [0.25, 0.25, 0.25]
    """

    sparsity: float
    name = "constant"

    def __post_init__(self):
        value = checks.check_fraction("sparsity", self.sparsity, what=_SPARSITY)
        object.__setattr__(self, "sparsity", value)

    def density(self, round: int) -> float:
        """Returns 1 - sparsity."""
        _check_round(round)
        return 1.0 - self.sparsity


@schedule_registry.register
@dataclasses.dataclass(frozen=True)
class Polynomial(Schedule):
    """The sparsity rises fast, then slowly, to its end after `rounds` rounds.

    With s_i and s_f the sparsities, n the rounds and q the power, round r has
    the sparsity s_f + (s_i - s_f) (1 - r / n)**q, and s_f from round n on.

    Args:
        initial_sparsity: The sparsity s_i of round 0, in [0, 1).
        final_sparsity: The sparsity s_f of round n, in [0, 1) and not below
            the initial one.
        rounds: The number n of rounds, at least 1.
        power: The exponent q, above 0. Defaults to 3.

    Example:
        >>> schedule = Polynomial(0.0, 0.8, rounds=4)
        >>> [round(schedule.density(r), 4) for r in range(6)]
        [1.0, 0.5375, 0.3, 0.2125, 0.2, 0.2]

    Reference: Zhu and Gupta, To prune, or not to prune, 2017, section 3; TF-MOT
    names it `PolynomialDecay`.
    """

    initial_sparsity: float
    final_sparsity: float
    rounds: int
    power: float = 3.0
    name = "polynomial"

    def __post_init__(self):
        for argument in ("initial_sparsity", "final_sparsity"):
            value = checks.check_fraction(
                argument, getattr(self, argument), what=_SPARSITY
            )
            object.__setattr__(self, argument, value)
        if self.final_sparsity < self.initial_sparsity:
            raise ValueError(
                "`final_sparsity` must not be below `initial_sparsity`. "
                f"Received: initial_sparsity={self.initial_sparsity}, "
                f"final_sparsity={self.final_sparsity}. Pruned weights never "
                "return; swap the two."
            )
        rounds = checks.check_positive_int(
            "rounds", self.rounds, what="Use 10 to end after ten rounds."
        )
        object.__setattr__(self, "rounds", rounds)
        what = "Use 3 for the cubic law, 1 for a straight line."
        power = checks.check_finite("power", self.power, what=what)
        if power <= 0:
            raise ValueError(
                f"`power` must be above 0. Received: power={power}. {what}"
            )
        object.__setattr__(self, "power", power)

    def density(self, round: int) -> float:
        """Returns 1 - s_f - (s_i - s_f) (1 - r / n)**q."""
        left = 1.0 - min(_check_round(round), self.rounds) / self.rounds
        span = self.initial_sparsity - self.final_sparsity
        return 1.0 - (self.final_sparsity + span * left**self.power)
