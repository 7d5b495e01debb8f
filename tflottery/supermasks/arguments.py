"""Checks of the arguments that all constructions of strong tickets share."""

from __future__ import annotations

from typing import Any

from tflottery.core import checks


def check_errors(epsilon: float | None, weight_error: float | None) -> None:
    """Refuses all but one positive number.

    Args:
        epsilon: Largest error of an output, or None.
        weight_error: Largest error of a weight, or None.

    Raises:
        TypeError: The one given is no number.
        ValueError: Both or none are given, or it is not positive.
    """
    given = {"epsilon": epsilon, "weight_error": weight_error}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise ValueError(
            "`epsilon` or `weight_error` must be given, and not both. "
            f"Received: epsilon={epsilon!r}, weight_error={weight_error!r}. "
            "Pass epsilon=0.1 for outputs within 0.1."
        )
    for name, value in given.items():
        if checks.check_finite(name, value) <= 0:
            raise ValueError(
                f"`{name}` must be positive. Received: {name}={value!r}. It is "
                "the largest error allowed, and random weights never hit a "
                "weight exactly; use 0.1."
            )


def check_open_fraction(name: str, value: float) -> float:
    """Returns a probability in (0, 1) as a float.

    Args:
        name: The argument as the caller wrote it.
        value: The number.

    Raises:
        TypeError: It is no number.
        ValueError: It is outside (0, 1).

    Example:
        >>> check_open_fraction("delta", 0.05)
        0.05
    """
    if not 0 < checks.check_finite(name, value) < 1:
        raise ValueError(
            f"`{name}` must be in (0, 1). Received: {name}={value!r}. It is "
            "the probability that the random network lacks something; use "
            "0.05."
        )
    return float(value)


def check_progress(progress: Any) -> None:
    """Refuses what cannot be called.

    Args:
        progress: None, or what is called with (blocks done, blocks in all).

    Raises:
        TypeError: It is neither.

    Example:
        >>> check_progress(print)
    """
    if progress is not None and not callable(progress):
        raise TypeError(
            "`progress` must be a function of (blocks done, blocks in all), or "
            f"None. Received: progress={progress!r}. Leave it out, or pass "
            "print."
        )


def check_model_file(path: Any) -> None:
    """Refuses the name of a model file of another format.

    Args:
        path: The file's path.

    Raises:
        ValueError: It does not end in `.keras`.

    Example:
        >>> check_model_file("models/ticket.keras")
    """
    if not str(path).endswith(".keras"):
        raise ValueError(
            "`path` must end in .keras. Received: "
            f"path={str(path)!r}. That is the format that keeps the layers of "
            "a ticket; use save('ticket.keras')."
        )
