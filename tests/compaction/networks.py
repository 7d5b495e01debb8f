"""Small networks with known zeros, and the comparison that every test makes."""

import numpy as np


def fill(model, seed=0):
    """Gives every weight a value that is not zero; variances are positive."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "float" not in str(getattr(variable.dtype, "name", variable.dtype)):
            continue
        value = rng.uniform(0.2, 1.0, variable.shape)
        if "variance" not in variable.name:
            value *= rng.choice([-1, 1], variable.shape)
        variable.assign(value.astype("float32"))
    return model


def kill(layer, *, inputs=(), units=(), name="kernel", bias=None):
    """Zeroes rows (inputs) and columns (units) of a layer's weight."""
    variable = getattr(layer, name)
    value = np.array(variable.numpy())
    value[..., list(units)] = 0
    if inputs:
        value[..., list(inputs), :] = 0
    variable.assign(value)
    if bias is not None:
        layer.bias.assign(np.full(layer.bias.shape, bias, "float32"))


def some_input(model, seed=1):
    """A batch of three for a model with one input, open sizes set to 6."""
    rng = np.random.default_rng(seed)
    shape = [size or 6 for size in model.inputs[0].shape[1:]]
    return rng.normal(size=(3, *shape)).astype("float32")


def outputs(model, x):
    """The outputs of a model at inference, as a list of arrays."""
    found = model(x, training=False)
    if isinstance(found, dict):
        found = [found[key] for key in sorted(found)]
    if not isinstance(found, (list, tuple)):
        found = [found]
    return [np.asarray(one) for one in found]


def check_equal(model, small, x=None):
    """Both compute the same, up to the rounding of float32."""
    x = some_input(model) if x is None else x
    for want, got in zip(outputs(model, x), outputs(small, x), strict=True):
        assert want.shape == got.shape
        size = np.abs(want).max()
        assert np.abs(want - got).max() <= 1e-5 * max(size, 1.0)


def sizes(model):
    """`{name: shape of the kernel}` of the layers that have one."""
    return {
        layer.name: tuple(layer.kernel.shape)
        for layer in model.layers
        if hasattr(layer, "kernel")
    }
