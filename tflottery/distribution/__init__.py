"""Distribution: on which devices a search trains, and in how many processes.

`get_strategy` is the function that users call.

* `strategies`: a `tf.distribute.Strategy` by name.
* `clusters`: which workers, or which TPU, the surroundings name.
* `limits`: what each Keras family can do under a strategy.
* `workers`: the processes of one strategy, seen from one of them.
* `exchange`: what workers tell each other, and how.
* `batches`: how a batch is shared among the replicas.
"""

from tflottery.distribution.strategies import get as get_strategy

__all__ = ["get_strategy"]
