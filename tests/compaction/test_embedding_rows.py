"""Embeddings: columns like units, and zero rows that become one."""

import importlib
import subprocess
import sys

import keras
import networks
import numpy as np
import pytest

from tflottery.compaction import row_map, rows
from tflottery.compaction.compact import compact
from tflottery.compaction.report import CompactionReport


def text_model(k, zero_rows, mask_zero=False, width=8):
    L = k.layers
    layers = [
        k.Input((5,), dtype="int32", name="ids"),
        L.Embedding(40, width, mask_zero=mask_zero, name="embed"),
        L.GlobalAveragePooling1D() if mask_zero else L.Flatten(),
        L.Dense(2, name="last"),
    ]
    model = networks.fill(k.Sequential(layers))
    table = model.get_layer("embed").get_weights()[0]
    table[zero_rows] = 0
    model.get_layer("embed").set_weights([table])
    return model


IDS = np.arange(40, dtype="int32").reshape(8, 5)


def test_columns_are_units(any_keras):
    model = text_model(any_keras, [])
    table = model.get_layer("embed").get_weights()[0]
    table[:, 0] = 0
    table[:, 1] = 0.5  # a constant, to be folded
    model.get_layer("embed").set_weights([table])
    # Columns 2, 10, 18, 26 and 34 of the flat vector are column 2.
    networks.kill(model.get_layer("last"), inputs=range(2, 40, 8))
    small = compact(model)
    assert small.get_layer("embed").output_dim == 5
    networks.check_equal(model, small, IDS)


def test_zero_rows_become_one(any_keras, tmp_path):
    zero_rows = list(range(5, 35))
    model = text_model(any_keras, zero_rows)
    report = CompactionReport()
    small = compact(model, report=report)
    # 40 rows, 30 of them zero: 10 and the zero row are left.
    assert small.get_layer("embed").input_dim == 11
    assert (report.layers[0].rows_before, report.layers[0].rows_after) == (
        40,
        11,
    )
    assert report.num_removed == 29
    networks.check_equal(model, small, IDS)
    again = compact(small)
    assert len(again.layers) == len(small.layers)
    networks.check_equal(model, again, IDS)
    small.save(tmp_path / "small.keras")
    loaded = any_keras.models.load_model(tmp_path / "small.keras")
    networks.check_equal(model, loaded, IDS)
    small.compile("sgd", "mse", run_eagerly=True)
    small.fit(IDS, np.zeros((8, 2), "float32"), verbose=0)
    lookup = small.get_layer("embed_row_map").get_weights()[0]
    assert lookup.dtype == "int32" and lookup.max() == 10


def test_masked_steps_are_still_masked(any_keras):
    zero_rows = [0, *range(5, 35)]
    model = text_model(any_keras, zero_rows, mask_zero=True)
    ids = np.where(IDS % 3 == 0, 0, IDS)
    ids[:, 0] = 1  # a row of masked steps only has no average
    small = compact(model)
    # Row 0 keeps its place beside the zero row: 9 others.
    assert small.get_layer("embed").input_dim == 11
    networks.check_equal(model, small, ids)


def test_functional_models_and_further_uses_are_rewired(any_keras):
    k, L = any_keras, any_keras.layers
    x, y = (k.Input((None,), dtype="int32", name=name) for name in "xy")
    embed = L.Embedding(40, 8, name="embed")
    joined = L.Add()([embed(x), embed(y)])
    model = networks.fill(k.Model([x, y], L.Dense(2)(joined)))
    table = embed.get_weights()[0]
    table[:30] = 0
    embed.set_weights([table])
    small = compact(model)
    assert small.get_layer("embed").input_dim == 11
    networks.check_equal(model, small, [IDS, IDS[::-1].copy()])


def test_rows_stay_where_the_map_would_cost_more(any_keras):
    # 16 columns of removed rows against 40 numbers of the map.
    model = text_model(any_keras, [3, 4, 5], width=8)
    small = compact(model)
    assert small.get_layer("embed").input_dim == 40
    assert len(small.layers) == len(model.layers)


@pytest.mark.parametrize("mask_zero", [False, True])
def test_every_old_index_finds_its_row(mask_zero):
    table = np.arange(400, dtype="float32").reshape(40, 10)
    table[[0, *range(8, 30)]] = 0
    found = rows.merged(table, mask_zero)
    np.testing.assert_array_equal(found.table[found.lookup], table)
    assert (found.table == 0).all(axis=1).sum() == 1 + mask_zero
    if mask_zero:
        assert np.flatnonzero(found.lookup == 0).tolist() == [0]
    assert rows.merged(table[:, :1], mask_zero) is None


def test_both_families_find_their_class_when_they_load(any_keras):
    found = row_map.class_for(any_keras)
    home = importlib.import_module(found.__module__)
    assert vars(home)["RowMap"] is found
    assert issubclass(found, any_keras.layers.Layer)


def test_an_index_out_of_range_is_refused_as_before():
    model = text_model(keras, list(range(5, 35)))
    small = compact(model)
    wrong = IDS + 1  # up to 40
    for one in (model, small):
        with pytest.raises(Exception, match="40"):
            one(wrong)


SAVES = """
import sys
import {keras} as keras, numpy as np, tflottery

x = keras.Input((5,), dtype="int32")
h = keras.layers.Embedding(200, 8, name="table")(x)
model = keras.Model(x, keras.layers.Flatten()(h))
rows = model.get_layer("table").get_weights()[0]
rows[20:] = 0
model.get_layer("table").set_weights([rows])
small = tflottery.export.compact(model)
assert small.count_params() < 400 < model.count_params()
small.save(sys.argv[1] + "/small.keras")
np.save(sys.argv[1] + "/expected.npy", model(np.arange(40).reshape(8, 5)))
"""
LOADS = """
import contextlib, sys
import {keras} as keras, numpy as np, tflottery

old = keras.__name__ == "tf_keras"
with tflottery.prune_scope() if old else contextlib.nullcontext():
    small = keras.models.load_model(sys.argv[1] + "/small.keras")
found = small(np.arange(40).reshape(8, 5))
expected = np.load(sys.argv[1] + "/expected.npy")
np.testing.assert_array_equal(found, expected)
"""


@pytest.mark.parametrize(
    "name", ["keras", pytest.param("tf_keras", marks=pytest.mark.slow)]
)
def test_a_row_map_loads_in_another_process(name, tmp_path):
    for program in (SAVES, LOADS):
        subprocess.run(
            [sys.executable, "-c", program.format(keras=name), str(tmp_path)],
            check=True,
        )
