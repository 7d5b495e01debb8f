"""The look of all figures, and how they become files.

Colours are Okabe and Ito's, which people with any colour vision tell apart,
and every branch has a marker of its own besides. Figures are made without
pyplot, so that drawing in a server or a notebook leaves no state behind.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from tflottery.core import files

PIXELS_PER_INCH = 150
COLORS = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#000000",
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
DENSE_COLOR = "#555555"

_STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.titlesize": 11,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.alpha": 0.25,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "savefig.dpi": PIXELS_PER_INCH,
    "svg.hashsalt": "tflottery",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Applies the look inside a `with` block and takes it back after it.

    A user's own matplotlib settings neither show in our figures nor change.

    Example:
        >>> before = matplotlib.rcParams["font.size"]
        >>> with style():
        ...     matplotlib.rcParams["font.size"]
        9.0
        >>> matplotlib.rcParams["font.size"] == before
        True
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Makes an empty figure that belongs to nobody.

    Args:
        width: In inches.
        height: In inches.

    Returns:
        A figure whose parts are arranged so as not to overlap.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08)
    return figure


def color(index: int) -> str:
    """Returns the colour of the branch of this number; they repeat."""
    return COLORS[index % len(COLORS)]


def marker(index: int) -> str:
    """Returns the marker of the branch of this number; they repeat."""
    return MARKERS[index % len(MARKERS)]


def shades(count: int) -> list[Any]:
    """Returns colours from dark to light, for an order such as that of rounds.

    All are dark enough to be seen on white.
    """
    return list(matplotlib.colormaps["viridis"](np.linspace(0, 0.9, count)))


def to_bytes(figure: Figure, kind: str) -> bytes:
    """Draws a figure.

    Args:
        figure: The figure.
        kind: `"png"` or `"svg"`. The same figure gives the same bytes, without
            a date.

    Returns:
        The content of a file.
    """
    stream = io.BytesIO()
    dates = {"Date": None} if kind == "svg" else {}
    with style():
        figure.savefig(stream, format=kind, metadata=dates)
    return stream.getvalue()


def save(figure: Figure, folder: Any, name: str) -> dict[str, Any]:
    """Saves a figure as PNG and SVG.

    Args:
        figure: The figure.
        folder: Where to, local or remote; made if it is not there.
        name: Name of the files, without an ending.

    Returns:
        `{"png": path, "svg": path}`.
    """
    paths = {}
    for kind in ("png", "svg"):
        paths[kind] = files.as_path(folder) / f"{name}.{kind}"
        files.write_bytes(paths[kind], to_bytes(figure, kind))
    return paths
