import csv
import dataclasses

import drawn_text
import numpy as np
import pytest
import sample_run
import sample_tables

from tflottery.core import documents
from tflottery.core.mask import Mask
from tflottery.reports import gallery, lacks
from tflottery.reports.drawn import Drawn
from tflottery.reports.run import Run

NAMES = [
    "density",
    "training_curves",
    "layer_densities",
    "first_layer",
    "overlap",
    "connectivity",
    "connectivity_units",
    "initial_weights",
    "trained_weights",
    "signs",
    "movement",
    "stability",
    "interpolation",
    "interpolation_initialisations",
    "instability",
]


def _write(folder):
    run_dir = sample_run.write_run(folder)
    documents.write_json(
        run_dir / "config.json",
        {"config": {"model": "mlp", "dataset": "digits", "steps": 1000}},
    )
    text = (run_dir / "results.csv").read_text()
    extra = [
        line.replace(",1,0.5,0.5,", ",2,0.2,0.8,")
        for line in text.splitlines()
        if "ticket,0,1," in line
    ]
    (run_dir / "results.csv").write_text(text + "\n".join(extra) + "\n")
    for number, share in sample_tables.DENSITIES.items():
        kept = np.arange(64 * 10).reshape(64, 10) % 10 < 10 * share
        mask = Mask({"fc1/kernel": kept, "output/kernel": np.ones((10, 2))})
        place = run_dir / "replicate_0" / f"round_0{number}"
        place.mkdir(exist_ok=True)
        mask.save(place / "mask")
    sample_tables.write_tables(run_dir)
    return run_dir


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(_write(tmp_path_factory.mktemp("gallery") / "run"))


@pytest.fixture(scope="module")
def drawn(run):
    found = [one for one in gallery.draw(run) if isinstance(one, Drawn)]
    return {one.name: one for one in found}


def _lines(axes):
    """`{label: (xs, ys)}` of all lines that the key names."""
    bars = {c.get_label(): c.lines[0] for c in axes.containers if c.lines}
    plain = {line.get_label(): line for line in axes.lines}
    named = {**plain, **bars}
    return {
        name: (line.get_xdata(orig=False), line.get_ydata(orig=False))
        for name, line in named.items()
        if not name.startswith("_")
    }


def test_everything_that_has_data_is_drawn(drawn):
    assert list(drawn) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_on_a_figure_covers_anything(drawn, name):
    assert drawn_text.covered(drawn[name].figure) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_has_numbers_a_caption_and_axes_with_names(drawn, name):
    one = drawn[name]
    assert one.numbers and one.caption.endswith(".") and one.section
    if name == "first_layer":
        return
    for axes in one.figure.axes[:1]:
        assert axes.get_ylabel()
    assert any(axes.get_xlabel() for axes in one.figure.axes)


@pytest.mark.parametrize(
    ("name", "panel", "line", "xs", "ys"),
    [
        # Replicates 0 and 1 are 10 and 11 apart, twice that for random ones.
        ("stability", 0, "ticket", [50, 20], [10.5, 10.5]),
        ("stability", 1, "random ticket", [50, 20], [21, 21]),
        ("stability", 2, "ticket", [50, 20], [20.5, 20.5]),
        # 0.01 and 0.03, in points.
        ("instability", 1, "ticket", [50, 20], [2, 2]),
        ("overlap", 0, "tickets of two replicates", [50, 20], [0.3, 0.3]),
        ("overlap", 1, "SNIP", [50, 20], [0.4, 0.4]),
        ("overlap", 1, "by chance", [50, 20], [0.1, 0.1]),
        ("connectivity", 0, "fc1", [50, 20], [0.5, 0.5]),  # 1 of 2
        ("connectivity", 1, "output", [50, 20], [8, 8]),  # 16 of 2
        ("connectivity", 2, "fc1", [50, 20], [10, 10]),  # 1 of 10 units
        ("signs", 0, "output", [50, 20], [0.8, 0.8]),
        ("signs", 1, "fc1", [50, 20], [91, 91]),
        ("movement", 0, "fc1", [50, 20], [1.5, 1.5]),  # 3 over 2
        ("movement", 1, "fc1, pruned", [50, 20], [30, 30]),
        ("interpolation", 1, "dense", [0, 0.5, 1], [2.5, 2.5, 2.5]),
        ("interpolation", 0, "round 2: 20.0%", [0, 0.5, 1], [0.2, 0.2, 0.2]),
        (
            "interpolation_initialisations",
            1,
            "two initialisations",
            [0, 0.5, 1],
            [2.5, 52.5, 2.5],
        ),
        # 1 of 4 units has none, the others 2: the mean is 1.5.
        (
            "connectivity_units",
            0,
            "round 1: 50.0%",
            [0, 0, 2 / 1.5],
            [100, 100, 75],
        ),
    ],
)
def test_lines_hold_the_means(drawn, name, panel, line, xs, ys):
    found = _lines(drawn[name].figure.axes[panel])[line]
    np.testing.assert_allclose(found[0], xs)
    np.testing.assert_allclose(found[1], ys)


@pytest.mark.parametrize(
    "name", ["stability", "instability", "overlap", "signs", "movement"]
)
def test_densities_are_on_a_log_axis_from_dense_to_sparse(drawn, name):
    for axes in drawn[name].figure.axes:
        assert axes.get_xscale() == "log"
        left, right = axes.get_xlim()
        assert left > 50 > 20 > right


def test_the_bars_of_panels_go_from_least_to_greatest(drawn):
    axes = drawn["stability"].figure.axes[0]
    (ticket,) = [c for c in axes.containers if c.get_label() == "ticket"]
    (bars,) = ticket.lines[2]
    np.testing.assert_allclose(
        bars.get_segments(), [[[50, 10], [50, 11]], [[20, 10], [20, 11]]]
    )


def test_the_threshold_of_stability_is_drawn_at_two_points(drawn):
    lines = _lines(drawn["instability"].figure.axes[0])
    assert set(lines["stable below 2 points"][1]) == {2.0}
    # Two initialisations are at 60 points, and would hide the rest.
    assert drawn["instability"].figure.axes[1].get_ylim()[1] < 5


def test_the_heat_map_shows_each_layers_density(drawn):
    axes = drawn["layer_densities"].figure.axes[0]
    (picture,) = axes.images
    np.testing.assert_allclose(
        picture.get_array(), [[100, 100], [50, 100], [20, 100]]
    )
    assert [text.get_text() for text in axes.texts] == [
        *("100", "100"),
        *("50.0", "100"),
        *("20.0", "100"),
    ]
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        "fc1\n640",
        "output\n20",
    ]


def test_pictures_of_the_first_layer_count_connections_per_pixel(drawn):
    axes = drawn["first_layer"].figure.axes
    first, second = (a.images[0].get_array() for a in axes[:2])
    # 10 units: 5 connections a pixel in round 1, 2 in round 2.
    np.testing.assert_array_equal(first, np.full((8, 8), 5))
    np.testing.assert_array_equal(second, np.full((8, 8), 2))
    assert axes[0].get_title() == "Round 1: 50.0%"
    assert axes[0].images[0].get_clim() == (0, 5)


def test_histograms_are_shares_per_unit_of_weight(drawn):
    rows = drawn["initial_weights"].numbers
    own = [r for r in rows if (r["layer"], r["round"]) == ("fc1/kernel", 1)]
    by_kind = {(r["weights"], r["low"]): r["density"] for r in own}
    assert by_kind["surviving", -1] == 0.25
    assert by_kind["initial", 0] == 0.75
    axes = drawn["initial_weights"].figure.axes[0]
    key = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert key == ["all weights", "round 1: 50.0%", "round 2: 20.0%"]


def test_a_table_of_numbers_has_no_picture(run):
    table = Run(run.path)
    table.settings = {"dataset": "mnist1d"}
    assert table.image_shape(64) is None
    table.settings = {"dataset": "tfds:cifar10"}
    assert table.image_shape(3072) == (32, 32, 3)
    assert table.image_shape(40) is None
    table.identity = {"data": "mine"}
    assert table.image_shape(3072) is None


@pytest.mark.parametrize(
    ("identity", "title", "own"),
    [
        ({"build": None, "data": None}, "mlp on digits", ()),
        ({"build": "f.<locals>.net"}, "own model net on digits", ("build",)),
        (
            {"build": "net", "data": "<Dataset 'mine': 9 train, 2 test>"},
            "own model net on own data mine",
            ("build", "data"),
        ),
        (
            {"data": "x" * 50},
            f"mlp on own data {'x' * 31}…",
            ("data",),
        ),
    ],
)
def test_a_run_is_titled_by_what_it_was_given(run, identity, title, own):
    found = Run(run.path)
    found.settings = {**found.settings, "model_options": {"hidden": [3]}}
    found.identity = identity
    assert (found.title, found.own) == (title, own)
    assert ("model_options" in found.facts) == ("build" not in own)


def test_what_is_not_there_is_named_with_its_command(tmp_path):
    run = Run(sample_run.write_run(tmp_path / "run"))
    found = [one for one in gallery.draw(run) if not isinstance(one, Drawn)]
    lines = lacks.commands("RUN", found)
    assert lines == [
        "tflottery controls --run_dir=RUN --branch=random_ticket,reordered,"
        "reordered_random_ticket",
        "tflottery analyse --run_dir=RUN",
    ]


def test_a_path_with_a_space_is_quoted_in_commands():
    lack = lacks.Lack("x", ("snip",), True)
    assert lacks.commands("my runs/a", [lack]) == [
        "tflottery controls --run_dir='my runs/a' --branch=snip",
        "tflottery analyse --run_dir='my runs/a'",
    ]


def test_a_run_with_everything_lacks_nothing(run):
    whole = Run(run.path)
    ticket = [row for row in whole.rows if row["branch"] == "ticket"]
    whole.rows = whole.rows + [
        {**row, "branch": name}
        for name in ("random_ticket", "reordered", "reordered_random_ticket")
        for row in ticket
    ]
    entries = [gallery.ENTRIES[0], *gallery.ENTRIES[3:]]
    found = [one for entry in entries for one in entry(whole)]
    assert all(isinstance(one, Drawn) for one in found)


def test_a_damaged_mask_counts_as_missing(tmp_path):
    run_dir = _write(tmp_path / "run")
    path = run_dir / "replicate_0" / "round_02" / "mask"
    path.write_bytes(path.read_bytes()[:-3])
    rows = Run(run_dir).layer_densities
    assert {row["round"] for row in rows} == {0, 1}


def test_the_numbers_of_a_figure_are_written_with_their_ends(tmp_path, drawn):
    from tflottery.reports import results

    results.write_table(tmp_path / "n.csv", drawn["stability"].numbers)
    with open(tmp_path / "n.csv", newline="") as stream:
        first = next(csv.DictReader(stream))
    assert first["line"] == "ticket"
    assert first["panel"] == "To the order of the data: L2 distance"
    assert (first["density"], first["value_count"]) == ("50.0", "2")
    assert [first[f"value_{k}"] for k in ("mean", "min", "max")] == [
        "10.5",
        "10.0",
        "11.0",
    ]


def _captions(run, *branches):
    other = Run(run.path)
    row = other.rows[1]
    other.rows = other.rows + [{**row, "branch": name} for name in branches]
    found = [o for o in gallery.ENTRIES[0](other) if isinstance(o, Drawn)]
    return {one.name: one for one in found}


def test_fine_tuning_says_where_its_steps_count_from(run):
    said = "Fine-tuning counts on from step T."
    for name in ("fine_tuning@500it", "one_shot_fine_tuning"):
        assert said in _captions(run, name)["density"].caption
    assert said not in _captions(run, "weight_rewinding")["density"].caption
    many = ("snip", "grasp", "synflow", "one_shot", "random_ticket")
    found = _captions(run, *many, "fine_tuning")
    assert said in found["density_retraining"].caption
    assert said not in found["density"].caption


def test_a_dense_network_trained_longer_is_in_the_table_only(run):
    one = _captions(run, "dense_longer", "fine_tuning")["density"]
    assert "Dense, trained longer, keeps all weights" in one.caption
    assert "dense_longer" not in {row["branch"] for row in one.numbers}
    lines = _lines(one.figure.axes[0])
    assert "fine-tuning" in lines and "dense, trained longer" not in lines
    assert "trained longer" not in _captions(run)["density"].caption


def test_many_branches_make_several_figures(run):
    many = Run(run.path)
    row = many.rows[1]
    names = ["random_ticket", "snip", "grasp", "synflow", "magnitude_at_init"]
    many.rows = many.rows + [{**row, "branch": n} for n in (*names, "one_shot")]
    found = list(gallery.ENTRIES[0](many))
    assert [one.name for one in found] == [
        "density",
        "density_at_initialisation",
        "density_one_shot",
    ]
    assert dataclasses.asdict(found[1])["caption"].count("initialisation")
