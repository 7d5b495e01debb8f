import io

import matplotlib
import numpy as np
import pytest
import sample_run
from matplotlib import image, pyplot

from tflottery.reports import density_figures, drawing, results


@pytest.fixture
def run_dir(tmp_path):
    return sample_run.write_run(tmp_path / "run")


def test_a_figure_is_saved_as_png_and_svg(run_dir, tmp_path):
    figure = density_figures.density_figure(results.read_results(run_dir))
    paths = drawing.save(figure, tmp_path / "new", "density")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "density.png",
        "density.svg",
    ]
    picture = image.imread(io.BytesIO(paths["png"].read_bytes()))
    size = figure.get_size_inches()[::-1] * drawing.PIXELS_PER_INCH
    np.testing.assert_allclose(picture.shape[:2], size, atol=1)
    assert np.ptp(picture[..., :3]) > 0.5  # Not an empty sheet.
    assert paths["svg"].read_text().rstrip().endswith("</svg>")


def test_the_same_numbers_give_the_same_bytes(run_dir):
    rows = results.read_results(run_dir)
    for kind in ("png", "svg"):
        first, second = (
            drawing.to_bytes(density_figures.density_figure(rows), kind)
            for _ in range(2)
        )
        assert first == second


def test_the_users_settings_neither_show_nor_change(run_dir):
    rows = results.read_results(run_dir)
    plain = drawing.to_bytes(density_figures.density_figure(rows), "png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        assert (
            drawing.to_bytes(density_figures.density_figure(rows), "png")
            == plain
        )
        assert dict(matplotlib.rcParams) == before


def test_the_colours_of_branches_differ():
    colors = [drawing.color(i) for i in range(len(drawing.COLORS))]
    assert len(set(colors)) == len(colors) >= 6
    assert drawing.color(len(colors)) == colors[0]
    assert len(set(drawing.MARKERS)) >= 6


def test_drawing_leaves_no_figure_behind_in_pyplot(run_dir):
    before = pyplot.get_fignums(), pyplot.get_backend()
    rows = results.read_results(run_dir)
    drawing.to_bytes(density_figures.density_figure(rows), "png")
    assert (pyplot.get_fignums(), pyplot.get_backend()) == before
