"""The pruner: criterion x structure x allocation, from a mask to a smaller one.

It decides nothing itself. It asks the criterion for scores, the structure for
units, the allocation for counts, and keeps the best so many. The schedule is
asked by whoever runs the rounds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tflottery.core import checks, cores
from tflottery.core.mask import Mask
from tflottery.pruning import allocation, criteria, selection, structures
from tflottery.pruning.criterion import Criterion, Evidence, as_float
from tflottery.pruning.structure import Structure


@dataclasses.dataclass(frozen=True)
class _Units:
    """The units of one tensor, flat."""

    scores: np.ndarray
    alive: np.ndarray
    protected: np.ndarray | None
    survivors: int
    floor: int


class Pruner:
    """Makes masks smaller, by exact counts.

    What it promises of the mask it returns:

    * Nothing returns: its survivors are among those of the mask given.
    * Counts are exact: of n units round(density n) stay, half to even, where
      the mask given has as many; at least `keep_at_least` in each tensor, or
      all that are left; and at least what the structure must keep.
    * Ties are settled by place: among equal scores the tensor whose path sorts
      first stays first, and in it the lower flat index.
    * The order of the tensors in the mappings does not matter.
    * The scores of pruned entries do not matter.

    Units are entries, unless a structure makes them blocks or channels.

    Args:
        criterion: A name of `criteria.names()`, a config or a `Criterion`.
            Defaults to `"magnitude"`.
        structure: A name of `structures.names()`, a config, a `Structure`, or
            `None` (default) for single weights.
        scope: `"global"` (default) ranks all tensors together, `"layerwise"`
            each by itself, `"erk"` each by itself with densities that spare
            small tensors.
        keep_at_least: Units that every tensor keeps. Defaults to 1, so that
            no tensor is ever cut off; 0 allows it.

    Raises:
        TypeError: If an argument is of the wrong type.
        ValueError: If a name is unknown.

    Example:
        >>> pruner = Pruner(scope="global")
        >>> weights = {"a": np.array([0.1, -3.0]), "b": np.array([2.0, 0.5])}
        >>> mask = Mask.ones_like(weights)
        >>> pruner.prune(mask, Evidence(weights), 0.5).densities()
        {'a': 0.5, 'b': 0.5}

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 1 (iterative pruning) and section 4 (global pruning).
    """

    def __init__(
        self,
        criterion: str | Mapping[str, Any] | Criterion = "magnitude",
        structure: str | Mapping[str, Any] | Structure | None = None,
        scope: str = "global",
        keep_at_least: int = 1,
    ) -> None:
        self.criterion = criteria.get(criterion)
        self.structure = structures.get(structure)
        self.scope = checks.check_choice("scope", scope, allocation.names())
        self.keep_at_least = checks.check_non_negative_int(
            "keep_at_least",
            keep_at_least,
            what="It is the number of weights that every tensor keeps; use 1.",
        )

    def __repr__(self) -> str:
        return (
            f"Pruner(criterion={self.criterion!r}, "
            f"structure={self.structure!r}, scope={self.scope!r}, "
            f"keep_at_least={self.keep_at_least})"
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments as plain JSON values."""
        return {
            "criterion": criteria.serialize(self.criterion),
            "structure": structures.serialize(self.structure),
            "scope": self.scope,
            "keep_at_least": self.keep_at_least,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Pruner:
        """Makes a pruner from what `get_config` returned."""
        return cls(**config)

    def prune(
        self,
        mask: Mapping[str, Any],
        evidence: Evidence,
        densities: float | Mapping[str, float],
    ) -> Mask:
        """Returns the smaller mask.

        Args:
            mask: The mask so far; `Mask.ones_like(weights)` at first.
            evidence: What the criterion judges by, for the mask's tensors.
            densities: The share of each tensor's *full* size to keep, in
                [0, 1]: one for all, or `{path: density}` for every tensor. So
                round r of iterative pruning asks for (1 - prune_fraction)**r.
                A density at or above the present one changes nothing. Under
                the scopes `"global"` and `"erk"` the densities make up one
                total, and only a tensor of density exactly 1 stands apart.

        Returns:
            A `Mask` of the same tensors, in the order of `mask`.

        Raises:
            TypeError: If `evidence` or a density is of the wrong type.
            ValueError: If the tensors do not match, a density is out of its
                range, evidence is missing, or a surviving weight has the score
                NaN; the message names the tensor.
        """
        mask = mask if isinstance(mask, Mask) else Mask(mask)
        checks.check_instance(
            "evidence",
            evidence,
            Evidence,
            what="Pass Evidence(weights={path: array}).",
        )
        targets = self._targets(mask, densities)
        scores = dict(self.criterion.scores(evidence))
        mask.check_fits(scores, what="evidence")
        units = dict(
            zip(
                mask,
                cores.each(
                    lambda path: self._units(
                        path, mask[path], scores.pop(path)
                    ),
                    list(mask),
                    sum(array.size for array in mask.values()),
                ),
                strict=True,
            )
        )
        pools = allocation.allocate(
            self.scope,
            {path: array.shape for path, array in mask.items()},
            targets,
            sizes={path: unit.alive.size for path, unit in units.items()},
            survivors={path: unit.survivors for path, unit in units.items()},
            floors={path: unit.floor for path, unit in units.items()},
        )
        kept: dict[str, np.ndarray] = {}
        for pool in pools:
            chosen = _choose(pool, units)

            def keep(path, chosen=chosen):
                entries = self.structure.expand(
                    chosen.pop(path), mask[path].shape
                )
                del units[path]  # memory for the next ones
                return np.asarray(
                    np.logical_and(entries, mask[path], order="C")
                )

            paths = list(pool.paths)
            size = sum(mask[path].size for path in paths)
            kept.update(zip(paths, cores.each(keep, paths, size), strict=True))
        return Mask.owning({path: kept[path] for path in mask})

    def _targets(
        self, mask: Mask, densities: float | Mapping[str, float]
    ) -> dict[str, float]:
        what = (
            "It is the share of the full size that is kept; use 0.2 to keep a "
            "fifth."
        )
        if not isinstance(densities, Mapping):
            density = checks.check_fraction(
                "densities", densities, what=what, closed_right=True
            )
            return dict.fromkeys(mask, density)
        missing = [path for path in mask if path not in densities]
        excess = [path for path in densities if path not in mask]
        if missing or excess:
            raise ValueError(
                "`densities` must name every tensor of the mask. Received: "
                f"densities without {missing} and with unknown {excess}. Pass "
                "one number for all, or {path: density} for each; 1.0 leaves a "
                "tensor as it is."
            )
        return {
            path: checks.check_fraction(
                f"densities[{path!r}]",
                densities[path],
                what=what,
                closed_right=True,
            )
            for path in mask
        }

    def _units(
        self, path: str, alive: np.ndarray, scores: np.ndarray
    ) -> _Units:
        self.structure.check_shape(path, alive.shape)
        values, living = self.structure.pool(
            as_float("scores", path, scores), alive
        )
        _check_no_nan(path, values, living, self.criterion)
        protected = self.structure.protected(values, living, alive.shape)
        survivors = int(np.count_nonzero(living))
        floor = min(self.keep_at_least, survivors)
        if protected is not None:
            floor = max(floor, int(np.count_nonzero(protected)))
        return _Units(values, living, protected, survivors, floor)


def _choose(
    pool: allocation.Pool, units: Mapping[str, _Units]
) -> dict[str, np.ndarray]:
    """Marks the best units of a pool: the protected ones, then by score."""
    members = [units[path] for path in pool.paths]
    # One type for all: a threshold rounded to another would move ties.
    dtype = np.result_type(*(unit.scores.dtype for unit in members))
    alive, floors, count = [], [], pool.count
    for unit in members:
        if unit.protected is None:
            alive.append(unit.alive)
            floors.append(unit.floor)
        else:
            must_stay = int(np.count_nonzero(unit.protected))
            alive.append(unit.alive & ~unit.protected)
            floors.append(unit.floor - must_stay)
            count -= must_stay
    chosen = selection.keep_best(
        [unit.scores.astype(dtype, copy=False) for unit in members],
        alive,
        count,
        floors,
    )
    return {
        path: best if unit.protected is None else best | unit.protected
        for path, unit, best in zip(pool.paths, members, chosen, strict=True)
    }


def _check_no_nan(
    path: str, scores: np.ndarray, alive: np.ndarray, criterion: Criterion
) -> None:
    with np.errstate(invalid="ignore"):
        largest = scores.max(initial=scores.dtype.type(-np.inf))
    # A NaN anywhere shows in the maximum; only one of a survivor matters.
    if np.isnan(largest):
        count = int(np.count_nonzero(np.isnan(scores[alive])))
        if count:
            raise ValueError(
                f"`{path}` has scores that are not numbers. Received: {count} "
                f"NaN from {criterion!r}. Has the training diverged? Prune "
                "weights from before it did."
            )
