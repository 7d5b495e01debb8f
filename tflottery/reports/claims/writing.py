"""How numbers of claims are written: with their ends and their sign."""

from __future__ import annotations

from collections.abc import Callable

from tflottery.reports.summary import Spread

MINUS = "\N{MINUS SIGN}"


def spread(value: Spread, write: Callable[[float], str]) -> str:
    """Writes a mean with its ends.

    Example:
        >>> spread(Spread.of([-0.1, 0.3]), points)
        '+10.00 points (−10.00 to +30.00)'
    """
    mean = write(value.mean)
    if value.count < 2:
        return mean
    number, _, unit = mean.partition(" ")
    low, high = (
        write(end).partition(" ")[0] for end in (value.low, value.high)
    )
    return f"{number}{' ' + unit if unit else ''} ({low} to {high})"


def points(value: float) -> str:
    """Writes a difference of shares in percentage points."""
    return f"{100 * value:+.2f} points".replace("-", MINUS)


def percent(value: float) -> str:
    """Writes a share in percent."""
    return f"{100 * value:.2f} %".replace("-", MINUS)


def whole_percent(value: float) -> str:
    """Writes a share in whole percent, with its sign."""
    return f"{100 * value:+.0f} %".replace("-", MINUS)


def times(value: float) -> str:
    """Writes a ratio.

    Example:
        >>> times(2.512)
        '2.51×'
    """
    return f"{value:.2f}×"


def number(value: float) -> str:
    """Writes a plain number."""
    return f"{value:.3g}".replace("-", MINUS)


def degrees(value: float) -> str:
    """Writes an angle."""
    return f"{value:.1f}°"


def density(percent_left: float) -> str:
    """Writes a density that is in percent.

    Example:
        >>> density(21.0712)
        '21.1 %'
    """
    return f"{percent_left:.3g} %"
