"""Recipes for a CPU: MNIST-1D, and LeNet-300-100 on MNIST as published."""

from __future__ import annotations

from tflottery.lottery.config import SearchConfig
from tflottery.lottery.recipes.recipe import Recipe

RECIPES = (
    Recipe(
        name="mnist1d_mlp",
        config=SearchConfig(
            dataset="mnist1d",
            model="mlp",
            steps=1500,
            rounds=10,
            replicates=3,
            validate_every=50,
            output_prune_fraction=0.1,
        ),
        description="MLP 40-300-100-10 on MNIST-1D; a few minutes.",
        source="This library; settings after lenet_300_100_mnist.",
        expected=(
            "Tickets reach their lowest validation loss at a higher test "
            "accuracy than the dense network."
        ),
    ),
    Recipe(
        name="mnist1d_rewinding",
        config=SearchConfig(
            dataset="mnist1d",
            model="mlp",
            model_options={"hidden": [100, 100, 100], "batch_norm": True},
            batch_size=100,
            steps=3000,
            optimizer="sgd",
            learning_rate=0.5,
            optimizer_options={"momentum": 0.9},
            schedule="step",
            schedule_options={"boundaries": [1500, 2250], "factor": 0.1},
            rounds=11,
            prune_fraction=0.2,
            scope="global",
            rewind_to="150it",
            rewind_optimizer="restore",
            validate_every=100,
            replicates=3,
        ),
        description="MLP with BatchNorm on MNIST-1D, which needs rewinding.",
        source=(
            "This library: the smallest network found whose tickets fail at "
            "step 0, as those of ResNets do in Frankle et al., Stabilizing "
            "the Lottery Ticket Hypothesis, 2019, section 3."
        ),
        expected=(
            "At 16.8 % of the weights, tickets rewound to step 150 are as "
            "accurate as the dense network or better, and stable; with "
            "--rewind_to=0it they are unstable and lose about 4 points. See "
            "docs/reproduction/mnist1d_rewinding.md."
        ),
    ),
    Recipe(
        name="lenet_300_100_mnist",
        config=SearchConfig(
            dataset="tfds:mnist",
            model="lenet_300_100",
            batch_size=60,
            steps=50_000,
            optimizer="adam",
            learning_rate=1.2e-3,
            rounds=16,
            prune_fraction=0.2,
            output_prune_fraction=0.1,
            scope="layerwise",
            criterion="magnitude",
            rewind_to="0it",
            rewind_optimizer="fresh",
            validation_size=5000,
            validate_every=100,
        ),
        description="LeNet-300-100 on MNIST, the paper's settings exactly.",
        source=(
            "Frankle and Carbin, The Lottery Ticket Hypothesis, 2019, "
            "figure 2 and appendix G (Adam 1.2e-3, batch 60, 50,000 "
            "iterations, Gaussian Glorot, 55,000/5,000 split)."
        ),
        expected=(
            "Dense test accuracy 98.0 +- 0.2 %; earliest stop at about "
            "21 % density; dense accuracy again at 3.6 % density."
        ),
        differences=(
            "The authors' public code differs from the paper: SGD at 0.1 "
            "instead of Adam, batches of 64, all 60,000 images to train on "
            "and none to validate, images divided by their L2 norm. The paper "
            "does not say how pixels are scaled ([0, 1] here) and repeats "
            "everything 5 times (--replicates=5; 1 here)."
        ),
    ),
)
