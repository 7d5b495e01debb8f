"""Reports: what a run directory holds, as tables, figures and one page.

* `run`: what a report needs of one run directory; `results` reads its tables.
* `summary`: mean, least and greatest over replicates.
* `branch_names`: how branches are called, coloured and spread over figures.
* `tables`: a table per branch, a line per round.
* `drawing`, `axes`, `panels`: the look of all figures, and their parts.
* `density_figures`, `training_figures`, `mask_figures`, `unit_figures`,
  `histogram_figures`, `weight_figures`, `stability_figures`,
  `rewinding_figures`: what is drawn.
* `gallery`: all figures of one run, from `search_gallery` and
  `analysis_gallery`; `comparison`: those of several.
* `claims`: what the papers say, beside what a run says to it.
* `page`: one HTML page that needs no other file.
* `report`: all of it; `write_report` is the way in.
"""

from tflottery.reports.report import write_report

__all__ = ["write_report"]
