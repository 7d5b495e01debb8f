"""Strong tickets: good subnetworks of random networks, weights never trained.

* Subnetworks that come near a given target, each with a certificate:
  `logarithmic`, `subset_sum`, `polynomial`; `sample_counts` compares what they
  take. `construction` is what they have in common, `strong_ticket` the engine.
* Masks that are trained over random weights: `edge_popup`, `bernoulli`; and
  those of trained networks put over untrained weights: `untrained`.
"""

from tflottery.supermasks.bernoulli import bernoulli_supermask
from tflottery.supermasks.certificate import Certificate
from tflottery.supermasks.edge_popup import edge_popup
from tflottery.supermasks.logarithmic import logarithmic_ticket
from tflottery.supermasks.polynomial import polynomial_ticket
from tflottery.supermasks.sample_counts import compare_sample_counts
from tflottery.supermasks.strong_ticket import StrongTicket
from tflottery.supermasks.subset_sum import subset_sum_ticket
from tflottery.supermasks.untrained import untrained_mask, untrained_ticket

__all__ = [
    "Certificate",
    "StrongTicket",
    "bernoulli_supermask",
    "compare_sample_counts",
    "edge_popup",
    "logarithmic_ticket",
    "polynomial_ticket",
    "subset_sum_ticket",
    "untrained_mask",
    "untrained_ticket",
]
