"""Which weights go: criterion x structure x allocation x schedule, in NumPy.

The four questions of pruning stay apart, one module each, and a pruner is
their product. Nothing here imports TensorFlow or Keras: arrays come in, a
smaller `Mask` goes out, and every promise is tested in milliseconds.

* `criterion`, `criteria`: which weights matter (larger score = kept).
* `structures`: in what pattern they may go.
* `allocation`: how one target is shared among tensors.
* `schedules`: how dense each round is.
* `gradual`, `gradual_schedule`, `gradual_names`: how sparse at each training
  step, as TF-MOT says it; and how such schedules are saved.
* `selection`: the best entries, exactly as many as asked, in linear time.
* `pruner`: the product of them.
* `registry`: names, configs and instances turned into one another.
"""
