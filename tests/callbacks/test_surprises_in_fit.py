"""What would surprise whoever searches inside `fit`: said, or refused early."""

import numpy as np
import pytest
import tensorflow as tf

import tflottery
from tflottery.layers import rates, state

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype("float32")
Y = np.eye(3, dtype="float32")[RNG.integers(0, 3, 40)]


def build(k, rate=0.01, metrics=(), **arguments):
    model = k.Sequential(
        [k.Input((6,)), k.layers.Dense(8, "relu"), k.layers.Dense(3)]
    )
    model = tflottery.prune_iteratively(
        model, 0.5, **{"rewind_to": "1it", **arguments}
    )
    loss = k.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(k.optimizers.SGD(rate), loss, metrics=[*metrics])
    return model


def searched(model, policy="weight_rewinding", callbacks=(), **arguments):
    """Searches for two rounds after a dense one, of two epochs each."""
    search = tflottery.callbacks.IterativePruning(
        2, 2, policy=policy, verbose=0, **arguments
    )
    model.fit(
        X,
        Y,
        batch_size=10,
        epochs=search.epochs,
        verbose=0,
        callbacks=[*callbacks, search],
    )
    return search


def scheduler(k):
    """The rate that Keras' own examples write by the epoch."""
    return k.callbacks.LearningRateScheduler(
        lambda epoch: 0.01 if epoch < 3 else 0.001
    )


def test_a_rate_that_a_callback_writes_is_told_once(any_keras, caplog):
    searched(build(any_keras), callbacks=[scheduler(any_keras)])
    (told,) = caplog.messages
    assert "changed from 0.01 to 0.001, and no schedule" in told
    assert "`LearningRateScheduler`" in told and "schedule" in told


def test_a_rate_that_is_rewound_or_stays_is_not_told(any_keras, caplog):
    k = any_keras
    decay = k.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5)
    searched(build(k, decay))
    searched(build(k))
    # Training on at the last rate is what this policy is there for.
    searched(build(k), "fine_tuning", [scheduler(k)])
    assert not caplog.messages


def test_a_rewound_rate_that_was_written_is_the_snapshots_again(any_keras):
    """Rewinding puts back the rate too; the callback then writes its own."""
    model = build(any_keras)
    search = searched(model, callbacks=[scheduler(any_keras)])
    assert rates.written(model.optimizer) == [pytest.approx(0.001)]
    search.snapshot.restore(model)
    assert rates.written(model.optimizer) == [pytest.approx(0.01)]


ENDS = {
    # T is 8 here, and fine-tuning goes on to 8 + 2 * 7 = 22.
    "ExponentialDecay": (lambda s: s.ExponentialDecay(0.1, 8, 0.1), "goes on"),
    "CosineDecayRestarts": (lambda s: s.CosineDecayRestarts(0.1, 8), "goes on"),
    "CosineDecay": (lambda s: s.CosineDecay(0.1, 8), "at 0 from step 8"),
    "PolynomialDecay": (lambda s: s.PolynomialDecay(0.1, 8, 0.02), None),
    "PiecewiseConstantDecay": (
        lambda s: s.PiecewiseConstantDecay([4, 7], [0.1, 0.02, 0.01]),
        None,
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_fine_tuning_says_if_there_is_no_last_rate(any_keras, name, caplog):
    make, message = ENDS[name]
    model = build(any_keras, make(any_keras.optimizers.schedules))
    searched(model, "fine_tuning")
    assert len(caplog.messages) == (message is not None)
    if message is not None:
        assert message in caplog.text and name in caplog.text
    assert state.iterations(model) == 22


def test_a_search_on_disk_says_it_too(any_keras, tmp_path, caplog):
    k = any_keras

    def build():
        layers = [k.layers.Flatten(), k.layers.Dense(10)]
        model = k.Sequential([k.Input((8, 8, 1)), *layers])
        rate = k.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(k.optimizers.SGD(rate), loss)
        return model

    config = tflottery.SearchConfig(
        dataset="digits",
        steps=10,
        validate_every=10,
        rounds=1,
        policy="fine_tuning",
    )
    tflottery.find_ticket(
        build, config=config, run_dir=tmp_path, summaries=False
    )
    (told,) = [m for m in caplog.messages if "Fine-tuning" in m]
    assert "0.05 at step 10 and 0.025 at step 20" in told


def per_class(k):
    return k.metrics.F1Score(average=None, name="f1")


def test_a_metric_of_several_numbers_is_recorded_as_a_list(any_keras):
    model = build(any_keras, metrics=[per_class(any_keras)])
    search = searched(model, validation_data=(X, Y))
    for row in search.history:
        assert len(row["f1"]) == len(row["val_f1"]) == 3
        assert all(0 <= value <= 1 for value in row["val_f1"])
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    np.testing.assert_allclose(search.history[-1]["val_f1"], found["f1"])


@pytest.mark.parametrize("jit_compile", [True, False])
def test_a_search_on_disk_takes_such_a_metric(any_keras, tmp_path, jit_compile):
    k = any_keras

    class Predicted(k.metrics.Metric):
        """How often each class was predicted."""

        def __init__(self):
            super().__init__(name="predicted")
            self.counts = self.add_weight(
                shape=(10,), initializer="zeros", name="counts"
            )

        def update_state(self, y_true, y_pred, sample_weight=None):
            chosen = tf.one_hot(tf.argmax(y_pred, -1), 10)
            self.counts.assign_add(tf.reduce_sum(chosen, 0))

        def reset_state(self):
            self.counts.assign(tf.zeros(10))

        def result(self):
            return tf.convert_to_tensor(self.counts)

    def build():
        layers = [k.layers.Flatten(), k.layers.Dense(10)]
        model = k.Sequential([k.Input((8, 8, 1)), *layers])
        loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss, metrics=[Predicted()])
        return model

    config = tflottery.SearchConfig(
        dataset="digits",
        steps=20,
        validate_every=10,
        rounds=1,
        jit_compile=jit_compile,
    )
    result = tflottery.find_ticket(
        build, config=config, run_dir=tmp_path, summaries=False
    )
    assert [row["round"] for row in result.rows] == [0, 1]


def batches():
    while True:
        yield X, Y


@pytest.mark.parametrize("data", [batches(), iter([(X, Y)])])
def test_validation_data_that_can_be_read_once_are_refused(data):
    with pytest.raises(ValueError, match="can be read again.*evaluated after"):
        tflottery.callbacks.IterativePruning(2, 2, validation_data=data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "needs gradients. Received: saliency_data=None"),
        (X, r"Received: ndarray of shape \(40, 6\) and type float32"),
        ((X[:, :5], Y), r"\(ndarray of shape \(40, 5\) and type float32, nda"),
        ((X, Y[:, :2]), "Received: "),
    ],
)
@pytest.mark.parametrize("criterion", ["snip", "grasp"])
def test_saliency_data_that_do_not_fit_are_refused_before_training(
    any_keras, criterion, data, message
):
    model = build(any_keras, criterion=criterion)
    before = state.read(model, state.WEIGHTS)
    with pytest.raises(ValueError, match=message) as refusal:
        searched(model, saliency_data=data)
    assert "`saliency_data` must be a batch (x, y)" in str(refusal.value)
    for name, value in state.read(model, state.WEIGHTS).items():
        np.testing.assert_array_equal(value, before[name])


def test_ranking_once_before_training_changes_nothing(any_keras):
    """The same search with a criterion that needs no data, to the bit."""
    found = []
    for criterion in ("magnitude", "snip"):
        any_keras.utils.set_random_seed(3)
        model = build(any_keras, criterion=criterion)
        search = searched(model, saliency_data=(X[:10], Y[:10]))
        found.append(search.history[0])
    assert found[0] == found[1]
