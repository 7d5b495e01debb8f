"""Wrapping: what is taken, what is kept, what is refused, what comes back."""

import inspect

import keras
import numpy as np
import pytest
import side_by_side as sides
import tf_keras

import tflottery
from tflottery.layers import paths

X = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def is_wrapped(layer):
    return paths.is_mask_wrapper(layer)


def sequential(family):
    layers = family.layers
    model = family.Sequential(
        [
            layers.Dense(5, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(3),
        ]
    )
    model.build((None, 6))
    return model


def functional(family):
    layers = family.layers
    inputs = family.Input((6,), name="features")
    left = layers.Dense(4, name="left")(inputs)
    right = layers.Dense(4, name="right")(inputs)
    outputs = layers.Dense(2, name="head")(layers.add([left, right]))
    return family.Model(inputs, outputs, name="forked")


def custom_layer(family, mixin=None, chosen=()):
    """A layer with two matrices; `chosen` are those it says are prunable."""
    bases = (family.layers.Layer, *([mixin] if mixin else []))

    class Mixing(*bases):
        def build(self, shape):
            self.kernel = self.add_weight(
                name="kernel", shape=(shape[-1], 4), initializer="normal"
            )
            self.other = self.add_weight(
                name="other", shape=(4, 4), initializer="normal"
            )
            super().build(shape)

        def call(self, x):
            return x @ self.kernel @ self.other

    if chosen or mixin:
        Mixing.get_prunable_weights = lambda self: [
            getattr(self, name) for name in chosen
        ]
        Mixing.__abstractmethods__ = frozenset()
    return Mixing()


@pytest.mark.parametrize("make", [sequential, functional])
def test_predictions_and_variables_are_kept(any_keras, make):
    model = make(any_keras)
    before = np.asarray(model(X))
    weights = [id(w) for w in model.trainable_weights]
    wrapped = tflottery.prune_low_magnitude(model)
    assert wrapped.built
    assert [id(w) for w in wrapped.trainable_weights] == weights
    assert len(sides.wrappers(wrapped)) == (2 if make is sequential else 3)
    np.testing.assert_array_equal(np.asarray(wrapped(X)), before)


def test_loaded_weights_are_kept(any_keras, tmp_path):
    model = functional(any_keras)
    path = str(tmp_path / "dense.weights.h5")
    model.save_weights(path)
    other = functional(any_keras)
    other.load_weights(path)
    wrapped = tflottery.prune_low_magnitude(other)
    assert sides.wrappers(wrapped)
    np.testing.assert_array_equal(np.asarray(wrapped(X)), np.asarray(model(X)))


def test_the_optimizer_is_gone_after_wrapping(any_keras):
    model = functional(any_keras)
    model.compile("adam", "mse")
    wrapped = tflottery.prune_low_magnitude(model)
    assert getattr(wrapped, "optimizer", None) is None
    with pytest.raises((RuntimeError, ValueError), match="compile"):
        wrapped.fit(X, X[:, :2], callbacks=[tflottery.UpdatePruningStep()])


@pytest.mark.parametrize("make", [sequential, functional])
def test_a_model_compiled_with_a_loss_of_ones_own_can_be_wrapped(
    any_keras, make
):
    def loss(y, prediction):
        return (y - prediction) ** 2

    model = make(any_keras)
    model.compile("adam", loss)
    assert sides.wrappers(tflottery.prune_low_magnitude(model))


def test_what_is_wrapped_is_not_wrapped_again(any_keras):
    once = tflottery.prune_low_magnitude(functional(any_keras))
    twice = tflottery.prune_low_magnitude(once)
    first, second = sides.wrappers(once), sides.wrappers(twice)
    assert [id(w) for w in first] == [id(w) for w in second]
    assert not any(is_wrapped(w.layer) for w in second)
    # Nor does a layer that brings a schedule of its own get the model's.
    mine = tflottery.prune_low_magnitude(
        any_keras.layers.Dense(3), tflottery.ConstantSparsity(0.9, 7)
    )
    model = any_keras.Sequential([any_keras.layers.Dense(4), mine])
    model.build((None, 6))
    wrapped = tflottery.prune_low_magnitude(model)
    assert [
        w.settings.schedule["config"]["target_sparsity"]
        for w in sides.wrappers(wrapped)
    ] == [0.5, 0.9]


def test_a_list_is_wrapped_layer_by_layer(any_keras):
    layers = any_keras.layers
    given = [layers.Dense(4), layers.ReLU(), layers.Dense(3)]
    wrapped = tflottery.prune_low_magnitude(given)
    assert isinstance(wrapped, list) and len(wrapped) == 3
    model = any_keras.Sequential(wrapped)
    model.build((None, 6))
    assert len(sides.mask_of(model)) == 2
    assert np.asarray(model(X)).shape == (4, 3)


def test_a_single_layer_takes_name_and_trainable(any_keras):
    layer = tflottery.prune_low_magnitude(
        any_keras.layers.Dense(3), name="pruned_head", trainable=False
    )
    assert is_wrapped(layer)
    assert (layer.name, layer.trainable) == ("pruned_head", False)
    model = any_keras.Sequential([layer])
    model.build((None, 6))
    assert model.trainable_weights == []
    with pytest.raises(TypeError, match=r"takes `name` and `trainable`"):
        tflottery.prune_low_magnitude(any_keras.layers.Dense(3), units=4)


def test_first_layer_with_an_input_shape_builds_the_model():
    dense = tf_keras.layers.Dense(3, input_shape=(6,))
    model = tf_keras.Sequential([tflottery.prune_low_magnitude(dense)])
    assert model.built and len(sides.mask_of(model)) == 1
    assert tflottery.strip_pruning(model).built


@pytest.mark.parametrize(
    "chosen", [("kernel",), ("other",), ("kernel", "other")]
)
def test_a_custom_layer_says_what_is_pruned(any_keras, tfmot, chosen):
    layer = custom_layer(any_keras, tflottery.PrunableLayer, chosen)
    model = any_keras.Sequential([any_keras.Input((6,)), layer])
    model = tflottery.prune_low_magnitude(model)
    found = [path.split("/")[-1] for path in sides.mask_of(model)]
    assert sorted(found) == sorted(chosen)
    if any_keras is tf_keras:
        theirs = custom_layer(tf_keras, tfmot.PrunableLayer, chosen)
        theirs = tf_keras.Sequential([tf_keras.Input((6,)), theirs])
        (wrapper,) = sides.tfmot_wrappers(tfmot.prune_low_magnitude(theirs))
        shapes = [tuple(w.shape) for w, _, _ in wrapper.pruning_vars]
        ours = [mask.shape for mask in sides.mask_of(model).values()]
        assert sorted(shapes) == sorted(ours)


def test_a_layer_made_for_tfmot_is_believed_too(tfmot):
    layer = custom_layer(tf_keras, tfmot.PrunableLayer, ("other",))
    model = tf_keras.Sequential([tf_keras.Input((6,)), layer])
    (path,) = sides.mask_of(tflottery.prune_low_magnitude(model))
    assert path.endswith("other")


def test_a_custom_layer_that_says_nothing_is_pruned_by_its_kernel(
    any_keras, tfmot
):
    model = any_keras.Sequential(
        [any_keras.Input((6,)), custom_layer(any_keras)]
    )
    (path,) = sides.mask_of(tflottery.prune_low_magnitude(model))
    assert path.endswith("kernel")
    if any_keras is tf_keras:
        with pytest.raises(ValueError, match="supported layer"):
            tfmot.prune_low_magnitude(model)


def test_a_layer_with_nothing_to_prune_is_refused_by_itself(any_keras):
    class Shift(any_keras.layers.Layer):
        def build(self, shape):
            self.shift = self.add_weight(
                name="shift", shape=(shape[-1],), initializer="zeros"
            )

        def call(self, x):
            return x + self.shift

    layer = Shift()
    layer(X)
    with pytest.raises(ValueError, match="nothing to prune.*get_prunable_wei"):
        tflottery.prune_low_magnitude(layer)


def test_a_reused_layer_is_pruned_once(any_keras):
    inputs = any_keras.Input((6,))
    layer = any_keras.layers.Dense(6, name="shared")
    model = any_keras.Model(inputs, layer(layer(inputs)))
    before = np.asarray(model(X))
    wrapped = tflottery.prune_low_magnitude(model)
    (wrapper,) = sides.wrappers(wrapped)
    assert wrapper.layer is layer and len(sides.mask_of(wrapped)) == 1
    np.testing.assert_array_equal(np.asarray(wrapped(X)), before)


def nested(family):
    inner = family.Sequential(
        [family.Input((5,), name="a"), family.layers.Dense(4, name="deep")],
        name="inner",
    )
    middle_in = family.Input((5,), name="b")
    middle = family.Model(middle_in, inner(middle_in), name="middle")
    inputs = family.Input((6,), name="c")
    x = family.layers.Dense(5, name="outer")(inputs)
    return family.Model(inputs, middle(x), name="nested")


def test_nested_models_are_pruned_to_the_bottom(any_keras):
    model = nested(any_keras)
    before = np.asarray(model(X))
    schedule = tflottery.ConstantSparsity(0.5, 1, frequency=1)
    model = tflottery.prune_low_magnitude(model, schedule)
    assert sorted(w.name for w in sides.wrappers(model)) == ["deep", "outer"]
    np.testing.assert_array_equal(np.asarray(model(X)), before)
    model.compile("sgd", "mse")
    x, y = np.repeat(X, 2, 0), np.ones((8, 4), "float32")
    model.fit(
        x, y, batch_size=2, verbose=0, callbacks=[tflottery.UpdatePruningStep()]
    )
    assert set(sides.sparsities(model).values()) == {0.5}
    plain = tflottery.strip_pruning(model)
    np.testing.assert_array_equal(np.asarray(plain(X)), np.asarray(model(X)))
    assert not any(is_wrapped(la) for la in plain._flatten_layers())


def test_subclassed_models_work_here_and_are_refused_by_tfmot(any_keras, tfmot):
    class Net(any_keras.Model):
        def __init__(self):
            super().__init__()
            self.one = any_keras.layers.Dense(5)
            self.two = any_keras.layers.Dense(3)

        def call(self, x):
            return self.two(self.one(x))

    if any_keras is tf_keras:
        with pytest.raises(ValueError, match="can only prune an object"):
            tfmot.prune_low_magnitude(Net())
    model = Net()
    before = np.asarray(model(X))
    schedule = tflottery.ConstantSparsity(0.6, 1, frequency=1)
    wrapped = tflottery.prune_low_magnitude(model, schedule)
    assert wrapped is model and isinstance(wrapped, Net)
    np.testing.assert_array_equal(np.asarray(wrapped(X)), before)
    wrapped.compile("sgd", "mse")
    wrapped.fit(
        X, X[:, :3], verbose=0, callbacks=[tflottery.UpdatePruningStep()]
    )
    assert list(sides.sparsities(wrapped).values()) == [0.6, 0.6]


@pytest.mark.parametrize("thing", ["a model", 7, object(), [1, 2], None])
def test_arbitrary_objects_are_refused(thing):
    with pytest.raises(TypeError, match=r"must be a Keras model, a layer or"):
        tflottery.prune_low_magnitude(thing)


@pytest.mark.parametrize(
    "options, error",
    [
        ({"block_pooling_type": "MIN"}, "`block_pooling_type`.*'MIN'"),
        ({"block_size": (2,)}, "`block_size` must be two positive"),
        ({"block_size": (0, 2)}, "`block_size` must be two positive"),
        ({"block_size": 4}, "`block_size` must be two positive"),
        ({"sparsity_m_by_n": (4, 4)}, "fewer zeros than weights"),
        ({"sparsity_m_by_n": (2, 4, 8)}, "`sparsity_m_by_n` must be two"),
        ({"sparsity_m_by_n": (2.5, 4)}, "`sparsity_m_by_n` must be two"),
        ({"sparsity_m_by_n": 2}, "`sparsity_m_by_n` must be two"),
    ],
)
def test_bad_patterns_are_refused(any_keras, options, error):
    with pytest.raises(ValueError, match=error):
        tflottery.prune_low_magnitude(functional(any_keras), **options)


@pytest.mark.parametrize("schedule", [0.5, "polynomial", lambda step: 0.5])
def test_what_is_no_schedule_is_refused(any_keras, schedule):
    with pytest.raises((TypeError, ValueError), match="`pruning_schedule`"):
        tflottery.prune_low_magnitude(functional(any_keras), schedule)


def test_the_default_schedule_is_tfmots(any_keras, tfmot):
    signature = inspect.signature(tfmot.prune_low_magnitude)
    theirs = signature.parameters["pruning_schedule"].default
    model = tflottery.prune_low_magnitude(functional(any_keras))
    for wrapper in sides.wrappers(model):
        found = wrapper.settings.schedule
        assert found["class_name"] == type(theirs).__name__
        expected = theirs.get_config()["config"]
        assert found["config"] == {
            "target_sparsity": 0.5,
            "begin_step": 0,
            "end_step": -1,
            "frequency": 100,
        }
        assert all(found["config"][k] == v for k, v in expected.items())


@pytest.mark.parametrize("make", [sequential, functional, nested])
def test_strip_gives_back_classes_configs_and_names(any_keras, make):
    model = make(any_keras)
    before = model.get_config()
    wrapped = tflottery.prune_low_magnitude(model)
    assert sides.wrappers(wrapped)
    plain = tflottery.strip_pruning(wrapped)
    assert type(plain) is type(model) and plain.built
    assert [type(la) for la in plain.layers] == [
        type(la) for la in model.layers
    ]
    assert plain.get_config() == before
    with pytest.raises(ValueError, match="wrapped"):
        tflottery.strip_pruning(plain)


def test_inference_needs_no_callback(any_keras):
    model = tflottery.prune_low_magnitude(functional(any_keras))
    assert sides.wrappers(model)
    model.compile("sgd", "mse")
    assert model.predict(X, verbose=0).shape == (4, 2)
    assert np.isfinite(model.evaluate(X, X[:, :2], verbose=0))
    assert np.isfinite(np.asarray(model(X))).all()
    assert np.isfinite(np.asarray(model(X, training=False))).all()


def test_tfmots_strip_takes_our_tf_keras_wrappers(tfmot):
    model = tflottery.prune_low_magnitude(functional(tf_keras))
    assert len(sides.tfmot_wrappers(model)) == 3
    plain = tfmot.strip_pruning(model)
    assert not any(is_wrapped(la) for la in plain.layers)
    np.testing.assert_array_equal(np.asarray(plain(X)), np.asarray(model(X)))


def test_a_name_in_the_middle_of_two_families_is_refused():
    mixed = [keras.layers.Dense(2), tf_keras.layers.Dense(2)]
    with pytest.raises(TypeError, match="layers of one Keras"):
        tflottery.prune_low_magnitude(mixed)
