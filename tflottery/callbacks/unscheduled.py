"""Learning rates that a callback writes, which no rewind takes back."""

from __future__ import annotations

import logging
from typing import Any

from tflottery.layers import rates

_logger = logging.getLogger("tflottery")


class UnscheduledRate:
    """Says so, once, if another callback changes the learning rate.

    `LearningRateScheduler` goes by the epochs of `fit`, which run on through
    the rounds, so that rounds after the first train at the rates of the end.

    Args:
        model: compiled.
        matters: whether rounds rewind the rate at all.
    """

    def __init__(self, model: Any, matters: bool = True):
        self._optimizer = model.optimizer
        self._told = not matters
        self.rewound()

    def rewound(self) -> None:
        """Takes the rate as it is now for right."""
        self._known = rates.written(self._optimizer)

    def compare(self) -> None:
        """Compares the rate with the one that is right."""
        found = rates.written(self._optimizer)
        if found != self._known and not self._told:
            self._told = True
            _logger.warning(
                "The learning rate has changed from %.4g to %.4g, and no "
                "schedule of the optimizer has done it. A callback such as "
                "`LearningRateScheduler` or `ReduceLROnPlateau` goes by the "
                "epochs of `fit` and is not rewound. Give the optimizer a "
                "schedule as its `learning_rate`: that goes back with its "
                "steps.",
                *next(
                    pair
                    for pair in zip(self._known, found, strict=True)
                    if pair[0] != pair[1]
                ),
            )
