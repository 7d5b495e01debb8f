"""Any classification set of TensorFlow Datasets, in memory or streamed.

TFDS gives examples one at a time, which is far too slow for small networks.
Sets whose decoded arrays are below 1 GiB are therefore read once, as uint8
where they are images; larger ones stream.
"""

from __future__ import annotations

import difflib
import math

import numpy as np
import tensorflow as tf

from tflottery.core import checks
from tflottery.data import memory, streaming

_IN_MEMORY_BYTES = 2**30


def load_tfds(
    name: str,
    *,
    data_dir: str | None = None,
    train_split: str = "train",
    test_split: str | None = None,
    validation: int | float | str | None = None,
    seed: int = 0,
    download: bool = True,
    image_size: tuple[int, int] | None = None,
    in_memory: bool | None = None,
):
    """Loads a TFDS set of images or feature vectors with class labels.

    Args:
        name: Name in TFDS, with an optional config and version, such as
            `"mnist"` or `"mnist:3.0.1"`.
        data_dir: Folder that holds TFDS's data. Defaults to `None`, TFDS's
            own default.
        train_split: TFDS split to train on. Defaults to `"train"`; slices such
            as `"train[:80%]"` work.
        test_split: TFDS split to test on. Defaults to `None`: `"test"`, else
            `"validation"`.
        validation: Count (int) or share (float) of the training examples to
            set aside, drawn by `seed`, or the name of a TFDS split (str).
            Defaults to `None`: 5,000, or a tenth where that is fewer.
        seed: Integer seed of the train/validation split. Defaults to 0.
        download: Whether TFDS may download and prepare the data if they are
            not there. Defaults to `True`.
        image_size: `(height, width)` to resize images to; needed where a set
            has images of several sizes. Defaults to `None`, no resizing.
        in_memory: Whether to hold the set in memory. Defaults to `None`:
            below 1 GiB decoded.

    Returns:
        An `InMemoryDataset` or a `StreamingDataset`. Images are scaled to
        [0, 1]; other features are left as they are.

    Raises:
        ImportError: If TFDS is not installed.
        FileNotFoundError: If the data are not there and `download` is false.
        ValueError: If TFDS does not know the name or a split, or the set has
            no plain inputs with class labels.

    Example:
        >>> from tflottery.data import tfds
        >>> mnist = tfds.load_tfds("mnist")  # doctest: +SKIP
        >>> mnist.train_size, mnist.validation_size  # doctest: +SKIP
        (55000, 5000)
    """
    package = _import_tfds()
    builder = _builder(package, name, data_dir, download)
    x_key, y_key = _keys(package, name, builder.info)
    shape = _input_shape(name, builder.info.features[x_key], image_size)
    is_image = isinstance(builder.info.features[x_key], package.features.Image)
    splits = {
        "train": train_split,
        "test": test_split or _test_split(name, builder.info.splits),
    }
    if isinstance(validation, str):
        splits["validation"] = validation
    for argument, split in splits.items():
        _check_split(name, builder.info.splits, argument, split)
    sizes = {
        part: builder.info.splits[split].num_examples
        for part, split in splits.items()
    }
    if validation is None:
        validation = min(5000, sizes["train"] // 10)
    if in_memory is None:
        width = 1 if is_image and image_size is None else 4
        total = sum(sizes.values()) * math.prod(shape) * width
        in_memory = total < _IN_MEMORY_BYTES

    def source(split):
        decoders = None
        if is_image:
            # Decoding waits until after the shuffle of a streamed set.
            decoders = {x_key: package.decode.SkipDecoding()}
        examples = builder.as_dataset(split=split, decoders=decoders)
        return examples.map(lambda example: (example[x_key], example[y_key]))

    scale = _scale(builder.info.features[x_key]) if is_image else 1.0
    prepare = _prepare(builder.info.features[x_key], is_image, image_size)
    sources = {part: source(split) for part, split in splits.items()}
    label = builder.info.features[y_key]
    common = {
        "name": f"tfds:{name}",
        "num_classes": label.num_classes,
        "seed": seed,
    }
    if in_memory:
        arrays = {
            part: _read(examples, prepare, shape, sizes[part])
            for part, examples in sources.items()
        }
        return memory.InMemoryDataset(
            train=arrays["train"],
            test=arrays["test"],
            validation=arrays.get("validation", validation),
            scale=scale,
            **common,
        )

    def scaled(x, y):
        x, y = prepare(x, y)
        return tf.cast(x, tf.float32) * scale, y

    return streaming.StreamingDataset(
        train=sources["train"],
        test=sources["test"],
        validation=sources.get("validation", validation),
        input_shape=shape,
        prepare=scaled,
        **common,
    )


def _import_tfds():
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise ImportError(
            "Datasets named `tfds:NAME` come from TensorFlow Datasets, which "
            f"could not be imported ({error}). Install it: pip install "
            "tensorflow-datasets importlib_resources"
        ) from error
    return tensorflow_datasets


def _builder(package, name, data_dir, download):
    try:
        builder = package.builder(name, data_dir=data_dir)
    except package.core.DatasetNotFoundError as error:
        near = difflib.get_close_matches(name, package.list_builders(), n=3)
        guess = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        raise ValueError(
            "`name` is not a dataset of TFDS. Received: "
            f"name={'tfds:' + name!r}. {guess}Its catalogue: "
            "https://www.tensorflow.org/datasets/catalog"
        ) from error
    if builder.is_prepared():
        return builder
    if not download:
        raise FileNotFoundError(
            f"The dataset 'tfds:{name}' is not prepared in "
            f"{str(builder.data_path)!r}. Received: data_dir={data_dir!r}, "
            "download=False. Pass the folder that holds "
            f"'{builder.info.full_name}', or download=True to fetch it."
        )
    builder.download_and_prepare()
    return builder


def _keys(package, name, info):
    """Returns the names of the input and of the label."""
    keys = info.supervised_keys
    if keys is None and isinstance(
        info.features, package.features.FeaturesDict
    ):
        # A set that is read from its files alone does not know its pair.
        labels = [
            key
            for key, feature in info.features.items()
            if isinstance(feature, package.features.ClassLabel)
        ]
        inputs = [key for key in ("image", "features") if key in info.features]
        if len(labels) == 1 and len(inputs) == 1:
            keys = (inputs[0], labels[0])
    plain = (
        keys is not None
        and len(keys) == 2
        and all(isinstance(key, str) for key in keys)
        and isinstance(info.features[keys[1]], package.features.ClassLabel)
        and isinstance(
            info.features[keys[0]],
            (package.features.Image, package.features.Tensor),
        )
        and np.dtype(info.features[keys[0]].np_dtype).kind in "uif"
    )
    if not plain:
        raise ValueError(
            f"'tfds:{name}' is not a set of images or feature vectors with one "
            f"class label. Received: supervised_keys={keys!r}. Build an "
            "`InMemoryDataset` or a `StreamingDataset` from it yourself."
        )
    return keys


def _input_shape(name, feature, image_size):
    shape = tuple(feature.shape)
    if image_size is not None:
        if len(shape) != 3:
            raise ValueError(
                "`image_size` is for images. Received: "
                f"image_size={image_size!r}, but 'tfds:{name}' has inputs of "
                f"shape {shape}. Leave it out."
            )
        height, width = (
            checks.check_positive_int("image_size", size) for size in image_size
        )
        shape = (height, width, shape[2])
    if None in shape:
        raise ValueError(
            f"'tfds:{name}' has inputs of several sizes, {shape}, and batches "
            "need one. Received: image_size=None. Pass, for example, "
            "image_size=(224, 224)."
        )
    return shape


def _test_split(name, splits):
    for split in ("test", "validation"):
        if split in splits:
            return split
    raise ValueError(
        f"`test_split` must be given for 'tfds:{name}', which has only the "
        f"splits {', '.join(map(repr, splits))}. Received: test_split=None. "
        "Divide one, for example train_split='train[:80%]' and "
        "test_split='train[80%:]'."
    )


def _check_split(name, splits, part, split):
    argument = "validation" if part == "validation" else f"{part}_split"
    base = split.split("[")[0]
    checks.check_choice(
        argument,
        base,
        splits,
        way_out=f"These are the splits of 'tfds:{name}'.",
    )


def _scale(image):
    """Returns what brings pixels to [0, 1]; resizing keeps their range."""
    dtype = np.dtype(image.np_dtype)
    return 1 / np.iinfo(dtype).max if dtype.kind == "u" else 1.0


def _prepare(feature, is_image, image_size):
    """Returns the function that decodes and resizes one example."""

    def prepare(x, y):
        if is_image:
            x = feature.decode_example(x)
        if image_size is not None:
            x = tf.image.resize(x, image_size, antialias=True)
        return x, y

    return prepare


def _read(examples, prepare, shape, size):
    """Reads a whole source into two arrays, in its order."""
    batches = examples.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
    x = y = None
    row = 0
    for batch_x, batch_y in batches.batch(1024).as_numpy_iterator():
        if x is None:
            x = np.empty((size, *shape), batch_x.dtype)
            y = np.empty(size, np.int32)
        x[row : row + len(batch_x)] = batch_x
        y[row : row + len(batch_y)] = batch_y
        row += len(batch_x)
    return x, y
