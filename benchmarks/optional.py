"""Peers that need not be there: a case leaves them out, and says so."""

from __future__ import annotations

import importlib.util
import sys


def is_here(module: str, case: str) -> bool:
    """Tells whether a module can be imported; if not, so does stderr.

    Args:
        module: Name of the module.
        case: What is left out without it.
    """
    if importlib.util.find_spec(module) is not None:
        return True
    print(
        f"{case} is left out: {module} is not installed. Install the extra "
        "`benchmarks` of tflottery.",
        file=sys.stderr,
        flush=True,
    )
    return False
