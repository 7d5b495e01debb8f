"""tflottery: winning lottery tickets in Keras models.

Train, prune the weakest weights, rewind the others to where they stood early
in training, repeat: what is left is a sparse network that trains as well as
the dense one.

>>> import keras, tflottery
>>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
>>> model = tflottery.prune_iteratively(model, prune_fraction=0.2)
>>> tflottery.sparsity(model)
0.0
"""

from tflottery import callbacks, data, models
from tflottery.core.files import DamagedFileError, ForeignFileError
from tflottery.core.mask import Mask
from tflottery.core.step import Step
from tflottery.layers.evidence import masks, set_mask, sparsity
from tflottery.layers.masked import Masked
from tflottery.layers.prune import (
    prune,
    prune_iteratively,
    prune_once,
    strip_pruning,
)
from tflottery.lottery.config import SearchConfig
from tflottery.lottery.search import SearchResult, find_ticket
from tflottery.lottery.training import TrainingDivergedError
from tflottery.pruning.structures import Block, Channel, NOfM
from tflottery.rewinding.snapshot import Snapshot
from tflottery.rewinding.ticket import Ticket

__version__ = "0.1.0"

__all__ = [
    "Block",
    "Channel",
    "DamagedFileError",
    "ForeignFileError",
    "Mask",
    "Masked",
    "NOfM",
    "SearchConfig",
    "SearchResult",
    "Snapshot",
    "Step",
    "Ticket",
    "TrainingDivergedError",
    "callbacks",
    "data",
    "find_ticket",
    "masks",
    "models",
    "prune",
    "prune_iteratively",
    "prune_once",
    "set_mask",
    "sparsity",
    "strip_pruning",
]
