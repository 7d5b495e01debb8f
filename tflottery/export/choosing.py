"""Which of the forms that were tried is written, or why none is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tflottery.export import inputs
from tflottery.export.errors import ExportError
from tflottery.export.trials import Trial
from tflottery.layers import replicas


def choose(
    found: Sequence[Trial], quantize: str | None, sparse: bool | str
) -> Trial:
    """Returns the form that is to be written.

    Args:
        found: all trials.
        quantize: how numbers are to be stored.
        sparse: as for `to_tflite`.

    Raises:
        ExportError: none of what was asked for runs and agrees.
    """
    wanted = [trial for trial in found if trial.form.quantize == quantize]
    if sparse != "auto":
        wanted = [trial for trial in wanted if trial.form.sparse == sparse]
    good = [trial for trial in wanted if trial.good]
    if sparse == "auto" and len(good) > 1:  # sparse in name only is no gain
        good = [trial for trial in good if trial.is_what_it_says]
    if good:
        return min(good, key=lambda trial: trial.sizes.raw)
    reasons = "; ".join(f"{trial.form.name} {trial.reason}" for trial in wanted)
    dense_runs = any(
        trial.good for trial in found if trial.form.quantize == quantize
    )
    way_out = (
        "Use sparse='auto', which takes the smallest form that runs."
        if sparse is True and dense_runs
        else "Use another `quantize`: float32 runs."
    )
    raise ExportError(
        f"No file was written, because it would not have worked: {reasons}. "
        f"Received: quantize={quantize!r}, sparse={sparse!r}. {way_out}"
    )


def what_is_in_the_way(model: Any) -> str:
    """Says what there is about a model that may keep it from being exported.

    Returns:
        A sentence with a space before it, or an empty text.
    """
    policy = inputs.other_policy(model)
    if policy:
        return (
            f" It computes in {policy}, which TFLite does for few operations: "
            "build it with the dtype policy 'float32' and give it the "
            "weights, by `set_weights`."
        )
    if any(len(replicas.copies_here(v)) > 1 for v in model.weights):
        return (
            " It was built under a strategy, and its replicas have statistics "
            "of their own: build it outside of the scope and give it the "
            "weights, by `set_weights`."
        )
    return ""
