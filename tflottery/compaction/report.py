"""`CompactionReport`: what was removed where, and what was left alone."""

from __future__ import annotations

import dataclasses

from tflottery.core import text_table


@dataclasses.dataclass(frozen=True)
class LayerChange:
    """What became of one layer.

    Args:
        name: the layer's name, after those of the models it stands in.
        units_before: its units, filters or columns.
        units_after: those that are left.
        no_way_in: how many of the removed ones gave a constant.
        no_way_out: how many of the others nothing read.
        folded: how many constants were added to its bias.
        rows_before: rows of an embedding; 0 for other layers.
        rows_after: rows that are left.
    """

    name: str
    units_before: int
    units_after: int
    no_way_in: int = 0
    no_way_out: int = 0
    folded: int = 0
    rows_before: int = 0
    rows_after: int = 0


@dataclasses.dataclass
class CompactionReport:
    """What `tflottery.export.compact` did to a model; it fills one in.

    Args:
        model: name of the model.
        parameters_before: numbers held by the given model, without masks.
        parameters_after: numbers held by the new one.
        kernel_before: entries of its kernels and embedding tables.
        kernel_after: those that remain, all stored densely.
        flops_before: floating-point operations of one example, with sizes
            that are open set to 1; `None` where they cannot be counted.
        flops_after: the same of the new model.
        layers: a `LayerChange` for each layer with units of its own.
        left_alone: `{layer name: reason}`.
        notes: what else there is to know about the new model.

    Example:
        >>> report = CompactionReport()
        >>> report.parameters_before, report.parameters_after = 100, 25
        >>> print(str(report).splitlines()[1])
        parameters         100     25  25.0%
    """

    model: str = ""
    parameters_before: int = 0
    parameters_after: int = 0
    kernel_before: int = 0
    kernel_after: int = 0
    flops_before: int | None = None
    flops_after: int | None = None
    layers: list[LayerChange] = dataclasses.field(default_factory=list)
    left_alone: dict[str, str] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def num_removed(self) -> int:
        """How many units and embedding rows were removed in all."""
        return sum(
            change.units_before
            - change.units_after
            + change.rows_before
            - change.rows_after
            for change in self.layers
        )

    def __str__(self):
        lines = [self._totals()]
        changed = [
            (
                change.name,
                *_pair(change.units_before, change.units_after),
                f"{change.no_way_in:,}",
                f"{change.no_way_out:,}",
                f"{change.folded:,}",
                *_pair(change.rows_before, change.rows_after),
            )
            for change in self.layers
        ]
        if changed:
            heading = (
                *("layer", "units", "left", "no way in", "no way out"),
                *("folded", "rows", "left"),
            )
            lines += ["", text_table.set_table([heading, *changed])]
        if self.left_alone:
            lines += ["", "Left alone:"]
            lines += [f"  {k}: {v}" for k, v in self.left_alone.items()]
        if self.notes:
            lines += ["", *self.notes]
        return "\n".join(lines)

    def _totals(self):
        rows = [(self.model, "before", "after", "left")]
        for name, before, after in (
            ("parameters", self.parameters_before, self.parameters_after),
            ("kernel entries", self.kernel_before, self.kernel_after),
            ("FLOPs", self.flops_before, self.flops_after),
        ):
            left = f"{after / before:.1%}" if before and after else "-"
            rows.append((name, *_pair(before, after), left))
        return text_table.set_table(rows)


def _pair(before, after):
    if before is None or after is None:
        return "-", "-"
    return f"{before:,}", f"{after:,}"
