"""`compact` removes what is dead, and nothing else changes."""

import keras
import networks
import numpy as np
import pytest

import tflottery
from tflottery.compaction.compact import compact
from tflottery.compaction.report import CompactionReport


def chain(k, activation="relu", **options):
    """4 inputs, 6 hidden units, 3 outputs."""
    L = k.layers
    layers = [
        k.Input((4,), name="x"),
        L.Dense(6, activation=activation, name="hidden", **options),
        L.Dense(3, name="out", **options),
    ]
    return networks.fill(k.Sequential(layers, name="chain"))


def test_a_unit_that_nothing_reads_goes(any_keras):
    model = chain(any_keras)
    networks.kill(model.get_layer("out"), inputs=[1, 4])
    small = compact(model)
    assert networks.sizes(small) == {"hidden": (4, 4), "out": (4, 3)}
    networks.check_equal(model, small)


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "softplus"])
def test_a_unit_that_nothing_feeds_goes_into_the_next_bias(
    any_keras, activation
):
    model = chain(any_keras, activation)
    networks.kill(model.get_layer("hidden"), units=[0, 5], bias=-0.5)
    small = compact(model)
    assert networks.sizes(small) == {"hidden": (4, 4), "out": (4, 3)}
    networks.check_equal(model, small)
    before, after = (m.get_layer("out").bias.numpy() for m in (model, small))
    # relu(-0.5) is 0; sigmoid and softplus of -0.5 are not.
    assert np.array_equal(before, after) == (activation == "relu")


def test_a_layer_without_bias_gets_one_where_a_constant_asks_for_it(any_keras):
    for activation, has_bias in (("sigmoid", True), ("tanh", False)):
        model = chain(any_keras, activation, use_bias=False)
        networks.kill(model.get_layer("hidden"), units=[2])
        small = compact(model)
        # sigmoid(0) = 1/2, tanh(0) = 0.
        assert small.get_layer("out").use_bias == has_bias
        assert not small.get_layer("hidden").use_bias
        networks.check_equal(model, small)


def test_one_removal_leads_to_the_next_in_both_directions(any_keras):
    k, L = any_keras, any_keras.layers
    names = ("a", "b", "c", "out")
    layers = [L.Dense(5, activation="relu", name=name) for name in names]
    model = networks.fill(k.Sequential([k.Input((4,)), *layers]))
    # a[0] is read by b[0] only, b[0] by c[0] only, and c[0] by nothing.
    networks.kill(model.get_layer("out"), inputs=[0])
    for name in ("b", "c"):
        kernel = model.get_layer(name).kernel.numpy()
        kernel[0, 1:] = 0
        model.get_layer(name).kernel.assign(kernel)
    # a[4] is a constant; b[4] is fed by it only, so b[4] is one too.
    networks.kill(model.get_layer("a"), units=[4])
    kernel = model.get_layer("b").kernel.numpy()
    kernel[:4, 4] = 0
    model.get_layer("b").kernel.assign(kernel)
    report = CompactionReport()
    small = compact(model, report=report)
    assert networks.sizes(small) == {
        "a": (4, 3),
        "b": (3, 3),
        "c": (3, 4),
        "out": (4, 5),
    }
    networks.check_equal(model, small)
    found = {c.name: (c.no_way_in, c.no_way_out) for c in report.layers}
    assert found == {"a": (1, 1), "b": (1, 1), "c": (0, 1), "out": (0, 0)}


def test_inputs_and_outputs_are_kept_whole(any_keras):
    model = chain(any_keras)
    networks.kill(model.get_layer("hidden"), inputs=[0])
    networks.kill(model.get_layer("out"), units=[0])
    small = compact(model)
    assert networks.sizes(small) == {"hidden": (4, 6), "out": (6, 3)}
    assert small.input_shape == (None, 4)
    networks.check_equal(model, small)


def test_a_dead_network_keeps_one_unit_a_layer(any_keras):
    model = chain(any_keras, "sigmoid")
    networks.kill(model.get_layer("hidden"), units=range(6))
    small = compact(model)
    assert networks.sizes(small) == {"hidden": (4, 1), "out": (1, 3)}
    networks.check_equal(model, small)


@pytest.mark.parametrize("strip", [False, True])
def test_wrapped_and_stripped_models_give_the_same(any_keras, strip):
    model = tflottery.prune_once(
        chain(any_keras), 0.5, structure=tflottery.Channel()
    )
    assert tflottery.sparsity(model) > 0.4
    x = networks.some_input(model)
    expected = networks.outputs(model, x)
    kept = model.get_layer("hidden").kernel.numpy().any(axis=0).sum()
    small = compact(tflottery.strip_pruning(model) if strip else model)
    assert small.get_layer("hidden").units == kept < 6
    assert [type(layer).__name__ for layer in small.layers] == ["Dense"] * 2
    np.testing.assert_allclose(
        networks.outputs(small, x)[0], expected[0], rtol=1e-5, atol=1e-6
    )
    small.compile("sgd", "mse", run_eagerly=True)
    small.fit(x, expected[0], verbose=0)  # no mask is left in any constraint


def test_stored_values_count_times_their_mask():
    model = tflottery.prune_iteratively(chain(keras))
    wrapper = model.layers[0]
    mask = np.ones((4, 6), bool)
    mask[:, :2] = False
    wrapper.set_mask("kernel", mask)
    wrapper.layer.kernel.assign(np.ones((4, 6)))  # drifted under the mask
    small = compact(model)
    assert small.layers[0].units == 4
    networks.check_equal(model, small)


def test_models_of_tfmot_are_taken(tfmot):
    import tf_keras

    model = tfmot.prune_low_magnitude(
        chain(tf_keras), tfmot.ConstantSparsity(0.5, 0)
    )
    mask = np.ones((4, 6), "float32")
    mask[:, :2] = 0
    model.layers[0].pruning_vars[0][1].assign(mask)
    small = compact(model)
    assert [type(layer).__name__ for layer in small.layers] == ["Dense"] * 2
    assert small.layers[0].units == 4
    small = compact(model, {"out/kernel": np.arange(18).reshape(6, 3) >= 6})
    assert small.layers[0].units == 4  # out reads no more of units 0 and 1
    small = compact(model, {"out/kernel": np.arange(18).reshape(6, 3) < 12})
    assert small.layers[0].units == 2


def test_masks_are_applied_first_by_either_kind_of_path(any_keras):
    model = tflottery.prune_iteratively(chain(any_keras))
    masks = {key: np.array(m) for key, m in tflottery.masks(model).items()}
    masks[next(iter(masks))][:, [1, 3]] = False
    by_structure = dict(
        zip(["hidden/kernel", "out/kernel"], masks.values(), strict=True)
    )
    plain = tflottery.strip_pruning(
        tflottery.prune_iteratively(chain(any_keras))
    )
    for target, given in (
        (model, masks),
        (model, by_structure),
        (plain, by_structure),
        (plain, tflottery.Mask(by_structure)),
        (plain, {"hidden/kernel": by_structure["hidden/kernel"]}),
    ):
        assert compact(target, given).get_layer("hidden").units == 4
    assert tflottery.sparsity(model) == 0.0  # not changed
    tflottery.set_mask(model, masks)
    networks.check_equal(model, compact(plain, by_structure))


def test_masks_that_fit_nothing_are_refused():
    model = chain(keras)
    with pytest.raises(ValueError, match=r"`hiden/kernel`.*'hidden/kernel'"):
        compact(model, {"hiden/kernel": np.ones((4, 6))})
    with pytest.raises(ValueError, match=r"hidden/kernel.*\(4, 6\)"):
        compact(model, {"hidden/kernel": np.ones((4, 5))})
    with pytest.raises(TypeError, match="`masks` must be a mapping"):
        compact(model, [np.ones((4, 6))])


def test_bad_models_are_refused(any_keras):
    k = any_keras
    with pytest.raises(TypeError, match="`model` must be a Keras model"):
        compact("model")
    with pytest.raises(TypeError, match="a single layer"):
        compact(k.layers.Dense(2))
    with pytest.raises(ValueError, match="must be built"):
        compact(k.Sequential([k.layers.Dense(2)]))
    model = chain(k)
    model.get_layer("out").bias.assign([0.0, np.nan, np.inf])
    with pytest.raises(ValueError, match="`out/bias` with 2 values of 3"):
        compact(model)


def test_a_subclassed_model_is_returned_as_it_is(any_keras):
    class Own(any_keras.Model):
        def __init__(self):
            super().__init__(name="own")
            self.dense = any_keras.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    model = Own()
    model(np.ones((1, 3), "float32"))
    report = CompactionReport()
    assert compact(model, report=report) is model
    assert "no graph of layers" in report.left_alone["own"]
    assert report.parameters_before == report.parameters_after == 8
    with pytest.raises(ValueError, match="has no graph of layers"):
        compact(model, {"dense/kernel": np.ones((3, 2))})


def test_the_given_model_is_not_touched(any_keras):
    model = chain(any_keras)
    networks.kill(model.get_layer("hidden"), units=[0])
    model = tflottery.prune_once(model, 0.3)
    model.compile("adam", "mse", run_eagerly=True)
    x = networks.some_input(model)
    model.fit(x, np.ones((3, 3), "float32"), verbose=0)

    def state():
        variables = [*model.weights, *_variables(model.optimizer)]
        return [np.array(v.numpy()) for v in variables]

    def connections():
        layers = [*model.layers, *(w.layer for w in model.layers)]
        return [
            (len(layer._inbound_nodes), len(layer._outbound_nodes))
            for layer in layers
        ]

    before = state(), connections(), model.to_json(), list(model.layers)
    compact(
        model, {"hidden/kernel": np.zeros((4, 6))}, report=CompactionReport()
    )
    after = state(), connections(), model.to_json(), list(model.layers)
    assert before[1:] == after[1:]
    for old, new in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(old, new)


def _variables(optimizer):
    found = optimizer.variables
    return found() if callable(found) else found


def test_flags_policies_and_names_are_kept(any_keras):
    k = any_keras
    model = chain(k)
    model.get_layer("hidden").trainable = False
    networks.kill(model.get_layer("hidden"), units=[0])
    small = compact(model)
    assert small.name == "chain" and type(small) is type(model)
    assert [layer.name for layer in small.layers] == ["hidden", "out"]
    assert [layer.trainable for layer in small.layers] == [False, True]
    assert [tensor.name for tensor in small.inputs] == [
        tensor.name for tensor in model.inputs
    ]
    half = k.Sequential(
        [k.Input((4,)), k.layers.Dense(3, dtype="mixed_float16")]
    )
    assert compact(half).layers[0].compute_dtype == "float16"


def test_the_result_is_saved_loaded_and_trained(any_keras, tmp_path):
    model = chain(any_keras, "sigmoid", use_bias=False)
    networks.kill(model.get_layer("hidden"), units=[0])
    small = compact(model)
    x = networks.some_input(model)
    small.save(tmp_path / "small.keras")
    loaded = any_keras.models.load_model(tmp_path / "small.keras")
    networks.check_equal(small, loaded, x)
    small.save_weights(tmp_path / "small.weights.h5")
    loaded.load_weights(tmp_path / "small.weights.h5")
    small.compile("adam", "mse", run_eagerly=True)
    small.fit(x, np.zeros((3, 3), "float32"), verbose=0)


def test_compacting_twice_removes_nothing_more(any_keras):
    model = chain(any_keras, "sigmoid")
    networks.kill(model.get_layer("hidden"), units=[0, 1])
    networks.kill(model.get_layer("out"), inputs=[3])
    small = compact(model)
    report = CompactionReport()
    again = compact(small, report=report)
    assert networks.sizes(again) == networks.sizes(small)
    assert report.num_removed == 0
    assert report.parameters_before == report.parameters_after
    networks.check_equal(model, again)


def test_the_report_counts_what_it_says(any_keras):
    model = chain(any_keras, "sigmoid")
    networks.kill(model.get_layer("hidden"), units=[0])
    networks.kill(model.get_layer("out"), inputs=[3, 4])
    model = tflottery.prune_iteratively(model)
    report = CompactionReport()
    compact(model, report=report)
    # 4 x 6 + 6 + 6 x 3 + 3, and 3 units of 4 + 1 + 3 less.
    assert (report.parameters_before, report.parameters_after) == (51, 27)
    assert (report.kernel_before, report.kernel_after) == (42, 21)
    # Two for each weight, one for each bias; masks and sigmoid not counted
    # or counted the same.
    assert report.flops_before - report.flops_after >= 2 * 21 + 3
    hidden = report.layers[0]
    assert (hidden.name, hidden.units_before, hidden.units_after) == (
        "hidden",
        6,
        3,
    )
    assert (hidden.no_way_in, hidden.no_way_out) == (1, 2)
    assert [change.folded for change in report.layers] == [0, 1]
    lines = str(report).splitlines()
    assert lines[1].split() == ["parameters", "51", "27", "52.9%"]
    assert "hidden" in str(report) and "no way out" in str(report)
    assert report.num_removed == 3
