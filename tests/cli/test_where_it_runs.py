"""Flags of `find` that say where it runs; what cannot work is refused."""

import pytest

from tflottery.cli import main


def refused(capsys, tmp_path, *flags):
    """Returns what is said; nothing has been written."""
    run_dir = tmp_path / "run"
    line = ["find", "--dataset=digits", f"--run_dir={run_dir}", *flags]
    assert main.run(line) == 2
    assert not run_dir.exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--strategy=mirored"], "Did you mean 'mirrored'"),
        (["--strategy=multi_worker"], "TF_CONFIG"),
        (["--strategy=tpu", "--keras=tf_keras"], "no TPU device"),
        (["--tpu=local"], "strategy='tpu' only"),
        (["--devices=2"], "`devices` must be given with"),
        (["--strategy=one_device", "--devices=GPU:0"], "GPU:0 does not"),
        (["--replicate=one"], "--replicate=0, or --replicate=0,2"),
        (["--replicate=9"], "counted from 0. Received: 9"),
        (["--branch=tikket"], "Did you mean 'ticket'"),
        (["--replicate=0", "--replicate=1"], "must be given once"),
        (["--vectorize=0"], "`vectorize` must be"),
        (["--vectorize=two"], "--vectorize=3"),
        (["--vectorize=2", "--augmentation=crop"], "not held in memory"),
        (
            ["--vectorize=2", "--strategy=mirrored", "--devices=CPU:0,CPU:1"],
            "MirroredStrategy divides the batches",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(
    flags, expected, capsys, tmp_path, monkeypatch, two_cpus
):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert expected in refused(capsys, tmp_path, *flags)


def test_a_batch_is_that_of_all_replicas(capsys, tmp_path, two_cpus):
    said = refused(
        capsys,
        tmp_path,
        "--strategy=mirrored",
        "--devices=CPU:0,CPU:1",
        "--batch_size=51",
    )
    assert "must be a multiple of the 2 replicas" in said


def test_a_search_runs_on_the_devices_that_are_named(
    capsys, tmp_path, two_cpus
):
    line = [
        "find",
        "--dataset=digits",
        '--model_options={"hidden": [8]}',
        "--batch_size=50",
        "--steps=20",
        "--validate_every=20",
        "--rounds=1",
        "--replicates=2",
        "--replicate=1",
        "--branch=ticket",
        "--strategy=mirrored",
        "--devices=CPU:0,CPU:1",
        f"--run_dir={tmp_path}",
    ]
    assert main.run(line) == 0
    said = capsys.readouterr().err
    assert "Mirrored: 2 replicas, on CPU:0, CPU:1." in said
    assert "jit_compile=False instead of True." in said
    rows = (tmp_path / "results.csv").read_text().splitlines()[1:]
    assert [row.split(",")[:4] for row in rows] == [
        ["1", "ticket", "0", "0"],
        ["1", "ticket", "0", "1"],
    ]
