"""Random plain chains, and by hand the sizes that compaction must find.

Dense-activation-Dense, or convolution-norm-activation-convolution without
padding: here every dead unit can go, and a few lines find them all.
"""

import numpy as np
import random_weights

_ACTIVATIONS = ("relu", "sigmoid", "tanh", "softplus", "elu", "gelu")


class Chain:
    """A chain of three or four layers of one kind, then a Dense layer.

    Attributes:
        model: the chain with random weights, some of them dead.
    """

    def __init__(self, k, seed):
        self.rng = np.random.default_rng([seed, 99])
        self.dims = (seed // 2) % 3
        L, names = k.layers, [f"layer_{i}" for i in range(3 + seed % 2)]
        layers = [k.Input((9,) * self.dims + (4,))]
        self.parts = []
        for name in names:
            layer = self._linear(L, name)
            norm = L.BatchNormalization() if self.rng.random() < 0.5 else None
            activation = L.Activation(str(self.rng.choice(_ACTIVATIONS)))
            layers += [layer, *([norm] if norm else []), activation]
            self.parts.append((layer, norm))
        if self.dims:
            flat = "Flatten", f"GlobalAveragePooling{self.dims}D"
            layers.append(getattr(L, str(self.rng.choice(flat)))())
        self.last = L.Dense(3, name="last")
        self.model = k.Sequential([*layers, self.last])
        random_weights.fill(self.model, seed)

    def _linear(self, L, name):
        width = int(self.rng.integers(4, 9))
        options = {"use_bias": bool(self.rng.random() < 0.6), "name": name}
        if not self.dims:
            return L.Dense(width, **options)
        return getattr(L, f"Conv{self.dims}D")(width, 2, **options)

    def expected(self):
        """Returns how many units of each layer have to be left."""
        # From the input on: a unit is constant if it reads constants only,
        # or if the norm behind it multiplies with zero.
        constant = np.zeros(4, bool)
        reads, constants = [], []
        for layer, norm in self.parts:
            read = _entries(layer, len(constant)) & ~constant[:, None]
            constant = ~read.any(axis=0)
            if norm is not None:
                constant |= norm.gamma.numpy() == 0
            reads.append(read)
            constants.append(constant)
        # From the output back: a unit is needed if it varies and is read by
        # a unit that is needed.
        needed = np.ones(3, bool)
        found = {}
        read = _entries(self.last, len(constant))
        for i in range(len(self.parts) - 1, -1, -1):
            needed = read[:, needed].any(axis=1) & ~constants[i]
            found[self.parts[i][0].name] = max(1, int(needed.sum()))
            if not needed.any() and not constants[i].any():
                # Any one of them may stay: what it reads is not known here.
                break
            read = reads[i]
        return found


def _entries(layer, channels):
    """Which unit reads which channel, (channels, units)."""
    kernel = layer.kernel.numpy()
    return kernel.reshape(-1, channels, kernel.shape[-1]).any(axis=0)
