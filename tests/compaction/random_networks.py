"""Random architectures of either Keras family, drawn from a seed.

They are small, so that hundreds can be tried, and odd on purpose: residual
blocks in residual blocks, shared layers, nested models, several inputs and
outputs, and layers of which a compaction can know nothing. `random_weights`
gives them their weights.
"""

import dataclasses

import numpy as np

VOCABULARY = 40
_ACTIVATIONS = (
    *("relu", "relu", "relu6", "sigmoid", "softplus", "elu", "tanh", "gelu"),
    *("swish", "leaky_relu", None, None),
)
# Steps that a tensor of each rank can take, with how often they are drawn.
_ANYWHERE = {
    **{"dense": 2, "activation": 2, "norm": 2, "dropout": 1},
    **{"join": 2, "repeat": 1, "nest": 1, "side": 0.5, "opaque": 0.7},
    **{"function": 0.4, "broadcast": 0.6, "again": 0.6},
}
_GRID = {"conv": 9, "pool": 2, "border": 2, "turn": 1, "gate": 1}
_STEPS = {
    2: {**_ANYWHERE, "dense": 6, "lay_out": 1},
    3: {**_ANYWHERE, **_GRID, "flatten": 0.5},
    4: {**_ANYWHERE, **_GRID, "flatten": 0.5},
    5: {**_ANYWHERE, "conv": 3, "pool": 3, "border": 1, "flatten": 1},
}
# Where a constant can meet a border, and channels are counted in another way.
_SHORT = {"conv": 6, "border": 3, "activation": 2, "pool": 1, "join": 1}
# What a mask of `mask_zero` passes through without a complaint of Keras.
_MASKED = {"dense": 3, "activation": 2, "dropout": 1, "recur": 1, "average": 1}


@dataclasses.dataclass(frozen=True)
class Link:
    """A layer that feeds one other layer and nothing else.

    Attributes:
        before: name of the layer with the units.
        after: name of the layer that reads them.
        folds: whether a constant passes and can go into a bias of `after`.
    """

    before: str
    after: str
    folds: bool


class Architect:
    """Draws one network.

    Args:
        k: the Keras module.
        seed: the network is a function of it, whichever the family.
        short: whether to draw a convolution, one or two steps behind it and
            another convolution: few layers, so that each of them matters.
    """

    def __init__(self, k, seed, short=False):
        self.k, self.L, self.short = k, k.layers, short
        self.rng = np.random.default_rng(seed)
        self.links = []
        self._number = 0
        self._depth = 0
        self._taps = []
        self._used = {}
        self._from = None  # (name of a layer, whether its constants pass)

    def model(self):
        """Returns a model without chosen weights; `links` are known then."""
        if self.short:
            return self._short_model()
        inputs, ends = [], []
        for _ in range(self._draw((1, 1, 1, 2))):
            x = self._input()
            inputs.append(x)
            ends.append(self._grow(self._enter(x), self._draw((3, 4, 5, 6))))
        if len(ends) > 1:
            flat = [self._stop(self._to_vector, end) for end in ends]
            ends = [self._stop(self._make("Concatenate"), flat)]
        outputs = [self._head(end) for end in ends] + self._taps[:1]
        if self._chance(0.1):
            outputs.append(outputs[0])
        if self._chance(0.2):
            outputs = {f"out_{i}": one for i, one in enumerate(outputs)}
        elif len(outputs) == 1:
            (outputs,) = outputs
        if len(inputs) == 1:
            (inputs,) = inputs
        elif self._chance(0.3):
            inputs = {one.name: one for one in inputs}
        model = self.k.Model(inputs, outputs, name="drawn")
        self._forget_unused(model)
        return model

    def _short_model(self):
        shape = self._draw([(9, 3), (7, 6, 3)])
        x = y = self.k.Input(shape, name="input")
        y = self._make(f"Conv{len(shape) - 1}D", 5, 1, activation="tanh")(y)
        self._from = None
        for _ in range(self._draw((1, 2))):
            kind = self._draw(list(_SHORT), list(_SHORT.values()))
            y = getattr(self, f"_{kind}")(y)
        if rank(y) > 2:
            y = self._conv(y)
        model = self.k.Model(x, y, name="drawn")
        self._forget_unused(model)
        return model

    def _forget_unused(self, model):
        names = {layer.name for layer in model.layers}
        self.links = [link for link in self.links if link.before in names]

    # Chances.

    def _draw(self, choices, weights=None):
        if weights is not None:
            weights = np.array(weights) / np.sum(weights)
        return choices[int(self.rng.choice(len(choices), p=weights))]

    def _chance(self, share):
        return bool(self.rng.random() < share)

    def _width(self):
        return int(self.rng.integers(2, 7))

    # Starts and ends.

    def _input(self):
        n = [int(size) for size in self.rng.integers(6, 9, 3)]
        c = int(self.rng.integers(2, 5))
        shape = self._draw(
            [(c + 2,), (n[0], c), (n[0], n[1], c), (n[0], 6, 6, 2), (n[0],)],
            [2, 3, 6, 1, 1],
        )
        self._from = None
        self._number += 1
        name = f"input_{self._number}"
        if len(shape) == 1 and shape[0] == n[0] and self._chance(0.9):
            return self.k.Input(shape, dtype="int32", name=name)
        return self.k.Input(shape, name=name)

    def _enter(self, x):
        if "int" not in str(getattr(x.dtype, "name", x.dtype)):
            return x
        masked = self._chance(0.5)
        width = self._width()
        x = self._make("Embedding", VOCABULARY, width, mask_zero=masked)(x)
        if masked:
            while rank(x) == 3:
                kind = self._draw(list(_MASKED), list(_MASKED.values()))
                x = getattr(self, f"_{kind}")(x)
        return x

    def _head(self, x):
        if self._chance(0.15):
            return x
        x = self._to_vector(x)
        softmax = self._chance(0.4)
        return self._dense(x, activation="softmax" if softmax else None)

    def _to_vector(self, x):
        if rank(x) == 2:
            return x
        return self._flatten(x)

    def _grow(self, x, steps):
        for _ in range(steps):
            table = _STEPS[rank(x)]
            kind = self._draw(list(table), list(table.values()))
            x = getattr(self, f"_{kind}")(x)
        return x

    # Layers, and who feeds whom.

    def _make(self, kind, *args, **options):
        self._number += 1
        name = f"my_{kind.lower()}_{self._number}"
        return getattr(self.L, kind)(*args, **options, name=name)

    def _pass(self, layer, x, folds=True):
        """Applies a layer that hands on each channel by itself."""
        if self._from is not None:
            self._from = (self._from[0], self._from[1] and folds)
        return layer(x)

    def _stop(self, layer, *tensors):
        """Applies a layer of which the links know nothing."""
        self._from = None
        return layer(*tensors)

    def _linear(self, layer, x, folds=True):
        """Applies a layer with units of its own that reads channels."""
        if self._from is not None and not self._depth:
            before, folded = self._from
            self.links.append(Link(before, layer.name, folded and folds))
        self._from = (layer.name, True)
        return layer(x)

    # Steps.

    def _dense(self, x, units=None, activation=0):
        if activation == 0:
            activation = self._draw(_ACTIVATIONS)
            if self._chance(0.1):
                activation = self.L.LeakyReLU()
        layer = self._make(
            "Dense",
            units or self._width(),
            activation=_known(self.k, activation),
            use_bias=self._chance(0.7),
        )
        return self._linear(layer, x)

    def _conv(self, x, filters=None, same=False):
        dim = rank(x) - 2
        sizes = dims(x)[:-1]
        kinds = {1: "Conv1D", 2: "Conv2D", 3: "Conv3D"}[dim], "other"
        kind = self._draw(kinds, [3, 3 if dim < 3 else 0])
        if kind == "other":
            kind = self._draw(
                [f"SeparableConv{dim}D", f"DepthwiseConv{dim}D"]
                + [f"Conv{dim}DTranspose"],
                [1, 2, 1],
            )
        if filters is not None and kind.startswith("Depthwise"):
            kind = f"Conv{dim}D"
        size = int(self.rng.integers(1, min(3, *sizes, 3) + 1))
        options = {
            "activation": _known(self.k, self._draw(_ACTIVATIONS)),
            "use_bias": self._chance(0.7),
            "padding": "same" if same or self._chance(0.4) else "valid",
        }
        if kind == "Conv1D" and self._chance(0.15):
            options["padding"] = "causal"
        if "Transpose" in kind and max(sizes) > 8:
            kind = f"Conv{dim}D"
        if not same and self._chance(0.25):
            options["strides"] = 2
        elif 2 * size - 1 <= min(sizes) and self._chance(0.2):
            if "Transpose" not in kind:
                options["dilation_rate"] = 2
        if kind[:9] in ("Depthwise", "Separable"):
            options["depth_multiplier"] = self._draw((1, 2, 3))
        width = (filters or self._width(),)
        if kind.startswith("Depthwise"):
            layer = self._make(kind, size, **options)
            return self._stop(layer, x)
        layer = self._make(kind, *width, size, **options)
        if kind.startswith("Conv") and "Transpose" not in kind:
            plain = options["padding"] == "valid"
            return self._linear(layer, x, folds=plain)
        x = self._stop(layer, x)
        self._from = (layer.name, True)
        return x

    def _activation(self, x):
        kind = self._draw(("plain", "ReLU", "LeakyReLU", "ELU", "PReLU"))
        if kind == "plain":
            known = _known(self.k, self._draw(_ACTIVATIONS))
            return self._pass(self._make("Activation", known or "relu"), x)
        if kind == "ReLU":
            top = self._draw((None, 6.0))
            return self._pass(self._make(kind, max_value=top), x)
        if kind == "PReLU":
            axes = list(range(1, rank(x) - 1)) or None
            shared = axes if self._chance(0.5) else None
            layer = self._make(kind, shared_axes=shared)
            return self._pass(layer, x, folds=shared is not None)
        return self._pass(self._make(kind), x)

    def _norm(self, x):
        options = {"scale": self._chance(0.8), "center": self._chance(0.8)}
        return self._pass(self._make("BatchNormalization", **options), x)

    def _dropout(self, x):
        kinds = ["Dropout", "GaussianNoise", "GaussianDropout"]
        if rank(x) > 2:
            kinds.append(f"SpatialDropout{rank(x) - 2}D")
        return self._pass(self._make(self._draw(kinds), 0.3), x)

    def _average(self, x):
        return self._stop(self._make("GlobalAveragePooling1D"), x)

    def _pool(self, x):
        dim = rank(x) - 2
        kind = self._draw(("Max", "Average"))
        if self._chance(0.25):
            keep = self._chance(0.5)
            name = f"Global{kind}Pooling{dim}D"
            return self._pass(self._make(name, keepdims=keep), x)
        if min(dims(x)[:-1]) < 3:
            return x
        options = {
            "pool_size": self._draw((2, 3)),
            "strides": self._draw((1, 2)),
            "padding": self._draw(("same", "valid")),
        }
        return self._pass(self._make(f"{kind}Pooling{dim}D", **options), x)

    def _border(self, x):
        dim, sizes = rank(x) - 2, dims(x)[:-1]
        kind = self._draw(("ZeroPadding", "Cropping", "UpSampling"))
        if kind == "Cropping":
            if min(sizes) < 4:
                return x
            return self._pass(self._make(f"Cropping{dim}D", 1), x)
        if max(sizes) > 8:
            return x
        if kind == "ZeroPadding":
            return self._pass(self._make(f"{kind}{dim}D", 1), x, folds=False)
        options = {}
        if dim == 2 and self._chance(0.5):
            options["interpolation"] = "bilinear"
        return self._pass(self._make(f"UpSampling{dim}D", 2, **options), x)

    def _turn(self, x):
        """Permutes or reshapes; sometimes the axis of the channels."""
        sizes = dims(x)
        axes = list(range(1, rank(x)))
        if self._chance(0.4):
            if self._chance(0.7):
                axes[:-1] = axes[:-1][::-1]
            else:
                axes = [int(axis) for axis in self.rng.permutation(axes)]
            return self._stop(self._make("Permute", tuple(axes)), x)
        shapes = [(int(np.prod(sizes[:-1])), sizes[-1])]
        if len(sizes) == 2:
            shapes = [(1, *sizes), (sizes[0], 1, sizes[1]), sizes[::-1]]
        elif len(sizes) == 3:
            shapes.append((sizes[0], sizes[1] * sizes[2]))
        return self._stop(self._make("Reshape", self._draw(shapes)), x)

    def _flatten(self, x):
        if self._chance(0.3):
            return self._pass(self._make("Reshape", (-1,)), x)
        return self._pass(self._make("Flatten"), x)

    def _lay_out(self, x):
        """Spreads a vector over a small grid."""
        c = self._draw((2, 3))
        x = self._dense(x, units=4 * c)
        shape = self._draw([(4, c), (2, 2, c)])
        return self._stop(self._make("Reshape", shape), x)

    def _opaque(self, x):
        if rank(x) == 2 and self._chance(0.3):
            return self._stop(self._make("RepeatVector", 3), x)
        if rank(x) != 3 or self._chance(0.3):
            kind = self._draw(("LayerNormalization", "Softmax"), [3, 1])
            return self._stop(self._make(kind), x)
        if self._chance(0.3):
            inner = self.L.Dense(self._width(), activation="relu")
            return self._stop(self._make("TimeDistributed", inner), x)
        return self._recur(x)

    def _recur(self, x):
        kind = self._draw(("LSTM", "GRU", "MultiHeadAttention"))
        if kind == "MultiHeadAttention":
            return self._stop(self._make(kind, 2, 2), x, x)
        layer = getattr(self.L, kind)(
            self._width(), return_sequences=self._chance(0.7)
        )
        if self._chance(0.2):
            layer = self._make("Bidirectional", layer)
        return self._stop(layer, x)

    def _same(self, x, width=None):
        """A layer that keeps all sizes but, if one is given, the last."""
        width = width or dims(x)[-1]
        if rank(x) == 2 or self._chance(0.3):
            return self._dense(x, units=width)
        return self._conv(x, filters=width, same=True)

    def _branch(self, x, width=None):
        """A way beside `x` that ends in the same shape, blocks in it too."""
        self._from = None
        width = width or dims(x)[-1]
        for _ in range(self._draw((0, 1, 2))):
            kind = self._draw(("same", "norm", "activation", "join"))
            if kind == "join" and len(self._branches) > 1:
                kind = "norm"
            if kind == "same":
                x = self._same(x, self._width())
            else:
                x = getattr(self, f"_{kind}")(x)
        x = self._same(x, width)
        if self._chance(0.4):
            x = getattr(self, self._draw(("_norm", "_activation")))(x)
        return x

    _branches = ()

    def _join(self, x):
        """Two ways, one of them often the identity, and what joins them."""
        self._branches = (*self._branches, None)
        kind = self._draw(
            ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
            + ("Concatenate", "+", "*"),
            (4, 1, 1, 1, 1, 1, 4, 1, 1),
        )
        width = self._width() if kind == "Concatenate" else dims(x)[-1]
        one = self._branch(x, width)
        if kind == "Concatenate":
            other = x if self._chance(0.5) else self._branch(x)
        else:
            # A projection lets the branches change; the identity does not.
            other = x if self._chance(0.6) else self._branch(x, dims(x)[-1])
        self._branches = self._branches[1:]
        self._from = None
        pair = [one, other] if self._chance(0.5) else [other, one]
        if self._chance(0.1):
            pair[1] = pair[0]
        elif kind in ("Add", "Average") and self._chance(0.2):
            pair.append(pair[0])
        if kind in "+*":
            return pair[0] + pair[1] if kind == "+" else pair[0] * pair[1]
        options = {}
        if kind == "Concatenate" and rank(x) > 2:
            alike = dims(one) == dims(other) and not self._branches
            if alike and self._chance(0.5):
                options["axis"] = 1
        return self._make(kind, **options)(pair)

    def _function(self, x):
        """Arithmetic on tensors, which is no layer in Keras 3."""
        self._from = None
        kind = self._draw(("x * 0.5", "1 - x", "x + x", "x[:, :1]", "abs"))
        if kind == "abs":
            return abs(x) if hasattr(x, "__abs__") else -x
        return {
            "x * 0.5": lambda: x * 0.5,
            "1 - x": lambda: 1.0 - x,
            "x + x": lambda: x + x,
            "x[:, :1]": lambda: x[:, :1],
        }[kind]()

    def _broadcast(self, x):
        """A tensor of one channel or one place, spread over another."""
        self._from = None
        kind = self._draw(("Add", "Multiply", "Maximum"))
        if self._chance(0.5) or rank(x) == 2:
            y = self._same(x, 1)
        else:
            y = self._make(f"GlobalMaxPooling{rank(x) - 2}D", keepdims=True)(x)
            y = self._dense(y, units=dims(x)[-1])
        self._from = None
        return self._make(kind)([x, y] if self._chance(0.5) else [y, x])

    def _again(self, x):
        """A layer without sizes of its own that other tensors go through."""
        kind = self._draw(("ReLU", "ELU", "Flatten", "Dropout", "Softplus"))
        if kind not in self._used:
            if kind == "Softplus":
                self._used[kind] = self._make("Activation", "softplus")
            else:
                rate = (0.3,) if kind == "Dropout" else ()
                self._used[kind] = self._make(kind, *rate)
        return self._pass(self._used[kind], x)

    def _gate(self, x):
        """Squeeze and excite: channels scaled by numbers for each."""
        dim, width = rank(x) - 2, dims(x)[-1]
        self._from = None
        y = self._make(f"GlobalAveragePooling{dim}D", keepdims=True)(x)
        y = self._dense(y, activation="relu")
        y = self._dense(y, units=width, activation="sigmoid")
        self._from = None
        return self._make("Multiply")([x, y])

    def _repeat(self, x):
        """One layer used two or three times."""
        width = dims(x)[-1]
        layer = self._make("Dense", width, activation="relu")
        if rank(x) in (3, 4) and self._chance(0.6):
            kind = f"Conv{rank(x) - 2}D"
            layer = self._make(kind, width, 3, padding="same")
        self._from = None
        other = layer(x)
        if self._chance(0.5):
            return layer(layer(other)) if self._chance(0.5) else layer(other)
        other = layer(self._branch(other))
        self._from = None
        return self._make("Add")([x, other])

    def _nest(self, x):
        """A model in the model, sometimes used twice."""
        self._from = None
        self._depth += 1
        self._number += 1
        name = f"nested_{self._number}"
        y = self.k.Input(dims(x))
        two = self._chance(0.3)
        z = self._branch(y if two else self._grow(y, 1))
        if rank(z) == 2 and not two and self._chance(0.5):
            # As a Sequential model, in which a nested model may stand.
            inner = self.k.Model(y, z)
            inner = self.k.Sequential(
                [self.k.Input(dims(x)), inner, self.L.Dense(dims(x)[-1])],
                name=name,
            )
        elif two:
            # With two inputs and two outputs, one of them not used.
            y2 = self.k.Input(dims(x))
            both = self.L.Concatenate()([z, self._branch(y2)])
            inner = self.k.Model([y, y2], [both, z], name=name)
        else:
            inner = self.k.Model(y, z, name=name)
        self._depth -= 1
        self._from = None
        if len(inner.inputs) > 1:
            other = self._branch(x)
            self._from = None
            return inner([other, x] if self._chance(0.5) else [x, x])[0]
        result = inner(x)
        if dims(result) == dims(x) and self._chance(0.5):
            result = inner(result)
        return result

    def _side(self, x):
        """An output on the way."""
        if not self._depth and not self._branches and not self._taps:
            self._from = None
            self._taps.append(self._make("Activation", "linear")(x))
        return x


def rank(x):
    """Rank of a symbolic tensor, the batch counted."""
    return len(x.shape)


def dims(x):
    """Sizes of a symbolic tensor without the batch."""
    return tuple(int(size) for size in x.shape[1:])


def batch(model, size, seed):
    """Random inputs of a model; no row of tokens starts with a zero."""
    rng = np.random.default_rng(seed)
    found = []
    for tensor in model.inputs:
        shape = (size, *dims(tensor))
        if "int" in str(getattr(tensor.dtype, "name", tensor.dtype)):
            tokens = rng.integers(0, VOCABULARY, shape)
            tokens[:, 0] = np.maximum(tokens[:, 0], 1)
            found.append(tokens.astype("int32"))
        else:
            found.append(rng.normal(size=shape).astype("float32"))
    # A Sequential model of Keras 3 has no `input` before it was called.
    if isinstance(getattr(model, "input", None), dict):
        return dict(zip(model.input, found, strict=True))
    return found if len(found) > 1 else found[0]


def _known(k, activation):
    # tf_keras of old has no function of this name.
    if not isinstance(activation, str):
        return activation
    if activation == "relu6" and not hasattr(k.activations, "relu6"):
        return "relu"
    if activation == "leaky_relu" and not hasattr(k.activations, "leaky_relu"):
        return "elu"
    return activation
