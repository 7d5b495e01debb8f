"""Claims: what the papers say, beside what a run says to it.

* `claim`: a claim, its rule, and the verdict.
* `evidence`: what claims may ask of a run.
* `search_measures`, `many_rounds`, `table_measures`: how claims are put.
* `lenet`, `lenet_weights`, `conv_nets`, `deep_nets`: the papers' claims.
* `settings`: which settings claims are about.
* `published`: which claims speak of a run, and how its settings differ.
"""
