"""Graphs: sums, concatenations, shared and nested layers, several ends."""

import keras
import networks
import numpy as np
import pytest

from tflottery.compaction.compact import compact
from tflottery.compaction.report import CompactionReport


def two_branches(k, join):
    """Two convolutions of 4 filters, joined, and `last` behind."""
    L = k.layers
    x = k.Input((6, 6, 3), name="x")
    a = L.Conv2D(4, 1, activation="sigmoid", name="a")(x)
    b = L.Conv2D(4, 1, activation="sigmoid", name="b")(x)
    y = L.Conv2D(2, 1, name="last")(join(a, b))
    return networks.fill(k.Model(x, y, name="net"))


def compacted(model, x=None):
    report = CompactionReport()
    small = compact(model, report=report)
    networks.check_equal(model, small, x)
    assert small.name == model.name
    assert [t.name for t in small.inputs] == [t.name for t in model.inputs]
    return small, report


@pytest.mark.parametrize("name", ["Add", "Subtract", "Average", "Maximum"])
def test_a_sum_needs_both_sides_dead(any_keras, name):
    layer = getattr(any_keras.layers, name)()
    model = two_branches(any_keras, lambda a, b: layer([a, b]))
    # 0 is a constant on both sides, 1 on one; 2 is read by nothing.
    networks.kill(model.get_layer("a"), units=[0, 1])
    networks.kill(model.get_layer("b"), units=[0])
    networks.kill(model.get_layer("last"), inputs=[2])
    small, _ = compacted(model)
    found = networks.sizes(small)
    assert found["a"] == found["b"] == (1, 1, 3, 2)
    assert found["last"] == (1, 1, 2, 2)


def test_a_product_with_zero_is_zero(any_keras):
    layer = any_keras.layers.Multiply()
    model = two_branches(any_keras, lambda a, b: layer([a, b]))
    networks.kill(model.get_layer("a"), units=[0, 1])
    model.get_layer("a").activation = any_keras.activations.relu
    model.get_layer("a").bias.assign(-np.ones(4, "float32"))
    small, _ = compacted(model)
    assert small.get_layer("b").filters == 2


def test_a_concatenation_keeps_its_parts_apart(any_keras):
    layer = any_keras.layers.Concatenate()
    model = two_branches(any_keras, lambda a, b: layer([b, a, b]))
    networks.kill(model.get_layer("a"), units=[3])
    # b stands at 0-3 and 8-11, a at 4-7.
    networks.kill(model.get_layer("last"), inputs=[0, 8, 1, 4])
    small, _ = compacted(model)
    found = networks.sizes(small)
    assert found["a"][-1] == 2 and found["b"][-1] == 3
    assert found["last"] == (1, 1, 3 + 2 + 3, 2)


def test_on_another_axis_a_concatenation_is_like_a_sum(any_keras):
    layer = any_keras.layers.Concatenate(axis=1)
    model = two_branches(any_keras, lambda a, b: layer([a, b]))
    for name in "ab":  # sigmoid(0.5) on both sides, and on one side only
        networks.kill(model.get_layer(name), units=[0], bias=0.5)
    networks.kill(model.get_layer("b"), units=[1])
    small, _ = compacted(model)
    assert networks.sizes(small)["a"] == (1, 1, 3, 3)
    model.get_layer("b").bias.assign([0.25, 0.5, 0.5, 0.5])
    small, _ = compacted(model)  # two constants that differ
    assert networks.sizes(small)["a"] == (1, 1, 3, 4)


def test_functions_on_tensors_count_as_layers(any_keras):
    k = any_keras

    def join(a, b):
        relu = k.ops.relu if k is keras else _tensorflow().nn.relu
        return relu(a + b) * 2.0 - 0.5

    model = two_branches(k, join)
    for name in "ab":
        networks.kill(model.get_layer(name), units=[0])
    small, report = compacted(model)
    assert small.get_layer("a").filters == small.get_layer("b").filters == 3
    assert report.left_alone == {}


def _tensorflow():
    import tensorflow as tf

    return tf


def test_a_gate_of_one_channel_is_left_alone(any_keras):
    k, L = any_keras, any_keras.layers
    x = k.Input((6, 6, 3))
    a = L.Conv2D(4, 1, activation="relu", name="a")(x)
    gate = L.Conv2D(1, 1, activation="sigmoid", name="gate")(x)
    y = L.Multiply(name="gated")([a, gate])
    model = networks.fill(k.Model(x, L.Conv2D(2, 1, name="last")(y)))
    networks.kill(model.get_layer("a"), units=[0])
    small, report = compacted(model)
    assert small.get_layer("a").filters == 4
    assert "one channel" in report.left_alone["gated"]


def test_squeeze_and_excitation_is_followed(any_keras):
    k, L = any_keras, any_keras.layers
    x = k.Input((6, 6, 3))
    a = L.Conv2D(4, 1, activation="relu", name="a")(x)
    gate = L.GlobalAveragePooling2D(keepdims=True)(a)
    gate = L.Conv2D(4, 1, activation="sigmoid", name="gate")(gate)
    y = L.Multiply()([a, gate])
    model = networks.fill(k.Model(x, L.Conv2D(2, 1, name="last")(y)))
    networks.kill(model.get_layer("a"), units=[0], bias=-1.0)
    networks.kill(model.get_layer("last"), inputs=[1])
    networks.kill(model.get_layer("gate"), inputs=[1])
    small, _ = compacted(model)
    assert networks.sizes(small)["gate"] == (1, 1, 2, 2)


def test_a_shared_layer_is_cut_the_same_in_all_uses(any_keras):
    k, L = any_keras, any_keras.layers
    x, y = k.Input((3,), name="x"), k.Input((3,), name="y")
    first = [
        L.Dense(4, activation="sigmoid", name=name)(t)
        for name, t in (("p", x), ("q", y))
    ]
    shared = L.Dense(5, activation="relu", name="shared")
    tail = L.Concatenate()([shared(t) for t in first])
    model = networks.fill(k.Model([x, y], L.Dense(2, name="last")(tail)))
    for name in "pq":  # unit 0 is a constant in both, the same one
        networks.kill(model.get_layer(name), units=[0], bias=0.5)
    networks.kill(model.get_layer("q"), units=[1], bias=0.5)
    networks.kill(model.get_layer("last"), inputs=[2, 7, 3])
    data = [np.random.default_rng(i).normal(size=(3, 3)) for i in (0, 1)]
    data = [one.astype("float32") for one in data]
    small, _ = compacted(model, data)
    found = networks.sizes(small)
    assert found["p"] == found["q"] == (3, 3)
    assert found["shared"] == (3, 4)  # output 3 is read in the first use
    model.get_layer("q").bias.assign([0.25, 0.5, 0.5, 0.5])
    small, _ = compacted(model, data)  # constants that do not agree
    assert networks.sizes(small)["shared"] == (4, 4)


def test_a_recurrence_that_nothing_reads_goes(any_keras):
    k, L = any_keras, any_keras.layers
    x = k.Input((4,))
    again = L.Dense(4, activation="relu", name="again")
    y = L.Dense(4, name="first")(x)
    for _ in range(3):
        y = again(y)
    model = networks.fill(k.Model(x, L.Dense(2, name="last")(y)))
    # Unit 0 of `again` feeds only itself.
    kernel = again.kernel.numpy()
    kernel[0, 1:] = 0
    again.kernel.assign(kernel)
    networks.kill(model.get_layer("last"), inputs=[0])
    small, _ = compacted(model)
    assert networks.sizes(small)["again"] == (3, 3)


def test_nested_models_stay_nested_and_are_cut_inside(any_keras):
    k, L = any_keras, any_keras.layers
    inner = k.Sequential(
        [k.Input((4,)), L.Dense(4, activation="sigmoid", name="fc")],
        name="inner",
    )
    b = k.Input((4,))
    block = k.Model(b, L.ReLU(name="relu")(inner(b)), name="block")
    x = k.Input((3,))
    y = block(block(L.Dense(4, activation="tanh", name="first")(x)))
    model = networks.fill(k.Model(x, L.Dense(2, name="last")(y)))
    networks.kill(inner.get_layer("fc"), inputs=[1], units=[1], bias=0.5)
    networks.kill(model.get_layer("last"), inputs=[2])
    small, report = compacted(model)
    assert small.get_layer("first").units == 3  # nothing reads unit 1
    cut = small.get_layer("block").get_layer("inner").get_layer("fc")
    assert cut.kernel.shape == (3, 3)
    assert [c.name for c in report.layers] == [
        "first",
        "block/inner/fc",
        "last",
    ]
    assert inner.get_layer("fc").kernel.shape == (4, 4)
    # Of a Sequential model too.
    outer = networks.fill(k.Sequential([k.Input((4,)), block, L.Dense(2)]))
    networks.kill(inner.get_layer("fc"), units=[0])
    small, _ = compacted(outer)
    assert type(small) is type(outer) and len(small.layers) == 2
    assert small.layers[1].kernel.shape == (3, 2)  # used once: not tied


def test_several_outputs_and_their_structure_are_kept(any_keras):
    k, L = any_keras, any_keras.layers
    x, y = k.Input((3,), name="x"), k.Input((3,), name="y")
    a = L.Dense(4, activation="relu", name="a")(x)
    b = L.Dense(4, activation="relu", name="b")(y)
    c = L.Dense(3, name="c")(L.Concatenate()([a, b]))
    model = networks.fill(
        k.Model({"x": x, "y": y}, {"one": a, "two": c}, name="net")
    )
    networks.kill(model.get_layer("a"), units=[0])
    networks.kill(model.get_layer("b"), units=[0])
    rng = np.random.default_rng(0)
    data = {n: rng.normal(size=(3, 3)).astype("float32") for n in ("x", "y")}
    small, _ = compacted(model, data)
    assert networks.sizes(small)["a"] == (3, 4)  # an output
    assert networks.sizes(small)["b"] == (3, 3)
    assert set(small(data)) == {"one", "two"}


def test_flags_are_kept_inside_nested_models(any_keras):
    k, L = any_keras, any_keras.layers
    inner = k.Sequential(
        [k.Input((4,)), L.Dense(3, name="p"), L.Dense(3, name="q")],
        name="inner",
    )
    model = networks.fill(k.Sequential([k.Input((4,)), inner, L.Dense(2)]))
    inner.get_layer("p").trainable = False
    small, _ = compacted(model)
    found = [v.shape[0] for v in small.trainable_variables]
    assert found == [v.shape[0] for v in model.trainable_variables]
    assert not small.layers[0].get_layer("p").trainable


def test_a_layer_without_a_config_is_used_itself(any_keras):
    k, L = any_keras, any_keras.layers

    class Scale(L.Layer):
        def __init__(self, by, name):
            super().__init__(name=name)
            self.by = by

        def build(self, shape):
            self.w = self.add_weight(shape=(shape[-1],), name="w")
            self.built = True

        def call(self, x):
            return x * self.w * self.by

        def compute_output_shape(self, shape):
            return shape

        def get_config(self):
            raise NotImplementedError("no config")

    x = k.Input((3,))
    y = Scale(2.0, "scale")(L.Dense(4, name="a")(x))
    y = L.Dense(5, activation=lambda t: t * 2.0, name="b")(y)
    model = networks.fill(k.Model(x, L.Dense(2, name="last")(y)))
    scale = model.get_layer("scale")
    calls = len(scale._inbound_nodes), len(scale._outbound_nodes)
    small, report = compacted(model)
    assert "cannot be cloned" in report.left_alone["scale"]
    assert "may mix" in report.left_alone["b"]
    assert small.get_layer("scale").w is scale.w
    assert (len(scale._inbound_nodes), len(scale._outbound_nodes)) == calls
    mask = {"scale/w": np.zeros(4)}
    with pytest.raises(ValueError, match="`scale` must be made from its"):
        compact(model, mask)


def test_shared_weights_of_two_layers_are_left_alone(any_keras):
    k, L = any_keras, any_keras.layers
    x = k.Input((4,))
    a, b = L.Dense(4, name="a"), L.Dense(4, name="b")
    model = networks.fill(k.Model(x, L.Dense(2, name="last")(b(a(x)))))
    if k is keras:
        b._tracker.unlock()
        b._trainable_variables.remove(b.kernel)
        b._kernel = a.kernel
    else:
        b._trainable_weights.remove(b.kernel)
        b.kernel = a.kernel
    networks.kill(a, units=[0])
    small, report = compacted(model)
    assert networks.sizes(small)["a"] == networks.sizes(small)["b"] == (4, 4)
    assert "shares a weight" in report.left_alone["b"]


def test_nothing_goes_where_inputs_cannot_be_matched(any_keras):
    k, L = any_keras, any_keras.layers
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    block = k.Model({"a": a, "b": b}, L.Subtract()([a, b]), name="block")
    x = k.Input((3,), name="x")
    p = L.Dense(4, activation="relu", name="p")(x)
    q = L.Dense(4, activation="relu", name="q")(x)
    y = L.Dense(2, name="last")(block({"b": p, "a": q}))
    model = networks.fill(k.Model(x, y, name="net"))
    networks.kill(model.get_layer("last"), inputs=[0])
    small, report = compacted(model)
    assert networks.sizes(small) == networks.sizes(model)
    assert "nothing was removed" in report.left_alone["block"]


def test_a_class_of_the_users_own_becomes_a_plain_model(any_keras):
    k, L = any_keras, any_keras.layers

    class Own(k.Model):
        pass

    x = k.Input((3,))
    y = L.Dense(2, name="last")(L.Dense(4, activation="relu", name="p")(x))
    model = networks.fill(Own(x, y, name="own"))
    networks.kill(model.get_layer("p"), units=[0])
    small, report = compacted(model)
    assert not isinstance(small, Own)
    assert report.notes == ["The new model is a plain one, not of class Own."]
    assert networks.sizes(small)["p"] == (3, 3)


def test_slopes_that_differ_by_place_keep_a_constant_from_being_one(any_keras):
    k, L = any_keras, any_keras.layers
    model = networks.fill(
        k.Sequential(
            [
                k.Input((5, 5, 3)),
                L.Conv2D(4, 1, name="a"),
                L.PReLU(name="slopes"),
                L.Conv2D(2, 3, name="last"),
            ]
        )
    )
    networks.kill(model.get_layer("a"), units=[0], bias=-0.5)
    small, _ = compacted(model)
    assert networks.sizes(small)["last"] == (3, 3, 4, 2)
