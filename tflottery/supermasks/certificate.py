"""The certificate: what was asked, what was found, and whether it holds.

The theorem says what happens with high probability; a certificate says what
happened. Everything in it is measured on the ticket at hand or follows from
such measurements by a bound that is proved, and it says which is which.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tflottery.core import documents
from tflottery.core.text_table import set_table

_COLUMNS = tuple(
    "layer,weights,units sampled,kept,per weight,edges kept,weight error,bound,"
    "missing".split(",")
)


@dataclasses.dataclass(frozen=True)
class LayerCertificate:
    """What became of one layer of the target.

    Attributes:
        name: Name of the target's layer.
        weights: Its weights and biases.
        units_sampled: Hidden units drawn for it.
        units_kept: Those that are kept.
        edges_sampled: Weights into and out of these units, biases included.
        edges_kept: Those that are kept.
        largest_weight: Largest |weight or bias| of the target's layer.
        largest_weight_error: Largest |error| of what the products make up, in
            float64.
        weight_error_bound: What it cannot exceed where nothing is missing.
        missing: What no sample met, over all weights: bins of the logarithmic
            construction, whole weights of the others.
        requirements: Pairs of a weight and a sign of its input to be met.
        largest_input: Largest |entry| of the target layer's input, over the
            inputs given.
        output_error_bound: e(i): a bound on the error of this layer's output.
        details: Figures of the construction, such as its number of bins.
    """

    name: str
    weights: int
    units_sampled: int
    units_kept: int
    edges_sampled: int
    edges_kept: int
    largest_weight: float
    largest_weight_error: float
    weight_error_bound: float
    missing: int
    requirements: int
    largest_input: float
    output_error_bound: float
    details: dict[str, float]

    @property
    def units_per_weight(self) -> float:
        """Hidden units sampled for one weight of the target."""
        return self.units_sampled / self.weights


@dataclasses.dataclass(frozen=True)
class Control:
    """The same with weights of another law, sizes unchanged.

    Attributes:
        name: What it is.
        missing: What no sample met.
        largest_weight_error: Largest |error| of a weight.
        weight_error_exceeded: Whether a layer's is above the bound that the
            construction keeps there.
        sup_error: Largest |error| of an output, of its Keras model over the
            inputs; None where that does not fit into the memory allowed.
        found_error_bound: Bound on it from the weight errors that it has.
    """

    name: str
    missing: int
    largest_weight_error: float
    weight_error_exceeded: bool
    sup_error: float | None
    found_error_bound: float


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What a strong ticket is, in figures.

    Attributes:
        construction: Name of the construction.
        seed: Seed of the random network.
        epsilon: The error asked for; e(l) of the weight error asked for where
            that was given instead.
        delta: The probability, over the random network, with which something
            may be missing; see `delta_is_proved`. The bound on the error holds
            with probability at least 1 - delta, for all inputs at once that
            the figures F(i) hold for, and in any case where nothing is
            missing.
        weight_error: How far one weight may be off, as follows from epsilon.
        error_bound: e(l), proved where nothing is missing, <= epsilon.
        found_error_bound: The same from the weight errors that were found;
            proved whatever is missing.
        rounding_bound: How far the rounding of float32 may move the outputs
            besides, in the worst case and to first order. The bounds above
            are about exact arithmetic; what is measured includes rounding,
            which is far below this worst case.
        sup_error: Largest |difference| of an output of target and ticket, of
            the real Keras models in float32, over the inputs.
        mean_error: Its mean.
        inputs: How many inputs there were.
        non_negative_inputs: Whether the bounds are about inputs without
            negative entries only.
        parameters: Numbers in the random network.
        parameters_kept: Those that are kept.
        target_parameters: Numbers in the target's layers.
        storage: How the ticket is held, "full" or "kept".
        layers: The layers.
        control: The control, or None.
        seconds: Time for each part of the work.

    Example:
        >>> import keras, numpy as np
        >>> from tflottery import supermasks
        >>> target = keras.Sequential(
        ...     [keras.Input((3,)), keras.layers.Dense(2)])
        >>> inputs = np.random.default_rng(0).random((9, 3), np.float32)
        >>> found = supermasks.logarithmic_ticket(target, inputs, epsilon=0.01)
        >>> found.certificate.holds, found.certificate.missing
        (True, 0)
        >>> found.certificate.sup_error < found.certificate.error_bound <= 0.01
        True
    """

    construction: str
    seed: int
    epsilon: float
    delta: float
    weight_error: float
    error_bound: float
    found_error_bound: float
    rounding_bound: float
    sup_error: float
    mean_error: float
    inputs: int
    non_negative_inputs: bool
    parameters: int
    parameters_kept: int
    target_parameters: int
    storage: str
    layers: tuple[LayerCertificate, ...]
    control: Control | None
    seconds: dict[str, float]

    @property
    def missing(self) -> int:
        """What no sample met, over all layers."""
        return sum(layer.missing for layer in self.layers)

    @property
    def delta_is_proved(self) -> bool:
        """Whether `delta` is proved, or else a rule found by simulation."""
        return all(
            layer.details.get("units", 0) >= layer.details["proved_units"]
            for layer in self.layers
            if "proved_units" in layer.details
        )

    @property
    def largest_weight_error(self) -> float:
        """Largest |error| of a weight or bias, over all layers."""
        return max(layer.largest_weight_error for layer in self.layers)

    @property
    def bound_is_kept(self) -> bool:
        """Whether every error is within its bound.

        The weights' errors and the output's, the latter as it follows from the
        weights and as it was measured. Where nothing is missing this is
        proved, but for the rounding of float32 in what was measured.
        """
        slack = 1 + 1e-9  # The bounds themselves are computed in float64.
        return (
            self.sup_error <= self.epsilon
            and self.found_error_bound <= self.error_bound * slack
            and all(
                layer.largest_weight_error <= layer.weight_error_bound * slack
                for layer in self.layers
            )
        )

    @property
    def holds(self) -> bool:
        """Whether nothing is missing and every error is within its bound."""
        return self.missing == 0 and self.bound_is_kept

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain data; `from_json` gives it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Certificate:
        """Makes a certificate from what `to_json` returned."""
        control = data["control"]
        return cls(
            **{
                **data,
                "layers": tuple(
                    LayerCertificate(**layer) for layer in data["layers"]
                ),
                "control": Control(**control) if control else None,
            }
        )

    def save(self, path: Any) -> None:
        """Writes it as JSON with a checksum.

        Args:
            path: File, local or remote.
        """
        documents.write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Any) -> Certificate:
        """Reads what `save` wrote.

        Args:
            path: File, local or remote.
        """
        return cls.from_json(documents.read_json(path))

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "does not hold"
        basis = "" if self.delta_is_proved else " (measured, not proved)"
        lines = [
            f"Certificate of a strong ticket ({self.construction}, seed "
            f"{self.seed}): {verdict}",
            "",
            _layers_table(self.layers),
            "",
            f"random network     {self.parameters:,} weights, of which "
            f"{self.parameters_kept:,} are kept for a target of "
            f"{self.target_parameters:,}",
            f"weight error       {self.largest_weight_error:.3g}, allowed "
            f"{self.weight_error:.3g}",
            f"missing            {self.missing:,}, none with probability "
            f">= {1 - self.delta:g}{basis}",
            f"output error       {self.sup_error:.3g} at most, "
            f"{self.mean_error:.3g} on average over {self.inputs:,} inputs",
            f"bound on it        {self.error_bound:.3g} (asked: "
            f"{self.epsilon:.3g}); from the weights as found: "
            f"{self.found_error_bound:.3g}",
            f"float32 rounding   {self.rounding_bound:.3g} at worst, on top",
        ]
        if self.control:
            lines.append(_control_line(self.control))
        if self.non_negative_inputs:
            lines.append("valid for          inputs without negative entries")
        lines.append(
            "seconds            "
            + ", ".join(f"{k} {v:.1f}" for k, v in self.seconds.items())
        )
        return "\n".join(lines)


def _layers_table(layers):
    rows = [_COLUMNS]
    for layer in layers:
        rows.append(
            (
                layer.name,
                f"{layer.weights:,}",
                f"{layer.units_sampled:,}",
                f"{layer.units_kept:,}",
                f"{layer.units_per_weight:.1f}",
                f"{layer.edges_kept:,}",
                f"{layer.largest_weight_error:.2e}",
                f"{layer.weight_error_bound:.2e}",
                f"{layer.missing:,}",
            )
        )
    return set_table(rows)


def _control_line(control):
    above = "above" if control.weight_error_exceeded else "within"
    sup = "unknown" if control.sup_error is None else f"{control.sup_error:.3g}"
    return (
        f"{control.name:<18} {control.missing:,} missing, weight error "
        f"{control.largest_weight_error:.3g} ({above} the bound), output "
        f"error {sup}, bound {control.found_error_bound:.3g}"
    )
