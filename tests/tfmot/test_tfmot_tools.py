"""TF-MOT's own tools take our wrapper as theirs; we take theirs over."""

import importlib

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.layers import evidence, paths

X = np.random.default_rng(0).normal(size=(16, 8)).astype("float32")
Y = X[:, :2] * 2.0
L = tf_keras.layers


def sequential():
    tf_keras.utils.set_random_seed(0)
    return tf_keras.Sequential(
        [
            L.Dense(6, activation="relu", input_shape=(8,)),
            L.Flatten(),
            L.Dense(2),
        ]
    )


def functional():
    tf_keras.utils.set_random_seed(0)
    inputs = tf_keras.Input((8,))
    hidden = L.Add()([L.Dense(6)(inputs), L.Dense(6)(inputs)])
    return tf_keras.Model(inputs, L.Dense(2)(L.ReLU()(hidden)))


def nested():
    tf_keras.utils.set_random_seed(0)
    inner = tf_keras.Sequential([L.InputLayer((8,)), L.Dense(5), L.ReLU()])
    return tf_keras.Sequential([L.InputLayer((8,)), inner, L.Dense(2)])


KINDS = {"sequential": sequential, "functional": functional, "nested": nested}
every_kind = pytest.mark.parametrize("kind", KINDS)


def kernels(model):
    return [v.numpy() for v in model.weights if v.name.endswith("kernel:0")]


def zeros_of(model):
    return [kernel == 0 for kernel in kernels(model)]


@every_kind
def test_their_strip_pruning_opens_our_wrappers(tfmot, kind):
    model = tflottery.prune_once(KINDS[kind](), sparsity=0.5)
    output = model(X).numpy()
    plain = tfmot.strip_pruning(model)
    assert evidence.wrappers(plain) == []
    classes = {type(layer) for layer in plain._flatten_layers()}
    assert all(cls.__module__.startswith("tf_keras") for cls in classes)
    np.testing.assert_array_equal(plain(X).numpy(), output)
    found = zeros_of(plain)
    assert len(found) >= 2
    total = sum(zeros.sum() for zeros in found)
    assert total == round(0.5 * sum(zeros.size for zeros in found))


@every_kind
def test_their_search_for_prunable_layers_finds_ours(tfmot, kind):
    pruning_wrapper = importlib.import_module(
        "tensorflow_model_optimization.python.core.sparsity.keras"
        ".pruning_wrapper"
    )
    model = tflottery.prune_iteratively(KINDS[kind]())
    found = pruning_wrapper.collect_prunable_layers(model)
    ours = evidence.wrappers(model)
    assert len(ours) >= 2
    assert {id(layer) for layer in found} == {id(layer) for layer in ours}
    for layer in found:
        assert isinstance(layer, pruning_wrapper.PruneLowMagnitude)
        assert len(layer.prunable_weights) == len(layer.masked_weights)


@every_kind
def test_their_callbacks_run_with_our_wrappers(tfmot, kind, tmp_path):
    model = tflottery.prune_low_magnitude(
        KINDS[kind](), tflottery.ConstantSparsity(0.5, 1, frequency=1)
    )
    model.compile("adam", "mse")
    model.fit(
        X,
        Y,
        epochs=3,
        batch_size=4,
        verbose=0,
        callbacks=[
            tfmot.UpdatePruningStep(),
            tfmot.PruningSummaries(log_dir=str(tmp_path)),
        ],
    )
    found = zeros_of(model)
    assert len(found) >= 2
    for zeros in found:
        assert zeros.sum() == round(0.5 * zeros.size)
    assert any(tmp_path.rglob("events*"))


def test_their_summaries_follow_masks_without_a_schedule(tfmot, tmp_path):
    model = tflottery.prune_once(sequential(), sparsity=0.5)
    model.compile("adam", "mse")
    summaries = tfmot.PruningSummaries(log_dir=str(tmp_path))
    with pytest.MonkeyPatch.context() as patch:
        seen = {}
        patch.setattr(
            tf.summary,
            "scalar",
            lambda name, data, **_: seen.update({name: float(data)}),
        )
        model.fit(X, Y, verbose=0, callbacks=[summaries])
    found = {name: v for name, v in seen.items() if "sparsity" in name}
    assert len(found) == 2
    for name, mask in tflottery.masks(model).items():
        near = [v for key, v in found.items() if name.split("/")[0] in key]
        assert 1 - mask.mean() == pytest.approx(near[0], abs=1e-6), found


def their_model(tfmot, kind, schedule=None, **arguments):
    schedule = schedule or tfmot.ConstantSparsity(0.5, 0, frequency=1)
    return tfmot.prune_low_magnitude(KINDS[kind](), schedule, **arguments)


def train_theirs(tfmot, model, epochs=2):
    model.compile("sgd", "mse")
    model.fit(
        X,
        Y,
        batch_size=4,
        epochs=epochs,
        verbose=0,
        callbacks=[tfmot.UpdatePruningStep()],
    )


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        *((kind, {}) for kind in KINDS),
        ("sequential", {"sparsity_m_by_n": (2, 4)}),
        ("sequential", {"block_size": (2, 1)}),
    ],
)
def test_a_model_they_pruned_is_taken_over(tfmot, kind, arguments):
    tfmot_model = their_model(tfmot, kind, **arguments)
    train_theirs(tfmot, tfmot_model)
    output = tfmot_model(X).numpy()
    zeros = zeros_of(tfmot_model)
    assert len(zeros) >= 2 and all(z.any() for z in zeros)
    model = tflottery.prune_iteratively(
        tfmot_model, prune_fraction=0.5, rewind_to="2it"
    )
    np.testing.assert_array_equal(model(X).numpy(), output)
    masks = list(tflottery.masks(model).values())
    assert len(masks) == len(zeros)
    for mask, zero in zip(masks, zeros, strict=True):
        np.testing.assert_array_equal(~mask, zero)
    theirs = [
        layer
        for layer in model._flatten_layers()
        if hasattr(layer, "pruning_vars") and not paths.is_mask_wrapper(layer)
    ]
    assert theirs == []
    before = tflottery.sparsity(model)
    model.compile("sgd", "mse")
    search = tflottery.callbacks.IterativePruning(1, 2, verbose=0)
    model.fit(
        X,
        Y,
        epochs=search.epochs,
        batch_size=4,
        verbose=0,
        callbacks=[search],
    )
    assert [record["round"] for record in search.history] == [0, 1]
    assert tflottery.sparsity(model) == pytest.approx(
        1 - (1 - before) / 2, abs=0.02
    )
    for zero, kernel in zip(zeros, kernels(model), strict=True):
        assert np.all(kernel[zero] == 0)
    plain = tflottery.strip_pruning(model)
    assert evidence.wrappers(plain) == []
    np.testing.assert_array_equal(plain(X).numpy(), model(X).numpy())


def test_an_unbuilt_wrapper_of_theirs_is_taken_over(tfmot):
    layer = tfmot.prune_low_magnitude(L.Dense(3))
    model = tf_keras.Sequential([layer, tfmot.prune_low_magnitude(L.ReLU())])
    ours = tflottery.prune_iteratively(model)
    ours(X)
    assert [mask.shape for mask in tflottery.masks(ours).values()] == [(8, 3)]
    alone = tflottery.prune_iteratively(tfmot.prune_low_magnitude(L.Dense(3)))
    alone(X)
    assert list(alone.masked_weights) == ["kernel"]


def test_a_layer_they_wrapped_is_left_dense_by_skip(tfmot):
    model = their_model(tfmot, "sequential")
    name = model.layers[0].layer.name
    ours = tflottery.prune_iteratively(model, skip=name)
    assert type(ours.layers[0]) is L.Dense
    assert len(evidence.wrappers(ours)) == 1


def test_their_wrapper_around_a_layer_without_weights_disappears(tfmot):
    model = their_model(tfmot, "sequential")
    before = model(X).numpy()
    ours = tflottery.prune_iteratively(model)
    assert [type(layer).__name__ for layer in ours.layers] == [
        "PruneLowMagnitude",
        "Flatten",
        "PruneLowMagnitude",
    ]
    assert len(evidence.wrappers(ours)) == 2
    np.testing.assert_array_equal(ours(X).numpy(), before)


class Mixed(L.Layer):
    """Chooses one of its two weights."""

    def build(self, shape):
        self.one = self.add_weight("one", (shape[-1], 4))
        self.two = self.add_weight("two", (shape[-1], 4))
        super().build(shape)

    def call(self, x):
        return x @ self.one + x @ self.two

    def get_prunable_weights(self):
        return [self.two]


def test_a_prunable_layer_of_theirs_chooses_its_weights(tfmot):
    cls = type("Theirs", (Mixed, tfmot.PrunableLayer), {})
    for layer in (Mixed(), cls()):
        model = tf_keras.Sequential([L.InputLayer((8,)), layer])
        model = tflottery.prune_once(model, sparsity=0.5)
        (name,) = tflottery.masks(model)
        assert "two" in name
        assert np.all(layer.one.numpy() != 0)
        assert (layer.two.numpy() == 0).sum() == 16


@pytest.mark.filterwarnings("ignore:.*HDF5 file")
@pytest.mark.parametrize("scope", ["theirs", "ours"])
def test_their_files_load_in_our_scope_and_are_taken_over(
    tfmot, scope, tmp_path
):
    model = their_model(tfmot, "functional")
    train_theirs(tfmot, model)
    model.save(tmp_path / "model.h5")
    open_scope = {"theirs": tfmot, "ours": tflottery}[scope].prune_scope
    with open_scope():
        loaded = tf_keras.models.load_model(tmp_path / "model.h5")
    ours = tflottery.prune_iteratively(loaded)
    np.testing.assert_array_equal(ours(X).numpy(), model(X).numpy())
    masks = list(tflottery.masks(ours).values())
    assert len(masks) == 3
    for mask, zeros in zip(masks, zeros_of(model), strict=True):
        np.testing.assert_array_equal(~mask, zeros)


@pytest.mark.filterwarnings("ignore:.*HDF5 file")
def test_our_files_load_in_their_scope_too(tfmot, tmp_path):
    model = tflottery.prune_once(functional(), sparsity=0.5)
    model.save(tmp_path / "model.h5")
    with tfmot.prune_scope():
        loaded = tf_keras.models.load_model(tmp_path / "model.h5")
    assert evidence.current_mask(loaded) == evidence.current_mask(model)
    np.testing.assert_array_equal(loaded(X).numpy(), model(X).numpy())
