"""The networks of the lottery-ticket papers, for Keras 3 and for tf_keras.

Builders take the Keras module as an argument, so nothing here imports one,
and they know nothing of pruning.
"""

from tflottery.models.registry import build, names

__all__ = ["build", "names"]
