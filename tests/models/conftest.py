"""Fixtures shared by the tests of the networks."""

import importlib

import pytest


@pytest.fixture(params=["keras", "tf_keras"])
def family(request):
    """Each Keras module in turn; both live in this one process."""
    return pytest.importorskip(request.param)


@pytest.fixture
def families():
    """Both Keras modules at once, to compare what they build."""
    pytest.importorskip("tf_keras")
    return importlib.import_module("keras"), importlib.import_module("tf_keras")
