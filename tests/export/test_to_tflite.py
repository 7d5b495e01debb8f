"""A file gets its name when it was loaded, run and compared; not before.

One model of each family is converted once, in another process as always; what
can go wrong is then shown on these files.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from sklearn.datasets import load_digits

import tflottery
from tflottery.export import conversion, latency, tflite
from tflottery.export.conversion import Converted

X, Y = (np.asarray(part) for part in load_digits(return_X_y=True))
X = (X / 16).astype("float32")


def network(keras):
    """Dense layers on digits: 64 x 300 and 300 x 10 weights, 10 % kept."""
    x = keras.Input((64,), name="pixels")
    h = keras.layers.Dense(300, activation="relu")(x)
    model = keras.Model(x, keras.layers.Dense(10)(h))
    return tflottery.prune_once(model, sparsity=0.9)


def outputs_of(path, x):
    interpreter = Interpreter(str(path))
    run = interpreter.get_signature_runner("serving_default")
    return run(pixels=x)["output_0"]


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def family(request):
    return pytest.importorskip(request.param)


@pytest.fixture(scope="module")
def exported(family, tmp_path_factory):
    """A wrapped model, its file, the report, and what it was made of."""
    model = network(family)
    path = tmp_path_factory.mktemp("export") / "model.tflite"
    made = []

    def convert(*args, **kwargs):
        made.append(CONVERT(*args, **kwargs))
        return made[-1]

    conversion.convert = convert
    try:
        report = tflottery.export.to_tflite(model, path, validate_on=(X, Y))
    finally:
        conversion.convert = CONVERT
    return model, path, report, made[-1]


CONVERT = conversion.convert
# What does not depend on the family is shown in one.
in_keras = pytest.mark.parametrize("family", ["keras"], indirect=True)


@pytest.fixture
def reused(exported, monkeypatch):
    """Has the converter answer with what it has made before; times briefly."""
    *_, made = exported
    answers = list(made)
    monkeypatch.setattr(conversion, "convert", lambda *_: answers)
    briefly = functools.partial(latency.measure, seconds=0.01)
    monkeypatch.setattr(tflite.latency, "measure", briefly)
    return answers


def test_the_file_computes_what_the_wrapped_model_does(exported):
    model, path, report, _ = exported
    expected = np.asarray(model(X[:50]))
    found = outputs_of(path, X[:50])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-6 * scale)
    assert report.difference < 1e-6 and report.batch is None


def test_the_report_speaks_of_the_file_itself(exported):
    _, path, report, _ = exported
    content = path.read_bytes()
    assert report.sizes.raw == len(content)
    assert report.file_digest == hashlib.sha256(content).hexdigest()
    assert report.form.name == "sparse float32" and report.form.runs
    dense, sparse = report.forms
    assert report.times_smaller == dense.sizes.raw / sparse.sizes.raw > 4
    # 22,200 weights of 4 bytes, and what describes the network.
    assert 22_200 * 4 < dense.sizes.raw < 22_200 * 4 + 5_000


def test_zeros_are_those_of_the_weights(exported):
    model, _, report, _ = exported
    stored = {c.shape: c.zeros for c in report.constants if len(c.shape) == 2}
    kernels = [
        mask for mask in tflottery.masks(model).values() if mask.ndim == 2
    ]
    # TFLite keeps kernels turned around.
    assert stored == {k.shape[::-1]: int((~k).sum()) for k in kernels}
    assert all(c.encoded == "sparse" for c in report.constants[:2])


def test_accuracies_are_those_on_all_examples(exported):
    model, path, report, _ = exported
    ours = np.asarray(model(X)).argmax(1)
    theirs = outputs_of(path, X).argmax(1)
    assert report.accuracy.examples == len(X) == 1797
    assert report.accuracy.model == pytest.approx(np.mean(ours == Y))
    assert report.accuracy.file == pytest.approx(np.mean(theirs == Y))
    assert report.accuracy.same == pytest.approx(np.mean(ours == theirs))


def test_dense_and_sparse_were_timed_in_turn(exported):
    times = [form.latency for form in exported[2].forms]
    assert len({(time.runs, time.threads) for time in times}) == 1
    assert all(0 < t.lower <= t.median <= t.upper for t in times)
    assert times[0].runs >= 30


def test_the_report_prints_and_saves(exported, tmp_path):
    report = exported[2]
    text = str(report)
    for said in (
        "sparse float32, ",
        "times smaller than dense float32",
        f"{report.sizes.raw:,}",
        f"{report.sizes.gzip:,}",
        "takes batches of any size",
        "1,797 examples",
        "ARM",
    ):
        assert said in text
    report.save(tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert read["forms"][1]["sizes"]["raw"] == report.sizes.raw
    assert read["constants"][0]["zeros"] == report.constants[0].zeros
    assert read["file_digest"] == report.file_digest


def test_the_model_is_left_as_it_was(exported):
    model, *_ = exported
    assert tflottery.sparsity(model) == pytest.approx(0.9, abs=1e-4)
    weights = model.get_weights()
    model.compile("sgd", "mse")
    model.fit(X[:64], np.zeros((64, 10)), verbose=0)
    assert any(
        np.any(old != new)
        for old, new in zip(weights, model.get_weights(), strict=True)
    )
    assert tflottery.sparsity(model) == pytest.approx(0.9, abs=1e-4)
    model.set_weights(weights)


@in_keras
@pytest.mark.usefixtures("reused")
@pytest.mark.parametrize(
    ("sparse", "form"),
    [
        ("auto", "sparse float32"),
        (True, "sparse float32"),
        (False, "dense float32"),
    ],
)
def test_the_form_is_chosen(exported, tmp_path, sparse, form):
    path = tmp_path / "new" / "model.tflite"
    report = tflottery.export.to_tflite(exported[0], path, sparse=sparse)
    assert report.form.name == form
    assert path.stat().st_size == report.sizes.raw


@in_keras
@pytest.mark.usefixtures("reused")
def test_a_comparison_that_says_nothing_is_said_so(exported, tmp_path):
    same = np.zeros((8, 64), "float32")
    path = tmp_path / "model.tflite"
    report = tflottery.export.to_tflite(
        exported[0], path, representative_data=same
    )
    assert "the comparison says little" in str(report)
    report = tflottery.export.to_tflite(
        exported[0], path, representative_data=X
    )
    assert "the comparison says little" not in str(report)


def _damaged(made, change):
    return dataclasses.replace(made, content=change(made.content))


DAMAGE = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "text": lambda content: b"not a network" * 100,
    "other weights": lambda content: (
        content[:-9000] + bytes(9000 - 2000) + content[-2000:]
    ),
}


@in_keras
@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_never_gets_the_name(exported, reused, tmp_path, how):
    reused[1] = _damaged(reused[1], DAMAGE[how])
    path = tmp_path / "model.tflite"
    path.write_bytes(b"the one before")
    with pytest.raises(
        tflottery.export.ExportError, match="No file was written.*sparse"
    ):
        tflottery.export.to_tflite(exported[0], path, sparse=True)
    assert path.read_bytes() == b"the one before"
    assert [p.name for p in tmp_path.iterdir()] == ["model.tflite"]
    # Left to choose, it takes the other one and says why.
    report = tflottery.export.to_tflite(exported[0], path)
    assert report.form.name == "dense float32"
    assert report.forms[1].reason in str(report) != ""


@in_keras
def test_one_weight_that_is_not_what_it_was_is_enough(
    exported, reused, tmp_path
):
    kernel = np.asarray(exported[0].layers[1].layer.kernel)
    weight = np.float32(kernel[kernel != 0][7])
    other = np.nextafter(weight, np.float32(9))  # no output would show it
    content = reused[1].content
    assert content.count(weight.tobytes()) == 1
    reused[1] = dataclasses.replace(
        reused[1], content=content.replace(weight.tobytes(), other.tobytes())
    )
    with pytest.raises(
        tflottery.export.ExportError, match="lost weights.* of shape 300x64 "
    ):
        tflottery.export.to_tflite(
            exported[0], tmp_path / "model.tflite", sparse=True
        )


@in_keras
def test_a_form_that_does_not_convert_is_said_so(exported, reused, tmp_path):
    reused[1] = Converted(reused[1].form, None, "TFLite has no such thing.")
    with pytest.raises(
        tflottery.export.ExportError,
        match="does not convert: TFLite has no such thing.*sparse='auto'",
    ):
        tflottery.export.to_tflite(
            exported[0], tmp_path / "model.tflite", sparse=True
        )


@in_keras
def test_an_export_cut_short_leaves_nothing(exported, monkeypatch, tmp_path):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "convert", lambda *_: exported[3])
    monkeypatch.setattr(tflite.latency, "measure", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tflottery.export.to_tflite(exported[0], tmp_path / "model.tflite")
    assert list(tmp_path.iterdir()) == []


@in_keras
def test_a_file_that_travelled_can_be_checked_again(exported, tmp_path):
    model, path, _, _ = exported
    assert tflottery.export.check_tflite(path, model) < 1e-6
    content = bytearray(path.read_bytes())
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(content[: len(content) - 5000])
    with pytest.raises(ValueError, match="cut.tflite|damaged|whole"):
        tflottery.export.check_tflite(cut, model)
    other = DAMAGE["other weights"](bytes(content))
    (tmp_path / "other.tflite").write_bytes(other)
    with pytest.raises(ValueError, match="differ by|damaged|sparse"):
        tflottery.export.check_tflite(tmp_path / "other.tflite", model)


@in_keras
@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"path": "model.bin"}, ValueError, r"'\.tflite'.*'model.tflite'"),
        ({"path": "."}, ValueError, r"'\.tflite'"),
        ({"path": f"{__file__}/a.tflite"}, ValueError, "written to.*is a file"),
        ({"quantize": "int4"}, ValueError, "`quantize`.*int4.*int8"),
        ({"sparse": "yes"}, ValueError, "True, False or 'auto'.*'yes'"),
        ({"quantize": "int8"}, ValueError, r"`representative_data`.*\[:200\]"),
        ({"validate_on": X}, ValueError, "labels beside"),
        ({"validate_on": (X, X[:, 3])}, ValueError, "class numbers"),
        ({"validate_on": (X[:, 1:], Y)}, ValueError, r"\(100, 63\)"),
        ({"model": "a network"}, TypeError, "Keras model"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)
def test_bad_input_is_refused_before_any_work(
    exported, monkeypatch, arguments, error, said
):
    monkeypatch.setattr(conversion, "convert", None)
    given = {"model": exported[0], "path": "model.tflite", **arguments}
    with pytest.raises(error, match=said):
        tflottery.export.to_tflite(**given)
    assert not pathlib.Path("model.tflite").exists()


@in_keras
def test_weights_that_are_no_numbers_are_refused_by_name(family, tmp_path):
    x = family.Input((4,))
    model = family.Model(x, family.layers.Dense(2, name="fc")(x))
    model.get_layer("fc").set_weights([np.full((4, 2), np.nan), np.zeros(2)])
    with pytest.raises(ValueError, match="`fc/kernel` with 8 NaN"):
        tflottery.export.to_tflite(model, tmp_path / "model.tflite")
