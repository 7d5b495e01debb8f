"""Recipes of ResNet-20, VGG-19 and ResNet-50, with rewinding and without.

Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, section 4 and appendix
I; Frankle, Dziugaite, Roy and Carbin, Stabilizing the Lottery Ticket
Hypothesis, 2019. Both call the ResNet-20 of CIFAR "Resnet-18".
"""

from __future__ import annotations

from typing import Any

from tflottery.lottery.config import SearchConfig
from tflottery.lottery.recipes.recipe import Recipe

_TICKETS = (
    "Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, figure 2, "
    "section 4 and appendix I (momentum 0.9, weight decay 1e-4, BatchNorm, "
    "Gaussian Glorot, flips and crops, global pruning of the convolutions at "
    "20 %)."
)
_STABLE = (
    "Frankle et al., Stabilizing the Lottery Ticket Hypothesis, 2019, figure "
    "2, sections 3 to 5; settings of the dense network as in The Lottery "
    "Ticket Hypothesis, 2019, appendix I."
)
_CIFAR = (
    "Not printed, and chosen here: pixels in [0, 1] without further "
    "normalisation, BatchNorm momentum 0.9, weight decay on kernels only, "
    "the number of rounds. Keras' momentum carries the old rate over a drop "
    "for some steps, PyTorch's does not."
)
_RESNET = (
    " The paper says Resnet-18; its sizes are those of the ResNet-20 for "
    "CIFAR. Its densities count the shortcuts and the output, which it does "
    "not prune. One copy of the second paper swaps the drops of Resnet-18 and "
    "VGG-19; these are the first paper's."
)
_IMAGENET = (
    "The paper gives batch size, rate, warm-up and drops; weight decay 1e-4, "
    "pruning of all kernels together and the initialisation are ours. Images "
    "are resized to 224x224 whatever their shape, and crops are taken from "
    "these, not from the full image. 5,000 training images are set aside to "
    "validate on. An epoch is 1,251 steps."
)


def _cifar(model, steps, boundaries, rate, rounds, warmup=0, **settings):
    options: dict[str, Any] = {"boundaries": boundaries, "factor": 0.1}
    if warmup:
        options["warmup"] = warmup
    return SearchConfig(
        dataset="tfds:cifar10",
        augmentation="crop_flip",
        model=model,
        model_options={"weight_decay": 1e-4},
        steps=steps,
        optimizer="sgd",
        optimizer_options={"momentum": 0.9},
        learning_rate=rate,
        schedule="step",
        schedule_options=options,
        rounds=rounds,
        prune_fraction=0.2,
        scope="global",
        criterion="magnitude",
        rewind_optimizer="fresh",
        validation_size=5000,
        **settings,
    )


def _resnet(rate, warmup=0, rewind_to="0it", replicates=5):
    return _cifar(
        "resnet20",
        30_000,
        [20_000, 25_000],
        rate,
        15,
        warmup,
        layer_prune_fractions={".*_shortcut": 0.0, "output": 0.0},
        batch_size=128,
        validate_every=100,
        rewind_to=rewind_to,
        replicates=replicates,
    )


def _vgg(rate, warmup=0, rewind_to="0it", replicates=5):
    # 160 epochs of 703 steps, drops after 80 and 120 of them.
    return _cifar(
        "vgg19",
        112_480,
        [56_240, 84_360],
        rate,
        19,
        warmup,
        layer_prune_fractions={"output": 0.0},
        batch_size=64,
        validate_every=95,
        rewind_to=rewind_to,
        replicates=replicates,
    )


def _imagenet(**settings):
    epoch = 1251
    return SearchConfig(
        dataset="tfds:imagenet2012",
        dataset_options={"image_size": [224, 224]},
        augmentation="stretch_flip",
        model="resnet50",
        model_options={"weight_decay": 1e-4},
        batch_size=1024,
        steps=90 * epoch,
        optimizer="sgd",
        optimizer_options={"momentum": 0.9},
        learning_rate=0.4,
        schedule="step",
        schedule_options={
            "boundaries": [30 * epoch, 60 * epoch, 80 * epoch],
            "factor": 0.1,
            "warmup": 5 * epoch,
        },
        scope="global",
        rewind_optimizer="fresh",
        validation_size=5000,
        validate_every=epoch,
        replicates=5,
        **settings,
    )


RECIPES = (
    Recipe(
        name="resnet20_cifar10",
        config=_resnet(0.1),
        description="ResNet-20 on CIFAR-10 at 0.1: no winning tickets.",
        source=_TICKETS,
        expected="Dense test accuracy 90.5 %; no better than reinitialised.",
        differences=_CIFAR + _RESNET,
    ),
    Recipe(
        name="resnet20_cifar10_low",
        config=_resnet(0.01),
        description="ResNet-20 on CIFAR-10 at 0.01.",
        source=_TICKETS,
        expected=(
            "Dense test accuracy 89.1 +- 0.1 %; best tickets 89.5 % from 41.7 "
            "to 21.9 % density."
        ),
        differences=_CIFAR + _RESNET,
    ),
    Recipe(
        name="resnet20_cifar10_warmup",
        config=_resnet(0.03, 20_000),
        description="ResNet-20 on CIFAR-10 at 0.03 with a warm-up.",
        source=_TICKETS,
        expected=(
            "Dense test accuracy 89.6 +- 0.1 %; 90.5 % at 27.1 % density, "
            "winning tickets down to 11.8 %."
        ),
        differences=_CIFAR + _RESNET,
    ),
    Recipe(
        name="vgg19_cifar10",
        config=_vgg(0.1),
        description="VGG-19 on CIFAR-10 at 0.1: no winning tickets.",
        source=_TICKETS,
        expected=(
            "Dense test accuracy 91.5 +- 0.2 %; no better than reinitialised."
        ),
        differences=_CIFAR,
    ),
    Recipe(
        name="vgg19_cifar10_low",
        config=_vgg(0.01),
        description="VGG-19 on CIFAR-10 at 0.01.",
        source=_TICKETS,
        expected=(
            "Dense test accuracy 92.0 +- 0.1 %; within 1 point of it down to "
            "3.5 % density, which reinitialised networks are not."
        ),
        differences=_CIFAR,
    ),
    Recipe(
        name="vgg19_cifar10_warmup",
        config=_vgg(0.1, 10_000),
        description="VGG-19 on CIFAR-10 at 0.1 with a warm-up.",
        source=_TICKETS,
        expected=(
            "Dense test accuracy 92.3 +- 0.1 %, exceeded down to 1.5 % density."
        ),
        differences=_CIFAR,
    ),
    Recipe(
        name="resnet20_cifar10_rewinding",
        config=_resnet(0.1, rewind_to="500it", replicates=3),
        description="ResNet-20 on CIFAR-10 at 0.1, rewound to step 500.",
        source=_STABLE,
        expected=(
            "At 16.7 % density better than dense (90.5 %); rewound to 0 it "
            "has 87.7 %, no more than a random mask."
        ),
        differences=_CIFAR + _RESNET,
    ),
    Recipe(
        name="vgg19_cifar10_rewinding",
        config=_vgg(0.1, rewind_to="100it", replicates=3),
        description="VGG-19 on CIFAR-10 at 0.1, rewound to step 100.",
        source=_STABLE,
        expected=(
            "At 2.2 % density better than dense (91.5 %); rewound to 0 it has "
            "90.0 %, a random mask 90.2 %."
        ),
        differences=_CIFAR,
    ),
    Recipe(
        name="resnet50_imagenet",
        config=_imagenet(
            rounds=8, prune_fraction=0.2, rewind_to=f"{6 * 1251}it"
        ),
        description="ResNet-50 on ImageNet, rewound to epoch 6.",
        source=(
            "Frankle et al., Stabilizing the Lottery Ticket Hypothesis, 2019, "
            "figure 6 and section 5."
        ),
        expected=(
            "Dense top-1 accuracy 76.1 +- 0.1 %, matched with 20 % of the "
            "weights."
        ),
        differences=_IMAGENET,
    ),
    Recipe(
        name="resnet50_imagenet_one_shot",
        config=_imagenet(
            rounds=1, prune_fraction=0.7, rewind_to=f"{4 * 1251}it"
        ),
        description="ResNet-50 on ImageNet, pruned once, rewound to epoch 4.",
        source=(
            "Frankle et al., Stabilizing the Lottery Ticket Hypothesis, 2019, "
            "figure 6 and section 5."
        ),
        expected=(
            "Dense top-1 accuracy 76.1 +- 0.1 %, matched with 30 % of the "
            "weights; rewound to 0 it is worse at any density."
        ),
        differences=_IMAGENET,
    ),
)
