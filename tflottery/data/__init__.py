"""Seeded, resumable batches of small datasets and of any TFDS set."""

from tflottery.data.dataset import Dataset
from tflottery.data.memory import InMemoryDataset
from tflottery.data.registry import load, names
from tflottery.data.streaming import StreamingDataset

__all__ = ["Dataset", "InMemoryDataset", "StreamingDataset", "load", "names"]
