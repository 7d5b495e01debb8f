"""The graph of a model: what feeds what, whatever the family."""

import keras
import pytest
import tf_keras
from without_graph import subclassed, unbuilt

from tflottery.layers import graph

BOTH = pytest.mark.parametrize("k", [keras, tf_keras], ids=["keras", "legacy"])


@BOTH
def test_a_nested_model_used_twice_gives_nodes_for_each_use(k):
    layers = [k.Input((4,)), k.layers.Dense(4, name="fc")]
    block = k.Sequential(layers, name="block")
    inputs = k.Input((4,), name="x")
    first, second = block(inputs), block(inputs)
    model = k.Model(inputs, k.layers.Add(name="sum")([first, block(second)]))
    found = graph.flatten(model)
    names = [node.name for node in found.nodes]
    assert names == ["x", "block/fc", "block/fc", "block/fc", "sum"]
    assert [len(node.producers) for node in found.nodes] == [0, 1, 1, 1, 2]
    assert [len(node.consumers) for node in found.nodes] == [2, 1, 1, 1, 0]
    assert [node.index for node in found.nodes] == list(range(5))
    assert [str(node) for node in found.outputs] == ["`sum` (Add)"]


@BOTH
def test_several_inputs_and_outputs_of_a_nested_model_keep_apart(k):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    outputs = [k.layers.ReLU(name="p")(a), k.layers.ReLU(name="q")(b)]
    block = k.Model([a, b], outputs, name="block")
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    p, q = block([y, x])
    model = k.Model([x, y], [k.layers.ELU(name="of_q")(q), p])
    nodes = {node.name: node for node in graph.flatten(model).nodes}
    assert nodes["block/p"].producers == [nodes["y"]]
    assert nodes["block/q"].producers == [nodes["x"]]
    assert nodes["of_q"].producers == [nodes["block/q"]]
    ends = [node.name for node in graph.flatten(model).outputs]
    assert ends == ["of_q", "block/p"]


@BOTH
def test_a_model_without_a_graph_is_refused(k):
    with pytest.raises(ValueError, match="`own`, which has no graph"):
        graph.flatten(subclassed(k))
    assert not graph.has_graph(unbuilt(k))


@BOTH
def test_tensors_are_known_in_order_and_with_repetitions(k):
    x, y = k.Input((2, 4), name="x"), k.Input((2, 4), name="y")
    joined = k.layers.Concatenate(name="join")([y, x, y])
    found = graph.flatten(k.Model([x, y], [joined, joined]))
    join = found.nodes[-1]
    assert [tensor.node.name for tensor in join.inputs] == ["y", "x", "y"]
    assert join.inputs[0] is join.inputs[2]
    assert join.outputs[0].shape == (None, 2, 12)
    assert join.outputs[0].dtype == "float32"
    assert [tensor.node.name for tensor in found.input_tensors] == ["x", "y"]
    assert found.output_tensors == (join.outputs[0],) * 2


@BOTH
def test_uses_of_nested_models_are_known(k):
    block = k.Sequential([k.Input((4,)), k.layers.Dropout(0.5)], name="block")
    x = k.Input((4,), name="x")
    model = k.Model(x, block(block(x), training=True))
    found = graph.flatten(model)
    first, second = found.nested
    assert first.model is block and first.is_sorted
    assert first.inputs == found.input_tensors
    modes = [node.training is True for node in found.nodes]
    assert modes == [False, False, True]
    assert second.inputs == (found.nodes[1].outputs[0],)


@BOTH
def test_a_graph_with_a_call_of_the_users_own_does_not_count(k):
    class Own(k.Model):
        def call(self, x, training=None):
            return super().call(x) * 2

    x = k.Input((4,))
    assert not graph.has_graph(Own(x, k.layers.Dense(2)(x)))
