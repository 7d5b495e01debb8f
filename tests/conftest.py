"""Settings of the whole test run, and the fixtures that every package shares.

TensorFlow and Keras read the environment when they are imported, so it is set
here, before any test module is. TensorFlow itself is not imported: tests of
`core` and `pruning` alone then start in a fraction of a second.
"""

import importlib
import os
import pathlib
import sys

import pytest

# One thread for each of two processes, or two for a single one, so that runs
# side by side do not fight over cores.
_THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", _THREADS)
os.environ.setdefault("TF_NUM_INTEROP_THREADS", _THREADS)
os.environ.setdefault("MPLBACKEND", "Agg")

_TFDS_DIR = "TFLOTTERY_TEST_TFDS_DIR"


def _make_two_cpus(tf):
    cpu = tf.config.list_physical_devices("CPU")[0]
    if tf.config.get_logical_device_configuration(cpu) is None:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )


def pytest_collection_finish(session):
    """Splits the CPU in two before the first test touches TensorFlow.

    Devices are fixed once TensorFlow has run an operation; a strategy with two
    true replicas needs no GPU then.
    """
    if "tensorflow" in sys.modules:
        _make_two_cpus(sys.modules["tensorflow"])


@pytest.fixture
def two_cpus():
    """Names of two logical CPUs, for a strategy of two replicas."""
    import tensorflow as tf

    _make_two_cpus(tf)
    names = [device.name for device in tf.config.list_logical_devices("CPU")]
    if len(names) < 2:
        pytest.fail("TensorFlow was initialised before the CPU was split.")
    return names[:2]


@pytest.fixture
def two_replicas(two_cpus):
    """The strategy of two true replicas; one object for the whole process.

    Sums over replicas go by numbers that each `MirroredStrategy` counts from
    the same start, and TensorFlow remembers the shape that went by a number:
    a second strategy on the same devices fails with a network of other sizes.
    """
    from tflottery.distribution import get_strategy

    return get_strategy("mirrored", devices=two_cpus)


@pytest.fixture
def bucket(tmp_path_factory):
    """A `remote_files.Bucket`: remote, and out of reach of local calls."""
    import remote_files

    with remote_files.bucket_in(tmp_path_factory.mktemp("hidden")) as found:
        yield found


@pytest.fixture(scope="session")
def mnist_dir():
    """TFDS folder that holds a prepared `mnist`, as a str."""
    folder = os.environ.get(_TFDS_DIR)
    if not folder:
        pytest.skip(f"{_TFDS_DIR} is not set")
    if not (pathlib.Path(folder) / "mnist").is_dir():
        pytest.fail(f"{_TFDS_DIR}={folder} holds no folder `mnist`.")
    return folder


@pytest.fixture(params=["keras", "tf_keras"])
def any_keras(request):
    """The module of each Keras family in turn: `keras`, then `tf_keras`."""
    return importlib.import_module(request.param)


@pytest.fixture(scope="session")
def tfmot():
    """TF-MOT's `sparsity.keras`, the parent and oracle; `tf.keras` is kept."""
    from tflottery.tfmot import guard

    return guard.tfmot()
