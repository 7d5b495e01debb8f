"""Pruned entries stay exactly zero under every optimizer Keras ships."""

import functools
import inspect

import keras
import numpy as np
import pytest

import tflottery
from tflottery.layers import evidence

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6)).astype("float32")
Y = RNG.normal(size=(64, 3)).astype("float32")


def _optimizer_classes():
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    return {
        name: cls
        for name, cls in inspect.getmembers(keras.optimizers, inspect.isclass)
        if issubclass(cls, keras.optimizers.Optimizer) and name not in wrappers
    }


CLASSES = _optimizer_classes()
VARIANTS = {
    "plain": {},
    "weight_decay": {"weight_decay": 0.01},
    "clipnorm": {"clipnorm": 0.5},
    "clipvalue": {"clipvalue": 0.5},
    "global_clipnorm": {"global_clipnorm": 0.5},
    "ema": {"use_ema": True, "ema_overwrite_frequency": 3},
    "accumulation": {"gradient_accumulation_steps": 2},
}
EXTRA = {
    "SGD": [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "RMSprop": [{"momentum": 0.9, "centered": True}],
    "Adam": [{"amsgrad": True}],
}


@functools.cache
def muon_trains_a_dense_model():
    """Muon of Keras 3.12 to 3.14 fails on the TensorFlow backend."""
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.Muon(0.05), "mse")
    try:
        model.train_on_batch(X[:4], Y[:4])
    except AttributeError:
        return False
    return True


def make(name, **arguments):
    if name == "Muon" and not muon_trains_a_dense_model():
        pytest.skip("Muon of this Keras cannot train a dense model either")
    return CLASSES[name](learning_rate=0.05, **arguments)


def build(policy=None, regularizer=None):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(
                8,
                activation="tanh",
                dtype=policy,
                kernel_regularizer=regularizer,
            ),
            keras.layers.Dense(3, dtype="float32"),
        ]
    )


def check_trains_sparsely(optimizer, model=None, steps=6, **compiling):
    """Dense steps first, so that momentum has something to bring back."""
    keras.utils.set_random_seed(0)
    model = tflottery.prune_iteratively(model or build())
    model.compile(optimizer, "mse", **compiling)
    model.fit(X, Y, batch_size=16, verbose=0)
    tflottery.prune(model, 0.4)
    mask = evidence.current_mask(model)
    assert len(mask) == 2 and mask.sparsity == pytest.approx(0.6, abs=0.01)
    before = evidence.current_weights(model)
    model.fit(X, Y, batch_size=16, epochs=steps // 4 + 1, verbose=0)
    after = evidence.current_weights(model)
    moved = False
    for path, kept in mask.items():
        assert np.all(after[path][~kept] == 0), path
        assert np.all(np.isfinite(after[path])), path
        moved |= not np.array_equal(after[path], before[path])
    assert moved
    output = model.predict(X, verbose=0)
    for path, wrapper, relative in evidence.masked_weights(model):
        variable, _ = wrapper.masked_weights[relative]
        noise = np.where(mask[path], variable.numpy(), 7.0)
        variable.assign(noise.astype(variable.numpy().dtype))
    np.testing.assert_array_equal(model.predict(X, verbose=0), output)


def test_every_optimizer_of_keras_is_covered():
    expected = {"SGD", "Adam", "AdamW", "Muon", "Ftrl", "Lion", "Adafactor"}
    assert expected <= set(CLASSES) and len(CLASSES) >= 12


@pytest.mark.parametrize("name", CLASSES)
def test_pruned_entries_stay_zero(name):
    check_trains_sparsely(make(name))


@pytest.mark.slow
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "plain"])
@pytest.mark.parametrize("name", CLASSES)
def test_pruned_entries_stay_zero_in_every_variant(name, variant):
    check_trains_sparsely(make(name, **VARIANTS[variant]))


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "plain"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "Muon"])
def test_pruned_entries_stay_zero_in_the_common_variants(name, variant):
    check_trains_sparsely(make(name, **VARIANTS[variant]))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [(name, extra) for name, extras in EXTRA.items() for extra in extras],
)
def test_pruned_entries_stay_zero_with_more_slots(name, arguments):
    check_trains_sparsely(make(name, **arguments))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_pruned_entries_stay_zero_in_mixed_precision(name, policy):
    check_trains_sparsely(make(name), build(policy))


@pytest.mark.slow
@pytest.mark.parametrize(
    "building",
    [
        {"regularizer": "l2"},
        {"policy": "mixed_bfloat16"},
        {"policy": "mixed_float16"},
    ],
    ids=["l2", "bfloat16", "float16"],
)
@pytest.mark.parametrize("name", CLASSES)
def test_pruned_entries_stay_zero_in_every_kind_of_model(name, building):
    check_trains_sparsely(make(name), build(**building))


@pytest.mark.parametrize("regularizer", ["l1", "l2", "orthogonal_regularizer"])
def test_pruned_entries_stay_zero_under_penalties(regularizer):
    check_trains_sparsely(make("Adam"), build(regularizer=regularizer))


@pytest.mark.parametrize("name", ["Adam", "Muon"])
@pytest.mark.parametrize("how", [{"jit_compile": True}, {"run_eagerly": True}])
def test_pruned_entries_stay_zero_however_compiled(name, how):
    check_trains_sparsely(make(name), **how)


def test_loss_scaling_and_several_optimizers_are_looked_into():
    check_trains_sparsely(
        keras.optimizers.LossScaleOptimizer(make("SGD", momentum=0.9))
    )


def test_an_optimizer_of_the_user_that_moves_everything_is_held():
    class Drift(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_add(variable, keras.ops.ones_like(gradient))

    check_trains_sparsely(Drift())


def test_slots_of_pruned_entries_are_reset_with_the_mask():
    model = tflottery.prune_iteratively(build())
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(X, Y, batch_size=16, verbose=0)
    tflottery.prune(model, 0.3)
    mask = evidence.current_mask(model)
    visited = 0
    for variable, kept in zip(
        [model.layers[0].kernel, model.layers[1].kernel],
        mask.values(),
        strict=True,
    ):
        index = model.optimizer._get_variable_index(variable)
        for slots in (model.optimizer._momentums, model.optimizer._velocities):
            slot = slots[index].numpy()
            assert np.all(slot[~kept] == 0) and np.any(slot[kept] != 0)
            visited += 1
    assert visited == 4


@pytest.mark.parametrize("how", [{"jit_compile": True}, {"run_eagerly": True}])
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_fraction_zero_trains_to_the_same_bits_as_the_plain_model(name, how):
    arguments = {"momentum": 0.9} if name == "SGD" else {}

    def train(wrap):
        keras.utils.set_random_seed(3)
        model = build()
        if wrap:
            model = tflottery.prune_iteratively(model, prune_fraction=0.0)
        model.compile(make(name, **arguments), "mse", **how)
        callbacks = []
        if wrap:
            # One round of pruning nothing, rewound to the end of nothing.
            tflottery.prune(model, 1.0)
        model.fit(X, Y, batch_size=16, epochs=3, verbose=0, callbacks=callbacks)
        return model.get_weights()

    plain, wrapped = train(False), train(True)
    wrapped = [value for value in wrapped if value.dtype != bool]
    assert len(plain) == len(wrapped) == 4
    for ours, theirs in zip(wrapped, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)
