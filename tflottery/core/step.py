"""A point in training that knows its unit.

"Rewind to 500" means nothing until one says 500 what. Papers count optimizer
steps, epochs or a share of the training; mixing them up gives another
experiment without an error. A `Step` carries its unit, prints it, and is turned
into optimizer steps only where the length of an epoch or of the training is
known.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from decimal import Decimal
from fractions import Fraction

from tflottery.core import checks

_FORM = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*(it|ep|%)?\s*", re.ASCII)
_WAY_OUT = (
    "Write '500it' for 500 optimizer steps, '2ep' for two epochs or '2%' for a "
    "fiftieth of the planned training; a bare integer counts steps."
)


@dataclasses.dataclass(frozen=True)
class Step:
    """A point in training, as an amount of one unit.

    Where one wants it: wherever a time in training is asked for, above all the
    rewind step. It is a value: frozen, hashable, and its text is read back to
    an equal one.

    Two steps are ordered if they have the same unit. Ordering different units
    is refused, as the answer depends on the data set and the training; they
    are merely not equal, so that steps can be kept in sets and dicts.

    Args:
        amount: At least 0. An integer for `"it"`; for `"ep"` and `"%"` it may
            have decimals, which are taken exactly as written. `"%"` goes to
            100.
        unit: `"it"` (optimizer steps), `"ep"` (epochs) or `"%"` (hundredths of
            the planned training).

    Raises:
        TypeError: If `amount` is not a number.
        ValueError: If `amount` is outside its range, or `unit` is unknown.

    Example:
        >>> Step(500, "it").to_steps()
        500
        >>> str(Step.parse("2%"))
        '2%'
        >>> Step.parse("2%").to_steps(total_steps=27_500)
        550
        >>> Step.parse("1ep") < Step.parse("2ep")
        True
    """

    amount: int | float
    unit: str

    def __post_init__(self) -> None:
        amount, unit = self.amount, self.unit
        checks.check_choice("unit", unit, ("it", "ep", "%"), way_out=_WAY_OUT)
        if not isinstance(amount, numbers.Real) or isinstance(amount, bool):
            raise TypeError(
                f"`amount` must be a number. Received: amount={amount!r}. "
                f"{_WAY_OUT}"
            )
        if not (math.isfinite(amount) and amount >= 0):
            raise ValueError(
                "`amount` must be finite and at least 0. Received: "
                f"amount={amount!r}. {_WAY_OUT}"
            )
        whole = amount == int(amount)
        if unit == "it" and not whole:
            raise ValueError(
                "`amount` must be an integer when it counts optimizer steps. "
                f"Received: amount={amount!r}. {_WAY_OUT}"
            )
        if unit == "%" and amount > 100:
            raise ValueError(
                "`amount` must be in [0, 100] when it is a percentage. "
                f"Received: amount={amount!r}. {_WAY_OUT}"
            )
        plain = int(amount) if whole else float(amount)
        object.__setattr__(self, "amount", plain)

    @classmethod
    def parse(cls, value: int | str | Step) -> Step:
        """Reads a step from an integer, a text or a step.

        Args:
            value: An integer (optimizer steps), a text such as `"500it"`,
                `"2ep"`, `"0.5%"` or `"500"` (steps again), or a `Step`, which
                is returned as it is.

        Returns:
            A `Step`.

        Raises:
            TypeError: If `value` is of another type; floats are refused, since
                0.02 could be meant as a share or as a count.
            ValueError: If the text is not of this form, or out of range.

        Example:
            >>> Step.parse(500)
            Step(amount=500, unit='it')
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, numbers.Integral) and not isinstance(value, bool):
            return cls(int(value), "it")
        if not isinstance(value, str):
            raise TypeError(
                "A step must be an integer, a text or a `Step`. Received: "
                f"{value!r} of type {type(value).__name__}. {_WAY_OUT}"
            )
        form = _FORM.fullmatch(value)
        if form is None:
            raise ValueError(
                "A step must be an amount and a unit. Received: "
                f"{value!r}. {_WAY_OUT}"
            )
        number, unit = form.groups()
        amount = int(number) if number.isdigit() else float(number)
        return cls(amount, unit or "it")

    def to_steps(
        self,
        steps_per_epoch: int | None = None,
        total_steps: int | None = None,
    ) -> int:
        """Counts the optimizer steps up to this point.

        Fractions of a step are rounded to the nearest integer, halves to the
        even one. Decimals are exact: `"0.35%"` of 1,000 steps is 3.5 of them
        and gives 4, where binary arithmetic may find 3.4999... and give 3.

        Args:
            steps_per_epoch: Optimizer steps in one epoch; needed for `"ep"`.
            total_steps: Optimizer steps of the planned training; needed for
                `"%"`.

        Returns:
            The number of optimizer steps, an int of at least 0.

        Raises:
            ValueError: If the length that the unit needs is missing or is not
                positive.

        Example:
            >>> Step.parse("2ep").to_steps(steps_per_epoch=430)
            860
        """
        if self.unit == "it":
            return int(self.amount)
        amount = Fraction(repr(self.amount))
        if self.unit == "ep":
            length = self._length(
                "steps_per_epoch", steps_per_epoch, "an epoch"
            )
            return round(amount * length)
        length = self._length("total_steps", total_steps, "the training")
        return round(amount * length / 100)

    def _length(self, name: str, value: int | None, whole: str) -> int:
        if value is None:
            raise ValueError(
                f"`{name}` is needed to turn '{self}' into optimizer steps. "
                f"Received: {name}=None. Pass the number of steps in {whole}, "
                "or write the point in steps, such as '500it'."
            )
        return checks.check_positive_int(
            name, value, what=f"It is the number of steps in {whole}."
        )

    def _check_same_unit(self, other: Step) -> None:
        if self.unit != other.unit:
            raise ValueError(
                "Steps of different units cannot be ordered. Received: "
                f"'{self}' and '{other}'. Turn both into optimizer steps with "
                "`to_steps(steps_per_epoch=..., total_steps=...)` first."
            )

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Step):
            return NotImplemented
        self._check_same_unit(other)
        return self.amount < other.amount

    def __le__(self, other: object) -> bool:
        if not isinstance(other, Step):
            return NotImplemented
        self._check_same_unit(other)
        return self.amount <= other.amount

    def __str__(self) -> str:
        # Decimal writes small amounts out, where float would print 1e-05.
        return f"{Decimal(repr(self.amount)):f}{self.unit}"
