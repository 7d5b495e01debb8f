"""Criteria that look at the size of a weight, after training and before.

With w_f the final and w_i the initial weight these are the mask criteria of
Zhou et al., 2019, section 3: which weights to keep is a question about the
plane of w_i and w_f, and each criterion is one way to cut it. `Magnitude` is
the one of the lottery-ticket papers; most of the others are controls.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tflottery.core import cores
from tflottery.pruning.criterion import (
    Criterion,
    Evidence,
    as_double,
    criterion_registry,
)

_WITH_INITIAL = frozenset({"weights", "initial"})


@dataclasses.dataclass(frozen=True)
class Magnitude(Criterion):
    """Keeps the weights of largest final magnitude, |w_f|.

    The usual one, and that of the lottery-ticket papers. Also `large_final`.

    Example:
        >>> Magnitude().scores(Evidence(weights={"a": [1.0, -2.0]}))
        {'a': array([1., 2.])}

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 2.
    """

    name = "magnitude"

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns |w_f|, in the type of the weights."""
        found = cores.each(
            lambda pair: (pair[0], np.abs(pair[1])),
            evidence.select(self.name, "weights"),
            sum(np.size(final) for final in evidence.weights.values()),
        )
        return dict(found)


criterion_registry.register(Magnitude, "large_final")


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class SmallFinal(Criterion):
    """Keeps the weights of smallest final magnitude: -|w_f|. A control.

    Example:
        >>> SmallFinal().scores(Evidence(weights={"a": [1.0, -2.0]}))
        {'a': array([-1., -2.])}

    Reference: Zhou et al., Deconstructing Lottery Tickets, 2019, section 3.
    """

    name = "small_final"

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns -|w_f|."""
        found = evidence.select(self.name, "weights")
        return {path: -np.abs(final) for path, final in found}


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class LargeInit(Criterion):
    """Keeps the weights of largest initial magnitude, |w_i|.

    Example:
        >>> known = Evidence(weights={"a": [1.0]}, initial={"a": [-3.0]})
        >>> LargeInit().scores(known)
        {'a': array([3.])}

    Reference: Zhou et al., 2019, section 3.
    """

    name = "large_init"
    requires = _WITH_INITIAL

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns |w_i|."""
        found = evidence.select(self.name, "initial")
        return {path: np.abs(initial) for path, initial in found}


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class SmallInit(Criterion):
    """Keeps the weights of smallest initial magnitude: -|w_i|. A control.

    Example:
        >>> known = Evidence(weights={"a": [1.0]}, initial={"a": [-3.0]})
        >>> SmallInit().scores(known)
        {'a': array([-3.])}

    Reference: Zhou et al., 2019, section 3.
    """

    name = "small_init"
    requires = _WITH_INITIAL

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns -|w_i|."""
        found = evidence.select(self.name, "initial")
        return {path: -np.abs(initial) for path, initial in found}


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class LargeInitLargeFinal(Criterion):
    """Keeps what was large and is large: min(|w_f|, |w_i|).

    Example:
        >>> known = Evidence(weights={"a": [1.0]}, initial={"a": [-3.0]})
        >>> LargeInitLargeFinal().scores(known)
        {'a': array([1.])}

    Reference: Zhou et al., 2019, section 3, with their scale factor at 1.
    """

    name = "large_init_large_final"
    requires = _WITH_INITIAL

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns min(|w_f|, |w_i|)."""
        found = evidence.select(self.name, "weights", "initial")
        return {
            path: np.minimum(np.abs(final), np.abs(initial))
            for path, final, initial in found
        }


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class SmallInitSmallFinal(Criterion):
    """Keeps what was small and is small: -max(|w_f|, |w_i|). A control.

    Example:
        >>> known = Evidence(weights={"a": [1.0]}, initial={"a": [-3.0]})
        >>> SmallInitSmallFinal().scores(known)
        {'a': array([-3.])}

    Reference: Zhou et al., 2019, section 3, with their scale factor at 1.
    """

    name = "small_init_small_final"
    requires = _WITH_INITIAL

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns -max(|w_f|, |w_i|)."""
        found = evidence.select(self.name, "weights", "initial")
        return {
            path: -np.maximum(np.abs(final), np.abs(initial))
            for path, final, initial in found
        }


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class MagnitudeIncrease(Criterion):
    """Keeps the weights that grew most: |w_f| - |w_i|.

    Example:
        >>> known = Evidence(weights={"a": [1.0]}, initial={"a": [-3.0]})
        >>> MagnitudeIncrease().scores(known)
        {'a': array([-2.])}

    Reference: Zhou et al., 2019, section 3.
    """

    name = "magnitude_increase"
    requires = _WITH_INITIAL

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns |w_f| - |w_i|, in float64."""
        found = evidence.select(self.name, "weights", "initial")
        return {
            path: np.abs(as_double(final)) - np.abs(as_double(initial))
            for path, final, initial in found
        }


@criterion_registry.register
@dataclasses.dataclass(frozen=True)
class Movement(Criterion):
    """Keeps the weights that moved farthest: |w_f - w_i|.

    Example:
        >>> known = Evidence(weights={"a": [1.0]}, initial={"a": [-3.0]})
        >>> Movement().scores(known)
        {'a': array([4.])}

    Reference: Zhou et al., 2019, section 3.
    """

    name = "movement"
    requires = _WITH_INITIAL

    def scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Returns |w_f - w_i|, in float64."""
        found = evidence.select(self.name, "weights", "initial")
        return {
            path: np.abs(as_double(final) - as_double(initial))
            for path, final, initial in found
        }
