"""Export: networks written to files that other programs run.

`to_tflite`, `check_tflite`, `compact`, `to_keras`, `to_saved_model` and
`to_onnx` are what users call; `ExportReport`, `FormReport` and
`CompactionReport` say what came of it.

* `tflite`, `check`: a TFLite file that was run before it got its name.
* `inputs`, `examples`: what a model takes, and the data of a caller.
* `conversion`, `interpreter`: the converter and LiteRT, each in a process of
  its own (`processes`).
* `trials`, `accuracy`, `latency`, `sizes`: what is measured on the files;
  `choosing`: which one is written.
* `keras_forms`: `.keras`, SavedModel, ONNX; `form_trial` and `placing` run
  them and give them their names, `plain` takes wrappers off for a while.
"""

from tflottery.compaction.compact import compact
from tflottery.compaction.report import CompactionReport
from tflottery.export.check import check_tflite
from tflottery.export.errors import ExportError
from tflottery.export.form_report import FormReport
from tflottery.export.keras_forms import to_keras, to_onnx, to_saved_model
from tflottery.export.report import ExportReport
from tflottery.export.tflite import to_tflite

__all__ = [
    "CompactionReport",
    "ExportError",
    "ExportReport",
    "FormReport",
    "check_tflite",
    "compact",
    "to_keras",
    "to_onnx",
    "to_saved_model",
    "to_tflite",
]
