"""Pruned entries stay exactly zero under every optimizer of both families."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.layers import evidence, slots

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 6)).astype("float32")
Y = RNG.normal(size=(64, 3)).astype("float32")
# The optimizers of tf_keras come in two kinds, of unlike inner workings.
MODULES = {
    "keras": keras.optimizers,
    "tf_keras": tf_keras.optimizers,
    "legacy": tf_keras.optimizers.legacy,
}


def _optimizer_classes():
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    return {
        (kind, name): cls
        for kind, module in MODULES.items()
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, module.Optimizer) and name not in wrappers
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
ABSENT = {
    "keras": (),
    "tf_keras": ("accumulation",),
    "legacy": ("weight_decay", "ema", "accumulation"),
}
EXTRA = {
    "SGD": [{"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}],
    "RMSprop": [{"momentum": 0.9, "centered": True}],
    "Adam": [{"amsgrad": True}],
}


def cases(names=None, variants=VARIANTS):
    """`(kind, name, variant)` for the optimizers that have the variant."""
    return [
        (kind, name, variant)
        for kind, name in CLASSES
        for variant in variants
        if names is None or name in names
        if variant not in ABSENT[kind]
    ]


# What most people use, and what updates in ways of its own.
COMMON = ("Adam", "Ftrl", "Muon", "RMSprop", "SGD")
every_class = pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(
            kind, name, marks=[] if name in COMMON else pytest.mark.slow
        )
        for kind, name in CLASSES
    ],
)


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


def make(kind, name, **arguments):
    if name == "Muon" and not muon_trains_a_dense_model():
        pytest.skip("Muon of this Keras cannot train a dense model either")
    return CLASSES[kind, name](learning_rate=0.05, **arguments)


def family_of(kind):
    return keras if kind == "keras" else tf_keras


def build(kind="keras", policy=None, regularizer=None):
    k = family_of(kind)
    return k.Sequential(
        [
            k.Input((6,)),
            k.layers.Dense(
                8,
                activation="tanh",
                dtype=policy,
                kernel_regularizer=regularizer,
            ),
            k.layers.Dense(3, dtype="float32"),
        ]
    )


def check_sparse(model, mask):
    """Every masked weight and its slots are at their start where pruned."""
    slotted = 0
    for path, wrapper, relative in evidence.masked_weights(model):
        variable, _ = wrapper.masked_weights[relative]
        kept = mask[path]
        value = variable.numpy()
        assert np.all(value[~kept] == 0), path
        assert np.all(np.isfinite(value)), path
        found = slots.slots_of(model.optimizer, variable)
        if type(model.optimizer).__name__ == "Adafactor":
            found = []  # `v` is the product of its factors, made each step
        if type(model.optimizer).__name__ == "Muon":
            # It mixes entries, and Keras averages what it made of them before
            # the constraint; weights are projected, also from the averages.
            average = getattr(
                model.optimizer, "_model_variables_moving_average", None
            )
            averages = {id(slot) for slot in average or ()}
            found = [pair for pair in found if id(pair[0]) not in averages]
        for slot, start in found:
            assert np.all(slot.numpy()[~kept] == np.float32(start)), path
            slotted += 1
    return slotted


def check_trains_sparsely(kind, optimizer, model=None, steps=5, **compiling):
    """Dense steps first, so that momentum has something to bring back."""
    family_of(kind).utils.set_random_seed(0)
    model = tflottery.prune_iteratively(model or build(kind))
    model.compile(optimizer, "mse", **compiling)
    model.fit(X, Y, batch_size=16, verbose=0)
    tflottery.prune(model, 0.4)
    mask = evidence.current_mask(model)
    assert len(mask) == 2 and mask.sparsity == pytest.approx(0.6, abs=0.01)
    before = evidence.current_weights(model)
    slotted = check_sparse(model, mask)
    for _ in range(steps):
        model.train_on_batch(X[:16], Y[:16])
        assert check_sparse(model, mask) == slotted
    after = evidence.current_weights(model)
    assert any(not np.array_equal(after[p], before[p]) for p in mask)
    output = model.predict(X, verbose=0)
    for path, wrapper, relative in evidence.masked_weights(model):
        variable, _ = wrapper.masked_weights[relative]
        noise = np.where(mask[path], variable.numpy(), 7.0)
        variable.assign(noise.astype(variable.numpy().dtype))
    np.testing.assert_array_equal(model.predict(X, verbose=0), output)
    return slotted


def test_every_optimizer_of_keras_is_covered():
    expected = {"SGD", "Adam", "Ftrl", "Adagrad", "Nadam", "Adamax"}
    for kind in MODULES:
        assert expected <= {name for which, name in CLASSES if which == kind}
    assert ("keras", "Muon") in CLASSES and ("tf_keras", "Lion") in CLASSES
    assert len(CLASSES) >= 12 + 11 + 8


@every_class
def test_pruned_entries_stay_zero(kind, name):
    slotted = check_trains_sparsely(kind, make(kind, name))
    assert slotted >= 2 or name in ("SGD", "Adafactor", "Muon")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name", "variant"), cases())
def test_pruned_entries_stay_zero_in_every_variant(kind, name, variant):
    check_trains_sparsely(kind, make(kind, name, **VARIANTS[variant]))


@pytest.mark.parametrize(
    ("kind", "name", "variant"),
    cases(("Adam",), ("weight_decay", "clipnorm", "ema", "accumulation"))
    + cases(("SGD",), ("global_clipnorm",))
    + cases(("Muon",), ("weight_decay",)),
)
def test_pruned_entries_stay_zero_in_the_common_variants(kind, name, variant):
    check_trains_sparsely(kind, make(kind, name, **VARIANTS[variant]))


@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [
        pytest.param(
            kind, name, extra, marks=[] if name == "Adam" else pytest.mark.slow
        )
        for kind in MODULES
        for name, extras in EXTRA.items()
        for extra in extras
    ],
)
def test_pruned_entries_stay_zero_with_more_slots(kind, name, arguments):
    slotted = check_trains_sparsely(kind, make(kind, name, **arguments))
    assert slotted >= 2


@pytest.mark.parametrize(
    ("kind", "name", "policy"),
    [
        ("keras", "SGD", "mixed_bfloat16"),
        ("tf_keras", "SGD", "mixed_bfloat16"),
        ("keras", "Adam", "mixed_float16"),
        ("tf_keras", "Adam", "mixed_float16"),
        ("legacy", "Adam", "mixed_float16"),
    ],
)
def test_pruned_entries_stay_zero_in_mixed_precision(kind, name, policy):
    check_trains_sparsely(kind, make(kind, name), build(kind, policy))


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
@every_class
def test_pruned_entries_stay_zero_in_every_kind_of_model(kind, name, building):
    check_trains_sparsely(kind, make(kind, name), build(kind, **building))


@pytest.mark.parametrize("regularizer", ["l1", "l2", "orthogonal_regularizer"])
@pytest.mark.parametrize("kind", ["keras", "tf_keras"])
def test_pruned_entries_stay_zero_under_penalties(kind, regularizer):
    model = build(kind, regularizer=regularizer)
    check_trains_sparsely(kind, make(kind, "Adam"), model)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("keras", "Adam"),
        ("keras", "Muon"),
        ("tf_keras", "Adam"),
        ("legacy", "Adam"),
    ],
)
@pytest.mark.parametrize("how", [{"jit_compile": True}, {"run_eagerly": True}])
def test_pruned_entries_stay_zero_however_compiled(kind, name, how):
    check_trains_sparsely(kind, make(kind, name), **how)


@pytest.mark.parametrize("kind", MODULES)
def test_loss_scaling_and_several_optimizers_are_looked_into(kind):
    wrapping = {
        "keras": keras.optimizers,
        "tf_keras": tf_keras.mixed_precision,
        "legacy": tf_keras.mixed_precision,
    }[kind].LossScaleOptimizer
    slotted = check_trains_sparsely(
        kind, wrapping(make(kind, "SGD", momentum=0.9))
    )
    assert slotted == 2


@pytest.mark.parametrize("kind", MODULES)
def test_an_optimizer_of_the_user_that_moves_everything_is_held(kind):
    class Drift(MODULES[kind].SGD):
        if kind == "keras":

            def update_step(self, gradient, variable, learning_rate):
                self.assign_add(variable, keras.ops.ones_like(gradient))

        elif kind == "tf_keras":

            def update_step(self, gradient, variable):
                variable.assign_add(tf.ones_like(gradient))

        else:

            def _resource_apply_dense(self, grad, var, apply_state=None):
                return var.assign_add(tf.ones_like(grad))

    check_trains_sparsely(kind, Drift())


@pytest.mark.parametrize("kind", MODULES)
def test_slots_of_pruned_entries_are_reset_with_the_mask(kind):
    model = tflottery.prune_iteratively(build(kind))
    model.compile(make(kind, "Adam"), "mse")
    model.fit(X, Y, batch_size=16, verbose=0)
    kernels = [layer.kernel for layer in model.layers]
    before = [slots.slots_of(model.optimizer, kernel) for kernel in kernels]
    assert all(np.all(s.numpy() != 0) for found in before for s, _ in found)
    tflottery.prune(model, 0.3)
    masks = evidence.current_mask(model).values()
    visited = 0
    for kernel, kept in zip(kernels, masks, strict=True):
        for slot, start in slots.slots_of(model.optimizer, kernel):
            value = slot.numpy()
            assert start == 0.0
            assert np.all(value[~kept] == 0) and np.any(value[kept] != 0)
            visited += 1
    assert visited == 4


@pytest.mark.parametrize("how", [{"jit_compile": True}, {"run_eagerly": True}])
@pytest.mark.parametrize(
    ("kind", "name"),
    [("keras", "SGD"), ("keras", "Adam"), ("tf_keras", "Adam")],
)
def test_fraction_zero_trains_to_the_same_bits_as_the_plain_model(
    kind, name, how
):
    arguments = {"momentum": 0.9} if name == "SGD" else {}

    def train(wrap):
        family_of(kind).utils.set_random_seed(3)
        model = build(kind)
        if wrap:
            model = tflottery.prune_iteratively(model, prune_fraction=0.0)
        model.compile(make(kind, name, **arguments), "mse", **how)
        if wrap:
            tflottery.prune(model, 1.0)
        model.fit(X, Y, batch_size=16, epochs=3, verbose=0)
        return [variable.numpy() for variable in model.trainable_variables]

    plain, wrapped = train(False), train(True)
    assert len(plain) == len(wrapped) == 4
    for ours, theirs in zip(wrapped, plain, strict=True):
        if kind == "keras" or "run_eagerly" in how:
            np.testing.assert_array_equal(ours, theirs)
        else:  # XLA fuses the mask with the product: the last bit differs
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
