"""The data of an experiment, as its settings name them."""

from __future__ import annotations

from tflottery import data as datasets
from tflottery.core.seeds import child_seed
from tflottery.lottery.training_config import TrainingConfig


def load_data(
    config: TrainingConfig, data_dir: str | None = None
) -> datasets.Dataset:
    """Returns the data that settings name, divided and augmented alike.

    Args:
        config: the settings of a training.
        data_dir: folder of TFDS data.

    Raises:
        ValueError: an unknown data set, or one that does not allow what the
            settings ask for.

    Example:
        >>> load_data(TrainingConfig(dataset="digits")).train_size
        1100
    """
    data = datasets.load(
        config.dataset,
        data_dir=data_dir,
        validation=config.validation_size,
        seed=child_seed(config.seed, "split"),
        **config.dataset_options,
    )
    return datasets.augment(data, config.augmentation)
