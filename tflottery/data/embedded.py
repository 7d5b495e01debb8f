"""Two small datasets that need no download: MNIST-1D and digits.

Everything in this package can be tried on them offline, in seconds. Both come
from ordinary Python packages that are imported when the data are asked for.
"""

from __future__ import annotations

import functools
import importlib
import random

import numpy as np

from tflottery.core import seeds
from tflottery.data import memory


def mnist1d(*, validation: int | float = 500, seed: int = 0):
    """Loads MNIST-1D: 40 samples of a signal, 10 classes, 4,000 and 1,000.

    The examples are generated from the seed of the paper, so they are the same
    everywhere and nothing is downloaded. Inputs are float32 `(40,)` with mean
    0 and standard deviation 1 over the whole set.

    Args:
        validation: Count (int) or share (float) of the 4,000 training examples
            to set aside. Defaults to 500.
        seed: Integer seed of the train/validation split. Defaults to 0. The
            examples do not depend on it.

    Returns:
        An `InMemoryDataset`.

    Raises:
        ImportError: If the package `mnist1d` is not installed.

    Example:
        >>> from tflottery.data import embedded
        >>> embedded.mnist1d()
        <InMemoryDataset 'mnist1d': 3500 train, 500 validation, 1000 test, \
inputs (40,), 10 classes>

    Reference:
        Greydanus and Kobak, "Scaling Down Deep Learning with MNIST-1D", 2020.
    """
    arrays = _mnist1d_arrays()
    return memory.InMemoryDataset(
        "mnist1d",
        train=(arrays["x"], arrays["y"]),
        test=(arrays["x_test"], arrays["y_test"]),
        num_classes=10,
        validation=validation,
        seed=seed,
    )


def digits(*, validation: int | float = 300, seed: int = 0):
    """Loads scikit-learn's digits: 8x8 images, 10 classes, 1,400 and 397.

    The set comes undivided. Its 397 test examples are drawn once and for all;
    the 300 for validation are drawn from the rest by `seed`, which leaves
    1,100 for training. Inputs are float32 `(8, 8, 1)` in [0, 1].

    Args:
        validation: Count (int) or share (float) of the 1,400 examples that are
            not for the test to set aside. Defaults to 300.
        seed: Integer seed of the train/validation split. Defaults to 0.

    Returns:
        An `InMemoryDataset`.

    Raises:
        ImportError: If the package `scikit-learn` is not installed.

    Example:
        >>> from tflottery.data import embedded
        >>> embedded.digits()
        <InMemoryDataset 'digits': 1100 train, 300 validation, 397 test, \
inputs (8, 8, 1), 10 classes>

    Reference:
        Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI
        Machine Learning Repository, 1998; the copy is that of scikit-learn.
    """
    source = _import("sklearn.datasets", "scikit-learn", "digits").load_digits()
    # Pixels are counts from 0 to 16 and fit a byte.
    x = source.images.astype(np.uint8)[..., None]
    order = seeds.rng(0, "digits", "test split").permutation(len(x))
    test, train = np.sort(order[:397]), np.sort(order[397:])
    return memory.InMemoryDataset(
        "digits",
        train=(x[train], source.target[train]),
        test=(x[test], source.target[test]),
        num_classes=10,
        validation=validation,
        seed=seed,
        scale=1 / 16,
    )


@functools.cache
def _mnist1d_arrays():
    """Generates the set once per process; it takes about a second.

    The generator seeds NumPy's and Python's global streams. Loading data must
    not reseed the caller's program, so both are put back afterwards.
    """
    package = _import("mnist1d.data", "mnist1d", "mnist1d")
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        arrays = package.make_dataset(package.get_dataset_args())
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
    return {name: arrays[name] for name in ("x", "y", "x_test", "y_test")}


def _import(module, package, name):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"The dataset {name!r} comes from the package {package!r}, which "
            f"could not be imported ({error}). Install it: pip install "
            f"{package}"
        ) from error
