import functools

import keras
import numpy as np
import pytest

import tflottery
from tflottery import data, models
from tflottery.core.mask import Mask
from tflottery.lottery import recipes
from tflottery.pruning.criterion import Evidence
from tflottery.pruning.pruner import Pruner

SHAPES = {
    "tfds:mnist": ((28, 28, 1), 10),
    "tfds:cifar10": ((32, 32, 3), 10),
    "tfds:imagenet2012": ((224, 224, 3), 1000),
    "mnist1d": ((40,), 10),
}
# Densities in percent after so many rounds, as the paper prints them in its
# text and labels; Conv-6 by arithmetic, as its printed sizes are others.
PRINTED = {
    "lenet_300_100_mnist": {3: 51.3, 7: 21.1, 9: 13.5, 15: 3.6, 16: 2.9},
    "conv2_cifar10": {6: 26.5, 11: 8.8, 14: 4.6},
    "conv4_cifar10": {11: 11.1, 12: 9.2, 13: 7.7, 15: 5.4},
    "conv6_cifar10": {1: 82.54, 7: 26.61, 10: 15.29, 13: 8.86},
    "resnet20_cifar10": {1: 80.24, 4: 41.7, 6: 27.1, 7: 21.9, 10: 11.8},
    "vgg19_cifar10": {1: 80.01, 12: 6.9, 15: 3.5, 19: 1.5},
}
BIG = pytest.mark.slow  # seconds to build
SLOW = {"vgg19_cifar10"}


@functools.lru_cache(maxsize=1)
def kernels(name):
    """{path: shape} of the kernels of a recipe's network at full size."""
    config = recipes.get(name).config
    shape, classes = SHAPES[config.dataset]
    model = models.build(
        config.model,
        keras,
        input_shape=shape,
        num_classes=classes,
        **config.model_options,
    )
    return {
        f"{layer.name}/kernel": tuple(layer.kernel.shape)
        for layer in model.layers
        if getattr(layer, "kernel", None) is not None
    }


def densities(name, rounds):
    """What a search asks of each tensor after so many rounds."""
    settings = recipes.get(name).config.settings("output")
    return {
        path: (1 - settings.fraction_of(path, path.split("/")[0])) ** rounds
        for path in kernels(name)
    }


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=BIG if n in SLOW else ()) for n in PRINTED]
)
def test_rounds_have_the_densities_of_the_paper(name):
    sizes = {path: np.prod(shape) for path, shape in kernels(name).items()}
    for rounds, printed in PRINTED[name].items():
        kept = sum(
            sizes[path] * density
            for path, density in densities(name, rounds).items()
        )
        found = 100 * kept / sum(sizes.values())
        digits = len(str(printed).split(".")[1])
        # Half a unit of the last digit printed; some labels are cut off.
        assert abs(found - printed) < 0.51 * 10**-digits, (rounds, found)


def test_pruning_resnet20_leaves_shortcuts_and_output_alone():
    # Global pruning, counted on masks: 267,696 weights in 3x3 windows, and
    # 3,200 others that are never pruned but count.
    name = "resnet20_cifar10"
    generator = np.random.default_rng(0)
    weights = {
        path: generator.standard_normal(shape, dtype=np.float32)
        for path, shape in kernels(name).items()
    }
    mask = Mask.ones_like(weights)
    pruner = Pruner(scope=recipes.get(name).config.scope)
    for rounds in range(1, 11):
        mask = pruner.prune(mask, Evidence(weights), densities(name, rounds))
        expected = 3200 + 267_696 * 0.8**rounds
        assert abs(mask.kept - expected) <= 1
    for path, array in mask.items():
        never = path.startswith("output") or "_shortcut/" in path
        assert array.all() == never
    assert round(100 * mask.density, 2) == 11.79


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_says_where_it_is_from_and_what_to_expect(name):
    recipe = recipes.get(name)
    assert recipe.name == name
    for text in (recipe.description, recipe.source, recipe.expected):
        assert text.endswith(".") and "  " not in text
    if not name.startswith("mnist1d_"):
        assert recipe.differences.endswith(".")
        assert "  " not in recipe.differences
    assert len(recipe.description) < 60
    assert recipe.config.model in models.names()
    assert recipe.config.dataset in SHAPES


def test_no_two_recipes_are_the_same():
    digests = [recipes.get(name).config.digest() for name in recipes.names()]
    assert len(set(digests)) == len(digests)


# Rates at some steps, by the tables of the papers.
@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("resnet20_cifar10", {0: 0.1, 19_999: 0.1, 20_000: 0.01, 29_999: 1e-3}),
        ("resnet20_cifar10_low", {0: 0.01, 25_000: 1e-4}),
        ("resnet20_cifar10_warmup", {0: 0, 10_000: 0.015, 20_000: 0.003}),
        ("vgg19_cifar10", {56_239: 0.1, 56_240: 0.01, 112_479: 1e-3}),
        ("vgg19_cifar10_warmup", {5_000: 0.05, 10_000: 0.1, 84_360: 1e-3}),
        ("resnet50_imagenet", {0: 0, 6_255: 0.4, 37_530: 0.04, 112_589: 4e-4}),
        ("resnet20_cifar10_lr_rewinding", {0: 0.1, 35_554: 0.01, 53_136: 1e-3}),
        ("open_lth_cifar_vgg16", {0: 0.1, 31_280: 0.01, 46_920: 1e-3}),
        ("open_lth_mnist_lenet", {0: 0.1, 18_759: 0.1}),
        ("conv2_cifar10", {0: 2e-4, 19_999: 2e-4}),
    ],
)
def test_rates_are_those_of_the_tables(name, rates):
    found = recipes.get(name).config.rate.at(list(rates))
    np.testing.assert_allclose(found, list(rates.values()), rtol=1e-5)


def test_unknown_recipes_list_the_near_ones():
    with pytest.raises(ValueError, match="'resnet20_cifar'.*resnet20_cifar10"):
        recipes.get("resnet20_cifar")


def synthetic(shape, classes, examples=12):
    generator = np.random.default_rng(0)

    def pair(count):
        images = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
        return images, np.arange(count) % classes

    return data.InMemoryDataset(
        "synthetic",
        train=pair(examples),
        validation=pair(4),
        test=pair(4),
        num_classes=classes,
    )


def run(name, dataset, run_dir, **changes):
    """Runs the first steps of a recipe for a round; returns the search."""
    config = recipes.get(name).config
    rewind_to = "0it" if config.rewind_to == "0it" else "1it"
    config = config.replace(
        **{
            "batch_size": 4,
            "steps": 4,
            "validate_every": 2,
            "rounds": 1,
            "replicates": 1,
            "rewind_to": rewind_to,
            "jit_compile": False,
            **changes,
        }
    )
    images = data.augment(dataset, config.augmentation)
    x, _ = next(iter(images.train_batches(4, seed=0)))
    assert x.shape == (4, *dataset.input_shape)
    return tflottery.find_ticket(
        config=config, data=dataset, run_dir=run_dir, summaries=False
    )


def check(name, result):
    config = recipes.get(name).config
    dense, pruned = result.rows
    assert np.isfinite([row["validation_loss"] for row in result.rows]).all()
    mask = result.ticket_of_round(1).mask
    settings = config.settings("output")
    expected = 0
    for path, array in mask.items():
        fraction = settings.fraction_of(path, path.split("/")[0])
        expected += array.size * (1 - fraction)
        assert fraction or array.all()
    # Each layer's count is rounded by itself.
    assert abs(mask.kept - expected) <= len(mask)
    assert (dense["density"], pruned["density"]) == (1.0, mask.density)


def test_a_small_recipe_runs(tmp_path):
    name = "conv2_cifar10_dropout"
    check(name, run(name, synthetic((4, 4, 3), 10), tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_runs_on_data_of_its_shape(name, tmp_path):
    config = recipes.get(name).config
    shape, classes = SHAPES[config.dataset]
    changes = {}
    if "weight_decay" in config.model_options:
        # Deep networks keep their depth and lose their width.
        changes["model_options"] = {**config.model_options, "width": 4}
    result = run(name, synthetic(shape, classes), tmp_path / "run", **changes)
    check(name, result)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_deep_recipe_runs_compiled_in_both_families(family, tmp_path):
    name = "resnet20_cifar10_warmup"
    options = {**recipes.get(name).config.model_options, "width": 2}
    dataset = synthetic((8, 8, 3), 10)
    changes = {"keras": family, "model_options": options, "jit_compile": True}
    check(name, run(name, dataset, tmp_path / "run", **changes))
