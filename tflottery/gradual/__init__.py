"""Gradual pruning, TF-MOT's own kind, for models of either Keras.

Masks that follow a schedule while a model trains, and policies that choose
what is pruned.

* `low_magnitude`: the verb, `prune_low_magnitude`.
* `scheduled`, `clock`: the masks that a schedule asks for, and who says when.
* `policy`, `xnnpack`, `xnnpack_rules`: which layers, and why; `graph` is the
  view of a model that they share.
"""
