"""Random weights with random deadness, and what a hand rule says of it.

Whole units, whole inputs, single entries or all of a kernel are zeroed. The
hand rule looks at pairs of layers only, so it finds fewer dead units than
there are; those that it finds have to go.
"""

import numpy as np


def fill(model, seed, short=False):
    """Gives every weight a random value and kills some of them.

    Args:
        model: changed in place.
        seed: the values are a function of it.
        short: whether to kill whole units and inputs only, and more of them.
    """
    kinds = _SHORT if short else _KINDS
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "float" not in str(getattr(variable.dtype, "name", variable.dtype)):
            continue
        shape = tuple(int(size) for size in variable.shape)
        value = _value(rng, leaf(variable), shape, kinds)
        variable.assign(value.astype("float32"))
    return model


def leaf(variable):
    """The last part of a variable's name, such as `kernel`."""
    return variable.name.split("/")[-1].split(":")[0]


# What is zeroed in a kernel, and how often.
_KINDS = {"none": 30, "units": 20, "inputs": 18, "both": 12}
_KINDS |= {"entries": 18, "all": 2}
_SHORT = {"none": 30, "units": 50, "inputs": 10, "both": 10}


def _value(rng, name, shape, kinds):
    if name == "embeddings":
        return _dead_rows(rng, rng.normal(size=shape))
    if "kernel" in name:
        size = np.sqrt(max(2, np.prod(shape[:-1]) / 2))
        return _dead(rng, rng.normal(size=shape) / size, kinds)
    if "variance" in name:
        return rng.uniform(0.3, 2.0, shape)
    if "gamma" in name:
        return rng.normal(1, 0.3, shape) * (rng.random(shape) > 0.1)
    if "alpha" in name:
        # Some PReLU layers have one slope for a channel, some do not.
        value = rng.uniform(0, 0.5, shape)
        return np.full(shape, value[..., :1]) if rng.random() < 0.5 else value
    return rng.normal(0, 0.5, shape) * (rng.random() > 0.25)


def _dead(rng, kernel, kinds):
    """Zeroes units (last axis), inputs (the one before), entries, or all."""
    shares = np.array(list(kinds.values())) / 100
    kind = rng.choice(list(kinds), p=shares)
    if kind in ("units", "both"):
        kernel[..., rng.random(kernel.shape[-1]) < rng.uniform(0.2, 0.6)] = 0
    if kind in ("inputs", "both") and kernel.ndim > 1:
        is_dead = rng.random(kernel.shape[-2]) < rng.uniform(0.2, 0.6)
        kernel[..., is_dead, :] = 0
    if kind == "entries":
        kernel[rng.random(kernel.shape) < rng.uniform(0.5, 0.99)] = 0
    if kind == "all":
        kernel[...] = 0
    return kernel


def _dead_rows(rng, table):
    if rng.random() < 0.6:
        table[rng.random(len(table)) < 0.9] = 0
    if rng.random() < 0.5:
        table[:, rng.random(table.shape[1]) < 0.4] = 0
    return table


def removable(model, link):
    """Returns which units of `link.before` a hand rule proves to be dead.

    A unit has no way out if all its entries of the next kernel are zero, and
    no way in if all its own are, so long as its constant gets through.

    Args:
        model: the model.
        link: a `random_networks.Link`.
    """
    before = _matrix(model.get_layer(link.before))
    after = _matrix(model.get_layer(link.after))
    # Flattened features: channel c is found at every k * channels + c.
    channels = before.shape[-1]
    after = after.reshape(-1, channels, after.shape[-1])
    dead = ~after.any(axis=(0, 2))
    if link.folds:
        dead |= ~before.any(axis=0)
    return dead


def _matrix(layer):
    """The kernel of a layer as (entries, units), inputs as the last entries."""
    kernels = {leaf(v): np.asarray(v.numpy()) for v in layer.weights}
    if "pointwise_kernel" in kernels:
        kernel = kernels["pointwise_kernel"]
    else:
        kernel = kernels["kernel"]
    if type(layer).__name__.endswith("Transpose"):
        kernel = np.swapaxes(kernel, -1, -2)
    return kernel.reshape(-1, kernel.shape[-1])
