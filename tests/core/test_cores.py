"""Work spread over cores gives what one core gives, in its order."""

import threading

import numpy as np
import pytest

from tflottery.core import cores


@pytest.fixture(params=[1, 2, 3])
def count(request, monkeypatch):
    monkeypatch.setattr(cores, "count", lambda: request.param)
    return request.param


@pytest.mark.parametrize("size", [10, 1 << 20])
@pytest.mark.parametrize("items", [0, 1, 50])
def test_results_come_in_the_order_of_the_items(count, size, items):
    found = cores.each(lambda n: n * n, range(items), size)
    assert found == [n * n for n in range(items)]


def test_as_many_threads_work_at_once_as_there_are_cores(count):
    """They meet at a barrier, which fewer would never pass."""
    barrier = threading.Barrier(count, timeout=30)
    names = cores.each(
        lambda n: (barrier.wait(), threading.get_ident())[1],
        range(count),
        1 << 20,
    )
    assert len(set(names)) == count


def test_items_are_made_only_when_a_core_is_free(count):
    """So of large ones no more are in memory than are worked on."""
    made, done = [], []

    def items():
        for n in range(20):
            made.append(n)
            yield n

    def work(n):
        done.append(n)
        return len(made) - len(done)

    ahead = cores.each(work, items(), 1 << 20)
    assert max(ahead) <= count


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_an_error_reaches_the_caller(count, size):
    def fail(n):
        if n == 3:
            raise ValueError("the third")
        return n

    with pytest.raises(ValueError, match="the third"):
        cores.each(fail, range(10), size)


def test_a_mask_does_not_depend_on_the_number_of_cores(monkeypatch):
    """Large enough for threads, with ties at the border."""
    from tflottery.core.mask import Mask
    from tflottery.pruning.criterion import Evidence
    from tflottery.pruning.pruner import Pruner

    rng = np.random.default_rng(0)
    weights = {
        f"w{n}": rng.integers(-50, 50, (900, 700)).astype(np.float32)
        for n in range(3)
    }
    masks = []
    for number in (1, 2, 5):
        monkeypatch.setattr(cores, "count", lambda number=number: number)
        mask = Pruner().prune(
            Mask.ones_like(weights), Evidence(weights=weights), 0.37
        )
        masks.append(np.concatenate([m.ravel() for m in mask.values()]))
    assert masks[0].sum() == round(0.37 * masks[0].size)
    for other in masks[1:]:
        np.testing.assert_array_equal(masks[0], other)
