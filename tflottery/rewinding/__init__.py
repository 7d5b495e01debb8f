"""Rewinding: the state of training, saved at a step and put back.

* `snapshot`: the whole training state as a value.
* `store`: snapshots on disk.
* `policy`: what goes back, and to when.
"""
