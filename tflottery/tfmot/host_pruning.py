"""What TF-MOT's tools ask of a wrapper's `pruning_obj`, done on the host.

TF-MOT's own does it inside the training step.
"""

from __future__ import annotations

import weakref
from typing import Any

from tflottery.gradual import scheduled


class HostPruning:
    """What TF-MOT's tools ask of a wrapper's `pruning_obj`.

    Args:
        wrapper: the wrapper it belongs to.
    """

    def __init__(self, wrapper: Any):
        self._wrapper = weakref.ref(wrapper)
        self._checked = 0

    def weight_mask_op(self) -> None:
        """Makes the updates that are due, if nobody else follows the steps.

        TF-MOT's `UpdatePruningStep` calls this at the end of each epoch. The
        weights themselves are sparse at any time.
        """
        wrapper = self._wrapper()
        followed = wrapper.step_source is not None
        if followed or scheduled.schedule_of(wrapper) is None:
            return
        step = scheduled.stored_step(wrapper)
        if step < self._checked:
            self._checked = 0
        scheduled.update(wrapper, self._checked, step)
        self._checked = max(self._checked, step)
