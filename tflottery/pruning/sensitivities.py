"""Criteria that ask what the network would lose: they read gradients.

All three serve to prune at initialisation, before any training. The gradients
are those of the masked network as it stands, and are handed in as evidence.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tflottery.pruning.criterion import (
    Criterion,
    Evidence,
    as_double,
    criterion_registry,
)


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class Snip(Criterion):
    """Keeps the weights whose loss of connection the loss would feel: |w g|.

    With g = dL/dw on a batch, |w g| is the size of the derivative of the loss
    by a switch on the connection. The method's division by the sum over all
    weights changes no ranking and is left out.

    Example:
        >>> known = Evidence(weights={"a": [2.0]}, gradients={"a": [-3.0]})
        >>> Snip().scores(known)
        {'a': array([6.])}

    Reference: Lee, Ajanthan and Torr, SNIP: Single-shot Network Pruning based
    on Connection Sensitivity, 2019, section 4.
    """

    name = "snip"
    requires = frozenset({"weights", "gradients"})

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns |w g|, in float64."""
        found = evidence.select(self.name, "weights", "gradients")
        return {
            path: np.abs(as_double(weight) * as_double(gradient))
            for path, weight, gradient in found
        }


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class Grasp(Criterion):
    """Keeps the weights whose removal would hurt the gradient flow: w (H g).

    To first order, removing a weight changes the squared norm of the gradient
    by -2 w (H g). The paper removes the largest -w (H g); here, as everywhere,
    the larger score is kept, so the score is +w (H g). It has a sign.

    Example:
        >>> known = Evidence({"a": [2.0]}, hessian_gradients={"a": [-3.0]})
        >>> Grasp().scores(known)
        {'a': array([-6.])}

    Reference: Wang, Zhang and Grosse, Picking Winning Tickets Before Training
    by Preserving Gradient Flow, 2020, section 4.
    """

    name = "grasp"
    requires = frozenset({"weights", "hessian_gradients"})

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns w (H g), in float64."""
        found = evidence.select(self.name, "weights", "hessian_gradients")
        return {
            path: as_double(weight) * as_double(product)
            for path, weight, product in found
        }


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class SynFlow(Criterion):
    """Keeps the weights that carry the synaptic flow: |w dR/d|w||.

    R is the summed output of the network of absolute weights for an input of
    ones, so no data is needed. Meant for many small steps (the paper takes
    100, the density falling geometrically), each with fresh gradients: in one
    step whole layers may vanish.

    Example:
        >>> known = Evidence(weights={"a": [-2.0]}, flow_gradients={"a": [3.0]})
        >>> SynFlow().scores(known)
        {'a': array([6.])}

    Reference: Tanaka et al., Pruning neural networks without any data by
    iteratively conserving synaptic flow, 2020, algorithm 1.
    """

    name = "synflow"
    requires = frozenset({"weights", "flow_gradients"})

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns |w dR/d|w||, in float64."""
        found = evidence.select(self.name, "weights", "flow_gradients")
        return {
            path: np.abs(as_double(weight) * as_double(gradient))
            for path, weight, gradient in found
        }
