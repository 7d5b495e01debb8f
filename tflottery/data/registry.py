"""Finds a dataset by its name.

Flags and config files can only hold a name; this table turns it into data.
"""

from __future__ import annotations

from tflottery.core import checks
from tflottery.data import dataset as base
from tflottery.data import embedded, tfds

_PREFIX = "tfds:"
_TFDS_OPTIONS = ("train_split", "test_split", "image_size", "in_memory")
_LOADERS = {"digits": embedded.digits, "mnist1d": embedded.mnist1d}


def names() -> tuple[str, ...]:
    """Returns the names of the datasets that need no download.

    Any set of TensorFlow Datasets can be had besides, as `"tfds:NAME"`.

    Returns:
        A sorted tuple of str.

    Example:
        >>> from tflottery import data
        >>> data.names()
        ('digits', 'mnist1d')
    """
    return tuple(sorted(_LOADERS))


def load(
    name: str,
    *,
    data_dir: str | None = None,
    validation: int | float | str | None = None,
    seed: int = 0,
    download: bool = True,
    **options,
) -> base.Dataset:
    """Loads a dataset.

    Args:
        name: One of `names()`, or `"tfds:NAME"` for a set of TensorFlow
            Datasets.
        data_dir: Folder that holds TFDS's data. Defaults to `None`, TFDS's own
            default.
        validation: Count (int) or share (float) of the training examples to
            set aside for validation; for TFDS also the name of a split.
            Defaults to `None`, the dataset's own default.
        seed: Integer seed of the train/validation split. Replicates of an
            experiment share it. Defaults to 0.
        download: Whether TFDS may download. Defaults to `True`.
        **options: For TFDS only: `train_split`, `test_split`, `image_size` and
            `in_memory`, see `load_tfds`.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: If the name, or an option, is unknown.
        TypeError: If an embedded dataset gets an option of TFDS.

    Example:
        >>> from tflottery import data
        >>> digits = data.load("digits", validation=0.1)
        >>> digits.train_size, digits.validation_size, digits.input_shape
        (1260, 140, (8, 8, 1))
    """
    if isinstance(name, str) and name.startswith(_PREFIX):
        for option in options:
            checks.check_choice("option of the data", option, _TFDS_OPTIONS)
        return tfds.load_tfds(
            name[len(_PREFIX) :],
            data_dir=data_dir,
            validation=validation,
            seed=seed,
            download=download,
            **options,
        )
    checks.check_choice(
        "name",
        name,
        names(),
        way_out=f"For a set of TensorFlow Datasets write '{_PREFIX}{name}'.",
    )
    for option, value in {"data_dir": data_dir, **options}.items():
        if value is not None:
            raise TypeError(
                f"`{option}` is for sets of TensorFlow Datasets. Received: "
                f"{option}={value!r} with name={name!r}, which comes with its "
                f"package. Leave it out, or write '{_PREFIX}NAME'."
            )
    settings = {} if validation is None else {"validation": validation}
    return _LOADERS[name](seed=seed, **settings)
