"""Wrapping and stripping every kind of model."""

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence

X = np.random.default_rng(1).normal(size=(6, 8)).astype("float32")


def sequential():
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(6, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(4),
        ]
    )


def functional():
    inputs = keras.Input((8,))
    a = keras.layers.Dense(6, activation="relu", name="a")(inputs)
    b = keras.layers.Dense(6, name="b")(inputs)
    merged = keras.layers.Add()([a, b]) * 2.0
    return keras.Model(inputs, keras.layers.Dense(4, name="c")(merged))


def nested():
    inner = sequential()
    inputs = keras.Input((8,))
    return keras.Model(inputs, keras.layers.Dense(2)(inner(inputs)))


def shared():
    layer = keras.layers.Dense(8, name="twice")
    inputs = keras.Input((8,))
    return keras.Model(inputs, layer(layer(inputs)))


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, width=6, **keywords):
        super().__init__(**keywords)
        self.width = width
        self.first = keras.layers.Dense(width, activation="relu")
        self.rest = [keras.layers.Dense(width), keras.layers.Dense(4)]
        self.inner = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(3)]
        )
        self.norm = keras.layers.LayerNormalization()

    def build(self, shape):
        self.first.build(shape)
        self.rest[0].build((None, self.width))
        self.rest[1].build((None, self.width))
        self.norm.build((None, 3))

    def call(self, x):
        x = self.first(x)
        for layer in self.rest:
            x = layer(x)
        return self.norm(self.inner(x))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def subclassed():
    model = Subclassed()
    model.build((None, 8))
    return model


KINDS = {
    "sequential": (sequential, 2),
    "functional": (functional, 3),
    "nested": (nested, 3),
    "shared": (shared, 1),
    "subclassed": (subclassed, 4),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_wrapping_keeps_the_outputs_and_finds_every_kernel(kind):
    build, count = kind
    model = build()
    before = np.asarray(model(X))
    wrapped = tflottery.prune_iteratively(model)
    np.testing.assert_array_equal(np.asarray(wrapped(X)), before)
    assert len(tflottery.masks(wrapped)) == count
    assert len(evidence.current_mask(wrapped)) == count


def test_pruning_reaches_the_sparsity_and_stripping_keeps_the_outputs(kind):
    build, _ = kind
    pruned = tflottery.prune_once(build(), sparsity=0.5)
    size = sum(mask.size for mask in tflottery.masks(pruned).values())
    kept = sum(int(mask.sum()) for mask in tflottery.masks(pruned).values())
    assert kept == round(size * 0.5)
    assert tflottery.sparsity(pruned) == 1 - kept / size
    before = np.asarray(pruned(X))
    plain = tflottery.strip_pruning(pruned)
    assert evidence.wrappers(plain) == []
    np.testing.assert_array_equal(np.asarray(plain(X)), before)
    assert tflottery.sparsity(plain) == 1 - kept / size


@pytest.mark.parametrize("kind_name", KINDS)
def test_a_saved_model_keeps_masks_and_settings(kind_name, tmp_path):
    build, _ = KINDS[kind_name]
    model = tflottery.prune_iteratively(
        build(), prune_fraction=0.3, scope="layerwise", rewind_to="5it"
    )
    model = tflottery.prune_once(model, sparsity=0.5)
    model.compile("adam", "mse")
    model.fit(X, np.asarray(model(X)) + 1, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(np.asarray(loaded(X)), np.asarray(model(X)))
    ours = evidence.current_mask(model)
    assert evidence.current_mask(loaded) == ours and ours.sparsity > 0.49
    settings = evidence.settings_of(loaded)
    assert (settings.prune_fraction, settings.scope) == (0.3, "layerwise")
    assert settings.rewind_to == "5it"
    loaded.fit(X, np.asarray(model(X)), verbose=0)
    assert tflottery.sparsity(loaded) == tflottery.sparsity(model)


@pytest.mark.parametrize("kind_name", KINDS)
def test_a_weights_file_keeps_the_masks(kind_name, tmp_path):
    build, _ = KINDS[kind_name]
    model = tflottery.prune_once(build(), sparsity=0.5)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    other = tflottery.prune_iteratively(build())
    other.load_weights(path)
    assert evidence.current_mask(other) == evidence.current_mask(model)
    np.testing.assert_array_equal(np.asarray(other(X)), np.asarray(model(X)))


def test_a_saved_model_directory_gives_the_same_outputs(kind, tmp_path):
    import tensorflow as tf

    model = tflottery.prune_once(kind[0](), sparsity=0.5)
    before = np.asarray(model(X))
    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = np.asarray(loaded.serve(X))
    np.testing.assert_allclose(served, before, rtol=1e-5, atol=1e-6)


def test_a_single_layer_and_a_list_come_back_as_what_they_were():
    layer = keras.layers.Dense(3)
    layer.build((None, 8))
    wrapped = tflottery.prune_once(layer, sparsity=0.5)
    assert isinstance(wrapped, tflottery.Masked)
    assert tflottery.strip_pruning(wrapped) is layer
    layers = [keras.layers.Flatten(), keras.layers.Dense(3)]
    wrapped = tflottery.prune_iteratively(layers)
    assert isinstance(wrapped, list) and len(wrapped) == 2
    assert wrapped[0] is layers[0]
    model = keras.Sequential([keras.Input((2, 4)), *wrapped])
    assert [m.shape for m in tflottery.masks(model).values()] == [(8, 3)]


def test_a_model_without_input_shape_is_wrapped_and_built_later():
    model = keras.Sequential(
        [keras.layers.Dense(5), keras.layers.ReLU(), keras.layers.Dense(2)]
    )
    wrapped = tflottery.prune_iteratively(model)
    wrapped(X)
    assert [m.shape for m in tflottery.masks(wrapped).values()] == [
        (8, 5),
        (5, 2),
    ]


def test_multi_head_attention_unbuilt_is_built_by_its_call():
    attention = tflottery.prune_iteratively(
        keras.layers.MultiHeadAttention(2, 3)
    )
    x = np.ones((2, 4, 6), "float32")
    attention(x, x)
    assert (
        sorted(attention.masked_weights)
        == [
            "key/kernel",
            "output/kernel",
            "query/kernel",
            "value/kernel",
        ]
        or len(attention.masked_weights) == 4
    )


def test_wrapped_models_share_weights_with_the_original():
    model = sequential()
    wrapped = tflottery.prune_iteratively(model)
    wrapped.layers[0].kernel.assign(np.zeros((8, 6)))
    assert np.all(model.layers[0].kernel.numpy() == 0)


def test_wrapping_twice_adds_nothing():
    once = tflottery.prune_iteratively(sequential())
    twice = tflottery.prune_iteratively(once)
    assert len(evidence.wrappers(twice)) == 2
    assert all(
        not isinstance(w.layer, tflottery.Masked)
        for w in evidence.wrappers(twice)
    )


@pytest.mark.parametrize(
    "skip", ["c", ["c"], "[c]", lambda layer: layer.name == "c"]
)
def test_skipped_layers_stay_dense(skip):
    wrapped = tflottery.prune_iteratively(functional(), skip=skip)
    assert sorted(evidence.current_mask(wrapped)) == ["a/kernel", "b/kernel"]


def test_paths_do_not_depend_on_keras_counters():
    first = tflottery.prune_iteratively(nested())
    second = tflottery.prune_iteratively(nested())
    assert list(evidence.current_mask(first)) == list(
        evidence.current_mask(second)
    )
    assert list(evidence.current_mask(first)) == [
        "sequential/dense/kernel",
        "sequential/dense_1/kernel",
        "dense/kernel",
    ]


def test_a_user_layer_chooses_its_weights():
    class Custom(keras.layers.Layer):
        def build(self, shape):
            self.a = self.add_weight(shape=(shape[-1], 2), name="a")
            self.b = self.add_weight(shape=(shape[-1], 2), name="b")

        def call(self, x):
            return x @ self.a + x @ self.b

        def get_prunable_weights(self):
            return [self.b]

    model = keras.Sequential([keras.Input((8,)), Custom(name="mine")])
    wrapped = tflottery.prune_iteratively(model)
    assert list(evidence.current_mask(wrapped)) == ["mine/b"]


def test_nothing_to_prune_warns_and_strict_raises():
    def bare():
        return keras.Sequential(
            [keras.Input((8,)), keras.layers.BatchNormalization(name="norm")]
        )

    with pytest.warns(UserWarning, match="nothing to prune.*`norm` has no"):
        tflottery.prune_iteratively(bare())
    with pytest.raises(ValueError, match="nothing to prune"):
        tflottery.prune_iteratively(bare(), strict=True)


def test_strict_names_a_skipped_layer_with_matrices():
    class Odd(keras.layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(shape[-1], 2), name="table")

        def call(self, x):
            return x @ self.table

    def model():
        return keras.Sequential(
            [keras.Input((8,)), keras.layers.Dense(8), Odd(name="odd")]
        )

    wrapped = tflottery.prune_iteratively(model())
    assert list(evidence.current_mask(wrapped)) == ["dense/kernel"]
    with pytest.raises(ValueError, match="`odd` holds `table` .8, 2."):
        tflottery.prune_iteratively(model(), strict=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prune_fraction": 1.2}, r"`prune_fraction` must be in \[0, 1\)"),
        ({"prune_fraction": {"a": -1}}, r"prune_fraction\['a'\]"),
        ({"scope": "globl"}, "global"),
        ({"criterion": "magnitud"}, "magnitude"),
        ({"rewind_to": "5 epochs"}, "5 epochs"),
        ({"skip": "("}, "regular expression"),
    ],
)
def test_bad_settings_are_refused_in_words(arguments, message):
    with pytest.raises(ValueError, match=message):
        tflottery.prune_iteratively(functional(), **arguments)


def test_what_is_not_a_model_is_refused_in_words():
    with pytest.raises(TypeError, match="must be a Keras model"):
        tflottery.prune_iteratively("model")
    import tf_keras

    legacy = tf_keras.Sequential([tf_keras.layers.Dense(2)])
    with pytest.raises(TypeError, match="tf_keras"):
        tflottery.prune_iteratively(legacy)


def test_stripping_a_plain_model_says_what_to_do():
    with pytest.raises(ValueError, match="prune_iteratively"):
        tflottery.strip_pruning(sequential())
