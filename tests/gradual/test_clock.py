"""Who follows a schedule: `fit`, loops of one's own, what interrupts them."""

import gc
import logging
import weakref

import numpy as np
import pytest
import tensorflow as tf

import tflottery

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = np.zeros((16, 5), "float32")


def network(keras):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])


def scheduled(keras, last_step=12):
    model = tflottery.prune_low_magnitude(
        network(keras),
        tflottery.PolynomialDecay(0.2, 0.8, 2, last_step, frequency=2),
    )
    model.compile("sgd", "mse")
    return model


def fit(model, *callbacks):
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=list(callbacks))


def interrupter(keras, at):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == at:
                raise KeyboardInterrupt

    return Interrupt()


def test_after_an_interrupted_fit_the_callback_is_still_asked_for(any_keras):
    model = scheduled(any_keras)
    with pytest.raises(KeyboardInterrupt):
        fit(model, tflottery.UpdatePruningStep(), interrupter(any_keras, 3))
    with pytest.raises(RuntimeError, match="UpdatePruningStep"):
        fit(model)
    fit(model, tflottery.UpdatePruningStep())
    # 4 batches and 8 more: the last update, of step 12, has been made.
    assert tflottery.sparsity(model) == 0.8


def test_a_second_fit_without_the_callback_is_refused_and_can_be_mended(
    any_keras,
):
    model = scheduled(any_keras)
    fit(model, tflottery.UpdatePruningStep())
    with pytest.raises(RuntimeError, match="nothing follows it"):
        fit(model)
    fit(model, tflottery.UpdatePruningStep())
    assert tflottery.sparsity(model) == 0.8
    fit(model)  # nothing is left to follow
    assert tflottery.sparsity(model) == 0.8


def test_updates_that_were_missed_are_made_up_for():
    import tf_keras  # whose wrappers count steps that nobody announces

    model = scheduled(tf_keras)
    tflottery.update_pruning_step(model)
    for _ in range(13):
        model.train_on_batch(X, Y)
    assert tflottery.sparsity(model) == 0.0
    fit(model, tflottery.UpdatePruningStep())
    assert tflottery.sparsity(model) == 0.8  # the update of step 12


def test_a_model_that_the_first_batch_builds_gets_its_pattern(any_keras):
    model = tflottery.prune_low_magnitude(
        any_keras.Sequential([any_keras.layers.Dense(5)]),
        sparsity_m_by_n=(2, 4),
    )
    model.compile("sgd", "mse")
    fit(model, tflottery.UpdatePruningStep())
    # Made at step 1, when there is no weight yet; so at the next stop.
    assert tflottery.sparsity(model) == 0.5


def test_a_schedule_is_followed_without_tracing_the_step_anew(any_keras):
    model = scheduled(any_keras, last_step=100)
    traced = []

    class Counting(any_keras.losses.Loss):
        def call(self, y_true, y_pred):
            traced.append(1)
            return tf.reduce_mean((y_true - y_pred) ** 2, axis=-1)

    model.compile("sgd", Counting())
    fit(model, tflottery.UpdatePruningStep())
    first = len(traced)
    assert first >= 1
    for _ in range(3):
        fit(model, tflottery.UpdatePruningStep())
    assert len(traced) == first


def test_the_way_out_that_the_error_names_works_on_the_same_model(any_keras):
    model = scheduled(any_keras)
    with pytest.raises(RuntimeError, match="update_pruning_step"):
        model.train_on_batch(X, Y)
    for _ in range(12):
        tflottery.update_pruning_step(model)
        model.train_on_batch(X, Y)
    assert tflottery.sparsity(model) == 0.8


@pytest.mark.parametrize("is_list", [False, True])
def test_a_model_or_a_list_of_layers_can_be_followed(any_keras, is_list):
    model = scheduled(any_keras)
    target = list(model.layers) if is_list else model
    changed = [tflottery.update_pruning_step(target) for _ in range(12)]
    # Steps 2, 4, ..., 12 have an update; the first takes 4 of 20 weights.
    assert [step + 1 for step, n in enumerate(changed) if n][0] == 2
    assert tflottery.sparsity(model) == 0.8


def test_inside_a_tf_function_the_update_is_refused_in_words(any_keras):
    model = scheduled(any_keras)

    @tf.function
    def step():
        tflottery.update_pruning_step(model)

    with pytest.raises(RuntimeError, match="outside of a `tf.function`"):
        step()


def test_a_model_without_a_schedule_is_told_apart(any_keras, caplog):
    model = tflottery.prune_iteratively(network(any_keras))
    with pytest.raises(ValueError, match="no layer has one"):
        tflottery.update_pruning_step(model)
    model.compile("sgd", "mse")
    with caplog.at_level(logging.WARNING, logger="tflottery"):
        fit(model, tflottery.UpdatePruningStep())
    assert "has nothing to do" in caplog.text


def test_a_search_on_a_scheduled_model_is_refused_with_the_way_out(any_keras):
    model = scheduled(any_keras)
    search = tflottery.callbacks.IterativePruning(1, 1, verbose=0)
    with pytest.raises(ValueError, match="prune_iteratively"):
        fit(model, search)


def test_wrapping_again_with_another_schedule_says_that_it_is_kept(
    any_keras, caplog
):
    model = scheduled(any_keras)
    with caplog.at_level(logging.WARNING, logger="tflottery"):
        tflottery.prune_low_magnitude(
            model, tflottery.ConstantSparsity(0.9, 1, frequency=1)
        )
    assert "1 layers are wrapped already" in caplog.text


def use_the_function(model):
    tflottery.update_pruning_step(model)


def use_the_callback(model):
    fit(model, tflottery.UpdatePruningStep())


def use_a_search(model):
    model = tflottery.prune_iteratively(model, rewind_to="0it")
    model.compile("sgd", "mse")
    search = tflottery.callbacks.IterativePruning(1, 1, verbose=0)
    model.fit(X, Y, epochs=search.epochs, verbose=0, callbacks=[search])
    del search


@pytest.mark.parametrize(
    "use", [use_the_function, use_the_callback, use_a_search]
)
def test_no_model_is_kept_alive(any_keras, use):
    model = scheduled(any_keras)
    use(model)
    reference = weakref.ref(model)
    any_keras.backend.clear_session()
    del model
    gc.collect()
    assert reference() is None


def test_masks_and_step_are_in_a_checkpoint_of_tensorflow(any_keras, tmp_path):
    model = scheduled(any_keras)
    for _ in range(6):
        tflottery.update_pruning_step(model)
        model.train_on_batch(X, Y)
    path = tf.train.Checkpoint(model=model).save(str(tmp_path / "ck"))
    other = scheduled(any_keras)
    tf.train.Checkpoint(model=other).restore(path).expect_partial()
    (before,) = tflottery.masks(model).values()
    (after,) = tflottery.masks(other).values()
    assert before.sum() < 20
    np.testing.assert_array_equal(before, after)
    for _ in range(6):
        tflottery.update_pruning_step(other)
        other.train_on_batch(X, Y)
    assert tflottery.sparsity(other) == 0.8


def test_frozen_layers_are_pruned_by_a_schedule_and_not_by_a_search(
    any_keras, caplog
):
    def half_frozen():
        base = any_keras.layers.Dense(20, name="base")
        model = any_keras.Sequential(
            [any_keras.Input((4,)), base, any_keras.layers.Dense(5)]
        )
        base.trainable = False
        return model

    gradually = tflottery.prune_low_magnitude(
        half_frozen(), tflottery.ConstantSparsity(0.5, 1, frequency=1)
    )
    tflottery.update_pruning_step(gradually)
    assert [m.sum() for m in tflottery.masks(gradually).values()] == [40, 50]
    with caplog.at_level(logging.WARNING, logger="tflottery"):
        searched = tflottery.prune_iteratively(half_frozen())
    assert len(tflottery.masks(searched)) == 1
    assert "1 frozen layers are left dense: `base`" in caplog.text


def test_a_vocabulary_is_no_weight(any_keras):
    text = any_keras.layers.TextVectorization(output_sequence_length=3)
    text.adapt(np.array(["a b c", "b c d"]))
    model = any_keras.Sequential(
        [
            any_keras.Input((1,), dtype="string"),
            text,
            any_keras.layers.Embedding(6, 4),
            any_keras.layers.Flatten(),
            any_keras.layers.Dense(2),
        ]
    )
    pruned = tflottery.prune_once(model, 0.5)
    assert len(tflottery.masks(pruned)) == 2
    assert tflottery.sparsity(pruned) == 0.5


def test_an_untrained_model_can_be_written_as_a_saved_model(
    any_keras, tmp_path
):
    model = scheduled(any_keras)
    if any_keras.__name__ == "keras":
        model.export(str(tmp_path / "saved"), verbose=False)
        loaded = tf.saved_model.load(str(tmp_path / "saved"))
        served = loaded.serve
    else:
        model.save(str(tmp_path / "saved"))
        served = loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(
        np.asarray(served(tf.constant(X))), np.asarray(model(X)), rtol=1e-6
    )


class OutOfReach:
    """Makes a layer that keeps its kernel nowhere but in Keras' own lists."""

    @staticmethod
    def of(keras):
        class Hidden(keras.layers.Layer):
            def build(self, shape):
                self.add_weight(name="kernel", shape=(shape[-1], 3))

            def call(self, x):
                return tf.matmul(x, self.weights[0])

        return Hidden()


def test_a_weight_out_of_reach_leaves_the_rest_prunable():
    import tf_keras

    model = tf_keras.Sequential(
        [
            tf_keras.Input((4,)),
            OutOfReach.of(tf_keras),
            tf_keras.layers.Dense(5),
        ]
    )
    pruned = tflottery.prune_once(model, 0.8)
    assert (
        list(tflottery.masks(pruned)) == ["dense/kernel"]
        or len(tflottery.masks(pruned)) == 1
    )
    with pytest.raises(ValueError, match="can only be masked where"):
        tflottery.prune_iteratively(
            tf_keras.Sequential(
                [tf_keras.Input((4,)), OutOfReach.of(tf_keras)]
            ),
            strict=True,
        )
