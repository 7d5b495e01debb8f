"""`tflottery supermask` by training: a mask over weights that stay random."""

from __future__ import annotations

import sys

from absl import flags as absl_flags

from tflottery.cli import flags
from tflottery.core import text_table
from tflottery.lottery.supermask_config import SupermaskConfig

METHODS = {
    "edge_popup": "Ramanujan et al.: the weights with the largest scores; "
    "scores are trained.",
    "bernoulli": "Zhou et al.: each weight with a probability, which is "
    "trained.",
}

# (name, kind, placeholder, help)
FLAGS = (
    (
        "output",
        str,
        "FILE",
        "The model to write, ending in .keras. Training: the last replicate, "
        "and only if given.",
    ),
)


def run(values: absl_flags.FlagValues, method: str) -> int:
    """Trains supermasks; returns the exit code.

    Args:
        values: parsed flags of `tflottery supermask`.
        method: `edge_popup` or `bernoulli`.
    """
    given = flags.given(values, SupermaskConfig)
    config = SupermaskConfig(**{**given, "method": method})
    run_dir = values["run_dir"].value or f"runs/{config.digest()}"
    output = values["output"].value
    if output is not None and not output.endswith(".keras"):
        raise ValueError(
            "`--output` must end in .keras. Received: "
            f"--output={output}. Use --output=supermask.keras."
        )
    print(f"Run directory: {run_dir}", file=sys.stderr, flush=True)

    from tflottery.cli import progress as views
    from tflottery.lottery import supermask_training

    progress = views.make_progress(sys.stderr)
    try:
        result = supermask_training.train_supermask(
            config,
            run_dir,
            data_dir=values["data_dir"].value,
            progress=progress,
        )
    finally:
        progress.finish()
    if output is not None:
        from tflottery import export

        export.to_keras(result.model, output)
    print(_table(result.rows))
    paths = [("results", f"{run_dir}/results.csv"), ("model", output)]
    print("\n".join(f"  {name:13} {p}" for name, p in paths if p))
    return 0


def _table(rows):
    columns = ("replicate", "method", "density", "best step", "accuracy there")
    return text_table.set_table(
        [
            (*columns, "accuracy at the end"),
            *(
                (
                    str(row["replicate"]),
                    row["branch"],
                    f"{row['density']:.4f}",
                    str(row["best_step"]),
                    f"{row['test_accuracy_best']:.2%}",
                    f"{row['test_accuracy_final']:.2%}",
                )
                for row in rows
            ),
        ]
    )
