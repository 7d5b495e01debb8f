"""How many random units each construction takes: what is proved, what suffices.

The constructions of strong tickets differ in one number, the random units that
must be sampled for one input of a layer so that each of its weights can be made
of some of them. Here these numbers are side by side; `least_samples` measures
what really suffices.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tflottery.core.checks import check_finite, check_positive_int
from tflottery.core.text_table import set_table
from tflottery.supermasks.both_weights import BothWeights
from tflottery.supermasks.construction import Construction, Need
from tflottery.supermasks.logarithmic import Logarithmic
from tflottery.supermasks.polynomial import Polynomial
from tflottery.supermasks.subset_sum import SubsetSum


@dataclasses.dataclass(frozen=True)
class SampleCount:
    """What one construction takes for one layer.

    Attributes:
        construction: Its name.
        basis: "proved" (bounds of ours; proofs in the classes) or "measured"
            (a rule fitted to simulations).
        units_per_input: Random units for each input of the layer, which is
            also the number of products that a weight can choose among, of both
            signs of a.
        units_per_weight: The same for each weight of the target, since all
            weights of an input share its units.
    """

    construction: str
    basis: str
    units_per_input: int
    units_per_weight: float


def compare_sample_counts(
    inputs: int,
    outputs: int,
    weight_error: float,
    *,
    largest_weight: float = 1.0,
    delta: float = 0.05,
    signs: int = 1,
) -> tuple[SampleCount, ...]:
    """Says what each construction takes for a dense layer.

    Args:
        inputs: Inputs of the layer, one more if it has biases.
        outputs: Its outputs.
        weight_error: How far a weight may be off, > 0.
        largest_weight: Largest |weight| of the target's layer, > 0. Defaults
            to 1.
        delta: Probability in (0, 1) that any weight of the layer may be
            missed. Defaults to 0.05.
        signs: 2 where the layer's inputs can be negative. Defaults to 1.

    Returns:
        One `SampleCount` for each construction and basis: both weights near
        given values (the argument of Malach et al.), the nearest product,
        base 3/2 (after Orseau et al.), subset sums as proved, and as measured.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of range.

    Example:
        >>> counts = compare_sample_counts(784, 300, weight_error=0.01)
        >>> print(sample_counts_table(counts))
        construction  basis     units per input  units per weight
        both weights  proved          7,517,426        25,058.087
        polynomial    proved              8,353            27.843
        logarithmic   proved              1,714             5.713
        subset sum    proved                567             1.890
        subset sum    measured               78             0.260

    Reference:
        E. Malach et al., 2020; L. Orseau et al., 2020; A. Pensia et al., 2020.
        All numbers are those of our proofs, none is quoted from the papers.
    """
    need = make_need(
        inputs,
        outputs,
        weight_error,
        largest_weight=largest_weight,
        delta=delta,
        signs=signs,
    )
    rows: tuple[tuple[Construction, str], ...] = (
        (BothWeights(), "proved"),
        (Polynomial(), "proved"),
        (Logarithmic(), "proved"),
        (SubsetSum("proved"), "proved"),
        (SubsetSum("measured"), "measured"),
    )
    counts = []
    for construction, basis in rows:
        units = construction.units(need)
        counts.append(
            SampleCount(construction.name, basis, units, units / outputs)
        )
    return tuple(counts)


def make_need(
    inputs: int,
    outputs: int,
    weight_error: float,
    *,
    largest_weight: float = 1.0,
    delta: float = 0.05,
    signs: int = 1,
) -> Need:
    """Describes a dense layer to the constructions, arguments checked.

    Args:
        inputs: As in `compare_sample_counts`, as are the others.
        outputs: Outputs.
        weight_error: Weight error.
        largest_weight: Largest weight.
        delta: Probability of failure.
        signs: 1 or 2.

    Returns:
        The `Need`.

    Raises:
        TypeError: An argument is not a number.
        ValueError: An argument is out of range.

    Example:
        >>> make_need(784, 300, 0.01).requirements
        235200
    """
    check_positive_int("inputs", inputs)
    check_positive_int("outputs", outputs)
    for name, value in (
        ("weight_error", weight_error),
        ("largest_weight", largest_weight),
    ):
        if check_finite(name, value) <= 0:
            raise ValueError(
                f"`{name}` must be positive. Received: {name}={value!r}. "
                "Errors are sizes, on the scale of the weights."
            )
    if not 0 < check_finite("delta", delta) < 1:
        raise ValueError(
            f"`delta` must be in (0, 1). Received: delta={delta!r}. It is the "
            "probability that something is missing; use 0.05."
        )
    if signs not in (1, 2):
        raise ValueError(
            f"`signs` must be 1 or 2. Received: signs={signs!r}. Use 2 where "
            "the layer's inputs can be negative."
        )
    return Need(outputs, inputs, signs, largest_weight, weight_error, delta)


def sample_counts_table(counts: Sequence[SampleCount]) -> str:
    """Sets counts in a table for people.

    Args:
        counts: What `compare_sample_counts` returned.

    Returns:
        Text of one line for each count, and a heading.

    Example:
        >>> print(sample_counts_table([SampleCount("mine", "proved", 9, .5)]))
        construction  basis   units per input  units per weight
        mine          proved                9             0.500
    """
    rows = [("construction", "basis", "units per input", "units per weight")]
    for count in counts:
        rows.append(
            (
                count.construction,
                count.basis,
                f"{count.units_per_input:,}",
                f"{count.units_per_weight:,.3f}",
            )
        )
    return set_table(rows, num_left=2)
