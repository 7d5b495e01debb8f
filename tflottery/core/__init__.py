"""The ground floor: values and files that need neither TensorFlow nor Keras.

Everything above stands on these modules, so they import nothing but NumPy, the
standard library and `etils.epath`; what they promise is tested in milliseconds.

* `checks`: argument checks with one style of error message.
* `step`: a point in training that knows its unit.
* `seeds`: independent, named random streams from one seed.
* `shapes`: whether two sets of named tensors are alike.
* `mask`: which weights are kept, as a value that cannot be wrong.
* `mask_table`: the table that a mask prints.
* `bits`: bool arrays as bits, to store and to name them.
* `text_table`: aligned columns for reports in a terminal.
* `files`: bytes and text, written whole or not at all, on any file system.
* `documents`: readable JSON files that carry their own checksum.
* `processes`: which process this is, and whether another is dead.
* `claims`: the right of one process to work on something, which expires;
  `claimants` and `claim_files` say how, `claim_holder` who has it.
* `records`: arrays and settings in one checksummed file.
"""
