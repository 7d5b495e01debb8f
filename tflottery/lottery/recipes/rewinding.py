"""Recipes of the comparison of rewinding and fine-tuning on CIFAR-10.

Renda, Frankle and Carbin, Comparing Rewinding and Fine-tuning in Neural
Network Pruning, 2020. The policy is the one it proposes; the others are
`--policy=weight_rewinding` and `--policy=fine_tuning`.
"""

from __future__ import annotations

from tflottery.lottery.config import SearchConfig
from tflottery.lottery.recipes.recipe import Recipe

_SOURCE = (
    "Renda, Frankle and Carbin, Comparing Rewinding and Fine-tuning in Neural "
    "Network Pruning, 2020, and its public code and results (batch 128, "
    "71,108 iterations = 182 epochs, momentum 0.9, rate 0.1, 0.01 from epoch "
    "91, 0.001 from epoch 136; all kernels pruned by one threshold, 20 % a "
    "round)."
)
_DIFFERENCES = (
    "The settings are those of the public code. Its weight decay is read here "
    "as coupled, on kernels only. Pixels are in [0, 1] without further "
    "normalisation; Gaussian Glorot as in The Lottery Ticket Hypothesis; 5,000 "
    "training images are set aside to validate on. Retraining runs for the "
    "whole of the original training; a shorter time t is "
    "--rewind_to=(71,108 - t)it."
)


def _config(model, weight_decay):
    return SearchConfig(
        dataset="tfds:cifar10",
        augmentation="crop_flip",
        model=model,
        model_options={"weight_decay": weight_decay},
        batch_size=128,
        steps=71_108,
        optimizer="sgd",
        optimizer_options={"momentum": 0.9},
        learning_rate=0.1,
        schedule="step",
        # Epochs 91 and 136 of 182.
        schedule_options={"boundaries": [35_554, 53_136], "factor": 0.1},
        rounds=10,
        prune_fraction=0.2,
        scope="global",
        criterion="magnitude",
        rewind_to="0it",
        policy="learning_rate_rewinding",
        rewind_optimizer="fresh",
        validation_size=5000,
        validate_every=116,
        replicates=3,
    )


def _recipe(model, title, weight_decay, expected):
    return Recipe(
        name=f"{model}_cifar10_lr_rewinding",
        config=_config(model, weight_decay),
        description=f"{title} on CIFAR-10, learning-rate rewinding.",
        source=_SOURCE,
        expected=expected,
        differences=_DIFFERENCES,
    )


RECIPES = (
    _recipe(
        "resnet20",
        "ResNet-20",
        2e-4,
        "Dense test accuracy 91.71 +- 0.23 %, kept down to 16.8 % density "
        "(+0.07 points there, -0.70 at 10.7 %); fine-tuning loses 1.36 points "
        "at 16.8 %.",
    ),
    _recipe(
        "resnet56",
        "ResNet-56",
        2e-4,
        "Dense test accuracy 93.46 +- 0.21 %, kept down to about 10.7 % "
        "density; fine-tuning loses 1.26 points there.",
    ),
    _recipe(
        "resnet110",
        "ResNet-110",
        2e-4,
        "Dense test accuracy 93.78 +- 0.23 %.",
    ),
    _recipe(
        "vgg16",
        "VGG-16",
        5e-4,
        "Dense test accuracy 93.33 +- 0.19 %.",
    ),
)
