"""The choice inside the step: exact counts, ties by index, as the pruner's."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from tflottery.core.mask import Mask
from tflottery.pruning.criteria import get as criterion
from tflottery.pruning.criterion import Evidence
from tflottery.pruning.pruner import Pruner
from tflottery.supermasks import top_scores

RNG = np.random.default_rng(0)


def _reference(scores, count):
    order = np.argsort(-scores.reshape(-1), kind="stable")
    mask = np.zeros(scores.size, bool)
    mask[order[:count]] = True
    return mask.reshape(scores.shape)


@pytest.mark.parametrize("count", [0, 1, 2, 59, 60, 119, 120])
def test_as_many_as_asked_are_marked_and_the_largest(count):
    scores = RNG.normal(size=(10, 4, 3)).astype(np.float32)
    found = top_scores.largest(tf.constant(scores), count).numpy()
    np.testing.assert_array_equal(found, _reference(scores, count))
    kept = torch.topk(torch.tensor(scores.ravel()), count).indices.numpy()
    assert set(np.flatnonzero(found)) == set(kept)


@pytest.mark.parametrize("count", range(1, 9))
def test_ties_go_to_the_lower_index_and_zeros_are_equal(count):
    scores = np.array([0.0, 1, -0.0, 1, 0, -2, 1, -0.0, 0], np.float32)
    found = top_scores.largest(tf.constant(scores), count).numpy()
    np.testing.assert_array_equal(found, _reference(scores, count))


def test_extremes_of_the_type_are_ranked_right():
    tiny = np.finfo(np.float32).tiny
    scores = np.array(
        [-np.inf, np.inf, tiny, -tiny, 3.4e38, -3.4e38, 0], np.float32
    )
    for count in range(8):
        found = top_scores.largest(tf.constant(scores), count).numpy()
        np.testing.assert_array_equal(found, _reference(scores, count))


@pytest.mark.parametrize("count", [3, 4, 20, 100, 193])
def test_a_count_for_several_tensors_is_shared_as_the_pruner_shares(count):
    tensors = {
        "a": 0.01 * RNG.random((9, 7)),  # small: only its best would stay
        "b": RNG.random((3, 4, 10)),
        "c": np.full((5, 2), 0.5),  # ties
    }
    tensors = {k: v.astype(np.float32) for k, v in tensors.items()}
    expected = Pruner(criterion=criterion("magnitude"), scope="global").prune(
        Mask.ones_like(tensors), Evidence(weights=tensors), count / 193
    )
    assert expected.kept == count
    given = [tf.constant(value) for value in tensors.values()]
    for index, path in enumerate(tensors):
        found = top_scores.largest_of_all(given, count, index).numpy()
        np.testing.assert_array_equal(found, expected[path], err_msg=path)


def test_compiled_code_chooses_the_same():
    scores = tf.constant(RNG.normal(size=5000).astype(np.float32))
    compiled = tf.function(
        lambda values: top_scores.largest(values, 1234), jit_compile=True
    )
    np.testing.assert_array_equal(
        compiled(scores), top_scores.largest(scores, 1234)
    )


def test_nothing_in_the_step_sorts():
    graph = tf.function(
        lambda values: top_scores.largest(values, 3)
    ).get_concrete_function(tf.TensorSpec((10,), tf.float32))
    operations = {node.op for node in graph.graph.as_graph_def().node}
    for function in graph.graph.as_graph_def().library.function:
        operations |= {node.op for node in function.node_def}
    assert not operations & {"TopKV2", "Sort", "Assert", "Where"}
