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

from tflottery.tfmot import family as tfmot_family

if TYPE_CHECKING:
    from tflottery import (
        analysis,
        callbacks,
        data,
        distribution,
        export,
        models,
        supermasks,
    )
    from tflottery.callbacks.gradual import UpdatePruningStep
    from tflottery.callbacks.tensorboard import PruningSummaries
    from tflottery.core.files import DamagedFileError, ForeignFileError
    from tflottery.core.mask import Mask
    from tflottery.core.step import Step
    from tflottery.gradual.clock import update_pruning_step
    from tflottery.gradual.low_magnitude import prune_low_magnitude
    from tflottery.gradual.policy import PruningPolicy
    from tflottery.gradual.xnnpack import PruneForLatencyOnXNNPack
    from tflottery.layers.evidence import masks, set_mask, sparsity
    from tflottery.layers.masked import Masked
    from tflottery.layers.prunable import PrunableLayer
    from tflottery.layers.prune import (
        prune,
        prune_iteratively,
        prune_once,
        strip_pruning,
    )
    from tflottery.lottery.config import SearchConfig
    from tflottery.lottery.controls import run_controls
    from tflottery.lottery.finished import load_network
    from tflottery.lottery.search import SearchResult, find_ticket
    from tflottery.lottery.training import TrainingDivergedError
    from tflottery.pruning.gradual import ConstantSparsity, PolynomialDecay
    from tflottery.pruning.gradual_schedule import PruningSchedule
    from tflottery.pruning.structures import Block, Channel, NOfM
    from tflottery.rewinding.snapshot import Snapshot
    from tflottery.rewinding.ticket import Ticket
    from tflottery.tfmot.scope import prune_scope

__version__ = "0.1.0"

# Where each name comes from. Modules are loaded when a name is first asked for,
# so that `tflottery --help` does not wait for TensorFlow.
_HOMES = {
    "Block": "pruning.structures",
    "Channel": "pruning.structures",
    "ConstantSparsity": "pruning.gradual",
    "DamagedFileError": "core.files",
    "ForeignFileError": "core.files",
    "Mask": "core.mask",
    "Masked": "layers.masked",
    "NOfM": "pruning.structures",
    "PolynomialDecay": "pruning.gradual",
    "PrunableLayer": "layers.prunable",
    "PruneForLatencyOnXNNPack": "gradual.xnnpack",
    "PruningPolicy": "gradual.policy",
    "PruningSchedule": "pruning.gradual_schedule",
    "PruningSummaries": "callbacks.tensorboard",
    "SearchConfig": "lottery.config",
    "SearchResult": "lottery.search",
    "Snapshot": "rewinding.snapshot",
    "Step": "core.step",
    "Ticket": "rewinding.ticket",
    "TrainingDivergedError": "lottery.training",
    "UpdatePruningStep": "callbacks.gradual",
    "analysis": "",
    "callbacks": "",
    "data": "",
    "distribution": "",
    "export": "",
    "find_ticket": "lottery.search",
    "load_network": "lottery.finished",
    "masks": "layers.evidence",
    "models": "",
    "prune": "layers.prune",
    "prune_iteratively": "layers.prune",
    "prune_low_magnitude": "gradual.low_magnitude",
    "prune_once": "layers.prune",
    "prune_scope": "tfmot.scope",
    "run_controls": "lottery.controls",
    "set_mask": "layers.evidence",
    "sparsity": "layers.evidence",
    "strip_pruning": "layers.prune",
    "supermasks": "",
    "update_pruning_step": "gradual.clock",
}
__all__ = [
    "Block",
    "Channel",
    "ConstantSparsity",
    "DamagedFileError",
    "ForeignFileError",
    "Mask",
    "Masked",
    "NOfM",
    "PolynomialDecay",
    "PrunableLayer",
    "PruneForLatencyOnXNNPack",
    "PruningPolicy",
    "PruningSchedule",
    "PruningSummaries",
    "SearchConfig",
    "SearchResult",
    "Snapshot",
    "Step",
    "Ticket",
    "TrainingDivergedError",
    "UpdatePruningStep",
    "analysis",
    "callbacks",
    "data",
    "distribution",
    "export",
    "find_ticket",
    "load_network",
    "masks",
    "models",
    "prune",
    "prune_iteratively",
    "prune_low_magnitude",
    "prune_once",
    "prune_scope",
    "run_controls",
    "set_mask",
    "sparsity",
    "strip_pruning",
    "supermasks",
    "update_pruning_step",
]


# tf_keras models find their family here; nothing of it is loaded yet.
tfmot_family.register()


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
    # once, wrapped and compacted models can be loaded from the first moment.
    importlib.import_module(f"{__name__}.layers.subclassed")
    importlib.import_module(f"{__name__}.compaction.row_map")
    importlib.import_module(f"{__name__}.supermasks.sparse_layers")
