"""Trained supermasks where models are trained, looked at, and shipped."""

import keras
import numpy as np
import pytest
import scored_networks
import tflite_models

import tflottery
from tflottery.layers import evidence, paths
from tflottery.supermasks.bernoulli import bernoulli_supermask
from tflottery.supermasks.edge_popup import edge_popup

METHODS = pytest.mark.parametrize(
    "method", [edge_popup, bernoulli_supermask], ids=["popup", "bernoulli"]
)


def _fit(model, family, x, y, **options):
    scored_networks.compiled(family, model, **options)
    model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0)
    return [v.numpy() for v in model.trainable_variables]


@METHODS
@pytest.mark.parametrize(
    "name", ["keras", pytest.param("tf_keras", marks=pytest.mark.slow)]
)
def test_compiled_in_several_ways_it_learns_the_same(name, method):
    any_keras = pytest.importorskip(name)
    x, y = scored_networks.batch()
    found = []
    for options in (
        {"jit_compile": False},
        {"jit_compile": False, "steps_per_execution": 3},
        {"jit_compile": True},
    ):
        model = method(scored_networks.dense(any_keras), seed=4)
        found.append(_fit(model, any_keras, x, y, **options))
    for plain, in_threes, by_xla in zip(*found, strict=True):
        np.testing.assert_array_equal(plain, in_threes)
        np.testing.assert_allclose(plain, by_xla, rtol=1e-4, atol=1e-5)


@METHODS
def test_in_mixed_precision_scores_and_weights_stay_in_32_bits(
    any_keras, method
):
    policy = "mixed_float16"
    if any_keras is not keras:
        policy = any_keras.mixed_precision.Policy(policy)
    model = method(scored_networks.dense(any_keras, dtype=policy), seed=4)
    x, y = scored_networks.batch()
    before = scored_networks.everything(model)
    assert np.asarray(model(x)).dtype == np.float16
    start = [v.numpy() for v in model.trainable_variables]
    scores = _fit(model, any_keras, x, y, jit_compile=False)
    for old, new in zip(start, scores, strict=True):
        assert new.dtype == np.float32 and (new != old).mean() > 0.5
    for path, value in scored_networks.everything(model).items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, before[path])


@METHODS
def test_replicas_use_one_mask_and_learn_what_one_device_learns(
    any_keras, method, two_replicas
):
    x, y = scored_networks.batch()
    alone = method(scored_networks.dense(any_keras), seed=4)
    expected = _fit(alone, any_keras, x, y, jit_compile=False)
    with two_replicas.scope():
        model = method(scored_networks.dense(any_keras), seed=4)
        before = scored_networks.everything(model)
        found = _fit(model, any_keras, x, y, jit_compile=False)
    for one, both in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, both, rtol=1e-4, atol=1e-5)
    assert evidence.current_mask(model) == evidence.current_mask(alone)
    for path, value in scored_networks.everything(model).items():
        np.testing.assert_array_equal(value, before[path])


@METHODS
def test_what_tensorboard_hears_is_the_supermask(any_keras, method, tmp_path):
    from tflottery.callbacks.summaries import measure

    model = method(scored_networks.dense(any_keras), seed=4)
    x, y = scored_networks.batch()
    scored_networks.compiled(any_keras, model)
    model.fit(
        x, y, verbose=0, callbacks=[tflottery.PruningSummaries(str(tmp_path))]
    )
    assert any(path.is_file() for path in tmp_path.rglob("*"))
    found, mask = measure(model), evidence.current_mask(model)
    assert found.mask == mask
    for path, tensor in found.tensors.items():
        assert tensor.survivors == mask[path].sum()


@keras.saving.register_keras_serializable("scored_tests")
class Own(keras.Model):
    """A user's class, with a layer that holds two kernels."""

    def __init__(self, units=5, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.cell = keras.layers.LSTM(units, name="cell")
        self.head = keras.layers.Dense(3, name="head")

    def call(self, x):
        return self.head(self.cell(x[..., None]))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.mark.parametrize("scope", ["layerwise", "global"])
def test_a_model_of_a_users_class_is_saved_and_loaded(tmp_path, scope):
    x, y = scored_networks.batch()
    model = Own()
    model(x)
    model = edge_popup(model, {"head": 0.8, "default": 0.3}, scope=scope)
    _fit(model, keras, x, y, jit_compile=False)
    model.save(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras", compile=False)
    np.testing.assert_array_equal(loaded(x), model(x))
    mask = evidence.current_mask(loaded)
    assert mask == evidence.current_mask(model)
    # lstm 20 + 100, head 15: 0.3 * 120 + 0.8 * 15
    assert mask.kept == 48
    if scope == "layerwise":
        kept = [int(value.sum()) for value in mask.values()]
        assert kept == [6, 30, 12]
    names = {variable.name for variable in loaded.trainable_variables}
    assert all(name.endswith("scores") for name in names) and len(names) == 3


def test_nested_and_shared_layers_have_one_mask_each(any_keras):
    layers = any_keras.layers
    shared = layers.Dense(6, use_bias=False, name="shared")
    inner_input = any_keras.Input((6,))
    inner = any_keras.Model(inner_input, shared(inner_input), name="inner")
    x = any_keras.Input((6,))
    model = any_keras.Model(x, layers.Dense(3, name="top")(inner(shared(x))))
    model = edge_popup(model, 0.5, scope="global")
    mask = evidence.current_mask(model)
    assert mask.kept == 27 and len(mask) == 2
    plain = tflottery.strip_pruning(model)
    values, _ = scored_networks.batch()
    np.testing.assert_array_equal(
        np.asarray(plain(values)), np.asarray(model(values))
    )
    assert not evidence.wrappers(plain) and paths.variables(plain).keys() == {
        *mask,
        "top/bias",
    }


@METHODS
def test_compacted_it_computes_the_same(any_keras, method):
    from tflottery.compaction.compact import compact

    model = scored_networks.dense(any_keras)
    model = method(model, seed=4)
    x, _ = scored_networks.batch()
    first = evidence.wrappers(model)[0].scores["kernel"]
    scores = first.numpy()
    scores[:, :5] = 0.0 if method is edge_popup else -50.0  # five dead units
    first.assign(scores)
    mask = evidence.current_mask(model)
    alive = mask["fc1/kernel"].any(axis=0) & mask["fc2/kernel"].any(axis=1)
    assert 5 < alive.sum() <= 11
    small = compact(model)
    assert small.count_params() == (6 + 3) * alive.sum()
    np.testing.assert_allclose(
        np.asarray(small(x)), np.asarray(model(x)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
@METHODS
def test_exported_it_is_what_it_was_in_use(any_keras, method, tmp_path):
    model = method(scored_networks.dense(any_keras), seed=4)
    x, y = scored_networks.batch()
    _fit(model, any_keras, x, y)
    before = scored_networks.everything(model)
    outputs = np.asarray(model(x))
    path = tmp_path / "model.tflite"
    tflottery.export.to_tflite(model, path, validate_on=(x, y))
    for name, value in scored_networks.everything(model).items():
        np.testing.assert_array_equal(value, before[name])
    for one, expected in zip(x[:5], outputs, strict=False):
        found = tflite_models.run(path.read_bytes(), one[None])
        np.testing.assert_allclose(found[0], expected, rtol=1e-4, atol=1e-5)
