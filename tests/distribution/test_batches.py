"""How a global batch is divided, and what is refused."""

import pytest
import tensorflow as tf

from tflottery.distribution import batches


@pytest.mark.parametrize("replicas", [2, 3, 4, 8])
def test_no_replica_is_without_examples_in_evaluation(replicas):
    answered = 0
    for examples in [*range(1, 130), 397, 1000, 1001, 4999, 10_000]:
        try:
            size = batches.evaluation_batch_size(examples, replicas)
        except ValueError:
            continue
        answered += 1
        assert size % replicas == 0
        assert size <= min(1000, examples)  # the first batch is whole
        share, rest = size // replicas, examples % size
        parts = [min(share, max(rest - share * i, 0)) for i in range(replicas)]
        assert rest == 0 or min(parts) > 0
    assert answered > 50  # of 134; small sets that do not go up are refused


@pytest.mark.parametrize(
    ("examples", "replicas", "expected"),
    [
        (5000, 1, 1000),  # as without a strategy
        (5000, 2, 1000),
        (10_000, 8, 1000),
        (55_000, 3, 987),  # 55,000 = 55 * 987 + 715: 329 + 329 + 57
        (397, 2, 264),  # a prime: 132 + 132, then 132 + 1
    ],
)
def test_evaluation_takes_large_batches_of_one_shape(
    examples, replicas, expected
):
    found = batches.evaluation_batch_size(examples, replicas)
    assert found == expected


def test_too_few_examples_to_evaluate_are_refused():
    with pytest.raises(ValueError, match="test data.*the 4 replicas.*mul"):
        batches.evaluation_batch_size(3, replicas=4, name="test")


@pytest.mark.parametrize(
    ("size", "replicas", "way_out"),
    [(50, 4, "Use 48 or 52"), (3, 4, "Use 4,"), (51, 2, "Use 50 or 52")],
)
def test_a_batch_that_cannot_be_divided_is_refused(size, replicas, way_out):
    with pytest.raises(ValueError, match=f"batch_size={size}. {way_out}"):
        batches.check_batch_size(size, replicas)
    assert batches.check_batch_size(60, 4) == 15


def test_workers_take_parts_of_batches_and_never_files():
    found = batches.divided(tf.data.Dataset.range(8).batch(4))
    policy = found.options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.DATA
    assert [b.tolist() for b in found.as_numpy_iterator()] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ]
