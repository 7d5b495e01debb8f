"""Layers: where Keras variables are touched, and nowhere else.

* `paths`, `prunable`, `family`: names of variables, which can be pruned, and
  which Keras a model is of.
* `settings`: how a model is to be pruned.
* `keeping`: what keeps a pruned entry at zero.
* `masked`: the wrapper that masks weights where they are used.
* `attributes`, `surgery`, `subclassed`: wrappers into models and out again.
* `slots`, `state`: the optimizer's memory, and the whole state of training.
* `evidence`, `saliency`: a model turned into arrays, and masks put back.
* `wrapping`: wrapping with a word to the user on what was left out.
* `prune`: the verbs that users call.
"""
