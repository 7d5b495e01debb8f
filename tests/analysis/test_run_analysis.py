"""`analyse` on a run directory: every table against its masks and weights."""

import csv
import itertools
import math
import shutil

import numpy as np
import pytest
import remote_files
import torch

import tflottery
from tflottery.analysis import analyse
from tflottery.core import documents
from tflottery.core.mask import Mask
from tflottery.lottery.controls import run_controls

CONFIG = tflottery.SearchConfig(
    dataset="digits",
    model_options={"hidden": [8]},
    batch_size=50,
    steps=40,
    validate_every=40,
    rounds=2,
    replicates=2,
    prune_fraction=0.5,
    jit_compile=False,
)
CONTROLS = ["reordered", "random_ticket", "reordered_random_ticket"]
KERNELS = ["fc1/kernel", "output/kernel"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A search without controls."""
    folder = tmp_path_factory.mktemp("bare")
    tflottery.find_ticket(config=CONFIG, run_dir=folder, summaries=False)
    return folder


@pytest.fixture(scope="module")
def whole(bare, tmp_path_factory):
    """The same search; replicate 0 has controls in rounds 0 and 2."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(bare, folder)
    run_controls(folder, CONTROLS, rounds=[0, 2], draws=2, replicates=[0])
    return folder


@pytest.fixture(scope="module")
def found(whole):
    return analyse(whole, alphas=5)


def chosen(rows, **values):
    return [r for r in rows if all(r[k] == v for k, v in values.items())]


def read_trained(folder, replicate, round, branch=""):
    place = folder / f"replicate_{replicate}"
    if branch:
        name, draw = branch.split("/")
        place = place / "branches" / name / f"draw_{draw}"
    round_path = place / f"round_{round:02d}"
    mask = Mask.load(round_path / "mask")
    return mask, tflottery.Snapshot.load(round_path / "trained").weights()


def vector(mask, weights):
    parts = [torch.from_numpy(weights[p][mask[p]]).double() for p in KERNELS]
    return torch.cat(parts)


def test_every_pair_of_copies_is_measured_once(found):
    rows = chosen(found.tables["stability"], replicate=0, layer="all")

    def pairs(**values):
        return {(r["first"], r["second"]) for r in chosen(rows, **values)}

    copies = ["ticket", "reordered/0", "reordered/1"]
    order = {"round": 2, "to": "data_order"}
    assert pairs(branch="ticket", **order) == set(
        itertools.combinations(copies, 2)
    )
    copies = ["random_ticket/0"]
    copies += [f"reordered_random_ticket/{draw}" for draw in (0, 1)]
    assert pairs(branch="random_ticket", **order) == set(
        itertools.combinations(copies, 2)
    )
    dense = ["dense", "dense_reordered/0", "dense_reordered/1"]
    assert pairs(branch="dense") == set(itertools.combinations(dense, 2))
    # To pruning: on the batches of the search alone, in every round, so that
    # a round that has reordered copies can be compared with one that has none.
    assert pairs(round=2, branch="ticket", to="pruning") == {
        ("dense", "ticket")
    }
    assert pairs(branch="random_ticket", to="pruning") == {
        ("dense", "random_ticket/0"),
        ("dense", "random_ticket/1"),
    }
    assert pairs(round=1) == {("dense", "ticket")}
    assert len(rows) == 3 + 3 + 3 + 1 + 2 + 1


@pytest.mark.parametrize(
    ("first", "second", "places"),
    [
        ("ticket", "reordered/1", [(2, ""), (2, "reordered/1")]),
        (
            "reordered_random_ticket/0",
            "reordered_random_ticket/1",
            [(2, f"reordered_random_ticket/{draw}") for draw in (0, 1)],
        ),
        ("dense", "ticket", [(0, ""), (2, "")]),
        (
            "dense",
            "random_ticket/1",
            [(0, ""), (2, "random_ticket/1")],
        ),
        ("dense", "dense_reordered/1", [(0, ""), (0, "reordered/1")]),
    ],
)
def test_stability_is_that_of_the_files(whole, found, first, second, places):
    (_, one), (mask, other) = (read_trained(whole, 0, *p) for p in places)
    u, v = vector(mask, one), vector(mask, other)
    cosine = torch.nn.functional.cosine_similarity(u, v, dim=0).item()
    rows = chosen(
        found.tables["stability"],
        replicate=0,
        round=places[1][0],
        first=first,
        second=second,
    )
    assert [row["layer"] for row in rows] == ["all", *KERNELS]
    row = rows[0]
    assert row["density"] == mask.density
    assert row["distance"] == pytest.approx(torch.dist(u, v).item())
    assert row["angle"] == pytest.approx(math.degrees(math.acos(cosine)))
    assert 0 < row["angle"] < 180


def test_the_ends_of_every_line_have_the_error_of_the_search(whole, found):
    with open(whole / "results.csv", newline="") as file:
        accuracy = {
            (
                int(r["replicate"]),
                r["branch"],
                int(r["draw"]),
                int(r["round"]),
            ): float(r["test_accuracy_final"])
            for r in csv.DictReader(file)
        }

    def error(row, label):
        replicate, round = row["replicate"], row["round"]
        if row["to"] == "initialisation":
            place = int(label.removeprefix("replicate_")), "ticket", 0, round
        else:
            branch, _, draw = label.removeprefix("dense_").partition("/")
            branch = "ticket" if branch == "dense" else branch
            place = replicate, branch, int(draw or 0), round
        return pytest.approx(1 - accuracy[place], abs=1e-6)

    curves = found.tables["interpolation"]
    ends = [row for row in curves if row["alpha"] in (0, 1)]
    # Three kinds of copies, three lines each; and two initialisations.
    assert len(curves) / 5 == len(ends) / 2 == 3 * 3 + 1
    for row in ends:
        label = row["first"] if row["alpha"] == 1 else row["second"]
        assert row["test_error"] == error(row, label)


def test_instability_is_the_highest_point_of_the_curve(found):
    for row in found.tables["instability"]:
        names = ("replicate", "round", "branch", "to", "first", "second")
        where = {name: row[name] for name in names}
        curve = chosen(found.tables["interpolation"], **where)
        assert [r["alpha"] for r in curve] == [0, 0.25, 0.5, 0.75, 1]
        for kind in ("train", "test"):
            errors = [r[f"{kind}_error"] for r in curve]
            height = max(errors) - (errors[0] + errors[-1]) / 2
            assert row[f"{kind}_instability"] == pytest.approx(height)
        assert row["is_stable"] == (row["test_instability"] < 0.02)


def test_masks_of_rounds_replicates_and_branches_are_compared(whole, found):
    rows = chosen(found.tables["overlap"], layer="all")
    masks = {
        (n, *place): read_trained(whole, n, *place)[0]
        for n in (0, 1)
        for place in ((0, ""), (1, ""), (2, ""))
    }
    random = 0, 2, "random_ticket/1"
    masks[random] = read_trained(whole, *random)[0]

    def check(one, other, **values):
        (row,) = chosen(rows, **values)
        assert row["overlap"] == masks[one].overlap(masks[other])
        densities = row["first_density"], row["second_density"]
        assert densities == (masks[one].density, masks[other].density)

    place = {"kind": "rounds", "replicate": 0, "first": 1, "second": 2}
    check((0, 1, ""), (0, 2, ""), **place)
    place = {"kind": "replicates", "round": 1, "first": 0, "second": 1}
    check((0, 1, ""), (1, 1, ""), **place)
    place = {"kind": "branches", "replicate": 0, "first": "ticket"}
    check((0, 2, ""), random, second="random_ticket/1", **place)
    # `reordered` has the ticket's masks: nothing to compare.
    names = {row["second"] for row in chosen(rows, kind="branches")}
    assert "reordered/0" not in names
    assert len(chosen(rows, kind="rounds")) == 2 * 3


def test_histograms_count_every_weight(whole, found):
    rows = chosen(found.tables["surviving_weights"], replicate=0, round=2)
    mask, trained = read_trained(whole, 0, 2)
    initial = tflottery.Snapshot.load(whole / "replicate_0/initial").weights()
    for layer in KERNELS:
        kept = int(mask[layer].sum())
        for name, values, total in (
            ("initial", initial[layer], mask[layer].size),
            ("surviving", initial[layer][mask[layer]], kept),
            ("trained", trained[layer][mask[layer]], kept),
        ):
            bins = chosen(rows, layer=layer, weights=name)
            assert sum(row["count"] for row in bins) == total
            positive = sum(row["count"] for row in bins if row["low"] >= 0)
            assert positive == np.count_nonzero(values >= 0)
        (row,) = chosen(
            found.tables["signs"], replicate=0, round=2, layer=layer
        )
        assert row["survivors"] == kept
        same = (initial[layer] > 0) == (trained[layer] > 0)
        share = np.mean(same[mask[layer]])
        assert row["kept_sign_share"] == pytest.approx(share)


def test_bins_of_trained_weights_are_those_of_all_rounds(found):
    rows = found.tables["surviving_weights"]
    for weights in ("initial", "trained"):
        rounds = [
            [
                (row["low"], row["high"])
                for row in chosen(
                    rows,
                    replicate=0,
                    round=number,
                    layer="fc1/kernel",
                    weights=weights,
                )
            ]
            for number in (1, 2)
        ]
        assert rounds[0] == rounds[1]


def test_movement_is_that_of_dense_training(whole, found):
    _, trained = read_trained(whole, 1, 0)
    mask, _ = read_trained(whole, 1, 2)
    initial = tflottery.Snapshot.load(whole / "replicate_1/initial").weights()
    for group, alive in (("surviving", mask), ("pruned", None)):
        layer = "fc1/kernel"
        places = mask[layer] if alive is mask else ~mask[layer]
        distance = np.abs(trained[layer] - initial[layer])[places].mean()
        (row,) = chosen(
            found.tables["movement"],
            replicate=1,
            round=2,
            layer=layer,
            group=group,
        )
        assert row["weights"] == places.sum()
        assert row["mean_distance"] == pytest.approx(distance, rel=1e-5)


def test_units_are_counted_on_both_sides(whole, found):
    mask, _ = read_trained(whole, 0, 2)
    where = {"replicate": 0, "round": 2, "layer": "fc1/kernel"}
    for side, axis in (("incoming", 0), ("outgoing", 1)):
        counts = mask["fc1/kernel"].sum(axis=axis)
        (row,) = chosen(found.tables["connectivity"], side=side, **where)
        assert (row["units"], row["mean"]) == (len(counts), counts.mean())
        units = chosen(found.tables["connectivity_units"], side=side, **where)
        found_counts = {row["connections"]: row["units"] for row in units}
        values, times = np.unique(counts, return_counts=True)
        assert found_counts == dict(zip(values, times, strict=True))


def test_files_are_what_is_returned(whole, found):
    assert set(found.paths) == set(found.tables)
    for table, path in found.paths.items():
        assert path == str(whole / "analysis" / f"{table}.csv")
        with open(path, newline="") as file:
            read = list(csv.DictReader(file))
        assert len(read) == len(found.tables[table])
        for text, row in zip(read, found.tables[table], strict=True):
            for name, value in row.items():
                if isinstance(value, float) and math.isnan(value):
                    value = ""
                assert text[name] == str(value)
    assert found.lacks == []


def test_the_text_has_means_over_pairs_and_replicates(found):
    rows = chosen(
        found.tables["stability"],
        round=2,
        branch="random_ticket",
        to="pruning",
        layer="all",
    )
    assert len(rows) == 2
    distance, angle = (
        np.mean([row[name] for row in rows]) for name in ("distance", "angle")
    )
    (line,) = [
        line
        for line in found.text.splitlines()
        if line.startswith("random_ticket      2") and "°" in line
    ]
    assert line.endswith(f"  {distance:.3g} {angle:.1f}°")
    for title in ("Instability", "Overlap", "Survivors of round 2"):
        assert title in found.text


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "analysis"
    }


def test_what_a_search_lacks_is_skipped_and_named(bare, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(bare, folder)
    (folder / "analysis").mkdir()
    stale = folder / "analysis" / "stability.csv"
    stale.write_text("of an earlier search")
    before = contents(folder)
    found = analyse(folder, alphas=2, rounds=[0])
    # One round is dense, two replicates are two inits.
    assert set(found.paths) == {"interpolation", "instability"}
    assert not stale.exists()
    text = "\n".join(found.lacks)
    for branch in ("reordered", "random_ticket,reordered_random_ticket"):
        assert f"controls --run_dir=DIR --branch={branch}`" in text
    assert "go on with the search" in text
    assert contents(folder) == before


def test_only_the_parts_and_rounds_asked_for_are_looked_at(bare, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(bare, folder)
    notes = []
    found = analyse(folder, parts=["movement"], rounds=[2], note=notes.append)
    assert notes == ["movement"]
    assert list(found.tables) == ["movement"]
    assert {row["round"] for row in found.tables["movement"]} == {2}
    assert [p.name for p in (folder / "analysis").iterdir()] == ["movement.csv"]


def test_a_run_directory_may_be_remote(bare, tmp_path):
    with remote_files.bucket_in(tmp_path) as bucket:
        shutil.copytree(bare, bucket.folder / "runs" / "first")
        path = bucket.path / "runs" / "first"
        found = analyse(path, parts=["overlap", "connectivity"])
        assert len(found.paths) == 3
        for place in found.paths.values():
            assert place.startswith(f"{path}/analysis/")


def test_a_damaged_network_is_named(bare, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(bare, folder)
    place = folder / "replicate_1" / "round_02" / "trained"
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(ValueError, match="Round 2 of replicate 1 .*'trained'"):
        analyse(folder, parts=["stability"])
    assert place.exists()  # only the search may mend it


def test_a_search_on_own_data_needs_it_for_errors_alone(bare, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(bare, folder)
    for path in [folder / "config.json", *folder.rglob("result.json")]:
        stored = documents.read_json(path)
        stored["identity"]["data"] = "<mine>"
        documents.write_json(path, stored)
    found = analyse(folder)
    assert set(found.paths) >= {"stability", "overlap", "movement"}
    assert "`data` must be given for interpolation" in found.lacks[-1]
    with pytest.raises(ValueError, match="Received: data=None.*<mine>"):
        analyse(folder, parts=["interpolation"])
    mine = tflottery.data.load("digits")
    found = analyse(folder, parts=["interpolation"], alphas=2, data=mine)
    assert found.lacks == [text for text in found.lacks if "line" in text]
    assert len(found.tables["interpolation"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parts": ["stabilty"]}, "Did you mean 'stability'"),
        ({"parts": "stability"}, "Use parts=\\['stability'\\]"),
        ({"rounds": 3}, "Use rounds=\\[3\\]"),
        ({"rounds": [-1]}, "`rounds`"),
        ({"alphas": 1}, "two ends of the line"),
    ],
)
def test_a_wrong_argument_is_refused_before_any_work(bare, arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        analyse(bare, **arguments)
    assert not (bare / "analysis").exists()


def test_a_folder_without_a_finished_round_is_refused(bare, tmp_path):
    with pytest.raises(ValueError, match="must be the folder of a search"):
        analyse(tmp_path)
    stored = documents.read_json(bare / "config.json")
    documents.write_json(tmp_path / "config.json", stored)
    with pytest.raises(ValueError, match="must hold a finished round"):
        analyse(tmp_path)
