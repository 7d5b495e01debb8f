"""Large objects that refer to themselves are freed when it is asked for."""

import gc
import weakref

import pytest

from tflottery.core import garbage


class Circle:
    def __init__(self):
        self.itself = self


@pytest.mark.parametrize("size", [0, garbage.LARGE - 1, garbage.LARGE])
def test_what_is_large_is_freed_and_the_rest_left_to_python(size):
    gc.disable()
    try:
        circle = weakref.ref(Circle())
        garbage.collect(size)
        assert (circle() is None) is (size >= garbage.LARGE)
    finally:
        gc.enable()
