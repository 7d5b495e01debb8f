"""`Noise`: examples that show nothing, in the shape of MNIST.

Speed does not depend on what images show. Processes that are compared each
draw the same noise, so nothing has to be passed between them, and this file
imports no framework.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

NUM_CLASSES = 10
_Pair = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Noise:
    """How many examples there are; the defaults are those of MNIST.

    Args:
        train: Examples for training, those for validation among them.
        validation: Examples held out of them.
        test: Examples for testing.
        shape: Shape of an example.

    Example:
        >>> x, y = Noise(train=4, validation=1, test=2).part("test")
        >>> x.shape, x.dtype.name, y.shape
        ((2, 28, 28, 1), 'uint8', (2,))
    """

    train: int = 60000
    validation: int = 5000
    test: int = 10000
    shape: tuple[int, ...] = (28, 28, 1)

    def part(self, name: str) -> _Pair:
        """Returns uint8 inputs and labels of `"train"` or `"test"`."""
        parts = {"train": self.train, "test": self.test}
        generator = np.random.default_rng(list(parts).index(name))
        size = parts[name]
        inputs = generator.integers(0, 256, (size, *self.shape), np.uint8)
        return inputs, generator.integers(0, NUM_CLASSES, size)

    def dataset(self) -> Any:
        """Returns it as a `tflottery.data.InMemoryDataset`."""
        from tflottery import data

        return data.InMemoryDataset(
            "noise",
            train=self.part("train"),
            test=self.part("test"),
            num_classes=NUM_CLASSES,
            validation=self.validation,
        )


TINY = Noise(train=60, validation=20, test=20)
