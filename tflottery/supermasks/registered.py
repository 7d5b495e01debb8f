"""The names under which the layers of supermasks are saved."""

from __future__ import annotations

from typing import Any

from tflottery.layers import family
from tflottery.supermasks import sparse_layers
from tflottery.supermasks.bernoulli import BernoulliSettings
from tflottery.supermasks.edge_popup import EdgePopupSettings


def custom_objects(name: str) -> dict[str, Any]:
    """Returns the layer classes of a family, as a loading scope takes them.

    Args:
        name: `"keras"` or `"tf_keras"`.

    Example:
        >>> for name in sorted(custom_objects("keras")):
        ...     print(name)
        tflottery>BernoulliMasked
        tflottery>EdgePopup
        tflottery>SingleInputUnits
        tflottery>SparseDense
    """
    of = family.get(name)
    kinds = (EdgePopupSettings(), BernoulliSettings())
    classes = [
        *(kind.wrapper_class(of) for kind in kinds),
        *sparse_layers.classes_for(of),
    ]
    return {f"tflottery>{cls.__name__}": cls for cls in classes}
