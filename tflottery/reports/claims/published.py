"""Which claims speak of a run, and where its settings are not the paper's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tflottery.lottery import recipes
from tflottery.reports.claims import (
    conv_nets,
    deep_nets,
    lenet,
    lenet_weights,
    settings,
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
_LENET, _CONV = "lenet_300_100", ("conv2", "conv4", "conv6")
_DEEP = ("resnet20", "vgg19")
_RETRAINING = "learning_rate_rewinding"
# Variant of a deep network -> how its recipe's name ends.
_VARIANTS = {"standard": "", "low": "_low", "warmup": "_warmup"}


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The claims that speak of a run.

    Args:
        claims: The claims.
        recipes: Recipes with the settings that they are about.
        left_out: Why claims about its network were left out, as a sentence;
            empty if none were.
    """

    claims: tuple[Claim, ...] = ()
    recipes: tuple[str, ...] = ()
    left_out: str = ""


def choose(run: Run) -> Chosen:
    """Chooses the claims that speak of a run; none if its network is new.

    Claims are chosen by model and data, and by the settings that they are
    about; see `settings.deviations`.
    """
    model, dataset = run.settings.get("model"), run.settings.get("dataset")
    if run.identity.get("build") or run.identity.get("data"):
        return Chosen()
    if model == _LENET and dataset in _MNIST:
        return _from_scratch(
            run, "lenet_300_100_mnist", lenet.CLAIMS + lenet_weights.CLAIMS
        )
    if model in _CONV and dataset in _CIFAR:
        options = run.settings.get("model_options") or {}
        recipe = f"{model}_cifar10"
        if options.get("dropout"):
            recipe += "_dropout"
        return _from_scratch(run, recipe, conv_nets.conv_claims(run.settings))
    if model in _DEEP and dataset in _CIFAR:
        return _deep(run)
    return Chosen()


def _from_scratch(run: Run, recipe: str, claims: tuple[Claim, ...]) -> Chosen:
    """Chooses claims about tickets that are rewound to step 0."""
    found = settings.deviations(run.settings, _settings(recipe))
    if not settings.is_near_step(run.rewinding_step, 0):
        found["rewind_to"] = f"0it, not {run.settings.get('rewind_to')}"
    if found:
        return Chosen(left_out=_left_out(run, "The papers' claims", found))
    return Chosen(claims, (recipe,))


def _deep(run: Run) -> Chosen:
    model = run.settings["model"]
    retrained = _retrained(run)
    by_variant = {
        variant: settings.deviations(
            run.settings, _settings(f"{model}_cifar10{end}")
        )
        for variant, end in _VARIANTS.items()
        if (variant == "warmup") == settings.has_warmup(run.settings)
    }

    def off(variant: str) -> tuple[int, float]:
        recipe = f"{model}_cifar10{_VARIANTS[variant]}"
        rate = settings.rate_ratio(run.settings, _settings(recipe))
        return len(by_variant[variant]), rate

    variant = min(by_variant, key=off)
    if by_variant[variant]:
        about = " about tickets" if retrained.claims else ""
        text = _left_out(run, f"The papers' claims{about}", by_variant[variant])
        return dataclasses.replace(retrained, left_out=text)
    found = (f"{model}_cifar10{_VARIANTS[variant]}",)
    steps = [0]
    if variant == "standard":
        found += (f"{model}_cifar10_rewinding",)
        steps.append(deep_nets.REWOUND[model][0])
    k, text = run.rewinding_step, ""
    if not any(settings.is_near_step(k, step) for step in steps):
        wanted = " or ".join(f"{step}it" for step in steps)
        text = _left_out(
            run,
            "The papers' claims about tickets",
            {"rewind_to": f"{wanted}, not {run.settings.get('rewind_to')}"},
        )
    return Chosen(
        deep_nets.deep_claims(model, variant, k) + retrained.claims,
        found + retrained.recipes,
        text,
    )


def _retrained(run: Run) -> Chosen:
    """Chooses claims about retraining; branches of a run, whatever its policy.

    These branches prune what they have trained themselves.
    """
    recipe = "resnet20_cifar10_lr_rewinding"
    branches = {name.partition("@")[0] for name in run.branches}
    if run.settings["model"] != "resnet20" or _RETRAINING not in branches:
        return Chosen()
    found = settings.deviations(run.settings, _settings(recipe))
    if found.keys() - {"policy"}:
        return Chosen()
    return Chosen(deep_nets.retraining_claims(), (recipe,))


def _left_out(run: Run, which: str, found: Mapping[str, str]) -> str:
    texts = "; ".join(f"{name} {text}" for name, text in found.items())
    return (
        f"{which} of {run.settings['model']} are left out, since they are "
        f"about other settings: {texts}."
    )


def _settings(recipe: str) -> dict[str, Any]:
    return recipes.get(recipe).config.to_dict()


def claims_of(run: Run) -> tuple[Claim, ...]:
    """Returns the claims that speak of a run, as of `choose`."""
    return choose(run).claims


def judged(run: Run) -> list[Judged]:
    """Puts all claims that speak of a run to it."""
    evidence = Evidence(run)
    return [judge(claim, evidence) for claim in claims_of(run)]


def differences(run: Run) -> tuple[str, list[str]]:
    """Says in what a run differs from the settings that its claims are about.

    Args:
        run: The run.

    Returns:
        Name of the recipe that differs least, of those that the claims are
        about or else of those with the same model, data and optimizer; and
        `"steps: 20,000 instead of 50,000"` for each setting. An empty name if
        there is no such recipe.
    """
    names = choose(run).recipes or _alike(run.settings)
    found = {
        name: _differences(run.settings, _settings(name)) for name in names
    }
    best = min(found, key=lambda name: len(found[name]), default="")
    return best, found.get(best, [])


def _alike(ours: Mapping[str, Any]) -> Iterable[str]:
    for name in recipes.names():
        theirs = _settings(name)
        if all(
            ours.get(key) == theirs.get(key)
            for key in ("model", "dataset", "optimizer")
        ):
            yield name


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
