"""The state of training, whole and exact, in both Keras families."""

import inspect

import keras
import numpy as np
import pytest
import tf_keras

from tflottery.layers import legacy_slots, paths, slots, state

FAMILIES = {"keras": keras, "tf_keras": tf_keras}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 4, 6)).astype("float32")
Y = RNG.normal(size=(8, 4, 3)).astype("float32")
EVERY = {"SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam"}
MODERN = EVERY | {"Ftrl", "AdamW", "Adafactor", "Lion"}


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture
def generators():
    """tf_keras keeps the states of its random layers in variables."""
    random = tf_keras.backend.experimental
    random.enable_tf_random_generator()
    yield
    random.disable_tf_random_generator()


def classes(module):
    """Optimizers by name; of Keras 3, those that tf_keras has too."""
    found = inspect.getmembers(module, inspect.isclass)
    return {
        name: cls
        for name, cls in found
        if name != "Optimizer"
        and (module is not keras.optimizers)
        or name in MODERN
    }


def build(family, middle=(), dtype=None, **dense):
    layers = family.layers
    return family.Sequential(
        [
            layers.InputLayer((6,)),
            layers.Dense(5, activation="tanh", dtype=dtype, **dense),
            *middle,
            layers.Dense(3, dtype="float32"),
        ]
    )


def compiled(family, optimizer, seed=0, middle=(), dtype=None, **compiling):
    family.utils.set_random_seed(seed)
    model = build(family, [make() for make in middle], dtype)
    model.compile(optimizer, "mse", **compiling)
    return model


def train(model, first, last):
    for step in range(first, last):
        model.train_on_batch(X[step], Y[step])


def check_same(ours, theirs):
    assert ours.keys() == theirs.keys() and len(ours) >= 5
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def check_repeats(family, make, **building):
    """From step 3 on, the same follows, in this model and in another one."""
    model = compiled(family, make(), **building)
    if type(model.optimizer).__name__ == "Nadam":
        # The constants in the graph of tf_keras' Nadam depend on whether it
        # was built before it was traced; the other model's will be.
        state.read(model)
    train(model, 0, 3)
    at_three = state.read(model)
    assert state.iterations(model) == 3
    train(model, 3, 7)
    first = state.read(model)
    moved = [n for n in first if not np.array_equal(first[n], at_three[n])]
    assert any(name.startswith(state.WEIGHTS) for name in moved)
    state.write(model, at_three)
    check_same(state.read(model), at_three)
    train(model, 3, 7)
    check_same(state.read(model), first)
    other = compiled(family, make(), seed=1, **building)
    state.write(other, at_three)
    train(other, 3, 7)
    check_same(state.read(other), first)
    return at_three


def cases():
    momentum = {"momentum": 0.9}
    found = {}
    for module, name in (
        (keras.optimizers, "keras"),
        (tf_keras.optimizers, "tf_keras"),
        (tf_keras.optimizers.legacy, "legacy"),
    ):
        for optimizer, cls in classes(module).items():
            found[f"{name}-{optimizer}"] = (cls, {})
        for optimizer, more in (
            ("SGD", momentum | {"nesterov": True}),
            ("RMSprop", momentum | {"centered": True}),
            ("Adam", {"amsgrad": True, "clipnorm": 0.1}),
            ("Adagrad", {"initial_accumulator_value": 0.3}),
        ):
            cls = getattr(module, optimizer)
            found[f"{name}-{optimizer}-{'-'.join(more)}"] = (cls, more)
        if name != "legacy":
            ema = {"use_ema": True, "ema_overwrite_frequency": 2}
            adam = module.Adam
            found[f"{name}-Adam-ema"] = (adam, ema)
            found[f"{name}-SGD-decay"] = (module.SGD, {"weight_decay": 0.1})
    return found


CASES = cases()
# Keras 3 has tests of its own; of the others, those that are used most.
COMMON = ("keras-Adam-", "tf_keras-Adam", "tf_keras-SGD", "legacy-Adam")
SWEEP = [
    pytest.param(
        case, marks=[] if case.startswith(COMMON) else pytest.mark.slow
    )
    for case in CASES
]


def family_of(case):
    return keras if case.startswith("keras") else tf_keras


def make_case(case, rate=0.05):
    cls, arguments = CASES[case]
    return cls(learning_rate=rate, **arguments)


def test_every_optimizer_is_covered():
    assert set(classes(tf_keras.optimizers)) == MODERN
    assert set(classes(tf_keras.optimizers.legacy)) == EVERY | {"Ftrl"}
    assert len(CASES) >= 40


@pytest.mark.parametrize("case", SWEEP)
def test_training_repeats_itself_bit_for_bit_from_a_state(case):
    check_repeats(family_of(case), lambda: make_case(case))


@pytest.mark.parametrize("name", ["Nadam", "Adam"])
@pytest.mark.parametrize("kind", ["tf_keras", "legacy"])
def test_training_repeats_itself_when_run_eagerly(kind, name):
    check_repeats(
        tf_keras, lambda: make_case(f"{kind}-{name}"), run_eagerly=True
    )


@pytest.mark.parametrize("case", ["keras-SGD", "tf_keras-SGD", "legacy-SGD"])
def test_training_repeats_itself_under_a_schedule(case):
    family = family_of(case)

    def make():
        return make_case(
            case, family.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
        )

    check_repeats(family, make)
    model = compiled(family, make())
    train(model, 0, 4)
    state.set_iterations(model, 2)
    assert state.iterations(model) == 2
    rate = model.optimizer.learning_rate
    rate = rate(2) if callable(rate) else rate
    assert float(rate) == pytest.approx(0.05)


@pytest.mark.parametrize(
    "dtype",
    ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("case", ["keras-Adam", "tf_keras-Adam", "legacy-Adam"])
def test_training_repeats_itself_under_a_growing_loss_scale(case, dtype):
    family = family_of(case)
    if family is keras:
        wrap = keras.optimizers.LossScaleOptimizer
    else:
        wrap = tf_keras.mixed_precision.LossScaleOptimizer

    def make():
        return wrap(make_case(case), initial_scale=16.0, dynamic_growth_steps=2)

    values = check_repeats(family, make, dtype=dtype)
    scales = [v for v in values.values() if v.shape == () and v == 32.0]
    assert len(scales) == 1


@pytest.mark.parametrize("case", ["tf_keras-Adam", "legacy-Adam"])
def test_a_learning_rate_changed_in_training_is_part_of_the_state(case):
    model = compiled(tf_keras, make_case(case))
    train(model, 0, 1)
    model.optimizer.learning_rate = 0.25
    values = state.read(model)
    assert values["optimizer/learning_rate"] == np.float32(0.25)
    model.optimizer.learning_rate = 0.5
    state.write(model, values)
    assert float(model.optimizer.learning_rate) == 0.25


def test_dropout_draws_the_same_numbers_again(family, generators):
    layers = family.layers
    middle = [
        lambda: layers.Dropout(0.3),
        lambda: layers.GaussianNoise(0.1),
        lambda: layers.BatchNormalization(),
    ]
    values = check_repeats(
        family, lambda: family.optimizers.SGD(0.1), middle=middle
    )
    seeds = [name for name in values if state.is_seed(name)]
    assert seeds == [
        "weights/dropout/seed_generator_state",
        "weights/gaussian_noise/seed_generator_state",
    ]
    model = compiled(family, "sgd", middle=middle)
    assert state.unsaved_randomness(model) == []


def test_a_generator_of_a_layer_of_the_user_is_part_of_the_state():
    import tensorflow as tf

    class Noise(tf_keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.draw = tf.random.Generator.from_seed(1)

        def call(self, inputs):
            return inputs + self.draw.normal(tf.shape(inputs))

    values = check_repeats(
        tf_keras, lambda: tf_keras.optimizers.SGD(0.1), middle=[Noise]
    )
    assert "weights/noise/seed_generator_state" in values


def test_layers_that_hide_their_random_state_are_named():
    layers = tf_keras.layers
    model = build(
        tf_keras,
        [layers.Dropout(0.5, name="a"), layers.Dropout(0.0, name="b")],
    )
    assert state.unsaved_randomness(model) == ["a"]
    assert not any(state.is_seed(name) for name in state.variables(model))
    layers = keras.layers
    assert state.unsaved_randomness(build(keras, [layers.Dropout(0.5)])) == []


@pytest.mark.parametrize("case", SWEEP)
def test_a_renewed_optimizer_is_as_a_new_one_at_its_step(case):
    family = family_of(case)
    model = compiled(family, make_case(case), run_eagerly=True)
    train(model, 0, 2)
    state.renew_optimizer(model, 1)
    renewed = state.read(model)
    new = compiled(family, make_case(case), seed=1, run_eagerly=True)
    weights = {n: v for n, v in renewed.items() if n.startswith(state.WEIGHTS)}
    state.write(new, weights, state.WEIGHTS)
    state.set_iterations(new, 1)
    check_same(renewed, state.read(new))
    assert state.iterations(model) == 1
    train(model, 3, 5)
    train(new, 3, 5)
    check_same(state.read(model), state.read(new))


@pytest.mark.parametrize("case", ["keras-Adam", "tf_keras-Adam", "legacy-Adam"])
def test_reading_the_state_changes_nothing(case):
    family = family_of(case)
    model = compiled(family, make_case(case))
    before = model.get_weights()
    assert len(state.read(model)) >= 10
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    unread = compiled(family, make_case(case))
    train(model, 0, 3)
    train(unread, 0, 3)
    check_same(state.read(model), state.read(unread))


@pytest.mark.parametrize("case", ["keras-Adam", "tf_keras-Adam", "legacy-Adam"])
def test_reading_the_weights_alone_builds_no_optimizer(case):
    model = compiled(family_of(case), make_case(case))
    found = state.variables(model, state.WEIGHTS)
    assert list(found) == [
        "weights/dense/kernel",
        "weights/dense/bias",
        "weights/dense_1/kernel",
        "weights/dense_1/bias",
    ]
    values = {name: v.numpy() for name, v in found.items()}
    state.write(model, values, state.WEIGHTS)
    of_optimizer = model.optimizer.variables
    if callable(of_optimizer):
        of_optimizer = of_optimizer()
    assert not any(len(variable.shape) == 2 for variable in of_optimizer)


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(family):
    model = compiled(family, "adam")
    train(model, 0, 1)
    values = state.read(model)
    train(model, 1, 2)
    before = state.read(model)
    name = next(n for n in values if n.startswith(state.OPTIMIZER))
    lacking = {n: v for n, v in values.items() if n != name}
    with pytest.raises(ValueError, match=f"missing=.*{name}"):
        state.write(model, lacking)
    with pytest.raises(ValueError, match=r"`weights/dense/bias`.*\(9,\)"):
        state.write(model, values | {"weights/dense/bias": np.zeros(9)})
    check_same(state.read(model), before)


# How many slots with an entry for each entry of a weight an optimizer keeps.
SLOTS = {
    "SGD": {"keras": 0, "tf_keras": 1, "legacy": 0},
    "SGD-momentum-nesterov": 1,
    "RMSprop": 1,
    "RMSprop-momentum-centered": 3,
    "Adagrad": 1,
    "Adagrad-initial_accumulator_value": 1,
    "Adadelta": 2,
    "Adam": 2,
    "Adam-amsgrad-clipnorm": 3,
    "Adam-ema": 3,
    "AdamW": 2,
    "Adamax": 2,
    "Nadam": 2,
    "Ftrl": 2,
    "Adafactor": 1,
    "Lion": 1,
    "SGD-decay": {"keras": 0, "tf_keras": 1},
}
STARTS = {"Adagrad": 0.1, "Adagrad-initial_accumulator_value": 0.3, "Ftrl": 0.1}


@pytest.mark.parametrize("case", SWEEP)
def test_the_slots_of_pruned_entries_are_as_never_trained(case):
    kind, name = case.split("-", 1)
    expected = SLOTS[name]
    expected = expected if isinstance(expected, int) else expected[kind]
    model = compiled(family_of(case), make_case(case), run_eagerly=True)
    train(model, 0, 2)
    weight = model.layers[0].kernel
    found = slots.slots_of(model.optimizer, weight)
    assert len(found) == expected
    starts = [start for _, start in found if start]
    assert starts == pytest.approx([STARTS[name]] if name in STARTS else [])
    mask = np.arange(30).reshape(6, 5) % 3 > 0
    before = state.read(model)
    slots.apply_masks(model.optimizer, [(weight, mask)])
    touched = 0
    of_slots = {id(slot): start for slot, start in found}
    for path, variable in state.variables(model).items():
        now = variable.numpy()
        if id(variable) not in of_slots:
            np.testing.assert_array_equal(now, before[path], err_msg=path)
            continue
        touched += 1
        start = np.float32(of_slots[id(variable)])
        np.testing.assert_array_equal(now[~mask], np.full(10, start))
        np.testing.assert_array_equal(now[mask], before[path][mask])
        if "nesterov" in name or name.startswith(("Ada", "RMS", "Lion")):
            assert np.any(before[path][~mask] != start), path
    assert touched == expected


@pytest.mark.parametrize("case", ["keras-Adam", "tf_keras-Adam", "legacy-Adam"])
def test_slots_are_found_under_a_loss_scale(case):
    family = family_of(case)
    policy = family.mixed_precision
    wrap = getattr(policy, "LossScaleOptimizer", None)
    wrap = wrap or family.optimizers.LossScaleOptimizer
    model = compiled(family, wrap(make_case(case)), dtype="mixed_float16")
    train(model, 0, 2)
    found = slots.slots_of(model.optimizer, model.layers[0].kernel)
    assert len({id(slot) for slot, _ in found}) == len(found) == 2
    assert [tuple(slot.shape) for slot, _ in found] == [(6, 5)] * 2


@pytest.mark.parametrize("scaled", [False, True])
def test_averages_written_at_the_end_of_fit_keep_the_mask(family, scaled):
    mask = np.arange(30).reshape(6, 5) % 3 > 0

    def project(weight):
        return weight * mask.astype("float32")

    model = build(family, kernel_constraint=project)
    optimizer = family.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9)
    if scaled:
        optimizer = (
            keras.optimizers.LossScaleOptimizer(optimizer)
            if family is keras
            else tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
        )
    model.compile(optimizer, "mse")
    train(model, 0, 3)
    weight = model.layers[0].kernel
    slots.apply_masks(model.optimizer, [(weight, mask)])
    for slot, _ in slots.slots_of(model.optimizer, weight):
        slot.assign(np.ones((6, 5), "float32"))
    model.fit(X[0], Y[0], verbose=0, epochs=2)
    value = weight.numpy()
    assert np.all(value[~mask] == 0) and np.all(value[mask] != 0)
    averages = slots.slots_of(model.optimizer, weight)
    assert any(np.any(slot.numpy()[~mask] != 0) for slot, _ in averages)


@pytest.mark.parametrize("kind", ["tf_keras", "legacy"])
def test_the_state_is_exact_on_two_replicas(kind, two_replicas, generators):
    layers = tf_keras.layers
    middle = [
        lambda: layers.BatchNormalization(),
        lambda: layers.Dropout(0.3, seed=3),
    ]
    with two_replicas.scope():
        model = compiled(tf_keras, make_case(f"{kind}-Adam"), middle=middle)
    state.read(model)
    train(model, 0, 3)
    values = state.read(model)
    replicas = [n for n in values if n.startswith(state.REPLICAS)]
    assert len(replicas) == 2 * 3  # two statistics, one random generator
    mean, *parts = (
        values[name]
        for name in (
            "weights/batch_normalization/moving_mean",
            "replicas/0/batch_normalization/moving_mean",
            "replicas/1/batch_normalization/moving_mean",
        )
    )
    assert not np.array_equal(*parts)
    np.testing.assert_allclose(mean, np.mean(parts, axis=0), rtol=1e-6)
    train(model, 3, 6)
    first = state.read(model)
    state.write(model, values)
    check_same(state.read(model), values)
    train(model, 3, 6)
    check_same(state.read(model), first)
    found = slots.slots_of(model.optimizer, model.layers[0].kernel)
    assert len(found) == 2
    mask = np.arange(30).reshape(6, 5) % 3 > 0
    slots.apply_masks(model.optimizer, [(model.layers[0].kernel, mask)])
    for slot, _ in found:
        for part in slot.values:
            assert np.all(part.numpy()[~mask] == 0) and np.any(part.numpy())
    state.renew_optimizer(model, 4)
    assert state.iterations(model) == 4
    assert all(not np.any(slot.numpy()) for slot, _ in found)
    train(model, 6, 7)
    alone = compiled(tf_keras, make_case(f"{kind}-Adam"), middle=middle)
    state.write(alone, values)
    assert state.iterations(alone) == 3


def architectures():
    """`{name: function of a family that returns a built model}`."""

    def sequence(shape, *makers):
        def make(family):
            layers = family.layers
            first = layers.InputLayer(shape)
            return family.Sequential([first, *(m(layers) for m in makers)])

        return make

    def nested(family):
        layers = family.layers
        inner = family.Sequential([layers.Dense(4), layers.Dense(4)])
        shared = layers.Dense(4)
        entry = family.Input((4,))
        block = layers.Dense(4)(layers.BatchNormalization()(entry))
        block = family.Model(entry, block)
        entry = family.Input((4,))
        hidden = shared(shared(inner(entry)))
        return family.Model(entry, inner(block(hidden)))

    def attention(family):
        layers = family.layers
        entry = family.Input((5, 4))
        hidden = layers.MultiHeadAttention(2, 3, dropout=0.1)(entry, entry)
        hidden = layers.LayerNormalization()(layers.Add()([hidden, entry]))
        hidden = layers.MultiHeadAttention(2, 3)(hidden, hidden)
        hidden = layers.AdditiveAttention()([hidden, hidden])
        return family.Model(entry, hidden)

    def both_ways(layers):
        backward = layers.GRU(3, return_sequences=True, go_backwards=True)
        return layers.Bidirectional(
            layers.GRU(3, return_sequences=True), backward_layer=backward
        )

    def cells(layers):
        return layers.RNN([layers.LSTMCell(3), layers.GRUCell(3, dropout=0.1)])

    return {
        "dense": sequence((4,), lambda k: k.Dense(3), lambda k: k.PReLU()),
        "conv1d": sequence(
            (8, 3),
            lambda k: k.Conv1D(3, 2),
            lambda k: k.DepthwiseConv1D(2),
            lambda k: k.SeparableConv1D(3, 2),
            lambda k: k.Conv1DTranspose(3, 2),
        ),
        "conv2d": sequence(
            (8, 8, 3),
            lambda k: k.Conv2D(3, 2),
            lambda k: k.DepthwiseConv2D(2, depth_multiplier=2),
            lambda k: k.SeparableConv2D(3, 2),
            lambda k: k.BatchNormalization(),
            lambda k: k.SpatialDropout2D(0.2),
            lambda k: k.Conv2DTranspose(3, 2),
            lambda k: k.Conv2D(4, 2),
        ),
        "conv3d": sequence(
            (6, 6, 6, 3),
            lambda k: k.Conv3D(3, 2),
            lambda k: k.Conv3DTranspose(3, 2),
        ),
        "recurrent": sequence(
            (5, 3),
            lambda k: k.LSTM(3, return_sequences=True, dropout=0.2),
            lambda k: k.GRU(3, return_sequences=True),
            lambda k: k.SimpleRNN(3, return_sequences=True),
            lambda k: k.LSTM(3, return_sequences=True, name="mine"),
            cells,
        ),
        "directions": sequence(
            (5, 3),
            lambda k: k.Bidirectional(k.LSTM(3, return_sequences=True)),
            both_ways,
            lambda k: k.TimeDistributed(k.Dense(2)),
        ),
        "text": sequence(
            (5,),
            lambda k: k.Embedding(7, 4),
            lambda k: k.LayerNormalization(),
            lambda k: k.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d"),
        ),
        "convlstm": sequence((4, 6, 6, 2), lambda k: k.ConvLSTM2D(3, 2)),
        "attention": attention,
        "nested": nested,
    }


ARCHITECTURES = architectures()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_both_families_have_the_same_paths_in_the_same_order(name, generators):
    make = ARCHITECTURES[name]
    expected = None
    # A second build has other counters in Keras' own names.
    for family in (keras, tf_keras, keras):
        found = [
            (path, tuple(variable.shape))
            for path, variable in paths.variables(make(family)).items()
            if not state.is_seed(path)
        ]
        assert len(found) >= 3
        expected = expected or found
        assert found == expected


def test_names_of_the_user_stay_in_paths():
    found = []
    for family in (keras, tf_keras):
        layers = family.layers
        inner = family.Sequential([layers.Dense(2)], name="block")
        entry = family.Input((2,))
        model = family.Model(entry, layers.Dense(2, name="end")(inner(entry)))
        found.append(list(paths.variables(model)))
    assert found[0] == found[1]
    assert found[0][0] == "block/dense/kernel" and found[0][2] == "end/kernel"


def test_private_layer_classes_have_paths_without_counters():
    class _Block(tf_keras.layers.Dense):
        pass

    for _ in range(2):
        model = build(tf_keras, [_Block(3)])
        assert "__block/kernel" in paths.variables(model)


@pytest.mark.parametrize("case", ["keras-Adam", "tf_keras-Adam", "legacy-Adam"])
def test_the_kind_of_an_optimizer_is_known_by_duck_type(case):
    expected = not case.startswith("keras")
    assert legacy_slots.is_tf_keras(make_case(case)) is expected
