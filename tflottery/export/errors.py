"""`ExportError`: an export that was not made, and why."""

from __future__ import annotations


class ExportError(ValueError):
    """No file was written, because none would have been right.

    Raised when the converter cannot convert a model, when the result does not
    load or run, and when its outputs are not those of the model.
    """
