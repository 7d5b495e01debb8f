"""Branches: what is trained beside the tickets, to compare them with.

A control differs from the ticket of its round in one thing: its mask, the
weights it starts from, the order of its data, or how it is retrained. Each is
one class, one entry in `registry`, and a family of rows in `results.csv`.

* `branch`: what a branch is, and what one of its rounds begins with.
* `asked`: what a branch may look at when a round is to begin.
* `starting_weights`: other weights under the ticket's mask.
* `other_masks`: other masks over the ticket's weights; one-shot pruning.
* `at_initialisation`: masks that need no training.
* `retraining`: what else can be done between two rounds.
* `data_order`: the same network on another order of the data.
* `examples`: a few training examples, for criteria that need them.
* `registry`: all of them by name.
"""
