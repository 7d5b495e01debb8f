"""The papers that claims are taken from, as a table names them."""

from __future__ import annotations

LTH = "The Lottery Ticket Hypothesis (2019)"
STABILIZING = "Stabilizing the Lottery Ticket Hypothesis (2019)"
CONNECTIVITY = "Linear Mode Connectivity (2020)"
DECONSTRUCTING = "Deconstructing Lottery Tickets (2019)"
RETRAINING = "Comparing Rewinding and Fine-tuning (2020), published results"
