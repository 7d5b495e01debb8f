"""Networks of finished rounds: what the search had, bit for bit."""

import dataclasses
import importlib
import shutil

import keras
import numpy as np
import pytest
import remote_files

import tflottery
from tflottery.core import documents
from tflottery.layers import evidence, state
from tflottery.lottery import finished, network, network_facts, recipes
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.progress import Progress

CONFIG = SearchConfig(
    dataset="digits",
    model_options={"hidden": [8]},
    batch_size=50,
    steps=20,
    validate_every=10,
    rounds=1,
    replicates=2,
    rewind_to="5it",
    prune_fraction=0.4,
    jit_compile=False,
)


def bits(model):
    """The state of a model, and its mask, as bytes by name."""
    values = {
        name: variable.numpy()
        for name, variable in state.variables(model, state.WEIGHTS).items()
    }
    for path, mask in evidence.current_mask(model).items():
        values[f"mask/{path}"] = mask
    return {
        name: (value.dtype, value.shape, value.tobytes())
        for name, value in values.items()
    }


class Watching(Progress):
    """Notes the network at the end of every round, and loads it at once."""

    def __init__(self, monkeypatch, run_dir, **arguments):
        self.had, self.loaded, self.left = {}, {}, {}
        self.run_dir, self.arguments = run_dir, arguments
        prepare = network.prepare

        def noting(*arguments):
            self.model = prepare(*arguments)
            return self.model

        monkeypatch.setattr(network, "prepare", noting)

    def round_finished(self, row):
        place = row["replicate"], row["round"]
        self.had[place] = bits(self.model)
        before = everything_in(self.run_dir)
        self.loaded[place] = bits(
            tflottery.load_network(
                self.run_dir, replicate=place[0], **self.arguments
            )
        )
        self.left[place] = before, everything_in(self.run_dir)


def everything_in(folder):
    return {
        path: path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A run directory, and what was seen while it was made."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        watching = Watching(patch, folder)
        tflottery.find_ticket(
            config=CONFIG, run_dir=folder, summaries=False, progress=watching
        )
    return folder, watching


@pytest.fixture
def run_dir(searched, tmp_path):
    """A copy of the run directory, to be spoilt."""
    shutil.copytree(searched[0], tmp_path / "run")
    return tmp_path / "run"


def forget_the_network(run_dir):
    """Makes the tickets as versions before this one wrote them."""
    for path in run_dir.rglob("ticket"):
        ticket = tflottery.Ticket.load(path)
        info = {k: v for k, v in ticket.info.items() if k != "network"}
        dataclasses.replace(ticket, info=info).save(path)


def test_a_round_is_loaded_as_the_search_left_it(searched):
    folder, watching = searched
    assert sorted(watching.had) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({str(had) for had in watching.had.values()}) == 4
    for (replicate, round), had in watching.had.items():
        model = tflottery.load_network(folder, replicate=replicate, round=round)
        assert bits(model) == had
        assert not model.compiled


def test_a_search_at_work_is_read_and_not_touched(searched):
    _, watching = searched
    # Without a round it was the last finished one: the one just done.
    assert watching.loaded == watching.had
    for before, after in watching.left.values():
        assert any("claims" in path.parts for path in before)
        assert after == before


def test_the_last_finished_round_is_the_default(searched):
    folder, watching = searched
    assert bits(tflottery.load_network(folder)) == watching.had[0, 1]


def test_a_rewound_network_is_the_ticket(searched):
    folder, _ = searched
    model = tflottery.load_network(folder, round=1, state="rewound")
    ticket = tflottery.Ticket.load(folder / "replicate_0/round_01/ticket")
    assert evidence.current_mask(model) == ticket.mask
    rewind = tflottery.Snapshot.load(folder / "replicate_0/rewind").weights()
    for path, value in rewind.items():
        expected = np.where(ticket.mask.get(path, True), value, 0)
        found = state.variables(model)[state.WEIGHTS + path].numpy()
        np.testing.assert_array_equal(found, expected, err_msg=path)


def test_a_ticket_is_enough(searched, tmp_path):
    folder, _ = searched
    shutil.copy(folder / "replicate_1/round_01/ticket", tmp_path / "mine")
    model = finished.load_ticket_network(tmp_path / "mine")
    expected = tflottery.load_network(folder, replicate=1, state="rewound")
    assert bits(model) == bits(expected)
    assert tflottery.Ticket.load(tmp_path / "mine").info["network"] == {
        "model": "mlp",
        "model_options": {"hidden": [8]},
        "build": None,
        "keras": "keras",
        "input_shape": [8, 8, 1],
        "num_classes": 10,
        "seed": network_seed(1),
        "dataset": "digits",
        "recipe": None,
    }


def network_seed(replicate):
    from tflottery.core.seeds import child_seed

    return child_seed(0, "replicate", replicate, "model")


def test_neither_loads_the_data(searched, monkeypatch):
    folder, _ = searched

    def refuse(*unused, **also_unused):
        raise AssertionError("a network must be loaded without the data")

    monkeypatch.setattr(finished.datasets, "load", refuse)
    tflottery.load_network(folder)
    tflottery.load_network(folder / "replicate_0/round_00/ticket")


def test_the_data_are_those_of_the_search(searched):
    folder, _ = searched
    found = finished.FinishedRound.of(folder).data()
    x, _ = next(found.validation_batches(5).as_numpy_iterator())
    expected = tflottery.data.load("digits", seed=split_seed())
    y, _ = next(expected.validation_batches(5).as_numpy_iterator())
    np.testing.assert_array_equal(x, y)


def split_seed():
    from tflottery.core.seeds import child_seed

    return child_seed(0, "split")


def test_a_run_of_an_older_version_asks_the_data(searched, run_dir):
    _, watching = searched
    forget_the_network(run_dir)
    assert bits(tflottery.load_network(run_dir)) == watching.had[0, 1]
    path = run_dir / "replicate_0" / "round_01" / "ticket"
    with pytest.raises(ValueError, match="does not say what its model is"):
        finished.load_ticket_network(path)

    def build():
        return tflottery.models.build(
            "mlp", keras, input_shape=(64,), num_classes=10, hidden=(8,)
        )

    assert finished.load_ticket_network(path, build).input_shape == (None, 64)


def test_a_remote_run_is_loaded(searched, tmp_path):
    folder, watching = searched
    with remote_files.bucket_in(tmp_path) as bucket:
        shutil.copytree(folder, bucket.folder / "runs" / "first")
        path = bucket.path / "runs" / "first"
        for place in (path, str(path)):
            assert bits(tflottery.load_network(place)) == watching.had[0, 1]
        ticket = f"{path}/replicate_0/round_01/ticket"
        assert tflottery.sparsity(finished.load_ticket_network(ticket)) > 0.39


def own_model(module):
    """A network whose layers keep statistics and random states."""

    def build(seed):
        layers = module.layers
        inputs = module.Input((8, 8, 1))
        x = layers.Flatten()(inputs)
        x = layers.BatchNormalization()(layers.Dense(8)(x))
        x = layers.Dropout(0.2, seed=seed % 97)(layers.ReLU()(x))
        return module.Model(inputs, layers.Dense(10)(x))

    return build


@pytest.mark.parametrize(
    "family", ["tf_keras", pytest.param("keras", marks=pytest.mark.slow)]
)
def test_a_model_of_the_user_is_built_by_the_user(
    family, tmp_path, monkeypatch
):
    module = importlib.import_module(family)
    build = own_model(module)
    watching = Watching(monkeypatch, tmp_path, build=build)
    tflottery.find_ticket(
        build,
        config=CONFIG.replace(replicates=1),
        run_dir=tmp_path,
        summaries=False,
        progress=watching,
    )
    assert watching.loaded == watching.had
    assert any("moving_variance" in name for name in watching.had[0, 0])
    assert any("seed_generator" in name for name in watching.had[0, 0])
    ticket = tmp_path / "replicate_0" / "round_01" / "ticket"
    info = tflottery.Ticket.load(ticket).info["network"]
    assert (info["model"], info["keras"]) == (None, family)
    expected = r"`build` must be given: .*'own_model.<locals>.build'.*Pass that"
    with pytest.raises(ValueError, match=expected):
        tflottery.load_network(tmp_path)
    with pytest.raises(ValueError, match=expected):
        finished.load_ticket_network(ticket)
    forget_the_network(tmp_path)
    with pytest.raises(ValueError, match=expected):
        tflottery.load_network(tmp_path)
    with pytest.raises(ValueError, match="ticket does not fit the model"):
        tflottery.load_network(tmp_path, build=tflottery_mlp(module))


def tflottery_mlp(module):
    return lambda: tflottery.models.build(
        "mlp", module, input_shape=(8, 8, 1), num_classes=10, hidden=(8,)
    )


def test_loading_leaves_the_callers_random_numbers_alone(searched):
    folder, _ = searched
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    tflottery.load_network(folder, build=tflottery_mlp(keras))
    assert np.random.random() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"round": 7}, "Received: round=7; finished: 0, 1. There are rounds 0"),
        ({"round": -1}, "`round` must be a non-negative integer"),
        ({"replicate": 2}, "Received: replicate=2, of 2. They are counted"),
        ({"replicate": -1}, "`replicate` must be a non-negative integer"),
        ({"state": "trianed"}, "Did you mean 'trained'"),
    ],
)
def test_what_is_not_there_is_refused(searched, arguments, message):
    with pytest.raises(ValueError, match=message):
        tflottery.load_network(searched[0], **arguments)


def test_a_round_that_is_not_finished_is_refused(run_dir):
    (run_dir / "replicate_0/round_01/result.json").unlink()
    with pytest.raises(
        ValueError, match=r"round=1; finished: 0\..* run the search again"
    ):
        tflottery.load_network(run_dir, round=1)
    found = finished.FinishedRound.of(run_dir)
    assert found.round == 0
    shutil.rmtree(run_dir / "replicate_0")
    with pytest.raises(ValueError, match="round=None; finished: none"):
        tflottery.load_network(run_dir)


def test_a_folder_without_a_search_is_refused(tmp_path):
    with pytest.raises(ValueError, match="config.json is missing. Run `tflott"):
        tflottery.load_network(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "name", ["config.json", "replicate_0/round_01/trained"]
)
def test_a_damaged_file_is_named(run_dir, name):
    place = run_dir / name
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)
    with pytest.raises(tflottery.DamagedFileError, match=f"{name} is damaged"):
        tflottery.load_network(run_dir)


@pytest.mark.parametrize("name", ["trained", "ticket"])
def test_a_missing_file_is_named_with_the_way_out(run_dir, name):
    (run_dir / "replicate_0" / "round_01" / name).unlink()
    expected = f"Round 1 of replicate 0 is not whole.*{name}, which is missing"
    with pytest.raises(ValueError, match=expected):
        tflottery.load_network(run_dir)


def test_data_without_a_name_cannot_be_loaded(run_dir):
    settings = documents.read_json(run_dir / "config.json")
    settings["identity"]["data"] = "<InMemoryDataset 'mine'>"
    documents.write_json(run_dir / "config.json", settings)
    assert tflottery.load_network(run_dir).input_shape == (None, 8, 8, 1)
    with pytest.raises(ValueError, match="a search on <InMemoryDataset 'mine'"):
        finished.FinishedRound.of(run_dir).data()
    forget_the_network(run_dir)
    with pytest.raises(ValueError, match="`build` must be given: this run is"):
        tflottery.load_network(run_dir)


def test_facts_say_what_they_know():
    mine = network_facts.collect(
        recipes.get("mnist1d_mlp").config,
        {"build": None, "data": "<InMemoryDataset 'mine'>"},
        tflottery.data.load("digits"),
        seed=1,
    )
    assert (mine["dataset"], mine["recipe"]) == (None, "mnist1d_mlp")
    built = network_facts.collect(
        CONFIG, {"build": "mine"}, tflottery.data.load("digits"), seed=1
    )
    assert (built["model"], built["model_options"]) == (None, {})
    assert (built["dataset"], built["recipe"]) == ("digits", None)
