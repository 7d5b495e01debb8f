"""The same arrays and trainings given to TF-MOT and to both families here."""

import importlib

import numpy as np
import tensorflow as tf

import tflottery
from tflottery.gradual import scheduled
from tflottery.layers import evidence

FAMILIES = ("keras", "tf_keras")


def tfmot_masks(array, updates=1, **options):
    """Returns the mask that TF-MOT's own pruning code makes of an array.

    Args:
        array: a weight.
        updates: the step that is asked for.
        **options: `sparsity` or `pruning_schedule`, and `block_size`,
            `block_pooling_type`, `sparsity_m_by_n`.
    """
    from tflottery.tfmot import guard

    sparsity = guard.tfmot()
    pruning_impl = importlib.import_module(
        "tensorflow_model_optimization.python.core.sparsity.keras.pruning_impl"
    )
    schedule = options.pop("pruning_schedule", None)
    if schedule is None:
        schedule = sparsity.ConstantSparsity(
            options.pop("sparsity", 0.5), 1, frequency=1
        )
    weight = tf.Variable(array)
    mask = tf.Variable(tf.ones_like(weight))
    threshold = tf.Variable(tf.zeros([], weight.dtype))
    step = tf.Variable(updates, dtype=tf.int64)
    pruning = pruning_impl.Pruning(
        training_step_fn=lambda: step,
        pruning_vars=[(weight, mask, threshold)],
        pruning_schedule=schedule,
        block_size=options.pop("block_size", (1, 1)),
        block_pooling_type=options.pop("block_pooling_type", "AVG"),
        **options,
    )
    pruning.conditional_mask_update()
    return mask.numpy() != 0


def layer_holding(keras, array):
    """Returns a built Dense or convolution whose kernel is the array."""
    kinds = {2: "Dense", 3: "Conv1D", 4: "Conv2D", 5: "Conv3D"}
    build = getattr(keras.layers, kinds[array.ndim])
    arguments = {} if array.ndim == 2 else {"kernel_size": array.shape[:-2]}
    layer = build(array.shape[-1], use_bias=False, **arguments)
    middle = (None,) * (array.ndim - 2)
    layer.build((None, *middle, array.shape[-2]))
    layer.set_weights([array])
    return layer


def our_mask(keras, array, **options):
    """Returns the mask that one update of ours makes of the same array."""
    sparsity = options.pop("sparsity", 0.5)
    options.setdefault(
        "pruning_schedule",
        tflottery.ConstantSparsity(sparsity, begin_step=1, frequency=1),
    )
    wrapped = tflottery.prune_low_magnitude(
        layer_holding(keras, array), **options
    )
    tflottery.update_pruning_step(wrapped)
    ((weight, mask),) = wrapped.masked_weights.values()
    mask = mask.numpy()
    expected = np.where(mask, array, 0)
    np.testing.assert_array_equal(weight.numpy(), expected)
    return mask


def sparsities(model):
    """Returns `{path: share of zeros}` of the masked weights, as stored."""
    weights = evidence.current_weights(model)
    assert weights, "no masked weight was visited"
    return {path: float(np.mean(value == 0)) for path, value in weights.items()}


def overall(model):
    """Returns the share of zeros over all masked weights, as stored."""
    weights = evidence.current_weights(model)
    assert weights, "no masked weight was visited"
    zeros = sum(int(np.sum(value == 0)) for value in weights.values())
    return zeros / sum(value.size for value in weights.values())


def mask_of(model):
    """Returns the model's `Mask`, of at least one tensor."""
    mask = evidence.current_mask(model)
    assert mask, "no masked weight was visited"
    return mask


def step_of(model):
    """Returns the step that the wrappers' variables hold: one for all."""
    (step,) = {
        scheduled.stored_step(wrapper)
        for wrapper in scheduled.scheduled_wrappers(model)
    }
    return step


def pruned_names(model):
    """Returns the sorted names `layer/weight` that are masked."""
    return sorted(evidence.current_mask(model))


def tfmot_wrappers(model):
    """Returns TF-MOT's wrappers of a model, nested ones too."""
    wrapping = importlib.import_module(
        "tensorflow_model_optimization.python.core.sparsity.keras"
        ".pruning_wrapper"
    )
    return wrapping.collect_prunable_layers(model)


def separated(size, seed=0):
    """Returns float32 magnitudes 1..size in random order and signs: no ties."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1, 1], size)
    return (rng.permutation(size) + 1).astype("float32") * signs


def batches(steps, width=4, units=3, batch_size=2, seed=0):
    """Returns `(x, y)` for so many steps of training."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps * batch_size, width)).astype("float32")
    y = rng.normal(size=(steps * batch_size, units)).astype("float32")
    return x, y


def wrappers(model):
    """Returns the wrappers that follow a schedule; at least one."""
    found = scheduled.scheduled_wrappers(model)
    assert found, "nothing is wrapped"
    return found


def masked_arrays(model):
    """Returns the stored values of all masked weights."""
    return list(evidence.current_weights(model).values())
