"""Gradient evidence is the same in both Keras families.

The builders of `tflottery.models` give both the same first bits; the rest is
filled from the weights of the Keras 3 twin.
"""

import keras
import numpy as np
import pytest
import tf_keras

import tflottery
from tflottery.layers import evidence, flow, paths, prunable, saliency, state

FAMILIES = {"keras": keras, "tf_keras": tf_keras}
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(6, 8, 8, 1)).astype("float32")
LABELS = RNG.integers(0, 3, size=6)
WORDS = RNG.integers(0, 7, size=(6, 5))
A = RNG.normal(size=(6, 4)).astype("float32")
B = RNG.normal(size=(6, 3)).astype("float32")
Y = RNG.normal(size=(6, 2)).astype("float32")


@pytest.fixture
def unwrapped(monkeypatch):
    """Takes every prunable weight of a plain model for a masked one."""

    def targets(model):
        return {w.path: w.variable for w in prunable.prunable_weights(model)}

    monkeypatch.setattr(saliency, "_targets", targets)
    return targets


def lenet(k):
    return tflottery.models.build(
        "mlp", k, input_shape=(8, 8, 1), num_classes=3, hidden=(9, 7), seed=2
    )


def convolutional(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="tanh", name="conv"),
            layers.DepthwiseConv2D(3, name="depth"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(3, kernel_regularizer="l2", name="out"),
        ]
    )


def recurrent(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((5,)),
            layers.Embedding(7, 4, name="words"),
            layers.LSTM(5, name="lstm"),
            layers.Dense(3, name="out"),
        ]
    )


def two_inputs(k):
    a, b = k.Input((4,), name="a"), k.Input((3,), name="b")
    joined = k.layers.Concatenate()([a, b])
    hidden = k.layers.Dense(6, activation="tanh", name="hidden")(joined)
    return k.Model({"a": a, "b": b}, k.layers.Dense(2, name="y")(hidden))


MODELS = {
    "lenet": (lenet, (IMAGES, LABELS)),
    "convolutional": (convolutional, (IMAGES, LABELS)),
    "recurrent": (recurrent, (WORDS, LABELS)),
    "two_inputs": (two_inputs, ({"a": A, "b": B}, Y)),
}


def loss_of(k, name):
    if name == "two_inputs":
        return k.losses.MeanSquaredError()
    return k.losses.SparseCategoricalCrossentropy(from_logits=True)


def pair(name):
    """The same network twice: `{family: model}`, weights as Keras 3 drew."""
    keras.utils.set_random_seed(4)
    make, _ = MODELS[name]
    models = {family: make(k) for family, k in FAMILIES.items()}
    values = {
        path: variable.numpy()
        for path, variable in paths.variables(models["keras"]).items()
    }
    for path, variable in paths.variables(models["tf_keras"]).items():
        variable.assign(values[path])
    for family, model in models.items():
        model.compile("sgd", loss_of(FAMILIES[family], name))
    return models


def assert_alike(found):
    assert found["keras"].keys() == found["tf_keras"].keys()
    assert found["keras"]
    for path, value in found["keras"].items():
        assert np.any(value != 0), path
        np.testing.assert_allclose(
            found["tf_keras"][path],
            value,
            rtol=1e-3,
            atol=1e-5 * np.abs(value).max(),
            err_msg=path,
        )


@pytest.mark.parametrize("hessian", [False, True])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_gradients_are_alike(unwrapped, name, hessian):
    models = pair(name)
    data = MODELS[name][1]
    assert_alike(
        {
            family: saliency._gradients(model, data, None, hessian)
            for family, model in models.items()
        }
    )


@pytest.mark.parametrize("loss", ["mse", "of its family"])
def test_gradients_of_a_given_loss_are_alike(unwrapped, loss):
    models = pair("two_inputs")
    found = {}
    for family, model in models.items():
        given = loss
        if loss != "mse":
            given = FAMILIES[family].losses.MeanSquaredError()
        data = MODELS["two_inputs"][1]
        found[family] = saliency._gradients(model, data, given, False)
    assert_alike(found)


@pytest.mark.parametrize("name", ["lenet", "convolutional", "two_inputs"])
def test_flow_is_alike_and_leaves_every_bit(unwrapped, name):
    found = {}
    for family, model in pair(name).items():
        before = {p: v.numpy() for p, v in paths.variables(model).items()}
        found[family] = flow.gradients(model, unwrapped(model))
        after = {p: v.numpy() for p, v in paths.variables(model).items()}
        assert any((value < 0).any() for value in before.values())
        for path, value in before.items():
            assert value.tobytes() == after[path].tobytes(), path
    assert_alike(found)


def test_the_signs_of_zeros_and_numbers_that_are_none_come_back(unwrapped):
    model = pair("lenet")["tf_keras"]
    kernel = model.layers[-1].kernel
    value = kernel.numpy()
    value[0, 0], value[1, 0] = -0.0, np.nan
    kernel.assign(value)
    with pytest.raises(ValueError, match="not finite"):
        flow.gradients(model, unwrapped(model))
    assert kernel.numpy().tobytes() == value.tobytes()
    assert np.signbit(kernel.numpy()[0, 0])


def test_weights_come_back_if_the_model_fails(unwrapped):
    class Fails(tf_keras.layers.Layer):
        fails = False

        def call(self, x):
            if self.fails:
                raise ArithmeticError("no")
            return x

    last = Fails()
    model = tf_keras.Sequential(
        [tf_keras.Input((4,)), tf_keras.layers.Dense(3), last]
    )
    before = model.get_weights()
    last.fails = True
    with pytest.raises(ArithmeticError):
        flow.gradients(model, unwrapped(model))
    assert (before[0] < 0).any()
    for value, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, now)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_model_that_was_only_called_needs_a_batch(unwrapped, family):
    k = FAMILIES[family]

    class Net(k.Model):
        def __init__(self):
            super().__init__()
            self.hidden = k.layers.Dense(6, activation="relu")
            self.head = k.layers.Dense(2)

        def call(self, x):
            return self.head(self.hidden(x))

    model = Net()
    model(A)
    with pytest.raises(ValueError, match="Pass `data`"):
        flow.gradients(model, unwrapped(model))
    found = flow.gradients(model, unwrapped(model), data=(A, Y))
    assert len(found) == 2 and all(v.any() for v in found.values())


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_softmax_and_overflow_are_refused_in_words(unwrapped, family):
    k = FAMILIES[family]

    def deep(stddev, activation, seed=0):
        # One initializer a layer: what a shared one gives to the second layer
        # depends, in tf_keras, on what the process has drawn before.
        inits = [
            k.initializers.RandomNormal(stddev=stddev, seed=10 * seed + n)
            for n in range(10)
        ]
        return k.Sequential(
            [
                k.Input((4,)),
                *(k.layers.Dense(8, kernel_initializer=i) for i in inits[1:]),
                k.layers.Dense(
                    3, activation=activation, kernel_initializer=inits[0]
                ),
            ]
        )

    # Logits are large and the softmax is not always saturated: what is left
    # of its gradient is rounding, multiplied by the logits.
    for seed in range(12):
        softmax = deep(0.3, "softmax", seed)
        with pytest.raises(ValueError, match="softmax.*logits"):
            flow.gradients(softmax, unwrapped(softmax))
    large = deep(1e6, None)
    with pytest.raises(ValueError, match="too large for float32"):
        flow.gradients(large, unwrapped(large))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_loss_is_asked_for_where_nothing_is_compiled(unwrapped, family):
    model = lenet(FAMILIES[family])
    with pytest.raises(ValueError, match="`loss` must be given"):
        saliency._gradients(model, (IMAGES, LABELS), None, False)


@pytest.mark.parametrize("evaluated", [False, True])
def test_asking_for_gradients_leaves_metrics_and_optimizer(
    unwrapped, evaluated
):
    model = pair("lenet")["tf_keras"]
    if evaluated:
        model.evaluate(IMAGES, LABELS, verbose=0)
    before = [v.numpy() for m in model.metrics for v in m.variables]
    saliency._gradients(model, (IMAGES, LABELS), None, True)
    after = [v.numpy() for m in model.metrics for v in m.variables]
    assert len(after) == 2 and all(after) == evaluated
    if evaluated:
        assert before == after
    assert state.iterations(model) == 0


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_mixed_precision_has_gradients_and_flow(unwrapped, family):
    k = FAMILIES[family]
    policy = "mixed_bfloat16"
    model = k.Sequential(
        [
            k.Input((4,)),
            k.layers.Dense(5, activation="relu", dtype=policy),
            k.layers.Dense(2, dtype="float32"),
        ]
    )
    before = model.get_weights()
    for found in (
        saliency._gradients(model, (A, Y), "mse", False),
        saliency._gradients(model, (A, Y), "mse", True),
        flow.gradients(model, unwrapped(model)),
    ):
        assert len(found) == 2
        assert all(v.any() and v.dtype == "float32" for v in found.values())
    for value, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, now)


@pytest.mark.parametrize("criterion", ["snip", "grasp", "synflow"])
def test_both_families_prune_the_same_entries(criterion):
    masks = {}
    for family, model in pair("convolutional").items():
        pruned = tflottery.prune_once(
            model,
            0.5,
            criterion=criterion,
            data=(IMAGES, LABELS),
            loss=loss_of(FAMILIES[family], "convolutional"),
        )
        masks[family] = evidence.current_mask(pruned)
    assert masks["keras"].density == 0.5
    assert masks["keras"].overlap(masks["tf_keras"]) > 0.95
