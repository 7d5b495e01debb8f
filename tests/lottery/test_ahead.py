"""The next item is made while the last one is used, and no other."""

import concurrent.futures

import pytest

from tflottery.lottery.engines.ahead import one_ahead


@pytest.fixture
def thread():
    with concurrent.futures.ThreadPoolExecutor(1) as found:
        yield found


def making(made, items):
    for item in items:
        made.append(item)
        yield item


def wait_for(thread):
    """A single thread does what it is given in turn."""
    thread.submit(int).result()


def test_the_next_one_is_made_without_being_asked_for_and_no_other(thread):
    made = []
    items = one_ahead(making(made, "abcd"), thread)
    wait_for(thread)
    assert made == []
    for number, expected in enumerate("abcd", start=1):
        assert next(items) == expected
        wait_for(thread)
        assert made == list("abcd")[: number + 1]
    with pytest.raises(StopIteration):
        next(items)


@pytest.mark.parametrize("items", [[], [None], [None, 0, False]])
def test_no_value_is_taken_for_the_end(items, thread):
    assert list(one_ahead(items, thread)) == items


def test_an_error_comes_in_its_place_and_not_before(thread):
    def failing():
        yield 1
        yield 2
        raise ZeroDivisionError("at the third")

    items = one_ahead(failing(), thread)
    assert [next(items), next(items)] == [1, 2]
    wait_for(thread)
    with pytest.raises(ZeroDivisionError, match="at the third"):
        next(items)
