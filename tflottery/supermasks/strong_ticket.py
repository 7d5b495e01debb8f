"""Finding a strong ticket: the engine that every construction goes through.

Read the target, see how large its activations are, say how far a weight may
be off, draw the random network block by block, keep what makes up the target,
build the model, and measure it against what was promised.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tflottery.core import checks, files
from tflottery.core.mask import Mask
from tflottery.layers import paths
from tflottery.supermasks import (
    arguments,
    building,
    certifying,
    error_bounds,
    kept_storage,
    measuring,
    search,
)
from tflottery.supermasks import storage as storages
from tflottery.supermasks import target as targets
from tflottery.supermasks.certificate import Certificate
from tflottery.supermasks.construction import Construction, Need
from tflottery.supermasks.kept_edges import KeptEdges
from tflottery.supermasks.memory import Budget
from tflottery.supermasks.random_network import RandomLayer


class StrongTicket:
    """A subnetwork of a random network that comes near a target, untrained.

    Attributes:
        model: A Keras model of the target's family, all weights frozen. Each
            layer with weights has become two, `NAME_expansion` and
            `NAME_contraction`; weights are those of the random network or
            zero.
        certificate: What it is, in figures: a `Certificate`.

    Example:
        >>> import keras, numpy as np
        >>> from tflottery import supermasks
        >>> target = keras.Sequential(
        ...     [keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
        >>> inputs = np.random.default_rng(0).random((9, 3), np.float32)
        >>> ticket = supermasks.subset_sum_ticket(target, inputs, epsilon=0.1)
        >>> drawn, used = ticket.random_weights(), ticket.model.weights
        >>> all(np.array_equal(value, weight.numpy()) for value, weight in
        ...     zip(ticket.mask.apply(drawn).values(), used))
        True
    """

    def __init__(
        self,
        model: Any,
        certificate: Certificate,
        target: targets.Target,
        pairs: list[storages.Storage],
    ):
        self.model = model
        self.certificate = certificate
        self._target = target
        self._pairs = pairs

    @property
    def kept(self) -> list[KeptEdges]:
        """The kept units and edges, for each layer with weights."""
        return [pair.kept for pair in self._pairs]

    @property
    def mask(self) -> Mask:
        """The mask over the model's weights, by path; made when asked for.

        With full storage it is the mask over the random network; with kept
        storage the pruned weights are not there, and it is all but ones.
        """
        return Mask(self._by_path(lambda pair: pair.masks()))

    def random_weights(self) -> dict[str, np.ndarray]:
        """Returns the random network's weights, none pruned, by path.

        Drawn again from the seed. `ticket.mask.apply` of them gives the
        weights of the model.

        Raises:
            ValueError: The ticket is held without what is pruned.
        """
        if self.certificate.storage != "full":
            raise ValueError(
                "`random_weights` needs a ticket that holds the whole random "
                f"network. Received: storage={self.certificate.storage!r}. "
                'Ask for storage="full", and memory for it.'
            )
        return self._by_path(lambda pair: pair.random_values())

    def save(self, path: Any) -> None:
        """Writes the model, and the certificate next to it.

        Args:
            path: The model's file, ending in `.keras`; its folder is made. The
                certificate goes to the same name with `.certificate.json`
                after it. A tf_keras ticket with kept storage is loaded within
                `tflottery.prune_scope()`.
        """
        arguments.check_model_file(path)
        files.as_path(path).parent.mkdir(parents=True, exist_ok=True)
        self.model.save(path)
        self.certificate.save(f"{path}.certificate.json")

    def _by_path(self, values_of):
        names = {
            id(variable): path for path, variable, _ in paths.walk(self.model)
        }
        found = {}
        made = building.layer_pairs(self._target, self.model)
        for pair, layers in zip(self._pairs, made, strict=True):
            for layer, values in zip(layers, values_of(pair), strict=True):
                # Tables of whole numbers come after the weights.
                weights = layer.weights[: len(values)]
                for weight, value in zip(weights, values, strict=True):
                    found[names[id(weight)]] = value
        return found


def find(
    target: Any,
    inputs: Any,
    construction: Construction,
    *,
    epsilon: float | None = None,
    delta: float = 0.05,
    seed: int = 0,
    weight_error: float | None = None,
    storage: str = "auto",
    max_memory_gb: float = 4.0,
    control: Construction | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> StrongTicket:
    """Finds a strong ticket by a given construction.

    Args:
        target: Trained Keras model of either family: a chain of `Dense` and
            `Conv2D` layers, activations and layers without weights.
        inputs: Array (examples, ...) of the inputs that the ticket is for. The
            bounds hold for all inputs whose activations are no larger than
            the largest here.
        construction: The law of the random weights and the way to choose.
        epsilon: Largest |error| of an output, > 0.
        delta: Probability in (0, 1), over the random network, that something
            may be missing. Defaults to 0.05.
        seed: Seed of the random network. Defaults to 0.
        weight_error: Instead of `epsilon`: how far a weight may be off, > 0.
        storage: "full" holds the random network whole, in stock layers;
            "kept" holds what is kept of it; "auto" (the default) takes full
            where that needs at most a quarter of `max_memory_gb`.
        max_memory_gb: GiB that may be taken; more is refused beforehand.
            Defaults to 4.
        control: A construction to run besides, for comparison, with as many
            units. Defaults to none.
        progress: Called with (blocks done, blocks in all). Defaults to none.

    Returns:
        The ticket.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument is out of range, or the proof does not cover a
            layer of the target.
        MemoryError: It would take more than `max_memory_gb`.
    """
    checks.check_instance("construction", construction, Construction)
    budget, clock = Budget(max_memory_gb), _Clock()
    delta = arguments.check_open_fraction("delta", delta)
    arguments.check_errors(epsilon, weight_error)
    arguments.check_progress(progress)
    with clock.part("reading"):
        chain = targets.read(target)
        inputs = measuring.check_inputs(inputs, chain)
        seen = measuring.activations(chain, inputs)
    sizes = [
        error_bounds.LayerSize.of(layer, largest)
        for layer, largest in zip(chain.weighted, seen.largest, strict=True)
    ]
    if weight_error is None:
        weight_error = error_bounds.weight_error_for(sizes, epsilon)
    else:
        same = [weight_error] * len(sizes)
        epsilon = error_bounds.output_errors(sizes, same)[-1]
    drawn = _random_layers(chain, seen, construction, seed, weight_error, delta)
    budget.check_blocks(drawn)
    held_as = budget.choose(storage, drawn)
    count = search.counter(drawn, 1 if control is None else 2, progress)
    with clock.part("search"):
        kept = search.search_layers(drawn, budget.check_kept, count)
    with clock.part("building"):
        pairs = _held(held_as, drawn, kept, budget)
        model = building.build(chain, pairs)
    with clock.part("measuring"):
        outputs = building.run([model], inputs, budget.batch_size(pairs))
        sup, mean = measuring.distance(outputs, seen.outputs)
        figures = certifying.figures(drawn, kept, sizes)
    compared = None
    if control is not None:
        with clock.part("control"):
            compared = _control(
                control,
                drawn,
                figures["layers"],
                chain,
                inputs,
                seen,
                sizes,
                budget,
                count,
            )
    certificate = Certificate(
        construction=construction.name,
        seed=int(seed),
        epsilon=float(epsilon),
        delta=delta,
        weight_error=float(weight_error),
        sup_error=sup,
        mean_error=mean,
        inputs=len(inputs),
        storage=held_as,
        control=compared,
        seconds=clock.seconds,
        **figures,
    )
    return StrongTicket(model, certificate, chain, pairs)


def _random_layers(chain, seen, construction, seed, weight_error, delta):
    layers = []
    for i, (layer, shape, signs) in enumerate(
        zip(chain.weighted, seen.shapes, seen.signs, strict=True)
    ):
        layer = dataclasses.replace(layer, input_shape=shape)
        need = Need(
            outputs=layer.outputs,
            blocks=layer.blocks,
            signs=signs,
            # A layer of zeros needs nothing; any scale will do for it.
            largest_weight=layer.largest or 1.0,
            weight_error=weight_error,
            failure=delta / len(seen.signs),
        )
        units = construction.units(need)
        layers.append(RandomLayer(i, layer, need, construction, seed, units))
    return layers


def _control(control, drawn, layers, chain, inputs, seen, sizes, budget, count):
    others = [dataclasses.replace(one, construction=control) for one in drawn]
    found = search.search_layers(others, budget.check_kept, count)
    batch_size = 1
    try:
        pairs = _held("kept", others, found, budget)
        batch_size = budget.batch_size(pairs)
    except MemoryError:  # A comparison is no reason to lose the ticket.
        pairs = None
    return measuring.compare(
        control.name,
        chain,
        inputs,
        seen,
        certifying.figures(others, found, sizes),
        pairs,
        [layer.weight_error_bound for layer in layers],
        batch_size,
    )


def _held(storage, drawn, kept, budget):
    hold = storages.Full if storage == "full" else kept_storage.of
    pairs = [hold(*pair) for pair in zip(drawn, kept, strict=True)]
    budget.check_model(pairs)
    return pairs


class _Clock:
    """Seconds that parts of the work take."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def part(self, name):
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
