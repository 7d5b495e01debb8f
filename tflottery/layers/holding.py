"""What the mask wrappers of both Keras families have in common.

They cannot share a base class of either Keras, so it is a mix-in: which
weights are masked, and with what value the wrapped layer computes.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class HoldsMasks:
    """A wrapper that has masks for weights of the layer it runs."""

    _masked: dict[str, tuple[Any, Any]] | None
    # Whether what is pruned is zero in the stored weights too.
    stores_zeros = True

    @property
    def masked_weights(self) -> dict[str, tuple[Any, Any]]:
        """`{relative path: (weight variable, boolean mask variable)}`."""
        return dict(self._masked or {})

    def mask_state(self, path: str) -> dict[str, Any]:
        """Returns `{name: variable}` of what training changes about a mask.

        Nothing here: these masks are set, not trained.
        """
        return {}

    def value_in_use(self, path: str) -> np.ndarray:
        """Returns what the layer computes with outside training.

        Args:
            path: relative path of the weight, one of `masked_weights`.

        Returns:
            Array of the weight's shape and dtype; pruned entries are zero.
        """
        variable, mask = self.masked_weights[path]
        value = variable.numpy()
        return np.where(mask.numpy(), value, np.zeros((), value.dtype))

    def measured_value(self, path: str) -> np.ndarray:
        """Returns what sparsity is measured on.

        The stored value: where masks are set, it must hold the zeros itself,
        and whatever brings weights back behind a mask is to be seen.

        Args:
            path: relative path of the weight, one of `masked_weights`.
        """
        return self.masked_weights[path][0].numpy()
