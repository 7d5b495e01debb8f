"""Saved forms: `.keras`, SavedModel and ONNX, of wrapped and plain models."""

import importlib.util
import os
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.core import files
from tflottery.export import form_trial, placing
from tflottery.export.errors import ExportError
from tflottery.export.keras_forms import to_keras, to_onnx, to_saved_model
from tflottery.export.plain import plain
from tflottery.layers import evidence, paths, state

KINDS = ("functional", "sequential", "subclassed")
X = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 3)).astype("float32")


def subclassed(k):
    @k.saving.register_keras_serializable("form_tests", "Net")
    class Net(k.Model):
        """A model of a user's own, with layers in containers."""

        def __init__(self, width=8, **keywords):
            super().__init__(**keywords)
            self.width = width
            self.hidden = [k.layers.Dense(width, activation="relu")]
            self.heads = {"only": k.layers.Dense(3)}

        def call(self, x, training=None):
            for layer in self.hidden:
                x = layer(x)
            return self.heads["only"](x)

        def get_config(self):
            return {**super().get_config(), "width": self.width}

    model = Net()
    model(X)
    return model


def build(k, kind):
    k.utils.set_random_seed(3)
    if kind == "subclassed":
        return subclassed(k)
    layers = [
        k.layers.Dense(8, activation="relu", kernel_regularizer="l2"),
        k.layers.BatchNormalization(),
        k.layers.Dropout(0.3, seed=1),
        k.layers.Dense(3, kernel_constraint="non_neg", name="head"),
    ]
    if kind == "sequential":
        return k.Sequential([k.layers.Input((6,)), *layers])
    x = inputs = k.layers.Input((6,), name="features")
    for layer in layers[:-1]:
        x = layer(x)
    inner = k.Sequential([k.layers.Input((8,)), k.layers.Dense(8)])
    return k.Model(inputs, layers[-1](inner(x)))


def trained(k, kind):
    model = tflottery.prune_once(build(k, kind), sparsity=0.5)
    model.compile("adam", "mse")
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0, shuffle=False)
    return model


def with_hidden_state(k):
    class Remembering(k.layers.Layer):
        shift = 0.0

        def call(self, x):
            return x + self.shift

    layer = Remembering()
    model = k.Sequential([k.layers.Input((6,)), k.layers.Dense(3), layer])
    layer.shift = 1.0
    return model


def content_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_keras_file_holds_the_plain_network(any_keras, kind, tmp_path):
    model = tflottery.prune_once(build(any_keras, kind), sparsity=0.5)
    model.compile("adam", "mse")
    report = to_keras(model, tmp_path / "new" / "model.keras")
    loaded = any_keras.models.load_model(report.path)
    assert evidence.wrappers(loaded) == []
    assert getattr(loaded, "optimizer", None) is None
    mask = evidence.current_mask(model)
    stored = {path: v.numpy() for path, v in paths.variables(loaded).items()}
    for path, variable in paths.variables(model).items():
        if state.is_seed(path):
            continue  # Keras saves none
        np.testing.assert_array_equal(stored[path], variable.numpy())
        if path in mask:
            assert np.all(stored[path][~mask[path]] == 0)
    assert report.difference == 0.0
    np.testing.assert_allclose(np.asarray(loaded(X)), np.asarray(model(X)))
    assert os.listdir(tmp_path / "new") == ["model.keras"]


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("keras", "subclassed"),
        ("tf_keras", "functional"),
        pytest.param("keras", "functional", marks=pytest.mark.slow),
        pytest.param("keras", "sequential", marks=pytest.mark.slow),
        pytest.param("tf_keras", "sequential", marks=pytest.mark.slow),
        pytest.param("tf_keras", "subclassed", marks=pytest.mark.slow),
    ],
)
def test_training_goes_on_as_if_nothing_had_been_saved(family, kind, tmp_path):
    any_keras = {"keras": keras, "tf_keras": tf_keras}[family]
    results = []
    for saves in (False, True):
        model = trained(any_keras, kind)
        wrappers = evidence.wrappers(model)
        settings = [wrapper.settings for wrapper in wrappers]
        before = state.read(model)
        function, own_class = model.train_function, type(model)
        if saves:
            to_keras(model, tmp_path / "model.keras")
            with plain(model) as network:
                network(X)
            after = state.read(model)
            assert before.keys() == after.keys()
            for name, value in before.items():
                np.testing.assert_array_equal(after[name], value)
        assert [id(w) for w in evidence.wrappers(model)] == list(
            map(id, wrappers)
        )
        assert [wrapper.settings for wrapper in wrappers] == settings
        assert model.train_function is function and type(model) is own_class
        model.fit(X, Y, batch_size=8, epochs=2, verbose=0, shuffle=False)
        results.append((state.read(model), evidence.current_mask(model)))
    (one, its_mask), (other, other_mask) = results
    assert its_mask == other_mask
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value, err_msg=name)


@pytest.mark.slow
def test_a_plain_compiled_model_is_left_compiled(any_keras, tmp_path):
    model = tflottery.strip_pruning(trained(any_keras, "functional"))
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    slots = state.read(model)
    report = to_keras(model, tmp_path / "model.keras")
    assert not getattr(
        any_keras.models.load_model(report.path), "optimizer", None
    )
    assert state.read(model).keys() == slots.keys()
    model.fit(X, Y, verbose=0)


def test_layers_know_their_output_after_saving(tmp_path):
    # tf_keras forgets it once a layer has been called twice.
    model = tflottery.prune_once(build(tf_keras, "functional"), 0.5)
    calls = [len(layer._inbound_nodes) for layer in model.layers]
    to_keras(model, tmp_path / "model.keras")
    assert all(layer.output is not None for layer in model.layers)
    assert [len(layer._inbound_nodes) for layer in model.layers] == calls


def test_hidden_values_of_pruned_entries_are_not_written(any_keras, tmp_path):
    model = tflottery.prune_once(build(any_keras, "sequential"), 0.5)
    kernel, mask = evidence.wrappers(model)[0].masked_weights["kernel"]
    dense = np.full(kernel.shape, 2.0, "float32")
    kernel.assign(dense)
    report = to_keras(model, tmp_path / "model.keras")
    loaded = any_keras.models.load_model(report.path)
    expected = np.where(mask.numpy(), 2.0, 0.0)
    np.testing.assert_array_equal(loaded.layers[0].get_weights()[0], expected)
    np.testing.assert_array_equal(kernel.numpy(), dense)


def test_the_states_of_random_generators_are_kept(any_keras, tmp_path):
    model = build(any_keras, "sequential")
    python, numpy = random.getstate(), np.random.get_state()[1].copy()
    to_keras(model, tmp_path / "model.keras")
    assert random.getstate() == python
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)


@pytest.mark.slow
def test_a_stateful_layer_remembers_what_it_did(any_keras, tmp_path):
    k = any_keras
    fixed = (
        k.layers.InputLayer(batch_shape=(8, 4, 2))
        if k is keras
        else k.layers.InputLayer(batch_input_shape=(8, 4, 2))
    )
    model = k.Sequential([fixed, k.layers.GRU(3, stateful=True)])
    model(np.ones((8, 4, 2), "float32"))
    before = [np.array(s) for s in model.layers[0].states]
    assert np.any(before[0] != 0)
    to_keras(model, tmp_path / "model.keras")
    after = [np.array(s) for s in model.layers[0].states]
    np.testing.assert_array_equal(after, before)


@pytest.mark.slow
def test_sizes_left_open_are_tried_until_one_runs(any_keras, tmp_path):
    k = any_keras
    model = k.Sequential(
        [
            k.layers.Input((None, None, 3)),
            k.layers.Conv2D(2, 40, strides=8),  # 32 is too small
            k.layers.GlobalAveragePooling2D(),
        ]
    )
    assert to_keras(model, tmp_path / "model.keras").difference == 0.0


@pytest.mark.slow
def test_half_precision_is_saved(any_keras, tmp_path):
    k = any_keras
    dtype = "bfloat16" if k is keras else "float16"
    model = k.Sequential(
        [
            k.layers.Input((6,)),
            k.layers.Dense(64, dtype=f"mixed_{dtype}"),
            k.layers.Dense(3, dtype=dtype),
        ]
    )
    assert to_keras(model, tmp_path / "model.keras").difference < 1e-3
    if k is keras:
        report = to_saved_model(model, tmp_path / "model")
        assert report.difference < 1e-2


def test_outputs_that_are_no_numbers_may_be_the_same_nans(tmp_path):
    x = keras.Input((6,))
    model = keras.Model(x, keras.ops.log(x))
    assert to_keras(model, tmp_path / "model.keras").difference < 1e-6


def test_pruning_shows_in_the_compressed_size(tmp_path):
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(300)])
    model = tflottery.prune_once(model, sparsity=0.9)
    report = to_keras(model, tmp_path / "model.keras")
    # 90,000 floats; a tenth of them, and where they are, need much less.
    assert report.dense.gzip > 300_000 > 2.5 * report.sparse.gzip
    assert report.sparse.raw == pytest.approx(report.dense.raw, rel=0.01)
    assert report.sparse.raw == os.path.getsize(report.path)
    assert report.zeros == pytest.approx(0.9)
    text = str(report)
    assert "90.0 %" in text and f"{report.sparse.gzip:,} B" in text


def test_files_go_to_remote_places(bucket):
    model = build(keras, "sequential")
    report = to_keras(model, bucket.path / "new" / "model.keras")
    assert files.read_bytes(bucket.path / "new" / "model.keras")[:2] == b"PK"
    assert report.path.startswith("remote://") or "://" in report.path


def test_a_saved_model_needs_no_classes_and_holds_no_masks(any_keras, tmp_path):
    k = any_keras

    class Unsaved(k.Model):
        """Cannot be made again from a file: its layers are arguments."""

        def __init__(self, layers):
            super().__init__()
            self.parts = layers

        def call(self, x, training=None):
            return {"scores": self.parts[1](self.parts[0](x))}

    model = Unsaved([k.layers.Dense(8, activation="relu"), k.layers.Dense(3)])
    model(X)
    model = tflottery.prune_once(model, sparsity=0.5)
    with pytest.raises(ExportError, match="to_saved_model"):
        to_keras(model, tmp_path / "model.keras")
    target = tmp_path / "deep" / "model"
    report = to_saved_model(model, target)
    assert report.difference < 1e-5
    assert os.listdir(tmp_path / "deep") == ["model"]
    assert not (tmp_path / "model.keras").exists()
    shapes = [
        shape
        for _, shape in tf.train.list_variables(
            str(target / "variables" / "variables")
        )
    ]
    assert [6, 8] in shapes and shapes.count([6, 8]) == 1  # no mask beside it
    run = tf.saved_model.load(str(target)).signatures["serving_default"]
    (name,) = run.structured_input_signature[1]
    found = run(**{name: tf.constant(X[:5])})["scores"]
    np.testing.assert_allclose(
        found.numpy(), np.asarray(model(X[:5])["scores"]), atol=1e-6
    )
    assert evidence.sparsity(model) == 0.5 and evidence.wrappers(model)


def test_an_old_saved_model_is_replaced_only_by_a_good_one(
    tmp_path, monkeypatch
):
    target = tmp_path / "model"
    (target / "variables").mkdir(parents=True)
    (target / "saved_model.pb").write_bytes(b"old")
    old = content_of(tmp_path)
    model = build(keras, "sequential")
    write = form_trial.conversion.write_saved_model

    def damaged(signature, path, batch):
        write(signature, path, batch)
        data = path / "variables" / "variables.data-00000-of-00001"
        data.write_bytes(data.read_bytes()[:50])

    with monkeypatch.context() as patch:
        patch.setattr(form_trial.conversion, "write_saved_model", damaged)
        with pytest.raises(ExportError, match="could not be loaded"):
            to_saved_model(model, target)
    assert content_of(tmp_path) == old

    # The last step fails: what was put aside comes back.
    source = tmp_path / "source"
    source.mkdir()
    (source / "saved_model.pb").write_bytes(b"new")
    rename = type(target).rename

    def failing(self, other):
        if self == source:
            raise OSError("no")
        return rename(self, other)

    with monkeypatch.context() as patch:
        patch.setattr(type(target), "rename", failing)
        with pytest.raises(OSError, match="no"):
            placing.place_folder(source, target)
    assert (target / "saved_model.pb").read_bytes() == b"old"
    placing.place_folder(source, target)
    assert content_of(tmp_path) == {"model/saved_model.pb": b"new"}


def test_a_file_with_other_outputs_never_gets_the_name(any_keras, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")
    with pytest.raises(ExportError, match="must give the outputs"):
        to_keras(with_hidden_state(any_keras), path)
    assert content_of(tmp_path) == {"model.keras": b"old"}


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        to_keras(build(keras, "sequential"), path)
    assert content_of(tmp_path) == {"model.keras": b"old"}


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (to_keras, "model.h5"),
        (to_keras, "model"),
        (to_saved_model, "model.keras"),
        (to_saved_model, "gs://bucket/model"),
        (to_onnx, "model.keras"),
    ],
)
def test_places_that_do_not_fit_the_form_are_refused(function, name, tmp_path):
    path = name if "://" in name else tmp_path / name
    with pytest.raises(ValueError, match="`path` must"):
        function(build(keras, "sequential"), path)
    assert content_of(tmp_path) == {}


def test_folders_of_others_are_refused(tmp_path):
    model = build(keras, "sequential")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="notes.txt"):
        to_saved_model(model, tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="notes.txt"):
        to_saved_model(model, tmp_path)
    with pytest.raises(ValueError, match="is a file"):
        to_saved_model(model, tmp_path / "notes.txt")
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        to_keras(model, tmp_path / "folder.keras")


@pytest.mark.parametrize(
    ("function", "name"),
    [(to_keras, "model.keras"), (to_saved_model, "model")],
)
def test_models_that_cannot_be_saved_are_refused(
    any_keras, function, name, tmp_path
):
    k = any_keras
    path = tmp_path / name
    with pytest.raises(TypeError, match="must be a Keras model"):
        function("model", path)
    with pytest.raises(TypeError, match="Received: a layer"):
        function(k.layers.Dense(2), path)
    with pytest.raises(ValueError, match="must be built"):
        function(k.Sequential([k.layers.Dense(2)]), path)
    model = build(k, "sequential")
    kernel = np.array(model.layers[0].kernel)
    kernel[0, :3] = [np.nan, np.nan, np.inf]
    model.layers[0].kernel.assign(kernel)
    with pytest.raises(
        ValueError, match="`dense/kernel` with 2 NaN and 1 infinite of 48"
    ):
        function(model, path)
    assert content_of(tmp_path) == {}


def test_a_missing_package_is_named_with_the_way_out(tmp_path, monkeypatch):
    def find_spec(name):
        return None if name == "tf2onnx" else object()

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    with pytest.raises(
        ImportError, match=r"Missing: tf2onnx. .*`pip install tflottery\[onnx\]"
    ):
        to_onnx(build(keras, "sequential"), tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "k", [keras, pytest.param(tf_keras, marks=pytest.mark.slow)]
)
def test_an_onnx_file_gives_the_outputs_of_the_model(k, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    for name in ("onnx", "tf2onnx"):
        pytest.importorskip(name)
    image = k.layers.Input((8, 8, 1), name="image")
    more = k.layers.Input((2,), name="more")
    x = k.layers.Conv2D(4, 3, activation="relu")(image)
    x = k.layers.BatchNormalization()(x)
    x = k.layers.Concatenate()([k.layers.Flatten()(x), more])
    outputs = {"a": k.layers.Dense(30)(x), "b": k.layers.Dense(2)(x)}
    model = tflottery.prune_once(k.Model([image, more], outputs), 0.9)
    report = to_onnx(model, tmp_path / "model.onnx")
    assert report.difference < 1e-5
    assert report.dense.gzip > 1.5 * report.sparse.gzip
    session = onnxruntime.InferenceSession(report.path)
    assert {v.name for v in session.get_inputs()} == {"image", "more"}
    given = {
        "image": np.ones((3, 8, 8, 1), "float32"),
        "more": np.ones((3, 2), "float32"),
    }
    found = session.run(["a", "b"], given)
    expected = model([given["image"], given["more"]])
    for name, value in zip("ab", found, strict=True):
        np.testing.assert_allclose(value, np.asarray(expected[name]), atol=1e-5)
    assert os.listdir(tmp_path) == ["model.onnx"]


@pytest.mark.slow
def test_tables_of_text_layers_go_into_a_saved_model(tmp_path):
    lookup = keras.layers.StringLookup(vocabulary=["one", "two words"])
    model = keras.Sequential(
        [
            keras.Input((2,), dtype="string"),
            lookup,
            keras.layers.Embedding(4, 3),
        ]
    )
    assert to_saved_model(model, tmp_path / "model").difference < 1e-6


def test_a_plain_model_has_one_copy_of_what_replicas_have_each(two_replicas):
    import tf_keras

    from tflottery.export.plain import plain
    from tflottery.layers import replicas

    with two_replicas.scope():
        model = tf_keras.Sequential(
            [
                tf_keras.layers.InputLayer((4,)),
                tf_keras.layers.Dense(3),
                tf_keras.layers.BatchNormalization(),
            ]
        )
    variance = model.layers[1].moving_variance
    for copy, value in zip(replicas.copies_here(variance), (1, 3), strict=True):
        copy.assign(np.full(3, value, "float32"))
    with plain(model) as network:
        variables = network.weights
        assert all(len(replicas.copies_here(v)) == 1 for v in variables)
        found = network.layers[1].moving_variance.numpy()
    np.testing.assert_array_equal(found, [2.0] * 3)  # as Keras saves it
    assert [copy.numpy()[0] for copy in replicas.copies_here(variance)] == [
        1,
        3,
    ]
