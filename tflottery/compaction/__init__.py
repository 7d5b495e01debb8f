"""Compaction: removal of dead units, channels and embedding rows.

* `compact`: the function that users call; `report`, `costs`: what came of it.
* `removal`: which channels can go, from constants and needs; `channels`: which
  of them belong together.
* `roles`, and on its lists `linear`, `passing`, `joining`: what each class of
  layers does with channels; `activations`: which functions are elementwise.
* `rebuild`, `cloning`: the new model; `values`: weights as they act.
* `rows`, `row_map`: zero rows of embeddings, merged into one.
"""
