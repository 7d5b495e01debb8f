"""The plain network inside a model, for a while, with the model left alone.

`strip_pruning` is for a model that is done with: it undoes the wrapping. An
export must not, since training may go on after it. So what is written here is
a second model object around the very same layers and variables, and what
making it leaves behind on the layers is taken away again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from tflottery.layers import (
    attributes,
    evidence,
    family,
    graph,
    paths,
    placement,
    randomness,
    replicas,
    subclassed,
    surgery,
)

# What `compile` and `fit` leave on a model.
_OF_TRAINING = (
    "_compile",
    "_loss",
    "_is_compiled",
    "loss",
    "optimizer",
    "metrics_names",
    "train_",
    "test_",
    "predict_",
    "history",
    "stop_training",
)
# What the base class sets, and building and calling change.
_OF_BUILDING = (
    "_build_input_shape",
    "_build_shapes_dict",
    "_called",
    "_dtype_policy",
    "_input_spec",
    "_parent_path",
    "_path",
    "_saved_model_arg_spec",
    "_saved_model_inputs_spec",
    "_supports_masking",
    "_trainable",
    "built",
    "dtype_policy",
    "input_spec",
    "supports_masking",
)


@contextlib.contextmanager
def plain(model: Any) -> Iterator[Any]:
    """Gives a plain model with the layers and variables of another.

    In the scope, pruned entries are stored as exact zeros. Afterwards the
    model is what it was: its wrappers, masks, variables, optimizer and
    compiled functions are the same objects with the same values.

    Args:
        model: a built model of either Keras family, wrapped or not.

    Yields:
        A model without mask wrappers, not compiled, of the same class. It
        shares variables with `model` and must not be trained. Of variables
        with a copy on each replica it has one, in which statistics are those
        of all replicas, as Keras saves them; a subclassed model keeps all.

    Example:
        >>> import keras, tflottery
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
        >>> model = tflottery.prune_once(model, 0.8)
        >>> with plain(model) as network:
        ...     print(type(network.layers[0]).__name__)
        Dense
        >>> tflottery.sparsity(model), type(model.layers[0]).__name__
        (0.8, 'Masked')
    """
    of = family.of(model)
    with (
        _pruned_entries_stored_as_zero(model),
        _graph_kept(model),
        randomness.kept(),
        contextlib.ExitStack() as scope,
    ):
        scope.enter_context(placement.scope_of(model))
        network = _unwrapped(of, model)
        if of.is_graph(network) and _is_in_copies(network):
            weights = network.get_weights()
            scope.close()
            network = of.keras.models.clone_model(network)
            network.set_weights(weights)
        yield network


def _is_in_copies(model):
    return any(len(replicas.copies_here(v)) > 1 for v in model.weights)


def _unwrapped(of, model):
    done: dict[int, Any] = {}

    def visit(layer):
        if id(layer) not in done:
            inner = graph.inner_layer(layer)
            if inner is not layer:
                done[id(layer)] = inner
            elif of.is_graph(layer):
                done[id(layer)] = surgery.rebuild(of, layer, visit)
            else:
                done[id(layer)] = layer
        return done[id(layer)]

    if of.is_graph(model):
        found = surgery.rebuild(of, model, visit, always=True)
    else:
        found = _twin(of, model, visit)
    subclassed.forget_wrapping(found)
    return found


def _twin(of, model, visit):
    """Makes another object of a model's own class, around the same layers.

    The user's constructor is not run: it would make new layers.
    """
    own_class = getattr(type(model), "_unwrapped_class", type(model))
    twin = own_class.__new__(own_class)
    of.keras.Model.__init__(twin, name=model.name)
    known = set(vars(twin))
    with of.unlocked(twin):
        for name, value in vars(model).items():
            if name in _OF_BUILDING:
                vars(twin)[name] = value
            elif name not in known and not name.startswith(
                ("_self_", *_OF_TRAINING)
            ):
                setattr(twin, name, value)
    attributes.replace_layers(twin, visit)
    if hasattr(model, "_auto_config"):
        twin._auto_config = model._auto_config
    return twin


@contextlib.contextmanager
def _pruned_entries_stored_as_zero(model):
    """Zeroes what a mask hides, where it is not, and puts it back."""
    before = []
    try:
        for wrapper in evidence.wrappers(model):
            for path, (variable, _) in wrapper.masked_weights.items():
                value, used = variable.numpy(), wrapper.value_in_use(path)
                if not np.array_equal(value, used):
                    before.append((variable, value))
                    variable.assign(used)
        yield
    finally:
        for variable, value in reversed(before):
            variable.assign(value)


@contextlib.contextmanager
def _graph_kept(model):
    """Forgets the calls of layers that were made in the scope.

    With a second call on record, tf_keras no longer knows `layer.output`.
    """
    before = []
    for item in _everything_in(model):
        for name in ("_inbound_nodes", "_outbound_nodes"):
            nodes = vars(item).get(name)
            if nodes is None:
                nodes = getattr(item, name, None)
            if isinstance(nodes, list):
                before.append((nodes, list(nodes)))
    try:
        yield
    finally:
        for nodes, content in before:
            nodes[:] = content


def _everything_in(model) -> list[Any]:
    """Returns a model with all layers and operations in it, each once."""
    found: dict[int, Any] = {}
    waiting = [model]
    while waiting:
        item = waiting.pop()
        if id(item) in found:
            continue
        found[id(item)] = item
        if paths.is_mask_wrapper(item):
            waiting.append(item.layer)
        if family.family_of(item) is not None:
            waiting += paths.children(item)
            waiting += getattr(item, "operations", None) or ()
    return list(found.values())


def classes_of(model: Any) -> dict[str, type]:
    """Returns the classes of a model and its layers that are not Keras' own.

    Args:
        model: of either family.

    Returns:
        `{name: class}`, as `custom_objects` takes them.
    """
    found = {type(item).__name__: type(item) for item in _everything_in(model)}
    return {
        name: kind
        for name, kind in found.items()
        if kind.__module__.split(".")[0] not in ("keras", "tf_keras")
    }


@contextlib.contextmanager
def state_kept(model: Any) -> Iterator[None]:
    """Lets a model be called in the scope without a trace in its state.

    A stateful recurrent layer remembers what it was last called on. In the
    scope it starts from zeros, which is what a saved file starts from.
    """
    states = [
        state
        for item in _everything_in(model)
        for state in _recurrent_states(item)
    ]
    others = [v for v in paths.variables(model).values() if not v.trainable]
    before = [(v, v.numpy()) for v in [*others, *states]]
    try:
        for state in states:
            state.assign(np.zeros_like(state.numpy()))
        yield
    finally:
        for variable, value in before:
            if not np.array_equal(variable.numpy(), value):
                variable.assign(value)


def _recurrent_states(layer):
    if not getattr(layer, "stateful", False) or hasattr(layer, "fit"):
        return []
    states = getattr(layer, "states", None)
    if not isinstance(states, (list, tuple)):
        return []
    return [state for state in states if hasattr(state, "assign")]
