"""`PruneLowMagnitude`: TF-MOT's wrapper with the mask where a weight is used.

TF-MOT masks by assignment, inside the training step, and leaves the gradients
dense, so that pruned weights come back. This subclass keeps TF-MOT's face, so
that TF-MOT's tools go on working, and holds to what the rest of the library
does: the mask acts in the forward pass, it is computed between two steps, and
nothing pruned returns. The module loads tf_keras and TF-MOT.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import Any

import numpy as np
import tensorflow as tf

from tflottery.gradual import scheduled
from tflottery.layers import held_zeros, paths, prunable
from tflottery.layers.holding import HoldsMasks
from tflottery.layers.settings import PruningSettings, paths_to_mask
from tflottery.tfmot import guard, keeping, scratch, step_counter
from tflottery.tfmot.host_pruning import HostPruning
from tflottery.tfmot.masked_variable import MaskedVariable, keep

tf_keras = guard.tf_keras()


@tf_keras.saving.register_keras_serializable(package="tflottery")
class PruneLowMagnitude(HoldsMasks, guard.wrapper_class()):
    """Runs a tf_keras layer with its prunable weights masked: f(x; m * w).

    It is to tf_keras what `tflottery.Masked` is to Keras 3, and a TF-MOT
    wrapper: `tfmot.sparsity.keras.strip_pruning`, `UpdatePruningStep` and
    `PruningSummaries` take it as one of theirs. Usually made by
    `tflottery.prune_iteratively` or `tflottery.prune_low_magnitude`.

    Args:
        layer: the `tf_keras.layers.Layer` to run.
        weights: relative paths of the weights to mask; `None` (default) for
            all that are prunable once the layer is built.
        settings: a `PruningSettings` or its config; `None` for masks only.
        **kwargs: `name` (default: the layer's), `dtype` (default: the
            layer's), `trainable`.

    Example:
        >>> import numpy as np
        >>> layer = tf_keras.layers.Dense(2, kernel_initializer="ones")
        >>> wrapped = PruneLowMagnitude(layer)
        >>> y = wrapped(np.ones((1, 3)))
        >>> wrapped.set_mask("kernel", np.array([[1, 0], [1, 0], [0, 0]]))
        >>> wrapped(np.ones((1, 3))).numpy().tolist()
        [[2.0, 0.0]]

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 1 (the network f(x; m * theta)).
    """

    def __init__(self, layer, weights=None, settings=None, **kwargs):
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("dtype", layer._dtype_policy)
        # TF-MOT's own constructor knows a list of layers and refuses others.
        tf_keras.layers.Wrapper.__init__(self, layer, autocast=False, **kwargs)
        if isinstance(settings, dict):
            settings = PruningSettings.from_config(settings)
        self.settings = settings
        self.step_source = None
        self.refused_training = False
        self._note(
            weight_paths=None if weights is None else list(weights),
            _masked=None,
            _places=[],
            _penalties=[],
            _step_counter=step_counter.StepCounter(),
            pruning_vars=[],
            prunable_weights=[],
            # The wrapper speaks for its layer: same signature.
            _call_spec=layer._call_spec,
            _call_context_args=layer._call_context_args,
        )
        self._supports_masking = layer.supports_masking
        self.pruning_obj = HostPruning(self)
        if hasattr(layer, "_batch_input_shape"):
            self._batch_input_shape = layer._batch_input_shape
        if prunable.is_complete(layer, self.weight_paths):
            self._create_masks()

    @tf.__internal__.tracking.no_automatic_dependency_tracking
    def _note(self, **values):
        """Sets attributes that are not the wrapper's own variables."""
        for name, value in values.items():
            setattr(self, name, value)

    def __getattr__(self, name):
        if not name.startswith("_"):
            layer = self.__dict__.get("layer")
            if layer is not None:
                return getattr(layer, name)
        raise AttributeError(
            f"'{type(self).__name__}' object has no attribute '{name}'"
        )

    @property
    def pruning_schedule(self):
        """The gradual schedule; `None` when pruned in rounds."""
        return scheduled.schedule_of(self)

    def build(self, input_shape=None):
        """Builds the wrapped layer, then the masks."""
        if not prunable.is_complete(self.layer, self.weight_paths):
            scratch.build(self.layer, input_shape)
        if self._masked is None:
            self._create_masks()

    def __call__(self, *args, **kwargs):
        """Calls the wrapped layer; builds it on the way if need be."""
        # `RNN` and `Bidirectional` take other arguments than their `call`.
        outer = inspect.signature(self.layer.__call__).parameters.values()
        names = [p.name for p in outer if p.kind is p.POSITIONAL_OR_KEYWORD]
        args, kwargs = _named(args, kwargs, names)
        if self._masked is None:
            if not prunable.is_complete(self.layer, self.weight_paths):
                # Layers that build from several inputs know best how.
                scratch.call(self.layer, args, kwargs)
            self._create_masks()
        return super().__call__(*args, **kwargs)

    def _create_masks(self):
        self.built = True
        found = {p: (v, o) for p, v, o in paths.walk(self.layer)}
        if self.weight_paths is None:
            chosen = paths_to_mask(self.layer, self.settings)
            self._note(weight_paths=chosen)
        places = {
            path: keeping.Place(self.layer, found[path][1], found[path][0])
            for path in self.weight_paths
            if path in found
        }
        masked, penalties, triples = {}, [], []
        with tf.init_scope(), tf.name_scope(self.name):
            for path in self.weight_paths:
                if path not in found:
                    raise ValueError(
                        f"`weights` names `{path}`, which layer "
                        f"`{self.layer.name}` does not have. Received: "
                        f"weights={self.weight_paths}. Its variables are "
                        f"{list(found)}."
                    )
                variable, owner = found[path]
                constraint = variable.constraint
                if isinstance(constraint, keeping.MaskedConstraint):
                    mask = constraint.mask  # tied: another wrapper has it
                else:
                    mask = self._add_state(
                        path.replace("/", "_") + "_mask",
                        variable.shape,
                        "bool",
                        True,
                    )
                    keeping.set_constraint(
                        variable, keeping.MaskedConstraint(constraint, mask)
                    )
                    penalties.append(
                        keeping.MaskedPenalties(owner, variable, mask)
                    )
                threshold = self._add_state(
                    path.replace("/", "_") + "_threshold", (), "float32", 0.0
                )
                masked[path] = (variable, mask)
                places[path].stand_in = MaskedVariable(
                    variable,
                    mask,
                    owner,
                    functools.partial(self.weight_in_use, path),
                )
                triples.append((variable, mask, threshold))
            self.pruning_step = self._add_state("pruning_step", (), "int64", -1)
        self._note(
            _masked=masked,
            _places=list(places.values()),
            _penalties=penalties,
            pruning_vars=triples,
            prunable_weights=[variable for variable, _, _ in triples],
        )

    def _add_state(self, name, shape, dtype, value):
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=dtype,
            initializer=tf_keras.initializers.Constant(value),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ
            if name == "pruning_step"
            else tf.VariableSynchronization.AUTO,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def set_mask(self, path: str, mask) -> None:
        """Sets one mask and zeroes the stored entries outside it.

        Args:
            path: relative path of the weight, one of `masked_weights`.
            mask: array of the weight's shape, `True` or 1 keeps.
        """
        variable, mask_variable = self._masked[path]
        mask = np.asarray(mask, dtype=bool)
        mask_variable.assign(mask)
        value = variable.numpy()
        value = np.where(mask, value, np.zeros((), value.dtype))
        variable.assign(value)
        if mask.any():  # what TF-MOT's summaries show
            for weight, _, threshold in self.pruning_vars:
                if weight is variable:
                    threshold.assign(np.abs(value[mask]).min())

    def release(self):
        """Undoes what wrapping did to the weights and returns the layer."""
        for path, (variable, mask) in self.masked_weights.items():
            self.set_mask(path, mask.numpy())
            if isinstance(variable.constraint, keeping.MaskedConstraint):
                keeping.set_constraint(variable, variable.constraint.constraint)
        for penalties in self._penalties:
            penalties.release()
        if not hasattr(self.layer, "_batch_input_shape") and hasattr(
            self, "_batch_input_shape"
        ):
            self.layer._batch_input_shape = self._batch_input_shape
        return self.layer

    def call(self, *args, **kwargs):
        """Runs the layer on masked weights."""
        if self.settings is not None and self.settings.schedule is not None:
            self._step_counter.count(self)
        with contextlib.ExitStack() as stack:
            for place in self._places:
                stack.enter_context(place.masked())
            # A SavedModel is traced with all arguments by position.
            names = self.layer._call_spec.arg_names
            args, kwargs = _named(args, kwargs, names)
            return self.layer(*args, **kwargs)

    def is_training(self) -> Any:
        """Returns whether the call that is being made is for training."""
        return step_counter.is_training()

    def weight_in_use(self, path: str, value: Any) -> tf.Tensor:
        """Returns what the layer computes with for a weight's stored value."""
        return held_zeros.in_use(value, self._masked[path][1], keep)

    def _should_use_autograph(self):
        return False  # the wrapped layer has its own

    def compute_mask(self, *args, **kwargs):
        """Returns what the wrapped layer returns."""
        return self.layer.compute_mask(*args, **kwargs)

    def get_weights(self):
        """Returns all weights, masks included, unlike TF-MOT's wrapper."""
        return tf_keras.layers.Layer.get_weights(self)

    def set_weights(self, weights):
        """Sets all weights, masks included, unlike TF-MOT's wrapper."""
        tf_keras.layers.Layer.set_weights(self, weights)

    def get_config(self):
        """Returns the layer, the names of its masked weights, the settings."""
        settings = self.settings
        return {
            **tf_keras.layers.Wrapper.get_config(self),
            "weights": self.weight_paths and list(self.weight_paths),
            "settings": None if settings is None else settings.get_config(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes a wrapper from `get_config`."""
        config = dict(config)
        inner = dict(config.pop("layer"))
        # From HDF5, tf_keras would look a user's class up by its bare name.
        name = inner.get("registered_name")
        if tf_keras.saving.get_registered_object(name, custom_objects):
            inner["class_name"] = name
        layer = tf_keras.layers.deserialize(inner, custom_objects)
        return cls(layer, **config)


def _named(args, kwargs, names):
    """Gives arguments beyond the first the names that they go by."""
    if len(args) > len(names):
        return args, kwargs
    named = zip(names[1:], args[1:], strict=False)
    return args[:1], {**dict(named), **kwargs}
