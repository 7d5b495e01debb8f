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


FIGURES = {
    "step_lenet": ["step_lenet/jit", "step_lenet/no jit"],
    "step_conv": ["step_conv/jit", "step_conv/no jit"],
    "step_tf_keras": [
        f"step_tf_keras/lenet_300_100/{jit}/{kind}"
        for jit in ("jit", "no jit")
        for kind in ("wrapped", "gradual", "TF-MOT")
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
    "step_tf_keras/lenet_300_100/jit/wrapped": "<= 1.05",
    "step_tf_keras/lenet_300_100/no jit/wrapped": "<= 1.05",
    "mask_update/pruner": "<= 0.3",
    "turnaround": "<= 1",
    "import_time/tflottery": "<= 1.1",
}


def _samples(figure):
    return [figure, *figure["parts_in_seconds"].values()]


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
        assert len(figure["parts_in_seconds"]) >= 1
        for sample in _samples(figure):
            numbers = [sample[key] for key in ("median", "low", "high")]
            for number in numbers + sample["runs"]:
                assert math.isfinite(number) and number > 0
        assert f"| `{figure['name']}`: " in printed


def test_every_case_is_tried_here():
    from benchmarks.__main__ import CASES

    assert list(FIGURES) == list(CASES)


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
