"""`FormReport`: a network as it was saved, its size and what that saves.

No form but TFLite stores zeros in less space than other numbers. What pruning
gains shows where a file is compressed, and is measured on the written file.
"""

from __future__ import annotations

import dataclasses

from tflottery.core import text_table
from tflottery.export.sizes import Sizes

_NAMES = {
    "keras": ".keras file",
    "saved_model": "SavedModel",
    "onnx": "ONNX file",
}


@dataclasses.dataclass(frozen=True)
class FormReport:
    """What `to_keras`, `to_saved_model` or `to_onnx` wrote.

    Args:
        form: `"keras"`, `"saved_model"` or `"onnx"`.
        path: where it is.
        sparse: bytes of what was written, raw, by gzip and by zstd.
        dense: bytes of the same network with random numbers for its zeros.
        zeros: share of zeros among the prunable weights, in [0, 1].
        difference: the largest difference between the outputs of the model
            and of what was written, over the largest output.
        examples: how many generated inputs they were compared on.

    Example:
        >>> from tflottery.export.sizes import Sizes
        >>> print(FormReport("keras", "small.keras", Sizes(900, 300, 280),
        ...                  Sizes(900, 850, 840), 0.9, 0.0, 8))
        .keras file: small.keras
        Zeros among the prunable weights: 90.0 %
        Outputs as the model's on 8 generated inputs; largest difference 0 of
        the largest output
                          raw   gzip   zstd
        as written        900 B  300 B  280 B
        with no zeros     900 B  850 B  840 B
        dense / written   1.00x  2.83x  3.00x
    """

    form: str
    path: str
    sparse: Sizes
    dense: Sizes
    zeros: float
    difference: float
    examples: int

    def __str__(self):
        rows = [("", "raw", "gzip", "zstd")]
        pairs = []
        for name, sizes in (
            ("as written", self.sparse),
            ("with no zeros", self.dense),
        ):
            numbers = (sizes.raw, sizes.gzip, sizes.zstd)
            rows.append((name, *(f"{number:,} B" for number in numbers)))
            pairs.append(numbers)
        ratios = [
            f"{dense / max(written, 1):.2f}x"
            for written, dense in zip(*pairs, strict=True)
        ]
        rows.append(("dense / written", *ratios))
        return (
            f"{_NAMES[self.form]}: {self.path}\n"
            f"Zeros among the prunable weights: {self.zeros:.1%}\n".replace(
                "%", " %"
            )
            + f"Outputs as the model's on {self.examples} generated inputs; "
            f"largest difference {self.difference:.2g} of the largest output\n"
            + text_table.set_table(rows)
        )
