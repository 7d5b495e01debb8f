"""Argument checks that all speak in one voice.

A wrong argument should be named, with what was expected, what was received and
a way out. Checks written by hand in each module drift apart; these do not. Each
takes the name of the argument first and returns the value, so that a check and
an assignment are one line.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import Any

_FEW, _LONGEST = 10, 250


def _sentence(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def described(value: Any) -> str:
    """Returns a value in a few words: its repr, but of arrays their shape.

    Args:
        value: Anything, also tuples, lists and dicts of arrays.

    Example:
        >>> import numpy as np
        >>> described((np.zeros((50, 8), "float32"), None))
        '(ndarray of shape (50, 8) and type float32, None)'
        >>> described("a" * 300)[-12:]
        'aaaaaaaaa...'
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        dtype = getattr(value.dtype, "name", value.dtype)
        kind = type(value).__name__
        return f"{kind} of shape {tuple(value.shape)} and type {dtype}"
    few = isinstance(value, tuple | list) and len(value) <= _FEW
    if few and any(hasattr(item, "shape") for item in value):
        inner = ", ".join(map(described, value))
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _received(name: str, value: object) -> str:
    return f"Received: {name}={described(value)}."


def _is_number(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_fraction(
    name: str, value: float, *, what: str, closed_right: bool = False
) -> float:
    """Returns `value` as a float in [0, 1), or in [0, 1] on request.

    Args:
        name: The argument as the caller wrote it.
        value: A real number. Booleans are refused: `True` is hardly ever
            meant as 1.0.
        what: What the fraction is and an example of use, as whole sentences;
            they end the message.
        closed_right: Whether 1 itself is allowed. Defaults to `False`.

    Returns:
        The value as a Python float.

    Raises:
        TypeError: If `value` is not a real number.
        ValueError: If `value` is outside the interval or not a number (NaN).

    Example:
        >>> check_fraction("prune_fraction", 0.2, what="Use 0.2 for a fifth.")
        0.2
        >>> check_fraction("prune_fraction", 1.2, what="Use 0.2 for a fifth.")
        Traceback (most recent call last):
        ...
        ValueError: `prune_fraction` must be in [0, 1). Received:\
 prune_fraction=1.2. Use 0.2 for a fifth.
    """
    interval = "[0, 1]" if closed_right else "[0, 1)"
    if not _is_number(value):
        raise TypeError(
            _sentence(
                f"`{name}` must be a number in {interval}.",
                _received(name, value),
                what,
            )
        )
    fraction = float(value)
    inside = 0.0 <= fraction < 1.0 or (closed_right and fraction == 1.0)
    if not inside:
        raise ValueError(
            _sentence(
                f"`{name}` must be in {interval}.",
                _received(name, value),
                what,
            )
        )
    return fraction


def check_finite(name: str, value: float, *, what: str = "") -> float:
    """Returns `value` as a float that is neither infinite nor NaN.

    Args:
        name: The argument as the caller wrote it.
        value: A real number; booleans are refused.
        what: What the number is and an example of use. Defaults to nothing.

    Returns:
        The value as a Python float.

    Raises:
        TypeError: If `value` is not a real number.
        ValueError: If `value` is infinite or NaN.

    Example:
        >>> check_finite("power", 3)
        3.0
    """
    if not _is_number(value):
        raise TypeError(
            _sentence(
                f"`{name}` must be a number.", _received(name, value), what
            )
        )
    if not math.isfinite(value):
        raise ValueError(
            _sentence(f"`{name}` must be finite.", _received(name, value), what)
        )
    return float(value)


def _check_int(
    name: str, value: object, lowest: int, adjective: str, what: str
) -> int:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(
            _sentence(
                f"`{name}` must be a {adjective} integer.",
                _received(name, value),
                what,
            )
        )
    if value < lowest:
        raise ValueError(
            _sentence(
                f"`{name}` must be a {adjective} integer.",
                _received(name, value),
                what,
            )
        )
    return int(value)


def check_positive_int(name: str, value: int, *, what: str = "") -> int:
    """Returns `value` as a Python int of at least 1.

    Args:
        name: The argument as the caller wrote it.
        value: An integer, NumPy's included; booleans and floats are refused.
        what: What the number is and an example of use. Defaults to nothing.

    Returns:
        The value as a Python int.

    Raises:
        TypeError: If `value` is not an integer.
        ValueError: If `value` is below 1.

    Example:
        >>> check_positive_int("rounds", 0, what="Use 10 for ten rounds.")
        Traceback (most recent call last):
        ...
        ValueError: `rounds` must be a positive integer. Received: rounds=0. \
Use 10 for ten rounds.
    """
    return _check_int(name, value, 1, "positive", what)


def check_non_negative_int(name: str, value: int, *, what: str = "") -> int:
    """Returns `value` as a Python int of at least 0.

    Args:
        name: The argument as the caller wrote it.
        value: An integer, NumPy's included; booleans and floats are refused.
        what: What the number is and an example of use. Defaults to nothing.

    Returns:
        The value as a Python int.

    Raises:
        TypeError: If `value` is not an integer.
        ValueError: If `value` is below 0.

    Example:
        >>> check_non_negative_int("first_step", 0)
        0
    """
    return _check_int(name, value, 0, "non-negative", what)


def check_choice(
    name: str, value: str, choices: Iterable[str], *, way_out: str = ""
) -> str:
    """Returns `value` if it is one of the valid names.

    Args:
        name: The argument as the caller wrote it.
        value: The name asked for.
        choices: The valid names; the message lists them in this order.
        way_out: How to add a name, or where to read on. Defaults to nothing.

    Returns:
        The value itself.

    Raises:
        TypeError: If `value` is not a string.
        ValueError: If `value` is none of `choices`. The message names the
            nearest ones first.

    Example:
        >>> check_choice("scope", "globl", ("global", "layerwise", "erk"))
        Traceback (most recent call last):
        ...
        ValueError: `scope` is not a known name. Received: scope='globl'. \
Did you mean 'global'? Valid names: 'global', 'layerwise', 'erk'.
    """
    known = list(choices)
    valid = "Valid names: " + ", ".join(repr(choice) for choice in known) + "."
    if not isinstance(value, str):
        raise TypeError(
            _sentence(
                f"`{name}` must be a name.",
                _received(name, value),
                valid,
                way_out,
            )
        )
    if value in known:
        return value
    nearest = difflib.get_close_matches(value.lower(), known, n=3)
    guess = ""
    if nearest:
        guess = f"Did you mean {' or '.join(repr(near) for near in nearest)}?"
    raise ValueError(
        _sentence(
            f"`{name}` is not a known name.",
            _received(name, value),
            guess,
            valid,
            way_out,
        )
    )


def check_instance(
    name: str, value: Any, types: type | tuple[type, ...], *, what: str = ""
) -> Any:
    """Returns `value` if it is an instance of one of `types`.

    Args:
        name: The argument as the caller wrote it.
        value: Anything.
        types: A class or a tuple of classes.
        what: What to pass instead, as a sentence. Defaults to nothing.

    Returns:
        The value itself.

    Raises:
        TypeError: If `value` is an instance of none of `types`.

    Example:
        >>> check_instance("path", "conv1/kernel", str)
        'conv1/kernel'
    """
    if isinstance(value, types):
        return value
    classes = types if isinstance(types, tuple) else (types,)
    expected = " or ".join(cls.__name__ for cls in classes)
    raise TypeError(
        _sentence(
            f"`{name}` must be of type {expected}.",
            f"Received: {name}={described(value)} of type "
            f"{type(value).__name__}.",
            what,
        )
    )
