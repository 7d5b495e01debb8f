import numpy as np
import pytest

from tflottery.models import lenet

MNIST = {"input_shape": (28, 28, 1), "num_classes": 10}


def kernels(model):
    return {
        layer.name: layer.get_weights()[0]
        for layer in model.layers
        if layer.get_weights()
    }


def test_kernel_sizes_are_those_of_the_paper(family):
    model = lenet.lenet_300_100(family, **MNIST)
    sizes = {name: kernel.size for name, kernel in kernels(model).items()}
    assert sizes == {"fc1": 235_200, "fc2": 30_000, "output": 1_000}
    assert sum(sizes.values()) == 266_200
    assert model.name == "lenet_300_100"


def test_biases_start_at_zero(family):
    for bias in lenet.lenet_300_100(family, **MNIST).get_weights()[1::2]:
        assert not bias.any()


def test_same_seed_same_bits_in_both_families(families):
    ours, legacy = (
        kernels(lenet.lenet_300_100(keras, seed=3, **MNIST))
        for keras in families
    )
    assert list(ours) == list(legacy) == ["fc1", "fc2", "output"]
    for name in ours:
        np.testing.assert_array_equal(ours[name], legacy[name])


def test_both_families_compute_the_same_function(families):
    x = np.random.default_rng(0).random((4, 28, 28, 1), np.float32)
    ours, legacy = (
        np.asarray(lenet.lenet_300_100(keras, **MNIST)(x)) for keras in families
    )
    # Tolerance: float32 sums of 784 terms may be ordered differently.
    np.testing.assert_allclose(ours, legacy, rtol=1e-4, atol=1e-5)
    # Logits: neither positive nor summing to one.
    assert (ours < 0).any()


@pytest.mark.parametrize("layer", ["fc1", "fc2", "output"])
def test_other_seed_other_bits(family, layer):
    first, second = (
        kernels(lenet.lenet_300_100(family, seed=seed, **MNIST))[layer]
        for seed in (0, 1)
    )
    # Of up to 235,200 float32 Gaussians a handful may coincide by chance.
    assert (first == second).mean() < 1e-3


def test_global_seed_does_not_matter(family):
    first = kernels(lenet.lenet_300_100(family, **MNIST))
    family.utils.set_random_seed(123)
    second = kernels(lenet.lenet_300_100(family, **MNIST))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_saved_model_loads_without_this_package(family, tmp_path):
    # Its config names stock classes only, so no custom object is needed.
    model = lenet.lenet_300_100(family, **MNIST)
    path = str(tmp_path / "lenet.keras")
    model.save(path)
    loaded = family.models.load_model(path)
    for mine, theirs in zip(
        model.get_weights(), loaded.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert "tflottery" not in model.to_json()
