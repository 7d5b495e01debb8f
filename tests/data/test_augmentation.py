import numpy as np
import pytest
import tensorflow as tf

from tflottery.data import augmentation

# Every pixel of every image has a number of its own; none is zero.
IMAGES = 1 + np.arange(64 * 6 * 5 * 1, dtype=np.float32).reshape(64, 6, 5, 1)


def change(name, images=IMAGES, seed=0, step=0):
    return augmentation.get(name)(tf.constant(images), seed=seed, step=step)


def windows(image, pad):
    """All crops of the padded image: {bytes of a crop: (row, column)}."""
    height, width, _ = image.shape
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    return {
        padded[r : r + height, c : c + width].tobytes(): (r, c)
        for r in range(2 * pad + 1)
        for c in range(2 * pad + 1)
    }


def test_every_crop_is_a_window_of_the_padded_image():
    offsets = [
        windows(before, 4)[after.tobytes()]
        for step in range(8)
        for before, after in zip(
            IMAGES, change("crop", step=step).numpy(), strict=True
        )
    ]
    # 512 draws of 9 values: each is expected 57 times, with a deviation of 7.
    for axis in (0, 1):
        counts = np.bincount([offset[axis] for offset in offsets], minlength=9)
        assert len(counts) == 9 and counts.min() > 20
    # Rows and columns are drawn apart: a ninth of them agree by chance.
    assert np.mean([row == column for row, column in offsets]) < 0.25


def test_half_of_the_images_are_flipped_and_no_other_is_touched():
    flipped = 0
    for step in range(8):
        for before, after in zip(
            IMAGES, change("flip", step=step).numpy(), strict=True
        ):
            if np.array_equal(after, before):
                continue
            np.testing.assert_array_equal(after, before[:, ::-1])
            flipped += 1
    # 512 tosses: 256 with a deviation of 11.
    assert 200 < flipped < 312


def test_crop_and_flip_go_together():
    kinds = set()
    for before, after in zip(IMAGES, change("crop_flip").numpy(), strict=True):
        crops = windows(before, 4)
        kinds.add(after.tobytes() in crops)
        assert after.tobytes() in crops or after[:, ::-1].tobytes() in crops
    assert kinds == {True, False}


@pytest.mark.parametrize("name", ["flip", "crop", "crop_flip", "stretch_flip"])
def test_a_step_is_a_function_of_seed_and_number(name):
    first = change(name, seed=3, step=7).numpy()
    tf.random.set_seed(1)
    change(name, seed=3, step=6)
    np.testing.assert_array_equal(change(name, seed=3, step=7).numpy(), first)
    in_graph = tf.function(
        lambda step: change(name, seed=3, step=step), jit_compile=False
    )
    np.testing.assert_array_equal(in_graph(tf.constant(7)).numpy(), first)
    for other in ({"seed": 4, "step": 7}, {"seed": 3, "step": 8}):
        assert (change(name, **other).numpy() != first).any()


def test_crops_are_frozen():
    # Resumed runs rely on it: a new TensorFlow must not move old images.
    crops = change("crop", step=5).numpy()
    found = [windows(IMAGES[i], 4)[crops[i].tobytes()] for i in range(4)]
    assert found == [(6, 3), (0, 3), (7, 7), (4, 2)]


def test_bytes_stay_bytes():
    images = IMAGES.astype(np.uint8)
    assert change("crop_flip", images).dtype == tf.uint8


def test_stretched_crops_cover_what_they_may():
    # A ramp tells where a crop begins and ends: its values there.
    ramp = np.linspace(0, 1, 33, dtype=np.float32)
    down, right = np.meshgrid(ramp, ramp, indexing="ij")
    images = np.stack([np.stack([down, right], axis=-1)] * 200)
    found = change("stretch_flip", images).numpy()
    assert found.min() >= -1e-6 and found.max() <= 1 + 1e-6
    tall = found[:, -1, 0, 0] - found[:, 0, 0, 0]
    wide = np.abs(found[:, 0, -1, 1] - found[:, 0, 0, 1])
    area = tall * wide
    # Where a crop would leave the image it is cut off, so areas may be less
    # than drawn: at most by a factor of the ratio, 1.25.
    assert 0.1 - 1e-5 <= area.min() < 0.2 and 0.8 < area.max() <= 1
    inside = (tall < 0.99) & (wide < 0.99)
    ratio = wide[inside] / tall[inside]
    assert 0.79 < ratio.min() < 0.85 and 1.2 < ratio.max() < 1.26


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(ValueError, match="'crop_flop'.*'crop_flip'"):
        augmentation.get("crop_flop")


@pytest.mark.parametrize("settings", [{"least_area": 0.0}, {"pad": -1}])
def test_values_out_of_range_are_refused(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        augmentation.Augmentation("mine", **settings)
