"""The lottery: searches for winning tickets, resumable and reproducible.

* `config`: the settings of a search, and their digest.
* `recipes`: published settings by name.
* `journal`: the run directory: what is finished, what is not, `results.csv`.
* `training`: one round of training, continued wherever it was stopped.
* `search`: the loop over replicates and rounds.
* `verdict`: what was found, in words.
"""
