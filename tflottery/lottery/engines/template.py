"""`Template`: a program, traced and compiled once, for networks built alike.

A traced program refers to the variables of one network. What else it has of
that network are numbers, which are those of all networks of a search: one
after the other, they too are values of the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tflottery.layers import paths
from tflottery.lottery.engines import operations

_DRAWS = ("Random", "TruncatedNormal", "ParameterizedTrunc", "Multinomial")


class Template:
    """A program of one network, to be filled in with others.

    Args:
        program: Concrete `tf.function` that was traced with the network and
            returns tensors by name.
        model: The network: compiled and built.
        constants: Tensors that are the same for all networks, such as data.

    Example:
        >>> import keras
        >>> first, second = (
        ...     keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     for _ in range(2)
        ... )
        >>> for model in (first, second):
        ...     model.compile("sgd", "mse")
        >>> @tf.function
        ... def program(x):
        ...     return {"y": first(x)}
        >>> x = tf.constant([[3.0]])
        >>> template = Template(program.get_concrete_function(x), first, [])
        >>> bool(template.filled_in(second)(x)["y"] == second(x))
        True
    """

    def __init__(self, program: Any, model: Any, constants: Sequence[Any]):
        self._program = program
        self._is_portable = is_portable(program)
        self._variables = variables_of(model)
        self._constants = {id(tensor) for tensor in constants}

    def filled_in(self, model: Any) -> Callable[..., Mapping[str, Any]] | None:
        """Returns the program of another network.

        Args:
            model: As the first one: compiled, built, and with an optimizer
                and metrics that have their variables.

        Returns:
            What is called like the program; `None` if the networks differ, or
            the program holds something that may belong to the first alone.
        """
        if not self._is_portable:
            return None
        others = variables_of(model)
        if _kinds(others) != _kinds(self._variables):
            return None
        handles = {
            id(mine.handle): other.handle
            for mine, other in zip(self._variables, others, strict=True)
        }
        captured = []
        for tensor in self._program.captured_inputs:
            if id(tensor) not in handles and id(tensor) not in self._constants:
                return None
            captured.append(handles.get(id(tensor), tensor))
        return lambda *arguments: call(self._program, [*arguments, *captured])


def call(program: Any, inputs: Sequence[Any]) -> Any:
    """Calls a program with other tensors than those it has captured.

    Args:
        program: Concrete `tf.function`.
        inputs: Its arguments, and one tensor for each that it captures.

    Returns:
        What the program returns.
    """
    found = tf.raw_ops.StatefulPartitionedCall(
        args=inputs,
        Tout=[tensor.dtype for tensor in program.outputs],
        f=program,
    )
    return tf.nest.pack_sequence_as(program.structured_outputs, found)


def is_portable(program: Any) -> bool:
    """Tells whether all state of a program is in variables.

    Args:
        program: Concrete `tf.function`.
    """
    return not any(map(_is_private, operations.kinds(program)))


def _is_private(kind):
    """Tells whether operations of a type have a state that is no variable.

    Those that call Python, and those that draw from a generator inside.
    """
    return "PyFunc" in kind or kind.startswith(_DRAWS)


def variables_of(model: Any) -> list[tf.Variable]:
    """Returns all variables that a model's steps read or change, in order.

    Args:
        model: Compiled model, whose optimizer and metrics have theirs.
    """
    own = model.optimizer.variables  # a method in tf_keras' old ones
    held = [
        *model.variables,
        *paths.variables(model).values(),  # states of random generators too
        *(
            variable
            for metric in model.metrics
            for variable in metric.variables
        ),
        *(own() if callable(own) else own),
        # tf_keras has one that it does not list.
        *vars(model.optimizer).values(),
    ]
    found = [raw(thing) for thing in held if hasattr(thing, "__dict__")]
    return [variable for variable in found if isinstance(variable, tf.Variable)]


def raw(variable: Any) -> Any:
    """Returns TensorFlow's variable in one of Keras."""
    return vars(variable).get("_value", variable)


def _kinds(variables):
    return [(variable.dtype, variable.shape) for variable in variables]
