"""`Masked`: the wrapper layer that holds the masks and applies them at use.

It stands apart from the decision of *what* to prune (`prunable`) and from the
way wrapped layers get into a model (`surgery`): here is only the mechanism.
"""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np

from tflottery.layers import held_zeros, prunable
from tflottery.layers.holding import HoldsMasks
from tflottery.layers.keeping import (
    MaskedConstraint,
    MaskedRegularizer,
    keep,
)
from tflottery.layers.recording import Recording, symbolic
from tflottery.layers.settings import (
    PruningSettings,
    missing_callback,
    paths_to_mask,
)

_STEP = "pruning_step"


@keras.saving.register_keras_serializable(package="tflottery")
class Masked(HoldsMasks, keras.layers.Wrapper):
    """Runs a layer with its prunable weights masked: f(x; m * w).

    The mask acts where a weight is used, so an entry outside the mask neither
    acts nor gets a gradient. The wrapped layer may hold any number of
    prunable weights at any depth (an LSTM's cell, the projections of
    `MultiHeadAttention`, a user's block); each has a boolean mask of its own.
    Masks are saved with the model. The wrapper takes the name of its layer,
    and attributes it does not have are looked up there
    (`wrapped.kernel is layer.kernel`).

    Usually made by `tflottery.prune_iteratively`.

    Args:
        layer: the layer to run, a `keras.layers.Layer`.
        weights: relative paths (`"kernel"`, `"cell/recurrent_kernel"`) of the
            weights to mask. `None` (the default) means all that are prunable.
        settings: a `PruningSettings` or its config; how a search prunes this
            layer. `None` for masks without a search.
        **kwargs: `name` (default: the layer's), `dtype` (default: the
            layer's), `trainable`.

    Example:
        >>> import keras, numpy as np
        >>> layer = Masked(keras.layers.Dense(2, kernel_initializer="ones"))
        >>> y = layer(np.ones((1, 3)))
        >>> layer.set_mask("kernel", np.array([[1, 0], [1, 0], [0, 0]]))
        >>> [float(v) for v in np.asarray(layer(np.ones((1, 3))))[0]]
        [2.0, 0.0]

    Reference: Frankle and Carbin, The Lottery Ticket Hypothesis, 2019,
    section 1 (the network f(x; m * theta)).
    """

    def __init__(self, layer, weights=None, settings=None, **kwargs):
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("dtype", layer.dtype_policy)
        kwargs.setdefault("trainable", layer.trainable)
        super().__init__(layer, autocast=False, **kwargs)
        self.weight_paths = None if weights is None else list(weights)
        if isinstance(settings, dict):
            settings = PruningSettings.from_config(settings)
        self.settings = settings
        # Who follows the schedule, if there is one: a function that returns
        # the step. What `gradual.clock.PruningClock` sets.
        self.step_source = None
        self.refused_training = False
        self.pruning_step = None
        # Untracked: the weights are the layer's, and keep their order there.
        vars(self)["_masked"] = None
        # The wrapper speaks for its layer: same signature, same handling of
        # masks, no conversion of arguments of its own.
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        for name in (
            "_call_signature",
            "call_signature_parameters",
            "_call_has_training_arg",
            "_call_has_mask_arg",
            "_call_context_args",
            "_call_has_context_arg",
            "supports_jit",
        ):
            setattr(self, name, getattr(layer, name))
        self._supports_masking = layer.supports_masking
        if prunable.is_complete(layer, self.weight_paths):
            self._create_masks()

    def __getattr__(self, name):
        if not name.startswith("_"):
            layer = self.__dict__.get("layer")
            if layer is not None:
                return getattr(layer, name)
        raise AttributeError(
            f"'{type(self).__name__}' object has no attribute '{name}'"
        )

    def _open_name_scope(self):
        # The wrapped layer opens its own; weights keep their plain paths.
        return contextlib.nullcontext()

    def build(self, *args, **kwargs):
        """Builds the wrapped layer, then the masks."""
        if not self.layer.built:
            self.layer.build(*args, **kwargs)
            self.layer.built = True
        if self._masked is None:
            self._create_masks()

    def __call__(self, *args, **kwargs):
        """Calls the wrapped layer; builds it on the way if need be."""
        if self._masked is None:
            if not prunable.is_complete(self.layer, self.weight_paths):
                # Layers that build from several inputs know best how.
                self.layer(*symbolic(args), **symbolic(kwargs))
            self._create_masks()
        return super().__call__(*args, **kwargs)

    def _create_masks(self):
        self.built = True
        found = prunable.variables_of(self.layer)
        if self.weight_paths is None:
            self.weight_paths = paths_to_mask(self.layer, self.settings)
        vars(self)["_masked"] = {}
        previously_locked = self._tracker.locked
        self._tracker.unlock()
        for path in self.weight_paths:
            if path not in found:
                raise ValueError(
                    f"`weights` names `{path}`, which layer "
                    f"`{self.layer.name}` does not have. Received: weights="
                    f"{self.weight_paths}. Its variables are {list(found)}."
                )
            variable = found[path]
            if isinstance(variable.constraint, MaskedConstraint):
                mask = variable.constraint.mask
            else:
                mask = self.add_weight(
                    shape=variable.shape,
                    dtype="bool",
                    initializer="ones",
                    trainable=False,
                    autocast=False,
                    name=path.replace("/", "_") + "_mask",
                )
                # As an attribute it is found by `tf.train.Checkpoint`.
                setattr(self, "_mask_of_" + path.replace("/", "_"), mask)
                variable.constraint = MaskedConstraint(
                    variable.constraint, mask
                )
                if variable.regularizer is not None:
                    variable.regularizer = MaskedRegularizer(
                        variable.regularizer, mask
                    )
            self._masked[path] = (variable, mask)
        if self.settings is not None and self.settings.schedule is not None:
            self.pruning_step = self.add_weight(
                shape=(),
                dtype="int64",
                initializer=keras.initializers.Constant(-1),
                trainable=False,
                autocast=False,
                name=_STEP,
            )
        if previously_locked:
            self._tracker.lock()

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
        variable.assign(np.where(mask, value, np.zeros((), value.dtype)))

    def release(self):
        """Undoes what wrapping did to the weights and returns the layer."""
        for path, (variable, mask) in self.masked_weights.items():
            self.set_mask(path, mask.numpy())
            if isinstance(variable.constraint, MaskedConstraint):
                variable.constraint = variable.constraint.constraint
            if isinstance(variable.regularizer, MaskedRegularizer):
                variable.regularizer = variable.regularizer.regularizer
        return self.layer

    def call(self, *args, **kwargs):
        """Runs the layer on masked weights and hands its new state back."""
        if (
            self.step_source is None
            and self.settings is not None
            and self.settings.schedule is not None
            and self._get_call_context().training
        ):
            self.refused_training = True
            raise RuntimeError(missing_callback(self))
        variables = self.layer.variables
        given = {id(v): v.value for v in variables}
        given.update(
            (id(v), self.weight_in_use(path, v.value))
            for path, (v, _) in (self._masked or {}).items()
        )
        # Every value is handed over: a scope hides the one around it.
        with Recording(
            state_mapping=[(v, given[id(v)]) for v in variables],
            collect_losses=True,
        ) as scope:
            outputs = self.layer(*args, **kwargs)
        for variable in scope.assigned.values():
            variable.assign(scope.get_current_value(variable))
        if scope.losses:
            self.add_loss(list(scope.losses))
        return outputs

    def weight_in_use(self, path: str, value: Any) -> Any:
        """Returns what the layer computes with for a weight's stored value."""
        return held_zeros.in_use(value, self._masked[path][1], keep)

    def compute_output_spec(self, *args, **kwargs):
        """Returns what the wrapped layer returns."""
        return self.layer.compute_output_spec(*args, **kwargs)

    def compute_output_shape(self, *args, **kwargs):
        """Returns what the wrapped layer returns."""
        return self.layer.compute_output_shape(*args, **kwargs)

    def compute_mask(self, *args, **kwargs):
        """Returns what the wrapped layer returns."""
        return self.layer.compute_mask(*args, **kwargs)

    def get_config(self):
        """Returns the layer, the names of its masked weights, the settings."""
        settings = self.settings
        return {
            **super().get_config(),
            "weights": self.weight_paths if self.built else None,
            "settings": None if settings is None else settings.get_config(),
        }

    def save_own_variables(self, store):
        """Saves the masks; refuses what a file could not hold.

        Raises:
            ValueError: LoRA is on for a masked weight. Keras saves the sum of
                kernel and adapter, which is dense, and the mask would cut it.
        """
        owners = prunable.owners_of(self.layer, self.masked_weights)
        if any(getattr(owner, "lora_enabled", False) for owner in owners):
            raise ValueError(
                f"Layer `{self.name}` cannot be saved with both a mask and "
                "LoRA: what Keras saves is their sum, which is dense. Save "
                "`tflottery.strip_pruning(model)` instead."
            )
        for path, (_, mask) in self.masked_weights.items():
            store[path.replace("/", "_")] = mask.numpy()
        if self.pruning_step is not None:
            if self.step_source is not None:
                self.pruning_step.assign(self.step_source())
            store[_STEP] = self.pruning_step.numpy()

    def load_own_variables(self, store):
        """Loads the masks, and the step of a schedule if there is one."""
        for path, (_, mask) in self.masked_weights.items():
            key = path.replace("/", "_")
            if key not in store:
                raise ValueError(
                    f"The file has no mask of `{path}` in layer `{self.name}`."
                    f" Received: a file with {sorted(store)} there. Was it "
                    "saved from a model that was wrapped in the same way?"
                )
            mask.assign(store[key])
        if self.pruning_step is not None and _STEP in store:
            self.pruning_step.assign(store[_STEP])

    def get_build_config(self):
        """Returns how the wrapped layer was built."""
        return self.layer.get_build_config()

    def build_from_config(self, config):
        """Builds the wrapped layer as it was built, then the masks."""
        if config is not None and not self.layer.built:
            self.layer.build_from_config(config)
        if prunable.is_complete(self.layer, self.weight_paths):
            self.build()
