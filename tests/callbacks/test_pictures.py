"""Tests of the pictures of a mask, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from tflottery.callbacks import pictures


def test_the_matrix_shows_kept_white_and_pruned_black():
    mask = np.random.default_rng(0).random((600, 590)) < 0.3
    picture = pictures.of_mask(mask)["inputs_by_units"]
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[..., 0], 255 * mask)
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])


@pytest.mark.parametrize(
    ("shape", "factor"),
    # Up to at least 512, by whole factors, and never beyond 1024.
    [
        ((2, 2), 256),
        ((40, 300), 2),
        ((511, 1), 2),
        ((512, 1), 1),
        ((600, 1), 1),
    ],
)
def test_a_small_matrix_is_magnified(shape, factor):
    mask = np.random.default_rng(0).random(shape) < 0.5
    picture = pictures.of_mask(mask)["inputs_by_units"]
    assert picture.shape == (factor * shape[0], factor * shape[1], 3)
    large = np.kron(255 * mask, np.ones((factor, factor)))
    np.testing.assert_array_equal(picture[..., 0], large)


def test_a_row_of_inputs_is_drawn_high_enough_to_see():
    row = pictures.of_mask(np.ones((40, 5), bool), (40,))["reads_per_input"]
    assert row.shape == (64, 13 * 40, 3)


def test_a_large_matrix_is_averaged():
    mask = np.zeros((2048 + 1, 3), bool)
    mask[::3, 0] = True  # steps of 3 rows: one kept in each
    mask[:, 1] = True
    picture = pictures.of_mask(mask)["inputs_by_units"]
    assert picture.shape == (683, 3, 3)
    np.testing.assert_array_equal(picture[0, :, 0], [85, 255, 0])


@pytest.mark.parametrize("shape", [None, (784,), (28, 28, 1), (28, 28)])
def test_reads_per_pixel_have_the_layout_of_the_image(shape):
    mask = np.zeros((784, 10), bool)
    mask[28 * 3 + 5, :] = True  # row 3, column 5: read by all
    mask[28 * 20 + 1, :5] = True  # read by half as many
    reads = pictures.reads_per_input(mask, shape)
    expected = np.zeros((28, 28))
    expected[3, 5] = 1.0
    expected[20, 1] = 0.5
    np.testing.assert_array_equal(reads, expected)


def test_colour_channels_stay_colours():
    mask = np.zeros((8 * 4 * 3, 2), bool)
    mask[1, :] = True  # pixel (0, 0), green
    reads = pictures.reads_per_input(mask, (8, 4, 3))
    assert reads.shape == (8, 4, 3)
    assert reads[0, 0].tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("inputs", [40, 36, 1])
def test_inputs_that_are_no_image_are_one_row(inputs):
    # 36 is a square, but 6 x 6 is hardly ever an image.
    mask = np.ones((inputs, 3), bool)
    assert pictures.reads_per_input(mask, (inputs,)).shape == (1, inputs)


def test_a_mask_without_survivors_is_black():
    found = pictures.of_mask(np.zeros((64, 3), bool))
    assert all(picture.max() == 0 for picture in found.values())


def test_filters_stand_in_a_grid_in_reading_order():
    mask = np.zeros((3, 3, 1, 5), bool)
    mask[0, 0, 0, 0] = True
    mask[2, 1, 0, 4] = True  # second row, second column of a 2 x 3 grid
    grid = pictures.filter_grid(mask)
    cell = 3 * 4 + 1  # taps of 4 pixels, and a frame of one
    assert grid.shape == (2 * cell + 1, 3 * cell + 1, 3)
    expected = np.zeros(grid.shape[:2], bool)
    expected[1:5, 1:5] = True
    expected[cell + 9 : cell + 13, cell + 5 : cell + 9] = True
    np.testing.assert_array_equal((grid == 255).all(axis=-1), expected)
    assert (grid[::cell] == grid[0, 0]).all()  # the frames
    assert set(pictures.of_mask(mask)) == {"inputs_by_units", "filters"}


def test_filters_over_three_channels_are_coloured_and_over_more_averaged():
    mask = np.zeros((1, 1, 3, 1), bool)
    mask[0, 0, 2] = True
    assert pictures.filter_grid(mask)[1, 1].tolist() == [0, 0, 255]
    mask = np.zeros((1, 1, 4, 1), bool)
    mask[0, 0, 2] = True
    assert pictures.filter_grid(mask)[1, 1].tolist() == [64, 64, 64]


def test_a_mask_of_rank_three_is_drawn_as_a_matrix():
    found = pictures.of_mask(np.ones((3, 200, 590), bool))
    assert {name: picture.shape for name, picture in found.items()} == {
        "inputs_by_units": (600, 590, 3)
    }
