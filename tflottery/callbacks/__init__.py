"""Callbacks for `fit`: iterative pruning, snapshots, TensorBoard."""

from tflottery.callbacks.gradual import UpdatePruningStep
from tflottery.callbacks.iterative import IterativePruning
from tflottery.callbacks.snapshots import SnapshotAt
from tflottery.callbacks.tensorboard import PruningSummaries

__all__ = [
    "IterativePruning",
    "PruningSummaries",
    "SnapshotAt",
    "UpdatePruningStep",
]
