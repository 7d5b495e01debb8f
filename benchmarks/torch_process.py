"""The peer in PyTorch: rounds of LeNet-300-100 with `torch.nn.utils.prune`.

The loop that one would write: train, validate, prune a fifth of each layer,
put the survivors back, repeat. Examples are float32 tensors in memory, and a
batch is taken by row number.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.noise import Noise
from benchmarks.other_process import serve

_MODULE = "benchmarks.torch_process"


def _make(
    examples: Mapping[str, Any],
    learning_rate: float,
    batch_size: int,
    validate_every: int,
    prune_fraction: float,
) -> Callable[..., float]:
    """Draws the data; returns the function that times a whole search."""
    noise = Noise(**{**examples, "shape": tuple(examples["shape"])})
    x, y = _tensors(noise.part("train"))
    held_out = len(y) - noise.validation
    parts = {
        "train": (x[:held_out], y[:held_out]),
        "validation": (x[held_out:], y[held_out:]),
        "test": _tensors(noise.part("test")),
    }

    def timed(steps: int, rounds: int) -> float:
        start = time.perf_counter()
        search = _Search(parts, learning_rate, batch_size, validate_every)
        search.train(steps)
        for _ in range(rounds):
            search.prune(prune_fraction)
            search.train(steps)
        seconds = time.perf_counter() - start
        search.check(
            (rounds + 1) * steps,
            (rounds + 1) * (steps // validate_every),
            (1 - prune_fraction) ** rounds,
        )
        return seconds

    return timed


def _tensors(pair):
    import torch

    x, y = pair
    return (
        torch.from_numpy(x).float().flatten(1).div_(255),
        torch.from_numpy(y).long(),
    )


class _Search:
    """The network, and what is done with it."""

    def __init__(self, parts, learning_rate, batch_size, validate_every):
        import torch
        from torch.nn.utils import prune

        self._torch, self._prune = torch, prune
        self._parts = parts
        self._rate = learning_rate
        self._batch_size = batch_size
        self._validate_every = validate_every
        layers = torch.nn.Linear, torch.nn.ReLU
        self._model = torch.nn.Sequential(
            layers[0](parts["train"][0].shape[1], 300),
            layers[1](),
            layers[0](300, 100),
            layers[1](),
            layers[0](100, 10),
        )
        self._loss = torch.nn.CrossEntropyLoss()
        self._linear = list(self._model)[::2]
        for layer in self._linear:
            # A mask of ones, so that names are the same in every round.
            prune.identity(layer, "weight")
        self._start = copy.deepcopy(
            {k: v.detach() for k, v in self._model.named_parameters()}
        )
        self._steps = self._validations = 0

    def train(self, steps: int) -> None:
        """Takes the steps of a round, and validates on the way."""
        torch = self._torch
        optimizer = torch.optim.Adam(
            self._model.parameters(), lr=self._rate, fused=True
        )
        x, y = self._parts["train"]
        batches = iter(())
        best = float("inf"), None
        for step in range(1, steps + 1):
            rows = next(batches, None)
            if rows is None or len(rows) < self._batch_size:
                order = torch.randperm(len(y))
                batches = iter(order.split(self._batch_size))
                rows = next(batches)
            optimizer.zero_grad()
            loss = self._loss(self._model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            self._steps += 1
            if step % self._validate_every == 0:
                found = self._evaluate("validation")
                self._validations += 1
                if found < best[0]:
                    best = found, copy.deepcopy(self._model.state_dict())
        final = copy.deepcopy(self._model.state_dict())
        self._model.load_state_dict(best[1])
        self._evaluate("test")
        self._model.load_state_dict(final)
        self._evaluate("test")

    def prune(self, fraction: float) -> None:
        """Prunes a share of each layer and puts the survivors back."""
        for layer in self._linear:
            self._prune.l1_unstructured(layer, "weight", fraction)
        with self._torch.no_grad():
            for name, parameter in self._model.named_parameters():
                parameter.copy_(self._start[name])

    def _evaluate(self, part: str) -> float:
        x, y = self._parts[part]
        with self._torch.no_grad():
            logits = self._model(x)
            (logits.argmax(1) == y).float().mean().item()
            return self._loss(logits, y).item()

    def check(self, steps: int, validations: int, density: float) -> None:
        """Looks whether all of the work was done."""
        masks = [layer.weight_mask for layer in self._linear]
        alive = sum(float(mask.sum()) for mask in masks)
        found = alive / sum(mask.numel() for mask in masks)
        done = self._steps, self._validations
        if done != (steps, validations) or abs(found - density) > 0.02:
            raise RuntimeError(
                f"torch was to take {steps} steps, validate {validations} "
                f"times and end at density {density:.3f}. Received: {done}, "
                f"{found:.3f}. What was timed did not do the work."
            )


if __name__ == "__main__":
    serve(_make)
