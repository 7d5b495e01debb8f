"""What the benchmarks do with their figures: comparing runs, drawing."""

import json
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _root_on_path(monkeypatch):
    # The suite is not installed with the package.
    monkeypatch.syspath_prepend(str(ROOT))


def _run_of(*figures, date):
    return {"date": date, "figures": [figure.to_json() for figure in figures]}


def test_two_runs_are_compared_figure_by_figure():
    from benchmarks.comparison import as_table
    from benchmarks.figure import Figure
    from benchmarks.measuring import Sample

    old = _run_of(
        Figure("a", "w", Sample((2.0,)), unit="s"),
        Figure("gone", "w", Sample((2.0,))),
        date="yesterday",
    )
    new = _run_of(
        Figure("a", "w", Sample((1.0, 3.0, 9.0)), unit="s"),
        Figure("new", "w", Sample((5.0,))),
        date="today",
    )
    assert as_table(old, new).splitlines() == [
        "| figure | yesterday (old) | today (new) | new over old |",
        "| --- | ---: | ---: | ---: |",
        "| `a` | 2 s | 3 s | 1.5 |",
        "| `new` |  | 5 |  |",
    ]


def test_the_command_compares_with_a_stored_run(tmp_path, capsys):
    from benchmarks.__main__ import main

    old = tmp_path / "old.json"
    assert main(["turnaround", "--tiny", "--output", str(old)]) == 0
    assert "new over old" not in capsys.readouterr().out
    assert main(["turnaround", "--tiny", "--compare", str(old)]) == 0
    printed = capsys.readouterr().out
    median = json.loads(old.read_text("utf-8"))["figures"][0]["median"]
    assert f"| `turnaround` | {median:.3g} % | " in printed


@pytest.mark.parametrize("content", [None, "{}", "[]", "no json"])
def test_what_cannot_be_compared_is_refused_at_once(content, tmp_path, capsys):
    from benchmarks.__main__ import main

    old = tmp_path / "old.json"
    if content is not None:
        old.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["turnaround", "--compare", str(old)])
    assert "--compare: " in capsys.readouterr().err


def test_growth_is_drawn_from_its_figures(tmp_path):
    from benchmarks.figure import Figure
    from benchmarks.growth_figure import plot
    from benchmarks.measuring import Sample

    ways = ("width", "depth", "rounds", "replicates")
    figures = [
        Figure(
            f"growth/{way}",
            "w",
            Sample((1.0,)),
            parts={f"{way} {n}": Sample((0.1 * n, 0.2 * n)) for n in (1, 2, 4)},
        )
        for way in ways
    ]
    image = tmp_path / "growth.png"
    plot(image, [*figures, Figure("other", "w", Sample((1.0,)))])
    assert image.read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_growth_needs_its_case(capsys):
    from benchmarks.__main__ import main

    with pytest.raises(SystemExit):
        main(["turnaround", "--plot", "growth.png"])
    assert "--plot draws the case 'growth'" in capsys.readouterr().err


def test_one_case_is_measured_again_beside_the_others(tmp_path, capsys):
    from benchmarks.__main__ import main

    path = tmp_path / "kept.json"
    assert main(["turnaround", "--tiny", "--output", str(path)]) == 0
    first = json.loads(path.read_text("utf-8"))
    # As if another case had been measured on another day.
    other = {**first["figures"][0], "name": "mask_update/NumPy"}
    first["figures"].append(other)
    first["cases"]["mask_update"] = {"date": "long ago", "load": 0.5}
    path.write_text(json.dumps(first), encoding="utf-8")
    capsys.readouterr()
    assert main(["turnaround", "--tiny", "--update", str(path)]) == 0
    second = json.loads(path.read_text("utf-8"))
    names = [figure["name"] for figure in second["figures"]]
    assert names == ["mask_update/NumPy", "turnaround"]  # the order of all
    assert second["figures"][0] == other
    assert second["figures"][1]["runs"] != first["figures"][0]["runs"]
    assert second["cases"]["mask_update"] == {"date": "long ago", "load": 0.5}
    printed = capsys.readouterr().out
    assert "`mask_update/NumPy`" in printed and "`turnaround`" in printed


def test_figures_of_two_machines_are_not_mixed(tmp_path, capsys):
    from benchmarks.__main__ import main

    path = tmp_path / "kept.json"
    assert main(["turnaround", "--tiny", "--output", str(path)]) == 0
    stored = path.read_text("utf-8")
    with pytest.raises(SystemExit):
        main(["turnaround", "--update", str(path)])
    assert "its tiny is True, not False. Give --" in capsys.readouterr().err
    content = json.loads(stored)
    content["machine"]["processor"] = "Abacus"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["turnaround", "--tiny", "--update", str(path)])
    assert "its processor is 'Abacus', not " in capsys.readouterr().err
