"""`Aside`: a network is measured while it is trained on.

On several cores the products of a small network's step are too small for all
of them, and those of an evaluation are not. So an evaluation of the network as
it is now runs beside the next steps, on copies of its variables. What is
computed is the same, and so are the bits.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.core import cores, measurements
from tflottery.layers import state
from tflottery.lottery.engines import template
from tflottery.lottery.engines.engine import Evaluation

# Bytes of copies that are worth the memory: large networks fill the cores.
_LARGE = 2**25


class Aside:
    """Runs an evaluation on copies of what it reads.

    Args:
        program: Concrete `tf.function` without arguments that returns metrics
            by name.
        copied: `{variable: copy}`, by number; those that the program reads,
            and all that `state.WEIGHTS` names.
        captured: What the program captures, with copies for variables.
        names: `{name: copy}` of `state.WEIGHTS`.
        ignored: By number, the copies that the program may change.
    """

    def __init__(
        self,
        program: Any,
        copied: Sequence[tuple[tf.Variable, tf.Variable]],
        captured: Sequence[tf.Tensor],
        names: Mapping[str, tf.Variable],
        ignored: Collection[int],
    ):
        self._program = program
        self._captured = captured
        self._names = names
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._last: concurrent.futures.Future | None = None

        @tf.function(autograph=False)
        def copy():
            for variable, other in copied:
                other.assign(variable)

        self._copy = copy
        self._looked_at = [
            other
            for number, (_, other) in enumerate(copied)
            if number not in ignored
        ]
        # A first run, to look at what it does. It takes a while, as it also
        # compiles the program; training may begin meanwhile.
        copy()
        self._found = self._thread.submit(self._look)

    def changes(self) -> bool:
        """Tells whether an evaluation changes what it reads.

        What it does to copies is lost, as a layer's own count of its calls
        would be.
        """
        return self._found.result()

    def begin(self) -> Evaluation:
        """Measures the network as it is now, and returns at once."""
        if self._last is not None:
            concurrent.futures.wait([self._last])  # it reads the copies
        self._copy()
        self._last = self._thread.submit(self._run)
        return Evaluation(self._last.result, self._weights, goes_on=True)

    def _look(self):
        before = [copy.numpy().tobytes() for copy in self._looked_at]
        self._run()
        after = [copy.numpy().tobytes() for copy in self._looked_at]
        return before != after

    def _run(self):
        found = template.call(self._program, self._captured)
        return measurements.as_numbers(found)

    def _weights(self):
        return {k: np.array(copy.numpy()) for k, copy in self._names.items()}


def beside(program: Any, model: Any, constants: Sequence[Any]) -> Aside | None:
    """Returns what runs an evaluation beside training, where that is faster.

    Args:
        program: Concrete `tf.function` without arguments that returns metrics
            by name.
        model: The network it measures: compiled and built.
        constants: Tensors that it captures, such as data.

    Returns:
        `None` if there are no cores to spare, or the network is large, or the
        program has a state that is no variable of the network. Whether it
        changes the network is to be asked before it is used (`changes`).
    """
    if cores.count() < 2 or not template.is_portable(program):
        return None
    known = {id(v.handle): v for v in template.variables_of(model)}
    named = {
        name: template.raw(variable)
        for name, variable in state.variables(model, state.WEIGHTS).items()
    }
    read = [t for t in program.captured_inputs if id(t) in known]
    fixed = {id(tensor) for tensor in constants}
    if any(
        id(tensor) not in known and id(tensor) not in fixed
        for tensor in program.captured_inputs
    ):
        return None
    wanted = {id(tensor): known[id(tensor)] for tensor in read}
    wanted.update({id(v.handle): v for v in named.values()})
    variables = wanted.values()
    if (
        any("CPU" not in variable.device for variable in variables)
        or sum(v.dtype.size * v.shape.num_elements() for v in variables)
        > _LARGE
    ):
        return None
    with tf.init_scope():
        copies = {
            key: tf.Variable(variable, trainable=False)
            for key, variable in wanted.items()
        }
    metrics = {
        id(template.raw(variable).handle)
        for metric in model.metrics
        for variable in metric.variables
    }
    return Aside(
        program,
        [(variable, copies[key]) for key, variable in wanted.items()],
        [
            copies[id(tensor)].handle if id(tensor) in copies else tensor
            for tensor in program.captured_inputs
        ],
        {name: copies[id(v.handle)] for name, v in named.items()},
        {number for number, key in enumerate(wanted) if key in metrics},
    )
