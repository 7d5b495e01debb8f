"""The benchmarks run and report what they should; no timing is judged here."""

import json
import math
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _root_on_path(monkeypatch):
    # The suite is not installed with the package. Its processes need the path
    # too, where the package is not installed either.
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


WARM = ", compilation left out"
FIGURES = {
    "step_lenet": ["step_lenet/jit", "step_lenet/no jit"],
    "step_conv": ["step_conv/jit", "step_conv/no jit"],
    "step_resnet": ["step_resnet/jit"],
    "step_tf_keras": [
        f"step_tf_keras/lenet_300_100/{jit}/{kind}"
        for jit in ("jit", "no jit")
        for kind in ("wrapped", "gradual", "TF-MOT")
    ],
    "step_search": [
        f"step_search/{network}/{family}{other}"
        for network in ("lenet_300_100", "conv4", "resnet20")
        for family in ("keras", "tf_keras")
        for other in ("", "/over fit")
    ],
    "search_lenet": [
        f"search_lenet/over {other}{words}"
        for words in ("", WARM)
        for other in ("bare", "bare, validated", "fit")
    ],
    "search_peers": [
        f"search_peers/{name} over tflottery"
        for name in ("torch", "TF-MOT", "TF-MOT without XLA")
    ],
    "search_memory": [
        "search_memory/search",
        "search_memory/search, freed memory kept",
        "search_memory/pruner",
    ],
    "vectorize": [
        f"vectorize/{network}{words}"
        for network in ("lenet", "mnist1d_mlp")
        for words in ("", WARM)
    ],
    "growth": [
        f"growth/{way}" for way in ("width", "depth", "rounds", "replicates")
    ],
    "mask_update": [
        "mask_update/TF-MOT over pruner",
        "mask_update/TF-MOT over prune",
        "mask_update/pruner",
        "mask_update/prune",
    ],
    "turnaround": ["turnaround"],
    "import_time": ["import_time/tflottery"],
}
AIMS = {
    "step_lenet/jit": "<= 1.05",
    "step_conv/jit": "<= 1.02",
    "step_resnet/jit": "<= 1.02",
    **{
        f"step_search/{network}/{family}": f"<= {aim}"
        for network, aim in (
            ("lenet_300_100", 1.05),
            ("conv4", 1.02),
            ("resnet20", 1.02),
        )
        for family in ("keras", "tf_keras")
    },
    **{
        f"step_search/{network}/{family}/over fit": "<= 1.05"
        for network in ("lenet_300_100", "conv4", "resnet20")
        for family in ("keras", "tf_keras")
    },
    "step_tf_keras/lenet_300_100/jit/wrapped": "<= 1.05",
    "step_tf_keras/lenet_300_100/no jit/wrapped": "<= 1.05",
    "search_lenet/over bare": "<= 1.25",
    "search_lenet/over fit": "<= 1",
    f"search_lenet/over bare{WARM}": "<= 1.25",
    f"search_lenet/over fit{WARM}": "<= 1",
    "search_peers/TF-MOT over tflottery": ">= 2",
    "search_peers/TF-MOT without XLA over tflottery": ">= 2",
    "search_memory/search": "<= 6.03125",
    "search_memory/pruner": "<= 1.5",
    "vectorize/mnist1d_mlp": ">= 2",
    f"vectorize/mnist1d_mlp{WARM}": ">= 2",
    "mask_update/pruner": "<= 0.3",
    "turnaround": "<= 1",
    "import_time/tflottery": "<= 1.1",
}


# Of small differences of large times; in the tiny setting these are noise.
DIFFERENCES = (
    "search_memory/search",
    "search_memory/search, freed memory kept",
)


def _parts(figure):
    (parts,) = [
        value for key, value in figure.items() if key.startswith("parts_in_")
    ]
    return parts


QUICK = ("mask_update", "turnaround")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=() if case in QUICK else pytest.mark.slow)
        for case in FIGURES
    ],
)
def test_a_case_gives_its_figures_in_the_tiny_setting(case, tmp_path, capsys):
    from benchmarks.__main__ import main

    output = tmp_path / "figures.json"
    assert main([case, "--tiny", "--output", str(output)]) == 0
    content = json.loads(output.read_text(encoding="utf-8"))
    assert content["tiny"] is True
    assert {"platform", "processor", "cores", "packages"} <= set(
        content["machine"]
    )
    figures = content["figures"]
    assert [figure["name"] for figure in figures] == FIGURES[case]
    printed = capsys.readouterr().out
    for figure in figures:
        assert figure["aim"] == AIMS.get(figure["name"], "")
        is_difference = figure["name"] in DIFFERENCES or (
            figure["name"].endswith(WARM)
        )
        assert len(_parts(figure)) >= 1
        for sample in [figure, *_parts(figure).values()]:
            numbers = [sample[key] for key in ("median", "low", "high")]
            for number in numbers + sample["runs"]:
                assert math.isfinite(number)
                assert number > 0 or is_difference
        assert f"| `{figure['name']}`: " in printed


def test_every_case_is_tried_here():
    from benchmarks.__main__ import CASES

    assert list(FIGURES) == list(CASES)


def test_a_peer_that_is_not_installed_is_left_out_in_words(capsys):
    from benchmarks.optional import is_here

    assert is_here("json", "a") and not capsys.readouterr().err
    assert not is_here("no_such_peer", "search_peers/it")
    error = capsys.readouterr().err
    assert "search_peers/it is left out: no_such_peer is not" in error


def test_a_process_that_fails_is_told_of():
    from benchmarks.other_process import OtherProcess

    process = OtherProcess("benchmarks.torch_process", {"no": "setting"})
    with process, pytest.raises(RuntimeError, match="exit code 1"):
        process.work()


def test_an_unknown_case_is_answered_with_the_known_ones(capsys):
    from benchmarks.__main__ import main

    with pytest.raises(SystemExit):
        main(["steps"])
    assert "unknown case 'steps'; use step_lenet" in capsys.readouterr().err


def test_things_compared_take_turns_and_swap_who_is_first():
    from benchmarks.measuring import alternate

    order = []
    seconds = iter(range(1, 100))

    def task(name):
        order.append(name)
        return float(next(seconds))

    found = alternate(
        {"a": lambda: task("a"), "b": lambda: task("b")}, runs=2, warm_up=1
    )
    assert "".join(order) == "baabba"
    # The first two calls were the warm-up.
    assert (found["a"].runs, found["b"].runs) == ((3.0, 6.0), (4.0, 5.0))


def test_ratios_are_taken_pair_by_pair():
    from benchmarks.measuring import Sample

    # The machine was ten times slower in the second run: the ratio is not.
    ratio = Sample((2.0, 20.0, 2.0)).over(Sample((1.0, 10.0, 1.0)))
    assert ratio.runs == (2.0, 2.0, 2.0)


def test_a_table_begins_with_ratios_and_marks_missed_aims():
    from benchmarks.figure import Figure, as_table
    from benchmarks.measuring import Sample

    table = as_table(
        [
            Figure("slow", "s", Sample((0.4,)), unit="s", at_most=0.3),
            Figure("fast", "r", Sample((9.0,)), at_least=2.0),
        ]
    ).split("\n")
    assert table[2].startswith("| `fast`: r | 9 | 9 to 9 | ≥ 2 | yes |")
    assert table[3].startswith("| `slow`: s | 0.4 s | 0.4 to 0.4 | ≤ 0.3 |")
    assert "**no**" in table[3]


def test_bare_training_learns_as_keras_does():
    # The least that training can cost must still be training.
    import keras
    import numpy as np

    from benchmarks.bare_lenet import BareLenet
    from tflottery import data, models

    digits = data.load("digits")
    bare = BareLenet(digits, batch_size=32, steps_per_call=50)
    model = models.build(
        "lenet_300_100",
        keras,
        input_shape=digits.input_shape,
        num_classes=digits.num_classes,
    )
    model.set_weights([weight.numpy() for weight in bare.weights])
    model.compile(
        keras.optimizers.Adam(1.2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    bare.train(50, validate=True)
    model.fit(
        digits.train_batches(32, seed=0),
        steps_per_epoch=50,
        shuffle=False,
        verbose=0,
    )
    for ours, theirs in zip(bare.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)
    model.compile(model.optimizer, model.loss, metrics=["accuracy"])
    expected = model.evaluate(digits.validation_batches(500), verbose=0)
    np.testing.assert_allclose(bare.validation(), expected, rtol=1e-3)
