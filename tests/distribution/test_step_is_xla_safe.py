"""The training step of a wrapped model is fit for XLA, and so for a TPU.

Two looks at every network of the zoo, in both Keras families: the whole step
is compiled by XLA and must do what it does without, and the operations of the
step are counted. What a mask adds are reads and selections; nothing in it
sorts, branches, asks Python or waits for another replica.
"""

import collections
import functools

import numpy as np
import pytest
import tensorflow as tf

import tflottery
from tflottery.layers import evidence, state

FORBIDDEN = {
    "TopKV2",
    "TopK",
    "Sort",
    "If",
    "StatelessIf",
    "Case",
    "StatelessCase",
    "Switch",
    "Merge",
    "Assert",
    "PyFunc",
    "EagerPyFunc",
}
# How replicas add up; between CPUs of one process it is a plain AddN.
TOGETHER = ("AddN", "Collective", "Nccl", "AllReduce")
SHAPES = [(8, 8, 3), (32, 32, 3)]  # the first that a network takes
OPTIONS = {"mlp": {"hidden": (16, 8)}}
BATCH = 4


def networks(quick):
    """All of the zoo; those that are not quick in the slow tier."""
    return [
        name if name in quick else pytest.param(name, marks=pytest.mark.slow)
        for name in tflottery.models.names()
    ]


# One of each kind of layer.
KINDS = ("mlp", "lenet_300_100", "conv2", "resnet20")


def zoo(name, keras):
    for shape in SHAPES:
        try:
            model = tflottery.models.build(
                name,
                keras,
                input_shape=shape,
                num_classes=10,
                **OPTIONS.get(name, {}),
            )
        except ValueError:
            continue
        return model
    raise AssertionError(f"{name} takes none of {SHAPES}")


def small(keras):
    """All that a wrapped step has to do with: a penalty, statistics, a bias."""
    first, last = (keras.initializers.GlorotUniform(seed) for seed in (1, 2))
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(
                4, 3, activation="relu", kernel_initializer=first
            ),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(
                10, kernel_initializer=last, kernel_regularizer="l2"
            ),
        ]
    )


def dense(model):
    return model


def in_rounds(model):
    """Wraps, and prunes half of each weight; compiling comes afterwards."""
    model = tflottery.prune_iteratively(model, scope="layerwise")
    tflottery.prune(model, 0.5)
    return model


def gradually(model):
    schedule = tflottery.ConstantSparsity(0.5, 1, frequency=1)
    model = tflottery.prune_low_magnitude(model, schedule)
    follow = tflottery.UpdatePruningStep()
    follow.set_model(model)
    follow.on_train_begin()
    follow.on_train_batch_begin(0)
    return model


def compiled(model, keras, **options):
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **{"metrics": ["accuracy"], **options},
    )
    return model


@pytest.fixture
def double_precision(any_keras):
    """Differences of rounding stay small in three steps of deep networks."""
    before = any_keras.backend.floatx()
    any_keras.backend.set_floatx("float64")
    yield
    any_keras.backend.set_floatx(before)


def batch_for(model, seed=0):
    images = np.random.default_rng(seed).normal(
        size=(BATCH, *model.input_shape[1:])
    )
    return images.astype("float32"), np.arange(BATCH) % 10


def train(model, keras, jit_compile):
    """Makes three whole steps; the last finds momentum and statistics."""
    compiled(model, keras, jit_compile=jit_compile)
    for seed in range(3):
        logs = model.train_on_batch(*batch_for(model, seed), return_dict=True)
    return {**state.read(model), **{k: float(v) for k, v in logs.items()}}


def check_xla(build, wrap, keras):
    plain, by_xla = wrap(build(keras)), wrap(build(keras))
    mask = evidence.current_mask(by_xla)
    assert mask == evidence.current_mask(plain)
    assert 0.49 <= mask.sparsity <= 0.51
    expected = train(plain, keras, jit_compile=False)
    found = train(by_xla, keras, jit_compile=True)
    assert by_xla.jit_compile is True
    # XLA merges what follows on each other and may add up in another order:
    # units in the last place, 1e-16 of weights near 1. BatchNormalization of
    # four images makes more of them in each step and layer: 2e-11 in the
    # deepest network, 4e-6 in ResNet-50, which ends with one pixel an image.
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(
            found[name], value, rtol=1e-5, atol=1e-6, err_msg=name
        )
    assert evidence.current_mask(by_xla) == mask
    for path, kept in mask.items():
        weight = found[state.WEIGHTS + path]
        np.testing.assert_array_equal(weight[~kept], 0.0)
        assert np.count_nonzero(weight[kept]) == np.count_nonzero(kept)


# XLA takes seconds for each convolution.
@pytest.mark.parametrize("name", networks(quick=("mlp",)))
def test_every_network_trains_by_xla_as_without(
    any_keras, name, double_precision
):
    check_xla(functools.partial(zoo, name), in_rounds, any_keras)


@pytest.mark.slow
def test_gradual_pruning_trains_by_xla_as_without(any_keras):
    check_xla(small, gradually, any_keras)


def test_what_xla_cannot_compile_is_noticed(any_keras):
    # That `jit_compile=True` above means that all of the step is compiled.
    class Unknown(any_keras.layers.Layer):
        def call(self, x):
            return tf.ensure_shape(
                tf.py_function(lambda y: y, [x], x.dtype), x.shape
            )

    model = any_keras.Sequential(
        [any_keras.Input((4,)), Unknown(), any_keras.layers.Dense(10)]
    )
    with pytest.raises(Exception, match="(?i)xla|EagerPyFunc"):
        train(in_rounds(model), any_keras, jit_compile=True)


def counted(step, *arguments):
    """Counts the operations of a step, those of its functions included."""
    graph = tf.function(step).get_concrete_function(*arguments).graph
    definition = graph.as_graph_def()
    found = collections.Counter(node.op for node in definition.node)
    for function in definition.library.function:
        found.update(node.op for node in function.node_def)
    return found


def operations(model, keras):
    compiled(model, keras)
    x, y = map(tf.constant, batch_for(model))
    state.variables(model)  # so that all of the optimizer is there
    return counted(lambda x, y: model.train_step((x, y)), x, y)


def operations_on(strategy, build, wrap, keras):
    with strategy.scope():
        # Metrics would have to be built by a step of their own.
        model = compiled(wrap(build(keras)), keras, metrics=None)
        state.variables(model)
    values = strategy.experimental_distribute_values_from_function(
        lambda _: tuple(map(tf.constant, batch_for(model)))
    )
    return counted(
        lambda data: strategy.run(model.train_step, args=(data,)), values
    )


def collectives(found):
    return {k: n for k, n in found.items() if k.startswith(TOGETHER)}


@pytest.mark.parametrize("name", networks(quick=KINDS))
def test_no_mask_of_the_zoo_sorts_or_branches(any_keras, name):
    build = functools.partial(zoo, name)
    before = operations(build(any_keras), any_keras)
    model = in_rounds(build(any_keras))
    masks = len(tflottery.masks(model))
    after = operations(model, any_keras)
    added = after - before
    assert masks >= 3
    assert after["MatMul"] >= 3  # the step was looked at, not its shell
    # Where a kernel is used, in its gradient, and after its update.
    assert added["SelectV2"] >= 3 * masks
    assert FORBIDDEN.isdisjoint(added)
    assert collectives(after) == collectives(before)


@pytest.mark.parametrize("wrap", [in_rounds, gradually])
def test_a_wrapped_step_only_selects_reads_and_assigns_more(any_keras, wrap):
    before = operations(small(any_keras), any_keras)
    after = operations(wrap(small(any_keras)), any_keras)
    assert FORBIDDEN.isdisjoint(after)
    added = after - before
    # Where a kernel is used, in its gradient (a selection, and the sum over
    # the constant zero that nothing reads), after its update, in its penalty;
    # and the count of steps of a gradual wrapper in tf_keras.
    assert added["SelectV2"] >= 2 * 3
    assert set(added) <= {
        "AssignAddVariableOp",
        "AssignVariableOp",
        "BroadcastGradientArgs",
        "Cast",
        "Const",
        "Identity",
        "NoOp",
        "ReadVariableOp",
        "Reshape",
        "SelectV2",
        "Shape",
        "Sum",
        "ZerosLike",
        "Placeholder",
        "Mul",
        "AddV2",
    }


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [in_rounds, gradually])
def test_replicas_wait_for_each_other_no_more_than_without_masks(
    any_keras, wrap, two_replicas
):
    strategy = two_replicas
    assert strategy.num_replicas_in_sync == 2
    before = operations_on(strategy, small, dense, any_keras)
    after = operations_on(strategy, small, wrap, any_keras)
    assert (after - before)["SelectV2"] >= 2 * 2 * 3  # on both replicas
    assert FORBIDDEN.isdisjoint(after - before)
    # One sum of gradients for each weight, as without masks.
    assert collectives(before)
    assert collectives(after) == collectives(before)


def test_the_same_look_finds_the_sort_and_the_conditions_of_tfmot(tfmot):
    import tf_keras

    model = tfmot.prune_low_magnitude(small(tf_keras))
    follow = tfmot.UpdatePruningStep()
    follow.set_model(model)
    follow.on_train_begin()
    found = operations(model, tf_keras)
    assert {"TopKV2", "Assert"} <= set(found)
    assert {"If", "StatelessIf"} & set(found)
