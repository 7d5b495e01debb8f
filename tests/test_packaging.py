"""What is built and installed is the library, whole, and nothing else."""

import configparser
import email
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the present source, built in a copy of it."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("tflottery", "tests"):
        shutil.copytree(
            ROOT / name,
            copy / name,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        + ["--no-build-isolation", "--wheel-dir", str(folder), str(copy)],
        check=True,
        capture_output=True,
        timeout=300,
    )
    # `BUILD` and `build/` cannot live side by side on some disks.
    assert not (copy / "build").exists()
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


def test_the_wheel_holds_every_module_and_no_test(wheel):
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tflottery").rglob("*.py")
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == expected


def test_the_wheel_carries_licence_and_command(wheel):
    names = wheel.namelist()
    (entry_points,) = [n for n in names if n.endswith("entry_points.txt")]
    config = configparser.ConfigParser()
    config.read_string(wheel.read(entry_points).decode())
    assert config["console_scripts"]["tflottery"] == "tflottery.cli.main:run"
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_asks_for_what_setup_cfg_lists(wheel):
    (metadata,) = [n for n in wheel.namelist() if n.endswith("/METADATA")]
    message = email.message_from_bytes(wheel.read(metadata))
    assert message["License-Expression"] or message["License"] == "Apache-2.0"
    assert set(message.get_all("Provides-Extra")) == {
        "benchmarks",
        "docs",
        "onnx",
        "test",
    }
    assert "tensorflow>=2.19" in message.get_all("Requires-Dist")


def test_every_package_has_an_init():
    # setuptools leaves a folder without one out of the wheel, silently.
    for folder in {path.parent for path in (ROOT / "tflottery").rglob("*.py")}:
        assert (folder / "__init__.py").exists(), folder
