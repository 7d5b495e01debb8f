"""What a mask adds to the compiled training step: reads and selections."""

import collections

import numpy as np
import pytest
import tensorflow as tf

import tflottery

FORBIDDEN = {
    "TopKV2",
    "TopK",
    "Sort",
    "If",
    "StatelessIf",
    "Case",
    "Switch",
    "Merge",
    "Assert",
    "PyFunc",
    "EagerPyFunc",
}


def network(keras):
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, kernel_regularizer="l2"),
        ]
    )


def operations(model, keras):
    """Counts the operations of a step, those of its functions included."""
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = tf.constant(np.ones((4, 8, 8, 3), "float32"))
    labels = tf.constant(np.zeros(4, "int64"))
    model.train_on_batch(images, labels)  # everything is built
    step = tf.function(lambda x, y: model.train_step((x, y)))
    graph = step.get_concrete_function(images, labels).graph.as_graph_def()
    found = collections.Counter(node.op for node in graph.node)
    for function in graph.library.function:
        found.update(node.op for node in function.node_def)
    return found


def in_rounds(model):
    return tflottery.prune_iteratively(model)


def gradually(model):
    model = tflottery.prune_low_magnitude(model)
    follow = tflottery.UpdatePruningStep()
    follow.set_model(model)
    follow.on_train_begin()
    return model


@pytest.mark.parametrize("wrap", [in_rounds, gradually])
def test_a_wrapped_step_only_selects_reads_and_assigns_more(any_keras, wrap):
    dense = operations(network(any_keras), any_keras)
    wrapped = operations(wrap(network(any_keras)), any_keras)
    assert FORBIDDEN.isdisjoint(wrapped)
    added = wrapped - dense
    # Where a kernel is used, in its gradient (a selection, and the sum over
    # the constant zero that nothing reads), after its update, in its penalty;
    # and the count of steps of a gradual wrapper in tf_keras.
    assert added["SelectV2"] >= 2 * 3
    assert set(added) <= {
        "AssignAddVariableOp",
        "AssignVariableOp",
        "BroadcastGradientArgs",
        "Cast",
        "Const",
        "Identity",
        "NoOp",
        "ReadVariableOp",
        "Reshape",
        "SelectV2",
        "Shape",
        "Sum",
        "ZerosLike",
        "Placeholder",
        "Mul",
        "AddV2",
    }


def test_the_same_look_finds_the_sort_and_the_conditions_of_tfmot(tfmot):
    import tf_keras

    model = tfmot.prune_low_magnitude(network(tf_keras))
    follow = tfmot.UpdatePruningStep()
    follow.set_model(model)
    follow.on_train_begin()
    found = operations(model, tf_keras)
    assert {"TopKV2", "Assert"} <= set(found)
    assert {"If", "StatelessIf"} & set(found)
