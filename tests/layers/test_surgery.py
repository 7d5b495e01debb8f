"""Wrapping and stripping every kind of model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.layers import evidence, paths, prune

X = np.random.default_rng(1).normal(size=(6, 8)).astype("float32")


def sequential(k):
    return k.Sequential(
        [
            k.Input((8,)),
            k.layers.Dense(6, activation="relu"),
            k.layers.BatchNormalization(),
            k.layers.Dense(4),
        ]
    )


def functional(k):
    inputs = k.Input((8,))
    a = k.layers.Dense(6, activation="relu", name="a")(inputs)
    b = k.layers.Dense(6, name="b")(inputs)
    merged = k.layers.Add()([a, b]) * 2.0
    return k.Model(inputs, k.layers.Dense(4, name="c")(merged))


def nested(k):
    inner = sequential(k)
    inputs = k.Input((8,))
    return k.Model(inputs, k.layers.Dense(2)(inner(inputs)))


def shared(k):
    layer = k.layers.Dense(8, name="twice")
    inputs = k.Input((8,))
    return k.Model(inputs, layer(layer(inputs)))


def subclass_of(k):
    @k.saving.register_keras_serializable("tests")
    class Subclassed(k.Model):
        def __init__(self, width=6, **keywords):
            super().__init__(**keywords)
            self.width = width
            self.first = k.layers.Dense(width, activation="relu")
            self.rest = [k.layers.Dense(width), k.layers.Dense(4)]
            self.inner = k.Sequential([k.Input((4,)), k.layers.Dense(3)])
            self.norm = k.layers.LayerNormalization()

        def build(self, shape):
            self.first.build(shape)
            self.rest[0].build((None, self.width))
            self.rest[1].build((None, self.width))
            self.norm.build((None, 3))
            k.layers.Layer.build(self, shape)

        def call(self, x):
            x = self.first(x)
            for layer in self.rest:
                x = layer(x)
            return self.norm(self.inner(x))

        def get_config(self):
            return {**super().get_config(), "width": self.width}

    return Subclassed


CLASSES = {k: subclass_of(k) for k in (keras, tf_keras)}


def subclassed(k):
    model = CLASSES[k]()
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


def test_wrapping_keeps_the_outputs_and_finds_every_kernel(any_keras, kind):
    build, count = kind
    model = build(any_keras)
    before = np.asarray(model(X))
    wrapped = tflottery.prune_iteratively(model)
    np.testing.assert_array_equal(np.asarray(wrapped(X)), before)
    assert len(tflottery.masks(wrapped)) == count
    assert len(evidence.current_mask(wrapped)) == count


def test_pruning_reaches_the_sparsity_and_stripping_keeps_the_outputs(
    any_keras, kind
):
    build, _ = kind
    pruned = tflottery.prune_once(build(any_keras), sparsity=0.5)
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
def test_a_saved_model_keeps_masks_and_settings(any_keras, kind_name, tmp_path):
    build, _ = KINDS[kind_name]
    model = tflottery.prune_iteratively(
        build(any_keras), prune_fraction=0.3, scope="layerwise", rewind_to="5it"
    )
    model = tflottery.prune_once(model, sparsity=0.5)
    model.compile("adam", "mse")
    model.fit(X, np.asarray(model(X)) + 1, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = any_keras.models.load_model(path)
    np.testing.assert_array_equal(np.asarray(loaded(X)), np.asarray(model(X)))
    ours = evidence.current_mask(model)
    assert evidence.current_mask(loaded) == ours and ours.sparsity > 0.49
    settings = evidence.settings_of(loaded)
    assert (settings.prune_fraction, settings.scope) == (0.3, "layerwise")
    assert settings.rewind_to == "5it"
    loaded.fit(X, np.asarray(model(X)), verbose=0)
    assert tflottery.sparsity(loaded) == tflottery.sparsity(model)


@pytest.mark.parametrize("kind_name", KINDS)
def test_a_weights_file_keeps_the_masks(any_keras, kind_name, tmp_path):
    build, _ = KINDS[kind_name]
    model = tflottery.prune_once(build(any_keras), sparsity=0.5)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    other = tflottery.prune_iteratively(build(any_keras))
    other.load_weights(path)
    assert evidence.current_mask(other) == evidence.current_mask(model)
    np.testing.assert_array_equal(np.asarray(other(X)), np.asarray(model(X)))


def test_a_saved_model_directory_gives_the_same_outputs(
    any_keras, kind, tmp_path
):
    model = tflottery.prune_once(kind[0](any_keras), sparsity=0.5)
    before = np.asarray(model(X))
    quiet = {"verbose": False} if any_keras is keras else {}
    model.export(tmp_path / "saved", **quiet)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = np.asarray(loaded.serve(X))
    np.testing.assert_allclose(served, before, rtol=1e-5, atol=1e-6)


def test_a_single_layer_and_a_list_come_back_as_what_they_were(any_keras):
    layer = any_keras.layers.Dense(3)
    layer.build((None, 8))
    wrapped = tflottery.prune_once(layer, sparsity=0.5)
    assert paths.is_mask_wrapper(wrapped)
    assert tflottery.strip_pruning(wrapped) is layer
    layers = [any_keras.layers.Flatten(), any_keras.layers.Dense(3)]
    wrapped = tflottery.prune_iteratively(layers)
    assert isinstance(wrapped, list) and len(wrapped) == 2
    assert wrapped[0] is layers[0]
    model = any_keras.Sequential([any_keras.Input((2, 4)), *wrapped])
    assert [m.shape for m in tflottery.masks(model).values()] == [(8, 3)]


def test_a_model_without_input_shape_is_wrapped_and_built_later(any_keras):
    model = any_keras.Sequential(
        [
            any_keras.layers.Dense(5),
            any_keras.layers.ReLU(),
            any_keras.layers.Dense(2),
        ]
    )
    wrapped = tflottery.prune_iteratively(model)
    wrapped(X)
    assert [m.shape for m in tflottery.masks(wrapped).values()] == [
        (8, 5),
        (5, 2),
    ]


def test_multi_head_attention_unbuilt_is_built_by_its_call(any_keras):
    attention = tflottery.prune_iteratively(
        any_keras.layers.MultiHeadAttention(2, 3)
    )
    x = np.ones((2, 4, 6), "float32")
    attention(x, x)
    assert sorted(name.split("/")[0] for name in attention.masked_weights) in (
        ["attention_output", "key", "query", "value"],
        ["key", "output", "query", "value"],
    )


def test_wrapped_models_share_weights_with_the_original(any_keras):
    model = sequential(any_keras)
    wrapped = tflottery.prune_iteratively(model)
    wrapped.layers[0].kernel.assign(np.zeros((8, 6)))
    assert np.all(model.layers[0].kernel.numpy() == 0)


def test_wrapping_twice_adds_nothing(any_keras):
    once = tflottery.prune_iteratively(sequential(any_keras))
    twice = tflottery.prune_iteratively(once)
    assert len(evidence.wrappers(twice)) == 2
    assert all(
        not paths.is_mask_wrapper(w.layer) for w in evidence.wrappers(twice)
    )


def wrapped_by_a_schedule(model):
    return tflottery.prune_low_magnitude(model)


def wrapped_as_a_ticket(model):
    pruned = tflottery.prune_once(model, 0.5)
    pruned.compile("sgd", "mse")
    return tflottery.Ticket.of(pruned).apply(tflottery.strip_pruning(pruned))


WRAPPED_BEFORE = {
    "for rounds": tflottery.prune_iteratively,
    "once": lambda model: tflottery.prune_once(model, 0.5),
    "by a schedule": wrapped_by_a_schedule,
    "as a ticket": wrapped_as_a_ticket,
}


@pytest.mark.parametrize("before", WRAPPED_BEFORE)
def test_what_is_wrapped_already_keeps_its_masks_and_gets_the_new_settings(
    any_keras, before
):
    model = WRAPPED_BEFORE[before](functional(any_keras))
    masks = evidence.current_mask(model)
    again = tflottery.prune_iteratively(
        model,
        prune_fraction={"a": 0.5, "default": 0.1},
        scope="layerwise",
        criterion="magnitude_increase",
        structure=tflottery.Block(1, 2),
        rewind_to="7it",
    )
    settings = evidence.settings_of(again)
    assert settings.scope == "layerwise" and settings.rewind_to == "7it"
    assert "magnitude_increase" in str(settings.criterion)
    assert settings.structure is not None and settings.schedule is None
    assert evidence.fractions(again) == {
        "a/kernel": 0.5,
        "b/kernel": 0.1,
        "c/kernel": 0.1,
    }
    for path, mask in evidence.current_mask(again).items():
        np.testing.assert_array_equal(mask, masks[path])


def test_a_wrapped_layer_that_is_skipped_later_is_dense_again(any_keras):
    model = tflottery.prune_iteratively(functional(any_keras))
    again = tflottery.prune_iteratively(model, skip="b")
    assert sorted(evidence.current_mask(again)) == ["a/kernel", "c/kernel"]
    # Nothing of the wrapping is left on it.
    dense = again.get_layer("b")
    assert type(dense) is any_keras.layers.Dense
    assert dense.kernel_constraint is None
    assert getattr(dense.kernel, "constraint", None) is None
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_one_weight_of_a_wrapped_layer_can_be_skipped_later(any_keras):
    k = any_keras
    inputs = k.Input((5, 8))
    model = k.Model(inputs, k.layers.LSTM(3, name="lstm")(inputs))
    model = tflottery.prune_iteratively(model)
    tflottery.set_mask(
        model,
        {
            path: np.arange(mask.size).reshape(mask.shape) % 3 > 0
            if "recurrent" in path
            else mask
            for path, mask in tflottery.masks(model).items()
        },
    )
    kept = next(
        m for p, m in tflottery.masks(model).items() if "recurrent" in p
    )
    again = tflottery.prune_iteratively(model, skip=".*lstm_cell/kernel")
    ((path, mask),) = tflottery.masks(again).items()
    assert path.endswith("recurrent_kernel")
    np.testing.assert_array_equal(mask, kept)


def test_what_is_pruned_already_cannot_be_skipped_and_nothing_is_changed(
    any_keras,
):
    model = tflottery.prune_once(functional(any_keras), 0.5, scope="layerwise")
    before = evidence.settings_of(model)
    with pytest.raises(ValueError) as refusal:
        tflottery.prune_iteratively(model, 0.3, scope="erk", skip="c")
    assert "`c/kernel`, of which 12 of 24 weights are pruned" in str(
        refusal.value
    )
    # All wrappers are looked at before the first gets its settings.
    assert evidence.settings_of(model) == before
    # The way out that is proposed keeps the mask and prunes it no further.
    assert "prune_fraction={'c': 0.0, 'default': 0.3}" in str(refusal.value)
    model = tflottery.prune_iteratively(model, {"c": 0.0, "default": 0.3})
    assert evidence.fractions(model)["c/kernel"] == 0.0
    tflottery.prune(
        model, prune.densities_after(model, 1, evidence.current_mask(model))
    )
    assert evidence.current_mask(model).densities()["c/kernel"] == 0.5


def test_a_supermask_is_no_model_to_be_pruned_in_rounds(any_keras):
    model = tflottery.supermasks.edge_popup(functional(any_keras), 0.5)
    with pytest.raises(ValueError, match="layer `a` with a supermask"):
        tflottery.prune_iteratively(model)


@pytest.mark.parametrize(
    "skip", ["c", ["c"], "[c]", lambda layer: layer.name == "c"]
)
def test_skipped_layers_stay_dense(any_keras, skip):
    wrapped = tflottery.prune_iteratively(functional(any_keras), skip=skip)
    assert sorted(evidence.current_mask(wrapped)) == ["a/kernel", "b/kernel"]


def test_paths_do_not_depend_on_keras_counters(any_keras):
    first = tflottery.prune_iteratively(nested(any_keras))
    second = tflottery.prune_iteratively(nested(any_keras))
    assert list(evidence.current_mask(first)) == list(
        evidence.current_mask(second)
    )
    assert list(evidence.current_mask(first)) == [
        "sequential/dense/kernel",
        "sequential/dense_1/kernel",
        "dense/kernel",
    ]


def test_a_user_layer_chooses_its_weights(any_keras):
    class Custom(any_keras.layers.Layer):
        def build(self, shape):
            self.a = self.add_weight(shape=(shape[-1], 2), name="a")
            self.b = self.add_weight(shape=(shape[-1], 2), name="b")

        def call(self, x):
            return x @ self.a + x @ self.b

        def get_prunable_weights(self):
            return [self.b]

    model = any_keras.Sequential([any_keras.Input((8,)), Custom(name="mine")])
    wrapped = tflottery.prune_iteratively(model)
    assert list(evidence.current_mask(wrapped)) == ["mine/b"]


def test_nothing_to_prune_warns_and_strict_raises(any_keras):
    def bare():
        return any_keras.Sequential(
            [
                any_keras.Input((8,)),
                any_keras.layers.BatchNormalization(name="norm"),
            ]
        )

    with pytest.warns(UserWarning, match="nothing to prune.*`norm` has no"):
        tflottery.prune_iteratively(bare())
    with pytest.raises(ValueError, match="nothing to prune"):
        tflottery.prune_iteratively(bare(), strict=True)


def test_strict_names_a_skipped_layer_with_matrices(any_keras):
    class Odd(any_keras.layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=(shape[-1], 2), name="table")

        def call(self, x):
            return x @ self.table

    def model():
        return any_keras.Sequential(
            [any_keras.Input((8,)), any_keras.layers.Dense(8), Odd(name="odd")]
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
def test_bad_settings_are_refused_in_words(any_keras, arguments, message):
    with pytest.raises(ValueError, match=message):
        tflottery.prune_iteratively(functional(any_keras), **arguments)


def test_what_is_not_a_model_is_refused_in_words():
    with pytest.raises(TypeError, match="must be a Keras model"):
        tflottery.prune_iteratively("model")
    mixed = [keras.layers.Dense(2), tf_keras.layers.Dense(2)]
    with pytest.raises(TypeError, match="layers of keras and tf_keras"):
        tflottery.prune_iteratively(mixed)


def test_stripping_a_plain_model_says_what_to_do(any_keras):
    with pytest.raises(ValueError, match="prune_iteratively"):
        tflottery.strip_pruning(sequential(any_keras))


def multi_input(k):
    first, second = k.Input((8,), name="first"), k.Input((8,), name="second")
    hidden = k.layers.Concatenate()(
        [k.layers.Dense(5)(first), k.layers.Dense(3)(second)]
    )
    outputs = {
        "one": k.layers.Dense(2, name="one")(hidden),
        "two": k.layers.Dense(4, name="two")(hidden),
    }
    return k.Model({"first": first, "second": second}, outputs)


def test_several_inputs_and_outputs_keep_their_names(any_keras, tmp_path):
    model = multi_input(any_keras)
    x = {"first": X, "second": -X}
    before = model.predict(x, verbose=0)
    wrapped = tflottery.prune_iteratively(model)
    after = wrapped.predict(x, verbose=0)
    assert sorted(after) == ["one", "two"]
    for name, values in after.items():
        np.testing.assert_array_equal(values, before[name])
    tflottery.prune_once(wrapped, sparsity=0.5)
    wrapped.compile("sgd", {"one": "mse", "two": "mae"})
    wrapped.fit(x, before, epochs=2, verbose=0)
    assert tflottery.sparsity(wrapped) == pytest.approx(0.5, abs=0.01)
    assert len(tflottery.masks(wrapped)) == 4
    after = wrapped.predict(x, verbose=0)
    wrapped.save(tmp_path / "model.keras")
    loaded = any_keras.models.load_model(tmp_path / "model.keras")
    for name, values in loaded.predict(x, verbose=0).items():
        np.testing.assert_array_equal(values, after[name])


def test_a_first_layer_with_its_own_input_shape_builds_the_model():
    model = tf_keras.Sequential(
        [
            tf_keras.layers.Dense(6, input_shape=(8,), activation="relu"),
            tf_keras.layers.Flatten(),
            tf_keras.layers.Dense(3),
        ]
    )
    before = model(X).numpy()
    wrapped = tflottery.prune_iteratively(model)
    assert wrapped.built and wrapped.input_shape == (None, 8)
    np.testing.assert_array_equal(wrapped(X).numpy(), before)
    plain = tflottery.strip_pruning(wrapped)
    assert plain.built and plain.input_shape == (None, 8)
    again = tf_keras.Sequential.from_config(plain.get_config())
    assert again.built
    layer = tflottery.prune_iteratively(
        tf_keras.layers.Dense(4, input_shape=(8,))
    )
    model = tf_keras.Sequential([layer])
    assert model.built and len(tflottery.masks(model)) == 1


class Containers:
    """Where a subclassed model may keep its layers, but for attributes."""

    def __init__(self, k, kind):
        super().__init__()
        layers = [k.layers.Dense(6), k.layers.Dense(4)]
        if kind == "list":
            self.held = layers
        elif kind == "tuple":
            self.held = tuple(layers)
        elif kind == "dict":
            self.held = {"a": layers[0], "b": layers[1]}
        else:
            self.held = {"a": [layers[0], {"b": layers[1]}]}
        self.kind = kind

    def call(self, x):
        if self.kind == "dict":
            return self.held["b"](self.held["a"](x))
        if self.kind == "nested":
            first, rest = self.held["a"]
            return rest["b"](first(x))
        for layer in self.held:
            x = layer(x)
        return x


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize("kind", ["list", "tuple", "dict", "nested"])
def test_layers_are_found_wherever_a_model_keeps_them(any_keras, kind, built):
    cls = type("Held", (Containers, any_keras.Model), {})
    model = cls(any_keras, kind)
    if built:
        before = np.asarray(model(X))
    wrapped = tflottery.prune_iteratively(model)
    assert wrapped is model
    after = np.asarray(wrapped(X))
    if built:
        np.testing.assert_array_equal(after, before)
    wrapped = tflottery.prune_once(wrapped, sparsity=0.5)
    shapes = [mask.shape for mask in tflottery.masks(wrapped).values()]
    assert sorted(shapes) == [(6, 4), (8, 6)]
    wrapped.compile("adam", "mse")
    wrapped.fit(X, after, epochs=2, verbose=0)
    assert tflottery.sparsity(wrapped) == 0.5
    after = np.asarray(wrapped(X))
    tflottery.strip_pruning(wrapped)
    assert evidence.wrappers(wrapped) == [] and type(wrapped) is cls
    np.testing.assert_array_equal(np.asarray(wrapped(X)), after)
    assert tflottery.sparsity(wrapped) == 0.5


def block_of(k):
    @k.saving.register_keras_serializable("tests")
    class Block(k.layers.Layer):
        """Made of layers, and built by its first call."""

        def __init__(self, **keywords):
            super().__init__(**keywords)
            self.first = k.layers.Dense(5)
            self.drop = k.layers.Dropout(0.5)
            self.last = k.layers.Dense(8)

        def call(self, x, training=None):
            return self.last(self.drop(self.first(x), training=training))

    return Block


BLOCKS = {k: block_of(k) for k in (keras, tf_keras)}


@pytest.mark.filterwarnings("ignore:`build.*called on layer 'block")
@pytest.mark.filterwarnings("ignore:.*HDF5 file")
@pytest.mark.parametrize(
    ("k", "file"),
    [
        (keras, "model.keras"),
        (tf_keras, "model.keras"),
        (tf_keras, "model.h5"),
        (tf_keras, "folder"),
    ],
)
@pytest.mark.parametrize("sequential", [False, True])
def test_a_block_that_its_call_builds_is_wrapped_as_one(
    k, sequential, file, tmp_path
):
    block = BLOCKS[k]()
    if sequential:
        model = k.Sequential([k.Input((8,)), block, k.layers.Dense(2)])
    else:
        inputs = k.Input((8,))
        model = k.Model(inputs, k.layers.Dense(2)(block(inputs)))
    before = np.asarray(model(X))
    wrapped = tflottery.prune_iteratively(model)
    np.testing.assert_array_equal(np.asarray(wrapped(X)), before)
    assert len(tflottery.masks(wrapped)) == 3
    assert len(evidence.wrappers(wrapped)) == 2
    tflottery.prune_once(wrapped, sparsity=0.5)
    wrapped.compile("adam", "mse")
    wrapped.fit(X, before, verbose=0)
    after = np.asarray(wrapped(X))
    wrapped.save(tmp_path / file)
    loaded = k.models.load_model(tmp_path / file)
    np.testing.assert_array_equal(np.asarray(loaded(X)), after)
    assert evidence.current_mask(loaded) == evidence.current_mask(wrapped)
    assert tflottery.sparsity(loaded) == pytest.approx(0.5, abs=0.01)


def test_an_unbuilt_block_is_wrapped_and_built_by_its_call(any_keras):
    wrapped = tflottery.prune_iteratively(BLOCKS[any_keras]())
    assert paths.is_mask_wrapper(wrapped)
    wrapped(X)
    assert sorted(wrapped.masked_weights) == ["dense/kernel", "dense_1/kernel"]


def test_a_wrapped_model_can_be_cloned_and_summarised(any_keras):
    model = tflottery.prune_once(sequential(any_keras), sparsity=0.5)
    clone = any_keras.models.clone_model(model)
    assert len(evidence.wrappers(clone)) == 2
    clone.set_weights(model.get_weights())
    assert evidence.current_mask(clone) == evidence.current_mask(model)
    np.testing.assert_array_equal(np.asarray(clone(X)), np.asarray(model(X)))
    lines = []
    clone.summary(print_fn=lambda line, **_: lines.append(line))
    assert "dense" in "".join(lines)


def test_layers_that_are_not_trained_are_left_dense(any_keras):
    model = functional(any_keras)
    model.get_layer("a").trainable = False
    wrapped = tflottery.prune_iteratively(model)
    assert sorted(evidence.current_mask(wrapped)) == ["b/kernel", "c/kernel"]
    before = wrapped.get_layer("a").get_weights()
    wrapped.compile("sgd", "mse")
    wrapped.fit(X, np.ones((6, 4)), verbose=0)
    for one, other in zip(
        wrapped.get_layer("a").get_weights(), before, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_wrapped_layer_can_be_frozen_and_thawed(any_keras):
    wrapped = tflottery.prune_once(sequential(any_keras), sparsity=0.5)
    count = len(wrapped.trainable_weights)
    wrapped.layers[0].trainable = False
    assert len(wrapped.trainable_weights) == count - 2
    before = wrapped.layers[0].get_weights()
    wrapped.compile("sgd", "mse")
    wrapped.fit(X, np.ones((6, 4)), verbose=0)
    after = wrapped.layers[0].get_weights()
    assert len(before) >= 3
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    wrapped.layers[0].trainable = True
    assert len(wrapped.trainable_weights) == count


def test_tied_weights_share_their_mask(any_keras):
    k = any_keras

    class Tied(k.layers.Layer):
        def __init__(self, source):
            super().__init__()
            self.kernel = source.kernel
            self.built = True

        def call(self, x):
            return (
                x @ k.backend.transpose(self.kernel)
                if k is tf_keras
                else (x @ keras.ops.transpose(self.kernel))
            )

    source = k.layers.Dense(5)
    source.build((None, 8))
    inputs = k.Input((8,))
    model = k.Model(inputs, Tied(source)(source(inputs)))
    before = np.asarray(model(X))
    wrapped = tflottery.prune_iteratively(model)
    np.testing.assert_array_equal(np.asarray(wrapped(X)), before)
    wrapped = tflottery.prune_once(wrapped, sparsity=0.5)
    assert len(evidence.current_mask(wrapped)) == 1
    wrapped.compile("adam", "mse")
    wrapped.fit(X, X, epochs=2, verbose=0)
    assert tflottery.sparsity(wrapped) == 0.5
    output = np.asarray(wrapped(X))
    kernel = source.kernel.numpy()
    mask = next(iter(tflottery.masks(wrapped).values()))
    source.kernel.assign(np.where(mask, kernel, 9.0))
    np.testing.assert_array_equal(np.asarray(wrapped(X)), output)
    source.kernel.assign(kernel)
    plain = tflottery.strip_pruning(wrapped)
    assert evidence.wrappers(plain) == []
    np.testing.assert_array_equal(np.asarray(plain(X)), output)
