"""Rewinding: the state of training, saved at a step and put back.

* `snapshot`: the whole training state as a value.
* `policy`: what goes back, and to when.
* `ticket`: a mask and the state it starts from, as one file.
"""
