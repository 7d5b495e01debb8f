"""A model that `build` has compiled is searched as it was compiled."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tflottery
from tflottery.layers import evidence
from tflottery.lottery import compiling, network
from tflottery.lottery.config import SearchConfig

RNG = np.random.default_rng(0)
X = RNG.random((60, 5), dtype=np.float32)
Y = RNG.integers(0, 4, 60)


def plain(k, **compiled):
    initial = k.initializers.GlorotUniform  # with a seed: the same each time
    model = k.Sequential(
        [
            k.Input((5,)),
            k.layers.Dense(6, "relu", kernel_initializer=initial(1)),
            k.layers.Dense(4, kernel_initializer=initial(2)),
        ]
    )
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, **compiled)
    return model


def prepared(k, **compiled):
    config = SearchConfig(keras=k.__name__.split(".")[0])
    build = network.seeded(lambda: plain(k, **compiled))
    return network.prepare(build, 0, config)


def top(number, name):
    def metric(k):
        return k.metrics.SparseTopKCategoricalAccuracy(number, name=name)

    return metric


WAYS = {
    "no metrics": {},
    "top 2": {"metrics": [top(2, "top_2_acc")]},
    "by name": {"metrics": ["acc"]},
    "in a list of lists": {"metrics": [["accuracy", top(2, "two")]]},
    "weighted": {"weighted_metrics": [top(3, "top_3")]},
    "half the loss": {"loss_weights": [0.5]},
    "eager": {"run_eagerly": True, "metrics": ["accuracy"]},
}


def made(value, k):
    """Makes the metrics in arguments of `compile`, anew each time."""
    if isinstance(value, dict):
        return {name: made(item, k) for name, item in value.items()}
    if isinstance(value, list):
        return [made(item, k) for item in value]
    return value(k) if callable(value) else value


@pytest.mark.parametrize("way", WAYS)
def test_it_measures_what_the_plain_model_measures(any_keras, way):
    """The wrapped model beside the one that the user has compiled."""
    expected, ours = (
        make(any_keras, **made(WAYS[way], any_keras))
        for make in (plain, prepared)
    )
    wanted = expected.evaluate(X, Y, verbose=0, return_dict=True)
    found = ours.evaluate(X, Y, verbose=0, return_dict=True)
    assert "accuracy" in found and set(wanted) <= set(found)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name
    assert bool(ours.run_eagerly) is (way == "eager")


class Counts(keras.layers.Layer):
    """Has a metric of its own, which no `compile` gave it."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.norm = keras.metrics.Mean(name="norm")

    def call(self, inputs):
        self.norm.update_state(keras.ops.mean(inputs))
        return inputs


def test_metrics_of_layers_stay_theirs():
    def build():
        inputs = keras.Input((5,))
        outputs = keras.layers.Dense(4)(Counts()(inputs))
        model = keras.Model(inputs, outputs)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        return model

    model = network.prepare(network.seeded(build), 0, SearchConfig())
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    expected = (X[:32].mean() + X[32:].mean()) / 2  # of two batches
    assert found["norm"] == pytest.approx(expected, rel=1e-5)
    assert 0 <= found["accuracy"] <= 1


@pytest.mark.parametrize("scaled", [True, False])
def test_the_loss_is_scaled_as_the_user_wants_it(scaled):
    def build():
        layer = keras.layers.Dense(4, dtype="mixed_float16")
        model = keras.Sequential([keras.Input((5,)), layer])
        model.dtype_policy = keras.DTypePolicy("mixed_float16")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, auto_scale_loss=scaled)
        return model

    kind = type(build().optimizer)
    assert (kind is keras.optimizers.LossScaleOptimizer) is scaled
    model = network.prepare(network.seeded(build), 0, SearchConfig())
    assert type(model.optimizer) is kind


def test_an_optimizer_that_changes_the_weights_at_the_end_is_refused():
    class Lookahead(keras.optimizers.SGD):
        def finalize_variable_values(self, var_list):
            for variable in var_list:
                variable.assign(variable * 0.5)

    def build():
        model = plain(keras)
        model.compile(Lookahead(0.1), model.loss)
        return model

    with pytest.raises(ValueError, match="Lookahead, which has a `finalize_"):
        network.prepare(network.seeded(build), 0, SearchConfig())


def test_a_pruned_network_is_no_place_to_begin(any_keras):
    def build():
        return tflottery.prune_once(plain(any_keras), 0.5)

    with pytest.raises(ValueError, match="`build` must return a network that "):
        network.prepare(network.seeded(build), 0, SearchConfig())


def test_a_network_that_comes_pruned_later_is_refused_at_its_turn(any_keras):
    """A replicate begins with a network that was built with its seed."""

    def build(seed):
        model = tflottery.prune_iteratively(plain(any_keras))
        mask = tflottery.masks(model)
        return (
            model
            if seed == 0
            else tflottery.set_mask(
                model, {path: values * 0 for path, values in mask.items()}
            )
            or model
        )

    model = network.prepare(network.seeded(build), 0, SearchConfig())
    with pytest.raises(ValueError, match="of which 54 of 54 weights are pru"):
        network.reseed(model, network.seeded(build), 1)


@pytest.mark.parametrize("wrapped", ["whole", "in part"])
def test_a_network_that_is_wrapped_gets_the_settings_of_the_search(
    any_keras, wrapped
):
    def first(layer):
        return getattr(layer, "units", 0) == 6

    def build():
        skip = () if wrapped == "whole" else first
        return tflottery.prune_iteratively(plain(any_keras), 0.6, skip=skip)

    config = SearchConfig(
        prune_fraction=0.3, output_prune_fraction=0.1, scope="layerwise"
    )
    model = network.prepare(network.seeded(build), 0, config)
    assert evidence.settings_of(model).scope == "layerwise"
    assert list(evidence.fractions(model).values()) == [0.3, 0.1]


def test_a_fraction_of_a_layer_that_is_not_there_is_told(any_keras):
    config = SearchConfig(layer_prune_fractions={"dense": 0.1, "dens": 0.1})
    build = network.seeded(lambda: plain(any_keras))
    with pytest.warns(UserWarning) as told:
        network.prepare(build, 0, config)
    assert "`layer_prune_fractions` names what the model does not have." in (
        str(told[0].message)
    )
    assert "Received: ['dens']," in str(told[0].message)
    assert "Did you mean 'dense" in str(told[0].message)


def own_loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_pred), axis=-1)


LOSSES = {
    "by name": (lambda k: "sparse_categorical_crossentropy", True),
    "an object": (lambda k: k.losses.SparseCategoricalCrossentropy(), True),
    "a sum": (
        lambda k: k.losses.SparseCategoricalCrossentropy(reduction="sum"),
        False,
    ),
    "a function": (lambda k: own_loss, False),
}


@pytest.mark.parametrize("penalty", ["kernel_", "activity_", None])
@pytest.mark.parametrize("kind", LOSSES)
def test_early_stopping_is_judged_by_the_loss_without_penalties(
    any_keras, kind, penalty
):
    """As it is with a loss that the search itself compiles."""
    k = any_keras
    make, is_known = LOSSES[kind]
    regularizer = {f"{penalty}regularizer": k.regularizers.L2(3.0)}

    def build():
        hidden = k.layers.Dense(6, "relu", **regularizer if penalty else {})
        outputs = k.layers.Dense(4, "softmax")
        model = k.Sequential([k.Input((5,)), hidden, outputs])
        model.compile("sgd", make(k), metrics=["accuracy"])
        return model

    model = network.prepare(network.seeded(build), 0, SearchConfig())
    found = model.evaluate(X, Y, batch_size=40, verbose=0, return_dict=True)
    if penalty and is_known:
        likely = model.predict(X, verbose=0)[np.arange(60), Y]
        expected = -np.log(likely).mean()
        assert found["loss"] > expected + 0.1
    else:
        expected = found["loss"]
    assert compiling.loss_of(found) == pytest.approx(expected, rel=1e-5)
