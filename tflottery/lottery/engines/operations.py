"""Operations: what a traced function is made of."""

from __future__ import annotations

from typing import Any


def convolves(function: Any) -> bool:
    """Tells whether there are convolutions in a function, or their gradients.

    Args:
        function: Concrete `tf.function`.
    """
    return any("Conv" in kind for kind in kinds(function))


def kinds(function: Any) -> set[str]:
    """Returns the types of all operations in a function and what it calls.

    Args:
        function: Concrete `tf.function`.

    Example:
        >>> import tensorflow as tf
        >>> @tf.function
        ... def double(x):
        ...     return x + x
        >>> found = kinds(double.get_concrete_function(tf.constant(1.0)))
        >>> "AddV2" in found, "MatMul" in found
        (True, False)
    """
    graph = function.graph.as_graph_def()
    nodes = [graph.node, *(f.node_def for f in graph.library.function)]
    return {node.op for part in nodes for node in part}
