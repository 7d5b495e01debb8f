import json

import numpy as np
import pytest
import tensorflow as tf

from tflottery.layers import state
from tflottery.lottery import compiling, learning_rate_schedules
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.learning_rates import LearningRate

RATES = [
    LearningRate(0.1, "constant", 60, {"warmup": 20}),
    LearningRate(0.1, "step", 60, {"boundaries": [20, 40], "warmup": 5}),
    LearningRate(0.1, "linear", 60, {"final": 0.01}),
    LearningRate(0.1, "exponential", 60, {"final": 0.001}),
    LearningRate(0.1, "cosine", 60, {"warmup": "10%"}),
]
STEPS = [0, 1, 5, 19, 20, 39, 40, 59, 60, 100]


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: rate.schedule)
def test_keras_gets_the_rate_of_each_step(any_keras, rate):
    schedule = learning_rate_schedules.make(rate, any_keras)
    assert isinstance(
        schedule, any_keras.optimizers.schedules.LearningRateSchedule
    )
    compiled = tf.function(schedule, jit_compile=True)
    for make in (schedule, compiled):
        found = [make(tf.constant(step, tf.int64)) for step in STEPS]
        assert {value.dtype for value in found} == {tf.float32}
        # Tolerance: float32 functions of TensorFlow and XLA against NumPy's.
        np.testing.assert_allclose(
            np.array(found), rate.at(STEPS), rtol=2e-6, atol=1e-9
        )


def test_a_constant_rate_stays_a_number(any_keras):
    rate = LearningRate(0.1, "constant", 60)
    assert learning_rate_schedules.make(rate, any_keras) == 0.1


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: rate.schedule)
def test_an_optimizer_is_saved_with_its_schedule(any_keras, rate):
    schedule = learning_rate_schedules.make(rate, any_keras)
    optimizer = any_keras.optimizers.SGD(schedule)
    stored = json.loads(json.dumps(any_keras.optimizers.serialize(optimizer)))
    again = any_keras.optimizers.deserialize(stored)
    config = again.get_config()["learning_rate"]["config"]
    assert config == schedule.get_config()


def _model(keras, config):
    model = keras.Sequential(
        [
            keras.layers.InputLayer((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="ones"),
        ]
    )
    model.compile(compiling.make_optimizer(config, keras), "mse")
    return model


def test_training_follows_the_schedule_and_rewinding_restores_it(any_keras):
    config = SearchConfig(
        optimizer="sgd",
        learning_rate=0.5,
        steps=100,
        schedule="step",
        schedule_options={"boundaries": [2], "factor": 0.1},
    )
    model = _model(any_keras, config)
    x = np.ones((1, 1), np.float32)

    def rates(count):
        """The rates of the next steps: shares of the error removed, halved."""
        found = []
        for _ in range(count):
            before = float(model.get_weights()[0][0, 0])
            model.train_on_batch(x, 3 * x)
            after = float(model.get_weights()[0][0, 0])
            found.append((after - before) / (2 * (3 - before)))
        return found

    # The gradient of (w - 3)^2 is 2 (w - 3). A rate of 0.5 removes it all.
    assert rates(1) == pytest.approx([0.5])
    model.set_weights([np.zeros((1, 1))])
    assert rates(1) == pytest.approx([0.5])
    model.set_weights([np.zeros((1, 1))])
    assert rates(2) == pytest.approx([0.05, 0.05], rel=1e-4)
    for step, rate in ((1, 0.5), (2, 0.05)):
        state.renew_optimizer(model, step)
        model.set_weights([np.zeros((1, 1))])
        assert rates(1) == pytest.approx([rate], rel=1e-4)
