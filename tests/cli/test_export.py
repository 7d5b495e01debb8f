"""`tflottery export`: from a search to a file that another program runs."""

import json
import pathlib
import shutil

import numpy as np
import pytest

import tflottery
from tflottery.cli import main
from tflottery.layers import state
from tflottery.lottery.config import SearchConfig

CONFIG = SearchConfig(
    dataset="digits",
    model_options={"hidden": [24]},
    batch_size=50,
    steps=40,
    validate_every=20,
    rounds=1,
    prune_fraction=0.9,
    jit_compile=False,
)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    tflottery.find_ticket(config=CONFIG, run_dir=folder, summaries=False)
    return folder


def export(*arguments):
    return main.run(["export", *map(str, arguments)])


def weights(model):
    found = state.variables(model, state.WEIGHTS)
    return {
        name: variable.numpy().tobytes() for name, variable in found.items()
    }


class Written:
    """Stands for `tflottery.export`; notes what is to be written."""

    def __init__(self, monkeypatch):
        from tflottery import export as package

        self.calls = []
        for name in ("to_tflite", "to_keras", "to_saved_model", "to_onnx"):
            monkeypatch.setattr(package, name, self._note(name))

    def _note(self, name):
        def write(model, path, **options):
            self.calls.append((name, model, path, options))
            return f"the report of {path}"

        return write

    @property
    def last(self):
        return self.calls[-1]


@pytest.fixture
def written(monkeypatch):
    return Written(monkeypatch)


def outputs(path, x):
    """What the file says of examples, in LiteRT itself."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    (given,), (taken,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    interpreter.resize_tensor_input(given["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(taken["index"])


def test_a_round_becomes_a_file_that_runs(run_dir, tmp_path, capsys):
    target, report = tmp_path / "new" / "net.tflite", tmp_path / "net.json"
    flags = [f"--run_dir={run_dir}", f"--output={target}"]
    assert export(*flags, "--validate", f"--report={report}") == 0
    streams = capsys.readouterr()
    assert "Exporting round 1 of replicate 0 of" in streams.err
    assert str(target) in streams.out and "sparse float32" in streams.out
    model = tflottery.load_network(run_dir)
    x, _ = next(
        tflottery.data.load("digits").test_batches(9).as_numpy_iterator()
    )
    expected = model(x).numpy()
    np.testing.assert_allclose(
        outputs(target, x), expected, rtol=1e-4, atol=1e-5
    )
    rows = (run_dir / "results.csv").read_text().splitlines()
    row = dict(zip(rows[0].split(","), rows[-1].split(","), strict=True))
    forms = json.loads(report.read_text())["forms"]
    (accuracy,) = (form["accuracy"] for form in forms if form["chosen"])
    assert accuracy["examples"] == 397
    assert accuracy["model"] == pytest.approx(
        float(row["test_accuracy_final"]), abs=1e-6
    )
    assert accuracy["file"] == pytest.approx(accuracy["model"], abs=0.005)


def test_a_ticket_becomes_a_file_that_runs(run_dir, tmp_path, capsys):
    ticket, target = tmp_path / "mine", tmp_path / "net.tflite"
    shutil.copy(run_dir / "replicate_0/round_01/ticket", ticket)
    flags = [f"--ticket={ticket}", f"--output={target}", "--quantize=int8"]
    assert export(*flags, "--compact") == 0
    text = capsys.readouterr().out
    # What compacting has removed, then what was written.
    assert text.index("kernel entries") < text.index(str(target))
    assert "int8" in text
    model = tflottery.load_network(run_dir, state="rewound")
    x, _ = next(
        tflottery.data.load("digits").test_batches(50).as_numpy_iterator()
    )
    expected, found = model(x).numpy(), outputs(target, x)
    # Eight bits: a few steps of a scale of 256.
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["net.keras", "folder/"])
def test_other_forms_are_written_and_can_be_loaded(run_dir, tmp_path, name):
    target = f"{tmp_path}/{name}"
    assert export(f"--run_dir={run_dir}", f"--output={target}") == 0
    model = tflottery.load_network(run_dir)
    x, _ = next(
        tflottery.data.load("digits").test_batches(9).as_numpy_iterator()
    )
    if name.endswith(".keras"):
        import keras

        found = keras.models.load_model(target)(x)
    else:
        import tensorflow as tf

        signature = tf.saved_model.load(target).signatures["serving_default"]
        (found,) = signature(tf.constant(x)).values()
    np.testing.assert_allclose(found, model(x), rtol=1e-5, atol=1e-6)


def test_flags_choose_the_network(run_dir, written, capsys):
    flags = [f"--run_dir={run_dir}", "--output=x.tflite"]
    for arguments, expected in (
        ([], {}),
        (["--round=0"], {"round": 0}),
        (["--round=1", "--state=rewound"], {"round": 1, "state": "rewound"}),
        (["--replicate=0"], {"replicate": 0}),
    ):
        assert export(*flags, *arguments) == 0
        name, model, path, options = written.last
        assert (name, path) == ("to_tflite", "x.tflite")
        assert options == {"quantize": None, "sparse": "auto"}
        assert weights(model) == weights(
            tflottery.load_network(run_dir, **expected)
        )
    assert capsys.readouterr().out == "the report of x.tflite\n" * 4


@pytest.mark.parametrize(
    ("flag", "options"),
    [
        ("--quantize=float16", {"quantize": "float16"}),
        ("--quantize=dynamic_range", {"quantize": "dynamic_range"}),
        ("--quantize=none", {}),
        ("--sparse=true", {"sparse": True}),
        ("--sparse=False", {"sparse": False}),
        ("--sparse=auto", {}),
    ],
)
def test_options_are_passed_on(run_dir, written, flag, options):
    assert export(f"--run_dir={run_dir}", "--output=x.tflite", flag) == 0
    assert written.last[3] == {"quantize": None, "sparse": "auto", **options}


@pytest.mark.parametrize("source", ["run_dir", "ticket"])
def test_data_come_from_the_search_or_the_ticket(run_dir, written, source):
    flag = f"--run_dir={run_dir}"
    if source == "ticket":
        flag = f"--ticket={run_dir}/replicate_0/round_01/ticket"
    shown = []
    for _ in range(2):
        flags = [flag, "--output=x.tflite", "--quantize=int8", "--validate"]
        assert export(*flags) == 0
        shown.append(written.last[3]["representative_data"])
    assert shown[0].shape == (200, 8, 8, 1)
    assert len(np.unique(shown[0], axis=0)) > 190
    np.testing.assert_array_equal(*shown)  # the same files every time
    found = [x for x, _ in written.last[3]["validate_on"].as_numpy_iterator()]
    digits = tflottery.data.load("digits")
    expected = [x for x, _ in digits.test_batches(397).as_numpy_iterator()]
    np.testing.assert_array_equal(np.concatenate(found), *expected)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--output=x.keras"], "to_keras"),
        (["--output=folder/"], "to_saved_model"),
        (["--output=folder"], "to_saved_model"),
        (["--output=x.v1.onnx"], "to_onnx"),
        (["--output=v1.2", "--form=saved_model"], "to_saved_model"),
    ],
)
def test_the_form_is_as_the_name_ends_or_as_asked(
    run_dir, written, arguments, name
):
    assert export(f"--run_dir={run_dir}", *arguments) == 0
    assert (written.last[0], written.last[3]) == (name, {})


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_keras_file_of_either_family_is_loaded(
    any_keras, written, tmp_path, wrapped
):
    layers = any_keras.layers
    model = any_keras.Sequential([any_keras.Input((4,)), layers.Dense(5)])
    if wrapped:
        model = tflottery.prune_once(model, sparsity=0.8)
    model.save(tmp_path / "model.keras")
    flags = [f"--keras_model={tmp_path}/model.keras", "--output=x.tflite"]
    assert export(*flags) == 0
    found = written.last[1]
    assert isinstance(found, any_keras.Model)
    assert weights(found) == weights(model)
    assert tflottery.sparsity(found) == (0.8 if wrapped else 0)


def test_a_remote_run_is_exported(run_dir, written, bucket):
    shutil.copytree(run_dir, bucket.folder / "first")
    assert export(f"--run_dir={bucket.path}/first", "--output=x.tflite") == 0
    assert weights(written.last[1]) == weights(tflottery.load_network(run_dir))


RUN = "--run_dir={run_dir}"
OUTPUT = "--output={tmp_path}/x.tflite"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([RUN], "`--output` must name the file to write"),
        ([OUTPUT], "Received: none of them. Use --run_dir"),
        ([RUN, OUTPUT, "--ticket=t"], "Received: --run_dir and --ticket."),
        ([RUN, "--output=net.tfl"], "must end in .tflite, .keras, .onnx or"),
        ([RUN, OUTPUT, "--form=tensorrt"], "`form` is not a known name"),
        ([RUN, OUTPUT, "--quantize=int4"], "Valid names: 'none', 'float16'"),
        ([RUN, OUTPUT, "--sparse=maybe"], "Valid names: 'auto', 'true'"),
        ([RUN, OUTPUT, "--state=trianed"], "Did you mean 'trained'?"),
        ([RUN, OUTPUT, "--round=one"], "`--round` must be an integer"),
        ([RUN, OUTPUT, "--round=5"], "Received: round=5; finished: 0, 1."),
        ([RUN, OUTPUT, "--replicate=1"], "Received: replicate=1, of 1."),
        ([RUN, "--output=x.keras", "--validate"], "`--validate` is for TFLite"),
        ([RUN, "--output=x/", "--sparse=true"], "`--sparse` is for TFLite"),
        ([RUN, "--output=x/", "--report=r.json"], "`--report` is for TFLite"),
        (["--run_dir=no/where", OUTPUT], "config.json is missing"),
        (["--ticket=no/where", OUTPUT], "--ticket=no/where, which is missing"),
        (["--keras_model=no/where", OUTPUT], "no/where, which is missing"),
        (["--keras_model={this}", OUTPUT], "must be a whole .keras file"),
        (["--ticket={this}", OUTPUT], "is not a tflottery file"),
        (
            ["--ticket={run_dir}/replicate_0/round_00/ticket", OUTPUT]
            + ["--round=1"],
            "Received: --round=1 with --ticket. Use it with --run_dir",
        ),
        (["net.h5", OUTPUT], "takes flags only"),
        (["--quantise=int8"], "Did you mean '--quantize' or"),
    ],
)
def test_what_is_wrong_is_one_message_and_code_2(
    run_dir, tmp_path, capsys, arguments, message
):
    places = {"run_dir": run_dir, "tmp_path": tmp_path, "this": __file__}
    assert export(*(text.format(**places) for text in arguments)) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert message in streams.err
    assert "Traceback" not in streams.err
    assert streams.err.splitlines()[-1].startswith("tflottery export: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["--validate", "--quantize=int8"])
def test_a_model_without_data_needs_a_dataset(tmp_path, capsys, written, flag):
    import keras

    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    model.save(tmp_path / "model.keras")
    flags = [f"--keras_model={tmp_path}/model.keras", "--output=x.tflite", flag]
    assert export(*flags) == 2
    assert "`--dataset` must be given" in capsys.readouterr().err
    assert export(*flags, "--dataset=digits") == 0
    given = written.last[3]["representative_data"]
    assert given.shape == (200, 8, 8, 1)


def test_a_model_of_unknown_layers_is_refused_in_words(tmp_path, capsys):
    import keras

    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    keras.Sequential([keras.Input((4,)), Own()]).save(tmp_path / "own.keras")
    flags = [f"--keras_model={tmp_path}/own.keras", "--output=x.tflite"]
    assert export(*flags) == 2
    error = capsys.readouterr().err
    assert "must be a model of Keras' own layers" in error and "Own" in error
    assert "Traceback" not in error
    assert not pathlib.Path("x.tflite").exists()
