"""Which claims speak of a run, and where its settings are not the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tflottery.lottery import recipes
from tflottery.reports.claims import (
    conv_nets,
    deep_nets,
    lenet,
    lenet_weights,
)
from tflottery.reports.claims.claim import Claim, Judged, judge
from tflottery.reports.claims.evidence import Evidence
from tflottery.reports.run import Run

# Settings that a paper does not print, or that change nothing.
_OUR_OWN = {
    "checkpoint_seconds",
    "jit_compile",
    "keras",
    "replicates",
    "rounds",
    "seed",
    "structure_options",
}
# Data sets under their own name and as TensorFlow Datasets has them.
_MNIST, _CIFAR = ("tfds:mnist", "mnist"), ("tfds:cifar10", "cifar10")


def claims_of(run: Run) -> tuple[Claim, ...]:
    """Returns the claims that speak of a run; none if its network is new.

    Claims are chosen by model and data, for deep networks also by learning
    rate, warm-up and rewinding step.
    """
    settings = run.settings
    model, dataset = settings.get("model"), settings.get("dataset")
    if run.identity.get("build") or run.identity.get("data"):
        return ()
    if model == "lenet_300_100" and dataset in _MNIST:
        if settings.get("optimizer") != "adam":
            return ()
        return lenet.CLAIMS + lenet_weights.CLAIMS
    if dataset not in _CIFAR:
        return ()
    if model in ("conv2", "conv4", "conv6"):
        return conv_nets.conv_claims(settings)
    if model in ("resnet20", "vgg19"):
        found = deep_nets.deep_claims(settings, run.rewinding_step)
        retrained = {name.partition("@")[0] for name in run.branches}
        if model == "resnet20" and "learning_rate_rewinding" in retrained:
            found += deep_nets.retraining_claims()
        return found
    return ()


def judged(run: Run) -> list[Judged]:
    """Puts all claims that speak of a run to it."""
    evidence = Evidence(run)
    return [judge(claim, evidence) for claim in claims_of(run)]


def differences(run: Run) -> tuple[str, list[str]]:
    """Says in what a run differs from the published settings next to it.

    Args:
        run: The run.

    Returns:
        Name of the recipe with the same model, data and optimizer that
        differs least, and `"steps: 20,000 instead of 50,000"` for each
        setting; an empty name if there is no such recipe.
    """
    best: tuple[str, list[str]] | None = None
    for name in recipes.names():
        theirs = recipes.get(name).config.to_dict()
        if any(
            run.settings.get(key) != theirs.get(key)
            for key in ("model", "dataset", "optimizer")
        ):
            continue
        found = _differences(run.settings, theirs)
        if best is None or len(found) < len(best[1]):
            best = name, found
    return best or ("", [])


def _differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> list[str]:
    return [
        f"{name}: {_text(ours[name])} instead of {_text(value)}"
        for name, value in theirs.items()
        if name in ours and name not in _OUR_OWN and ours[name] != value
    ]


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "none" if value in (None, {}, []) else str(value)
