"""Analysis: what a run directory says about its tickets, beyond accuracy.

`analyse` looks at all of it and writes tables; the functions it is made of
work on arrays and masks of any origin.

* `distances`, `stability`: do copies of a network end at the same place?
* `interpolation`, `errors`: is there a barrier on the line between them?
* `overlap`: do masks agree, and more than by chance?
* `surviving_weights`, `movement`, `connectivity`: which weights survive, how
  far they move, what they connect.
* `run_files`: what is read; `findings`: what is found; `summary`: in words;
  `run_analysis`: all of it for one run directory.
"""

from tflottery.analysis.connectivity import connections
from tflottery.analysis.distances import angle, distance
from tflottery.analysis.errors import ErrorMeter
from tflottery.analysis.interpolation import instability, interpolated
from tflottery.analysis.movement import moved
from tflottery.analysis.overlap import chance_overlap
from tflottery.analysis.run_analysis import Analysis, analyse
from tflottery.analysis.surviving_weights import bimodality

__all__ = [
    "Analysis",
    "ErrorMeter",
    "analyse",
    "angle",
    "bimodality",
    "chance_overlap",
    "connections",
    "distance",
    "instability",
    "interpolated",
    "moved",
]
