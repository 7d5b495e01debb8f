"""`tflottery supermask` by construction: a target, and its certificate."""

from __future__ import annotations

import sys
from typing import Any

from absl import flags as absl_flags

from tflottery.cli import networks
from tflottery.core import checks, files

METHODS = {
    "logarithmic": "Orseau et al.: hyperbolic weights, each target weight "
    "from some to the base 3/2. The default.",
    "subset_sum": "Pensia et al.: each target weight a sum of some of few "
    "uniform weights.",
    "polynomial": "Malach et al.: each target weight by a single product; "
    "many more units.",
}
_EXAMPLES = 1000

# (name, kind, placeholder, help)
FLAGS = (
    (
        "epsilon",
        float,
        "X",
        "Largest error of an output, proved; or give --weight_error.",
    ),
    ("weight_error", float, "X", "How far a weight may be off. [0.01]"),
    (
        "delta",
        float,
        "X",
        "Probability that a random network does not do. [0.05]",
    ),
    (
        "examples",
        int,
        "N",
        f"Training examples that the bound is for. [{_EXAMPLES}]",
    ),
    (
        "storage",
        str,
        "NAME",
        "full: the random network with zeros; kept: what is kept; auto. [auto]",
    ),
    ("max_memory_gb", float, "X", "Memory that may be taken. [4]"),
    ("output", str, "FILE", "The model to write, ending in .keras."),
)


def run(values: absl_flags.FlagValues, method: str) -> int:
    """Finds a strong ticket for a network; returns the exit code.

    Args:
        values: parsed flags of `tflottery supermask`.
        method: name of the construction.
    """
    given = {
        name: values[name].value if values[name].present else None
        for name in values
    }
    output = given["output"]
    if output is None or not output.endswith(".keras"):
        raise ValueError(
            "`--output` must name the file to write, ending in .keras. "
            f"Received: --output={output}. Use --output=strong.keras."
        )
    examples = _EXAMPLES if given["examples"] is None else given["examples"]
    checks.check_positive_int("examples", examples)
    if given["epsilon"] is None and given["weight_error"] is None:
        given["weight_error"] = 0.01
    source = networks.source(given)
    # Now, since a search would be lost if it were impossible afterwards.
    files.as_path(output).parent.mkdir(parents=True, exist_ok=True)
    print(f"The target is {source.words()}.", file=sys.stderr, flush=True)

    from tflottery import supermasks
    from tflottery.layers import evidence, prune

    target = source.load()
    if evidence.wrappers(target):
        target = prune.strip_pruning(target)
    ticket = getattr(supermasks, f"{method}_ticket")(
        target,
        _inputs(source, examples),
        progress=_progress,
        **{
            name: given[name]
            for name in (
                "epsilon",
                "weight_error",
                "delta",
                "seed",
                "storage",
                "max_memory_gb",
            )
            if given[name] is not None
        },
    )
    print(file=sys.stderr)
    print(ticket.certificate)
    print()
    ticket.save(output)
    for name, model in (("target", target), ("ticket", ticket.model)):
        print(f"test accuracy      {name}: {_accuracy(model, source):.2%}")
    print(f"\n  model         {output}")
    print(f"  certificate   {output}.certificate.json")
    return 0 if ticket.certificate.holds else 1


def _inputs(source: networks.Source, examples: int) -> Any:
    """Returns training inputs, always the same."""
    count = min(examples, source.data.train_size)
    batches = source.data.train_batches(count, seed=0)
    x, _ = next(batches.as_numpy_iterator())
    return x


def _accuracy(model: Any, source: networks.Source) -> float:
    """Returns the share of test examples whose class is found."""
    right = total = 0
    for x, y in source.data.test_batches(100).as_numpy_iterator():
        found = model.predict_on_batch(x).argmax(-1)
        right += int((found == y).sum())
        total += len(y)
    return right / total


def _progress(done: int, blocks: int) -> None:
    if done == blocks or done % max(1, blocks // 100) == 0:
        text = f"\rblock {done} of {blocks}"
        print(text, end="", file=sys.stderr, flush=True)
