"""Recipes with the default settings of open_lth, under its own names.

They are not those of the papers, although by one of their authors, so they
must not be taken for them.
"""

from __future__ import annotations

from tflottery.lottery.config import SearchConfig
from tflottery.lottery.recipes.recipe import Recipe

_SOURCE = "open_lth (facebookresearch/open_lth), default_hparams of models/{}."
_SHARED = (
    " open_lth has no validation set; here 5,000 training images are set "
    "aside, and the numbers of steps are kept. Biases start at zero, not "
    "uniformly as PyTorch's; inputs are in [0, 1], not normalised by channel; "
    "weight decay is on kernels only, not on BatchNorm and biases; counts of "
    "pruned weights are rounded, while open_lth prunes one more. The number of "
    "rounds is ours."
)
_IMAGES = {"initializer": "kaiming_normal", "gamma": "uniform"}


def _config(epoch, epochs, drops=(), warmup=0, **settings):
    schedule = {}
    if drops:
        options = {"boundaries": [n * epoch for n in drops], "factor": 0.1}
        if warmup:
            options["warmup"] = warmup * epoch
        schedule = {"schedule": "step", "schedule_options": options}
    return SearchConfig(
        steps=epochs * epoch,
        optimizer="sgd",
        prune_fraction=0.2,
        scope="global",
        criterion="magnitude",
        rewind_to="0it",
        rewind_optimizer="fresh",
        validation_size=5000,
        **schedule,
        **settings,
    )


def _cifar(model, **settings):
    # 391 steps an epoch: the last batch is a short one there.
    return _config(
        391,
        160,
        (80, 120),
        dataset="tfds:cifar10",
        augmentation="crop_flip",
        model=model,
        model_options={**_IMAGES, "weight_decay": 1e-4},
        batch_size=128,
        optimizer_options={"momentum": 0.9},
        learning_rate=0.1,
        validate_every=115,
        **settings,
    )


RECIPES = (
    Recipe(
        name="open_lth_mnist_lenet",
        config=_config(
            469,
            40,
            dataset="tfds:mnist",
            model="lenet_300_100",
            model_options={"initializer": "kaiming_normal"},
            batch_size=128,
            learning_rate=0.1,
            layer_prune_fractions={"output": 0.0},
            rounds=16,
            validate_every=134,
        ),
        description="LeNet-300-100 on MNIST as open_lth has it.",
        source=_SOURCE.format("mnist_lenet.py"),
        expected="open_lth prints none.",
        differences=(
            "Unlike the paper's: SGD 0.1 instead of Adam, batches of 128, 40 "
            "epochs, Kaiming instead of Glorot, global pruning that leaves "
            "out the output." + _SHARED
        ),
    ),
    Recipe(
        name="open_lth_cifar_resnet20",
        config=_cifar("resnet20", rounds=15),
        description="ResNet-20 on CIFAR-10 as open_lth has it.",
        source=_SOURCE.format("cifar_resnet.py"),
        expected=(
            "open_lth prints none; the same network, trained a little longer, "
            "reaches 91.71 +- 0.23 % in the data of Renda et al., 2020."
        ),
        differences=(
            "Unlike the paper's: 160 epochs with drops at 80 and 120, Kaiming "
            "instead of Glorot, scales of BatchNorm uniform in [0, 1), and "
            "shortcuts and output are pruned too." + _SHARED
        ),
    ),
    Recipe(
        name="open_lth_cifar_vgg16",
        config=_cifar(
            "vgg16", rounds=19, layer_prune_fractions={"output": 0.0}
        ),
        description="VGG-16 on CIFAR-10 as open_lth has it.",
        source=_SOURCE.format("cifar_vgg.py"),
        expected=(
            "open_lth prints none; a VGG-16 with more weight decay reaches "
            "93.33 +- 0.19 % in the data of Renda et al., 2020."
        ),
        differences=(
            "Unlike the paper's VGG-19: 16 layers, batches of 128, Kaiming "
            "instead of Glorot, scales of BatchNorm uniform in [0, 1). Its "
            "convolutions have biases, which BatchNorm cancels; none here."
            + _SHARED
        ),
    ),
    Recipe(
        name="open_lth_imagenet_resnet50",
        config=_config(
            1252,
            90,
            (30, 60, 80),
            5,
            dataset="tfds:imagenet2012",
            dataset_options={"image_size": [224, 224]},
            augmentation="stretch_flip",
            model="resnet50",
            model_options={**_IMAGES, "weight_decay": 1e-4},
            batch_size=1024,
            optimizer_options={"momentum": 0.9},
            learning_rate=0.4,
            rounds=10,
            validate_every=1252,
        ),
        description="ResNet-50 on ImageNet as open_lth has it.",
        source=_SOURCE.format("imagenet_resnet.py"),
        expected="Dense top-1 accuracy 76.1 %, as its code says.",
        differences=(
            "Crops are taken from images resized to 224x224 whatever their "
            "shape, not from the full image; test images likewise, where "
            "open_lth crops the middle." + _SHARED
        ),
    ),
)
