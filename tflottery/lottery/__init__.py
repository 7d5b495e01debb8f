"""The lottery: searches for winning tickets, resumable and reproducible.

* `config`: the settings of a search, and their digest.
* `recipes`: published settings by name.
* `run_directory`: what a search writes; who works on it; `results.csv`.
* `journal`: the files of a replicate: what is finished, what is not.
* `training`: one round of training, continued wherever it was stopped.
* `stages`: the rounds of one replicate.
* `shared_work`: which process does which replicate.
* `search`: all of it, from settings to a result.
* `verdict`: what was found, in words.
"""
