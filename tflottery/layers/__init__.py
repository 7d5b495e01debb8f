"""Layers: where Keras variables are touched, and nowhere else.

* `paths`, `prunable`: names of variables, and which can be pruned.
* `family`, `keras_family`: which Keras a model is of, and what differs there.
* `settings`: how a model is to be pruned.
* `keeping`: what keeps a pruned entry at zero.
* `masked`, `recording`: the Keras 3 wrapper that masks weights where they are
  used.
* `attributes`, `surgery`, `subclassed`: wrappers into models and out again.
* `placement`, `replicas`: where variables lie under a distribution strategy.
* `slots`, `legacy_slots`, `state`: the optimizer's memory, and the whole state
  of training.
* `evidence`, `saliency`, `flow`: a model turned into arrays, masks put back.
* `wrapping`: wrapping with a word to the user on what was left out.
* `prune`: the verbs that users call.
"""
