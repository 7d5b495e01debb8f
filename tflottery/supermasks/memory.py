"""Memory: what a ticket needs is said before it is taken."""

from __future__ import annotations

from collections.abc import Sequence

from tflottery.core import checks
from tflottery.supermasks.random_network import RandomLayer
from tflottery.supermasks.storage import Storage

STORAGES = ("auto", "full", "kept")
_GIB = 2**30
_FLOAT = 4
# Copies of a block's weights that the search holds at once: as drawn, one
# sign's part of them, turned, and what is computed of them.
_COPIES_OF_BLOCK = 5


class Budget:
    """How much memory the search and the ticket may take.

    Args:
        max_memory_gb: GiB for all that is allocated, > 0.

    Raises:
        TypeError: `max_memory_gb` is no number.
        ValueError: It is not positive.
    """

    def __init__(self, max_memory_gb: float):
        gib = checks.check_finite("max_memory_gb", max_memory_gb)
        if gib <= 0:
            raise ValueError(
                "`max_memory_gb` must be positive. Received: "
                f"max_memory_gb={max_memory_gb!r}. It is in GiB; 4.0 is the "
                "default."
            )
        self.gib = gib

    def check(self, size: float, what: str, way_out: str) -> None:
        """Refuses what is too large.

        Args:
            size: In bytes.
            what: What takes them, to start a sentence.
            way_out: How to need less.

        Raises:
            MemoryError: It is more than allowed.
        """
        if size > self.gib * _GIB:
            gib = size / _GIB
            figure = f"{gib:,.2f}" if gib >= 0.1 else f"{gib:.2g}"
            raise MemoryError(
                f"{what} takes {figure} GiB, and "
                f"max_memory_gb={self.gib:g} is allowed. {way_out}"
            )

    def check_blocks(self, layers: Sequence[RandomLayer]) -> None:
        """Refuses blocks that are too large to draw.

        Args:
            layers: The layers of G, before anything of them is drawn.
        """
        for drawn in layers:
            weights = drawn.units * (drawn.need.outputs + 1)
            self.check(
                _COPIES_OF_BLOCK * _FLOAT * weights,
                f"One block of `{drawn.layer.name}` ({drawn.units:,} units for "
                f"each input, {drawn.need.outputs:,} weights out of each)",
                "Allow more, or ask for less: a larger epsilon or delta.",
            )

    def choose(self, storage: str, layers: Sequence[RandomLayer]) -> str:
        """Chooses how the ticket is held.

        Args:
            storage: "auto", "full" or "kept".
            layers: The layers of G.

        Returns:
            "full" or "kept"; "auto" means full where that takes at most a
            quarter of what is allowed.
        """
        checks.check_choice("storage", storage, STORAGES)
        sizes = [_FLOAT * drawn.size for drawn in layers]
        whole = sum(sizes) + max(sizes)
        if storage == "auto":
            return "full" if whole <= self.gib * _GIB / 4 else "kept"
        if storage == "full":
            self.check(
                whole,
                f"The whole random network ({sum(sizes) // _FLOAT:,} weights)",
                'Use storage="kept", which stores what is kept of it.',
            )
        return storage

    def check_kept(self, held: int) -> None:
        """Refuses to keep more edges than fit.

        Args:
            held: Bytes so far.
        """
        self.check(
            held,
            "What is kept, so far,",
            "Allow more, or use a larger epsilon.",
        )

    def check_model(self, pairs: Sequence[Storage]) -> None:
        """Refuses a model that is too large, or the inference of one example.

        Args:
            pairs: How each layer pair is held.
        """
        sizes = [_FLOAT * pair.parameters for pair in pairs]
        way_out = "Allow more, or use a larger epsilon."
        self.check(sum(sizes) + max(sizes), "The ticket", way_out)
        work = max(_FLOAT * pair.work for pair in pairs)
        self.check(
            sum(sizes) + work, "The ticket with one example in it", way_out
        )

    def batch_size(self, pairs: Sequence[Storage]) -> int:
        """Returns how many examples at once fit comfortably, 1 to 256.

        Args:
            pairs: How each layer pair is held.
        """
        work = max(_FLOAT * pair.work for pair in pairs)
        return int(min(256, max(1, self.gib * _GIB / 8 // work)))
