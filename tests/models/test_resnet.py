import keras
import numpy as np
import pytest

from tflottery.models import resnet

CIFAR = {"input_shape": (32, 32, 3), "num_classes": 10}
SMALL = {"input_shape": (8, 8, 1), "num_classes": 10, "width": 2}


def kernels(model):
    return {
        layer.name: layer.kernel.numpy()
        for layer in model.layers
        if getattr(layer, "kernel", None) is not None
    }


def test_resnet20_has_the_weights_of_the_paper(family):
    sizes = {
        name: kernel.size
        for name, kernel in kernels(resnet.resnet20(family, **CIFAR)).items()
    }
    shortcuts = {n: s for n, s in sizes.items() if n.endswith("_shortcut")}
    # 16 x 32 and 32 x 64 in windows of 1x1.
    assert shortcuts == {
        "stage2_block1_shortcut": 512,
        "stage3_block1_shortcut": 2048,
    }
    assert sizes["output"] == 640
    assert sum(sizes.values()) - 2560 - 640 == 267_696
    # conv1, 18 in blocks and the output make the 20 layers of its name.
    assert len(sizes) - len(shortcuts) == 20


@pytest.mark.parametrize(
    ("builder", "depth"),
    [
        (resnet.resnet32, 32),
        pytest.param(resnet.resnet44, 44, marks=pytest.mark.slow),
        pytest.param(resnet.resnet56, 56, marks=pytest.mark.slow),
        pytest.param(resnet.resnet110, 110, marks=pytest.mark.slow),
    ],
)
def test_deeper_ones_have_as_many_layers_as_their_name_says(builder, depth):
    model = builder(keras, **{**SMALL, "width": 1})
    names = [n for n in kernels(model) if not n.endswith("_shortcut")]
    assert (model.name, len(names)) == (f"resnet{depth}", depth)


def test_stages_halve_the_image_and_double_the_filters():
    model = resnet.resnet20(keras, **SMALL)
    shapes = [
        model.get_layer(f"stage{stage}_block3_relu").output.shape[1:]
        for stage in (1, 2, 3)
    ]
    assert shapes == [(8, 8, 2), (4, 4, 4), (2, 2, 8)]
    assert model.output_shape == (None, 10)


def test_a_block_that_adds_nothing_passes_its_input_on(family):
    model = resnet.resnet20(family, **SMALL)
    last = model.get_layer("stage1_block1_conv2")
    last.kernel.assign(np.zeros(last.kernel.shape, np.float32))
    inside = family.Model(
        model.input,
        [
            model.get_layer("conv1_relu").output,
            model.get_layer("stage1_block1_relu").output,
        ],
    )
    before, after = inside(np.ones((2, 8, 8, 1), np.float32))
    # What comes in is not negative, so the last ReLU changes nothing.
    np.testing.assert_array_equal(np.asarray(before), np.asarray(after))
    assert np.asarray(before).any()


def test_both_families_start_with_the_same_bits_and_compute_the_same(families):
    options = {"initializer": "kaiming_normal", "gamma": "uniform"}
    ours, legacy = (
        resnet.resnet20(k, seed=4, **SMALL, **options) for k in families
    )
    for mine, theirs in zip(
        ours.get_weights(), legacy.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    x = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
    # Tolerance: 20 layers of float32 sums in another order.
    np.testing.assert_allclose(
        np.asarray(ours(x)), np.asarray(legacy(x)), rtol=1e-3, atol=1e-4
    )


def test_scales_may_start_uniform_as_in_open_lth():
    model = resnet.resnet20(keras, **CIFAR, gamma="uniform")
    scales = np.concatenate(
        [
            layer.gamma.numpy()
            for layer in model.layers
            if getattr(layer, "gamma", None) is not None
        ]
    )
    # 784 uniform numbers: standard error of the mean 0.0103.
    assert 0 <= scales.min() < 0.02 and 0.98 < scales.max() < 1
    assert abs(scales.mean() - 0.5) < 0.05


def test_statistics_follow_as_in_pytorch():
    layer = resnet.resnet20(keras, **SMALL).get_layer("conv1_bn")
    assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)


def test_weight_decay_is_on_every_kernel_and_on_nothing_else(family):
    model = resnet.resnet20(family, **SMALL, weight_decay=2e-4)
    expected = sum(
        1e-4 * float((kernel.astype(np.float64) ** 2).sum())
        for kernel in kernels(model).values()
    )
    assert len(model.losses) == len(kernels(model)) == 22
    # Tolerance: float32 sums.
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_without_weight_decay_there_is_no_penalty():
    assert resnet.resnet20(keras, **SMALL).losses == []


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_a_depth_that_makes_no_blocks_is_refused(depth):
    with pytest.raises(ValueError, match=rf"`depth`.*6 n \+ 2.*depth={depth}"):
        resnet.cifar_resnet(keras, **SMALL, depth=depth)


def test_images_that_would_vanish_are_refused():
    with pytest.raises(ValueError, match=r"input_shape=\(3, 8, 1\).*4x4"):
        resnet.resnet20(keras, input_shape=(3, 8, 1), num_classes=2)
