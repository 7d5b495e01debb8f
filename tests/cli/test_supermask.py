"""`tflottery supermask`: constructed for a network, or trained on data."""

import json

import keras
import numpy as np
import pytest

from tflottery.cli import main


def supermask(*arguments):
    return main.run(["supermask", *map(str, arguments)])


@pytest.fixture
def target(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    path = tmp_path / "target.keras"
    model.save(path)
    return path


@pytest.mark.parametrize("method", ["logarithmic", "subset_sum", "polynomial"])
def test_a_network_is_found_in_a_random_one(target, tmp_path, capsys, method):
    output = tmp_path / "strong.keras"
    code = supermask(
        f"--method={method}",
        f"--keras_model={target}",
        "--dataset=digits",
        "--weight_error=0.05",
        "--examples=50",
        f"--output={output}",
    )
    said = capsys.readouterr().out
    assert code == 0 and ": holds" in said
    certificate = json.loads(
        (tmp_path / "strong.keras.certificate.json").read_text()
    )
    assert certificate["inputs"] == 50
    found = keras.models.load_model(output)
    x = np.random.default_rng(0).random((20, 8, 8, 1), np.float32)
    wanted = keras.models.load_model(target).predict(x, verbose=0)
    errors = np.abs(found.predict(x, verbose=0) - wanted)
    # 65 weights of at most .05 each, on inputs in [0, 1].
    assert 0 < errors.max() < 65 * 0.05
    assert not found.trainable_variables


def test_a_mask_is_trained_and_written(tmp_path, capsys):
    output = tmp_path / "mask.keras"
    assert not supermask(
        "--method=edge_popup",
        "--dataset=digits",
        '--model_options={"hidden": [8]}',
        "--steps=20",
        "--validate_every=20",
        "--density=0.25",
        "--nojit_compile",
        f"--run_dir={tmp_path / 'run'}",
        f"--output={output}",
    )
    assert "edge_popup" in capsys.readouterr().out
    found = keras.models.load_model(output)
    kernels = [w for w in found.get_weights() if w.ndim == 2]
    assert [np.count_nonzero(k) for k in kernels] == [64 * 8 // 4, 8 * 10 // 4]


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["--method=edge"], ["edge_popup", "method='edge'"]),
        (["first"], ["takes flags only", "--run_dir=first"]),
        (["--keras_model=x.keras"], ["`--output`", "--output=strong.keras"]),
        (
            ["--density=0.5", "--output=a.keras"],
            ["`--density` is for edge_popup, bernoulli", "--method=logarith"],
        ),
        (
            ["--method=bernoulli", "--delta=0.1"],
            ["`--delta` is for logarithmic", "--method=bernoulli"],
        ),
        (
            ["--method=bernoulli", "--output=a.h5"],
            ["must end in .keras", "--output=a.h5"],
        ),
        (["--output=a.keras"], ["`--run_dir`, `--ticket` and"]),
        (
            ["--output=a.keras", "--run_dir=r", "--examples=0"],
            ["`examples`", "examples=0"],
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(capsys, arguments, texts):
    assert supermask(*arguments) == 2
    said = capsys.readouterr().err
    for text in texts:
        assert text in said


def test_the_help_names_every_flag_once(capsys):
    assert supermask("--help") == 0
    said = capsys.readouterr().out
    for name in ("epsilon", "density", "keras_model", "max_memory_gb", "seed"):
        assert said.count(f"  --{name}=") == 1
