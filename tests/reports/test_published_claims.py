import types

import pytest

from tflottery.lottery import recipes
from tflottery.reports.claims import (
    conv_nets,
    deep_nets,
    lenet,
    lenet_weights,
    published,
)

LENET = "lenet_300_100_mnist"
ALL = lenet.CLAIMS + lenet_weights.CLAIMS


def _run(
    recipe="", k=None, identity=None, branches=(), settings=None, **changed
):
    if settings is None:
        settings = recipes.get(recipe).config.to_dict()
    if k is not None:
        changed["rewind_to"] = f"{k}it"
    settings = {**settings, **changed}
    step = settings.get("rewind_to", "0it").removesuffix("it")
    return types.SimpleNamespace(
        settings=settings,
        identity=identity or {},
        branches=["ticket", *branches],
        rewinding_step=int(step) if step.isdigit() else None,
    )


def _texts(run):
    return " ".join(claim.text for claim in published.claims_of(run))


def test_claims_are_chosen_by_the_network_and_its_data():
    assert published.claims_of(_run(LENET)) == ALL
    assert published.claims_of(_run(LENET, dataset="mnist")) == ALL
    # A network of one's own may have the name of the zoo's.
    for run in (
        _run(LENET, dataset="digits"),
        _run(LENET, identity={"build": "mine"}),
        _run("mnist1d_mlp"),
    ):
        assert published.choose(run) == published.Chosen()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("policy", "fine_tuning", "policy weight_rewinding, not fine_tuning"),
        ("criterion", "random", "criterion magnitude, not random"),
        ("structure", "channel", "structure unstructured, not channel"),
        ("scope", "global", "scope layerwise, not global"),
        ("optimizer", "sgd", "optimizer adam, not sgd"),
        ("learning_rate", 2e-3, "learning_rate 0.0012, not 0.002"),
        ("learning_rate", 7e-4, "learning_rate 0.0012, not 0.0007"),
        ("schedule_options", {"warmup": "5%"}, "warmup none, not 5%"),
        ("rewind_to", "500it", "rewind_to 0it, not 500it"),
        ("rewind_to", "2ep", "rewind_to 0it, not 2ep"),
    ],
)
def test_claims_are_left_out_where_what_they_are_about_differs(
    name, value, said
):
    found = published.choose(_run(LENET, **{name: value}))
    assert found.claims == ()
    assert found.left_out == (
        "The papers' claims of lenet_300_100 are left out, since they are "
        f"about other settings: {said}."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 20_000},
        {"batch_size": 128},
        {"prune_fraction": 0.3},
        {"learning_rate": 1e-3},
        {"learning_rate": 1.8e-3},
    ],
)
def test_other_differences_are_said_beside_the_claims(change):
    run = _run(LENET, replicates=3, seed=7, **change)
    found = published.choose(run)
    assert (found.claims, found.left_out) == (ALL, "")
    (said,) = published.differences(run)[1]
    assert said.startswith(f"{next(iter(change))}: ")


@pytest.mark.parametrize("model", ["conv2", "conv4", "conv6"])
def test_convolutional_networks_have_claims(model):
    assert len(published.claims_of(_run(f"{model}_cifar10"))) > 5
    dropout = _run(f"{model}_cifar10_dropout")
    (claim,) = published.claims_of(dropout)
    assert str(conv_nets._DROPOUT[model]) in claim.paper
    assert not published.claims_of(_run(f"{model}_cifar10", optimizer="sgd"))


@pytest.mark.parametrize("model", ["resnet20", "vgg19"])
@pytest.mark.parametrize("variant", ["standard", "low", "warmup"])
def test_deep_networks_have_claims_for_each_rate(model, variant):
    recipe = f"{model}_cifar10" + f"_{variant}" * (variant != "standard")
    found = published.claims_of(_run(recipe))
    assert found[0].paper == f"{deep_nets._DENSE[model, variant][0]} %"
    assert len(found) >= 4
    k = deep_nets.REWOUND[model][0]
    rewound = _texts(_run(recipe, k))
    assert ("Rewound to k" in rewound) == (variant == "standard")


@pytest.mark.parametrize(
    ("k", "is_rewound", "is_stable"),
    [
        (249, False, False),
        (250, True, False),  # "From k = 500 on" is not about it.
        (500, True, True),
        (1000, True, True),
        (29_000, False, False),
    ],
)
def test_claims_about_a_step_are_only_for_steps_near_it(
    k, is_rewound, is_stable
):
    run = _run("resnet20_cifar10", k)
    assert ("Rewound to k = 500" in _texts(run)) == is_rewound
    assert ("From k = 500 on" in _texts(run)) == is_stable
    found = published.choose(run)
    # The dense network is the paper's, whatever the step.
    assert "dense network reaches" in found.claims[0].text
    assert found.left_out == (
        ""
        if is_rewound
        else "The papers' claims about tickets of resnet20 are left out, since "
        "they are about other settings: rewind_to 0it or 500it, not "
        f"{k}it."
    )


def test_a_rate_of_another_optimizer_is_not_taken_for_the_papers():
    run = _run(
        "resnet20_cifar10",
        optimizer="adam",
        optimizer_options={},
        learning_rate=1e-3,
        schedule="constant",
        schedule_options={},
    )
    found = published.choose(run)
    assert found.claims == ()
    assert "optimizer sgd, not adam; learning_rate 0.01, not 0.001" in (
        found.left_out
    )
    plain = _run("resnet20_cifar10", optimizer_options={})
    assert "momentum 0.9, not 0." in published.choose(plain).left_out


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.2])
def test_a_rate_between_the_papers_is_neither(rate):
    found = published.choose(_run("resnet20_cifar10", learning_rate=rate))
    assert found.claims == () and f"not {rate}" in found.left_out


@pytest.mark.parametrize(
    ("steps", "warmup", "are_there"),
    [
        (30_000, 20_000, True),
        (3_000, 2_000, True),  # The same share of training.
        (60_000, "20000it", True),  # The same number of steps.
        (30_000, 5_000, False),
        (30_000, "2ep", False),
    ],
)
def test_a_warmup_is_the_papers_in_steps_or_as_a_share(
    steps, warmup, are_there
):
    options = {"boundaries": [20_000], "factor": 0.1, "warmup": warmup}
    run = _run("resnet20_cifar10_warmup", steps=steps, schedule_options=options)
    assert bool(published.claims_of(run)) == are_there


def test_retraining_is_judged_by_its_own_branches_whatever_the_policy():
    recipe = "resnet20_cifar10_lr_rewinding"
    alone = published.choose(_run(recipe))
    assert alone.claims == ()
    assert "weight_rewinding, not learning_rate_rewinding" in alone.left_out
    branches = ("learning_rate_rewinding@500it", "fine_tuning")
    found = published.choose(_run(recipe, branches=branches))
    texts = {claim.text for claim in deep_nets.retraining_claims()}
    assert {claim.text for claim in found.claims} == texts
    assert found.recipes == (recipe,)
    assert found.left_out.startswith("The papers' claims about tickets of")
    adam = _run(recipe, branches=branches, optimizer="adam")
    assert published.claims_of(adam) == ()
    both = _run("resnet20_cifar10_rewinding", branches=branches)
    assert texts < {claim.text for claim in published.claims_of(both)}


def test_differences_are_told_from_the_recipe_that_claims_are_about():
    # Its own recipe has these settings, but no paper's claims are about it.
    name, found = published.differences(_run("open_lth_cifar_resnet20"))
    assert name == "resnet20_cifar10"
    assert "steps: 62,560 instead of 30,000" in found


def test_settings_that_are_not_the_papers_are_said():
    config = recipes.get("lenet_300_100_mnist").config
    paper = config.to_dict()
    name, found = published.differences(_run(settings=paper))
    assert (name, found) == ("lenet_300_100_mnist", [])
    ours = {**paper, "steps": 20_000, "replicates": 3, "seed": 7}
    name, found = published.differences(_run(settings=ours))
    assert (name, found) == (
        "lenet_300_100_mnist",
        ["steps: 20,000 instead of 50,000"],
    )
    assert published.differences(_run(settings={"model": "x"})) == ("", [])
