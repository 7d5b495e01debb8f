"""Keeping pruned entries at zero: where a weight is used, and after updates.

The wrapper (`masked`) uses `keep` in the forward pass; penalties and optimizer
updates reach the stored weight itself, and meet the mask here.
"""

from __future__ import annotations

import keras
from keras import ops

from tflottery.layers import held_zeros


class MaskedRegularizer(keras.regularizers.Regularizer):
    """A weight penalty that sees the masked weight, not the stored one."""

    def __init__(self, regularizer, mask):
        self.regularizer = regularizer
        self.mask = mask

    def __call__(self, weight):
        """Returns the penalty of the masked weight."""
        return self.regularizer(held_zeros.stored(weight, self.mask, keep))


class MaskedConstraint(keras.constraints.Constraint):
    """A projection that ends every optimizer update: pruned entries are zero.

    Elementwise optimizers leave pruned entries at zero by themselves; those
    that mix entries (Muon), a user's own, or a weight that is also read past
    the wrapper (tied embeddings) do not.
    """

    def __init__(self, constraint, mask):
        self.constraint = constraint
        self.mask = mask

    def __call__(self, weight):
        """Returns the projected weight, zero outside the mask."""
        if self.constraint is not None:
            return keep(self.constraint(weight), self.mask)
        return held_zeros.stored(weight, self.mask, keep)


def keep(weight, mask):
    """Returns `weight` where the boolean `mask` holds, exactly zero elsewhere.

    Args:
        weight: variable or tensor.
        mask: boolean variable or tensor of the same shape.

    Returns:
        Tensor of the weight's shape and dtype. The gradient with respect to
        an entry outside the mask is exactly zero.
    """
    weight = ops.convert_to_tensor(weight)
    zero = ops.zeros((), dtype=weight.dtype)
    return ops.where(ops.convert_to_tensor(mask), weight, zero)
