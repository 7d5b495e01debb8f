"""Reports: what a run directory holds, as tables, figures and one page.

* `results`: reads `results.csv` and the rounds' `history.csv`.
* `summary`: mean, least and greatest over replicates.
* `tables`: a table per branch, a line per round.
* `figures`: accuracy and early-stopping step against density; training curves.
* `drawing`: the look of all figures, and how they are saved.
* `page`: one HTML page that needs no other file.
* `report`: all of it for one run directory.
"""
