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

from __future__ import annotations

import importlib
import pathlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Where each name comes from. Modules are loaded when a name is first asked for,
# so that `tflottery --help` does not wait for TensorFlow.
_HOMES = {
    "Block": "pruning.structures",
    "Channel": "pruning.structures",
    "DamagedFileError": "core.files",
    "ForeignFileError": "core.files",
    "Mask": "core.mask",
    "Masked": "layers.masked",
    "NOfM": "pruning.structures",
    "SearchConfig": "lottery.config",
    "SearchResult": "lottery.search",
    "Snapshot": "rewinding.snapshot",
    "Step": "core.step",
    "Ticket": "rewinding.ticket",
    "TrainingDivergedError": "lottery.training",
    "callbacks": "",
    "data": "",
    "find_ticket": "lottery.search",
    "masks": "layers.evidence",
    "models": "",
    "prune": "layers.prune",
    "prune_iteratively": "layers.prune",
    "prune_once": "layers.prune",
    "set_mask": "layers.evidence",
    "sparsity": "layers.evidence",
    "strip_pruning": "layers.prune",
}
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


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not home:
        return importlib.import_module(f"{__name__}.{name}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


if pathlib.Path(sys.argv[0] if sys.argv else "").stem != "tflottery":
    # Everywhere but in the command `tflottery`, whose --help is to answer at
    # once, wrapped models can be loaded from the first moment.
    importlib.import_module(f"{__name__}.layers.subclassed")
