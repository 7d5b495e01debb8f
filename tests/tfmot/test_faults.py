"""TF-MOT's faults, each shown there and its absence shown here."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tflottery
from tflottery.gradual import scheduled
from tflottery.layers import evidence

X = np.ones((8, 4), "float32")


def dense(family, values, **arguments):
    """A layer of one unit whose kernel has these values, in a model."""
    layer = family.layers.Dense(1, use_bias=False, **arguments)
    model = family.Sequential([family.Input((len(values),)), layer])
    layer.set_weights([np.array(values, "float32").reshape(-1, 1)])
    return model


def run(code):
    """Runs Python code in a process of its own; returns its JSON answer."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "TF_USE_LEGACY_KERAS"
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


ANSWER = """
import json, os
import tensorflow as tf
print(json.dumps([os.environ.get("TF_USE_LEGACY_KERAS"),
                  tf.keras.Model.__module__.split(".")[0]]))
"""


def test_1_importing_it_changes_the_keras_of_the_whole_process():
    theirs = run("import tensorflow_model_optimization" + ANSWER)
    assert theirs == ["1", "tf_keras"]
    ours = run(
        "import tf_keras, tflottery\n"
        "model = tf_keras.Sequential([tf_keras.layers.Dense(2)])\n"
        "model.build((None, 3))\n"
        "tflottery.prune_low_magnitude(model)\n" + ANSWER
    )
    assert ours == [None, "keras"]


def test_2_it_refuses_keras_3_models_with_a_riddle(tfmot):
    model = dense(keras, [1, 2, 3, 4])
    with pytest.raises(ValueError) as caught:
        tfmot.prune_low_magnitude(model)
    text = str(caught.value)
    assert "keras.models.Sequential" in text.split("You passed")[0]
    assert "Sequential" in text.split("You passed")[1]
    wrapped = tflottery.prune_low_magnitude(model)
    assert len(evidence.wrappers(wrapped)) == 1
    mixed = [keras.layers.Dense(1), tf_keras.layers.Dense(1)]
    with pytest.raises(TypeError, match="layers of keras and tf_keras"):
        tflottery.prune_low_magnitude(mixed)


class Pushed:
    """A fit whose gradient pushes the two smallest weights up by 4.5."""

    x = np.tile(np.array([4.5, 4.5, 0, 0], "float32"), (4, 1))
    y = np.zeros((4, 1), "float32")

    @staticmethod
    def loss(y, prediction):
        return -prediction

    @classmethod
    def fit(cls, family, model, update, masks):
        seen = []

        class Seen(family.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                kernel, mask = masks(self.model)
                seen.append(
                    (kernel.ravel().tolist(), mask.ravel().astype(int).tolist())
                )

        model.compile(family.optimizers.SGD(1.0), cls.loss)
        model.fit(
            cls.x, cls.y, batch_size=1, verbose=0, callbacks=[update, Seen()]
        )
        return seen


def test_3_pruned_weights_learn_on_and_come_back(tfmot):
    theirs = tfmot.prune_low_magnitude(
        dense(tf_keras, [1, 2, 3, 4]),
        tfmot.ConstantSparsity(0.5, 0, frequency=1),
    )

    def tfmot_state(model):
        kernel, mask, _ = model.layers[-1].pruning_vars[0]
        return kernel.numpy(), mask.numpy()

    seen = Pushed.fit(tf_keras, theirs, tfmot.UpdatePruningStep(), tfmot_state)
    # After the first batch, two weights stand at 4.5 under mask 0; from then
    # on they are the largest, and the mask has turned round.
    assert seen[0] == ([4.5, 4.5, 3, 4], [0, 0, 1, 1])
    assert seen[1][1] == [1, 1, 0, 0] == seen[-1][1]


@pytest.mark.parametrize("family", [keras, tf_keras])
def test_3_here_pruned_weights_stay_pruned(family):
    model = tflottery.prune_low_magnitude(
        dense(family, [1, 2, 3, 4]),
        tflottery.ConstantSparsity(0.5, 0, frequency=1),
    )

    def state(model):
        ((kernel, mask),) = evidence.wrappers(model)[0].masked_weights.values()
        return kernel.numpy(), mask.numpy()

    seen = Pushed.fit(family, model, tflottery.UpdatePruningStep(), state)
    assert seen == [([0, 0, 3, 4], [0, 0, 1, 1])] * 4


def test_4_equal_weights_are_not_pruned(any_keras, tfmot):
    theirs = tfmot.prune_low_magnitude(
        dense(tf_keras, [2.0] * 8), tfmot.ConstantSparsity(0.5, 0, frequency=1)
    )
    theirs.compile(tf_keras.optimizers.SGD(0.0), "mse")
    x, y = np.ones((2, 8), "float32"), np.zeros((2, 1), "float32")
    theirs.fit(x, y, verbose=0, callbacks=[tfmot.UpdatePruningStep()])
    assert float(tf.reduce_mean(theirs.layers[-1].pruning_vars[0][1])) == 1.0
    ours = tflottery.prune_low_magnitude(
        dense(any_keras, [2.0] * 8),
        tflottery.ConstantSparsity(0.5, 0, frequency=1),
    )
    ours.compile(any_keras.optimizers.SGD(0.0), "mse")
    ours.fit(x, y, verbose=0, callbacks=[tflottery.UpdatePruningStep()])
    assert tflottery.sparsity(ours) == 0.5


def through_config(wrapper):
    return type(wrapper).from_config(wrapper.get_config())


def test_5_a_pattern_is_lost_in_the_config(any_keras, tfmot):
    theirs = tfmot.prune_low_magnitude(
        tf_keras.layers.Dense(3), sparsity_m_by_n=(2, 4)
    )
    assert theirs.sparsity_m_by_n == (2, 4)
    assert through_config(theirs).sparsity_m_by_n is None
    ours = tflottery.prune_low_magnitude(
        any_keras.layers.Dense(3), sparsity_m_by_n=(1, 4)
    )
    assert ours.settings.structure["config"]["keep"] == 3
    assert through_config(ours).settings == ours.settings


class Halves(tflottery.PruningSchedule):
    """A schedule of a user's own."""

    def __call__(self, step):
        return True, 0.5

    def get_config(self):
        return {}


def test_6_a_users_schedule_comes_back_as_a_string(any_keras, tfmot):
    class Theirs(tfmot.PruningSchedule):
        def __call__(self, step):
            return True, 0.5

        def get_config(self):
            return {"class_name": "Theirs", "config": {}}

    wrapper = tfmot.prune_low_magnitude(tf_keras.layers.Dense(3), Theirs())
    assert through_config(wrapper).pruning_schedule == "Theirs"
    ours = tflottery.prune_low_magnitude(any_keras.layers.Dense(3), Halves())
    back = scheduled.schedule_of(through_config(ours))
    assert isinstance(back, Halves) and back(7) == (True, 0.5)


def test_7_masks_and_step_are_missing_from_get_weights(any_keras, tfmot):
    theirs = tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(4,))])
    (wrapper,) = tfmot.prune_low_magnitude(theirs).layers
    assert (len(wrapper.get_weights()), len(wrapper.variables)) == (2, 5)
    ours = any_keras.Sequential(
        [any_keras.Input((4,)), any_keras.layers.Dense(3)]
    )
    (wrapper,) = evidence.wrappers(tflottery.prune_low_magnitude(ours))
    arrays = wrapper.get_weights()
    assert len(arrays) == len(wrapper.variables) >= 4
    assert [a.shape for a in arrays if a.dtype == bool] == [(4, 3)]
    assert [int(a) for a in arrays if a.dtype == np.int64] == [-1]


def test_8_a_second_fit_cannot_begin_the_schedule_anew(any_keras, tfmot):
    theirs = tfmot.prune_low_magnitude(dense(tf_keras, [1, 2, 3, 4]))
    theirs.compile("sgd", "mse")
    update = tfmot.UpdatePruningStep()
    arguments = {"batch_size": 4, "verbose": 0}
    steps = []
    for _ in range(2):
        theirs.fit(X, X[:, :1], callbacks=[update], **arguments)
        steps.append(int(theirs.layers[-1].pruning_step))
    assert steps == [2, 4]
    for restart, expected in ((False, [2, 4]), (True, [2, 2])):
        ours = tflottery.prune_low_magnitude(dense(any_keras, [1, 2, 3, 4]))
        ours.compile("sgd", "mse")
        update = tflottery.UpdatePruningStep(restart=restart)
        steps = []
        for _ in range(2):
            ours.fit(X, X[:, :1], callbacks=[update], **arguments)
            steps.append(update.step)
        assert steps == expected


def test_9_one_by_four_is_three_of_four(any_keras, tfmot):
    theirs = tfmot.prune_low_magnitude(
        dense(tf_keras, [1, 2, 3, 4]), sparsity_m_by_n=(1, 4)
    )
    theirs.compile(tf_keras.optimizers.SGD(0.0), "mse")
    theirs.fit(X, X[:, :1], verbose=0, callbacks=[tfmot.UpdatePruningStep()])
    mask = theirs.layers[-1].pruning_vars[0][1].numpy().ravel()
    assert mask.tolist() == [0, 1, 1, 1]
    # The verb of that name means the same here ...
    ours = tflottery.prune_low_magnitude(
        dense(any_keras, [1, 2, 3, 4]), sparsity_m_by_n=(1, 4)
    )
    tflottery.update_pruning_step(ours)
    (found,) = tflottery.masks(ours).values()
    assert found.ravel().tolist() == [False, True, True, True]
    # ... and a structure of ours says which of the two numbers it is.
    ours = tflottery.prune_once(
        dense(any_keras, [1, 2, 3, 4]),
        0.75,
        scope="layerwise",
        structure=tflottery.NOfM(keep=1, group=4),
    )
    (found,) = tflottery.masks(ours).values()
    assert found.ravel().tolist() == [False, False, False, True]
