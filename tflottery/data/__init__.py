"""Seeded, resumable batches of small datasets and of any TFDS set."""

from tflottery.data.augmented import AugmentedDataset, augment
from tflottery.data.dataset import Dataset
from tflottery.data.memory import InMemoryDataset
from tflottery.data.registry import load, names
from tflottery.data.streaming import StreamingDataset

__all__ = [
    "AugmentedDataset",
    "Dataset",
    "InMemoryDataset",
    "StreamingDataset",
    "augment",
    "load",
    "names",
]
