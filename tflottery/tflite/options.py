"""What the operators of a TFLite file say of themselves: strides, padding, ...

Only options that matter to weights and delegates are read.
"""

from __future__ import annotations

from typing import Any

_OPTIONS = {
    "Conv2DOptions": "StrideH StrideW DilationHFactor DilationWFactor Padding",
    "DepthwiseConv2DOptions": "StrideH StrideW DilationHFactor "
    "DilationWFactor Padding DepthMultiplier",
    "TransposeConvOptions": "StrideH StrideW Padding",
    "Pool2DOptions": "StrideH StrideW FilterHeight FilterWidth Padding",
    "FullyConnectedOptions": "WeightsFormat KeepNumDims",
    "ReducerOptions": "KeepDims",
    "ResizeBilinearOptions": "AlignCorners HalfPixelCenters",
    "DepthToSpaceOptions": "BlockSize",
    "AddOptions": "",
    "SubOptions": "",
    "MulOptions": "",
    "DivOptions": "",
}


def names(enumeration: Any) -> dict[int, str]:
    """Returns `{number: name}` of an enumeration of the schema.

    Args:
        enumeration: A class of the schema's module, such as `Padding`.
    """
    return {
        number: name
        for name, number in vars(enumeration).items()
        if isinstance(number, int) and not name.startswith("_")
    }


def options(schema: Any, operator: Any) -> dict[str, Any]:
    """Returns the options of an operator.

    Args:
        schema: The schema's module.
        operator: A table of the type `Operator`.

    Returns:
        Such as `{"stride_h": 1, "padding": "SAME", "activation": "RELU"}`;
        empty for an operator whose options do not matter here.
    """
    kind = names(schema.BuiltinOptions).get(operator.BuiltinOptionsType(), "")
    table = operator.BuiltinOptions()
    if kind not in _OPTIONS or table is None:
        return {}
    read = getattr(schema, kind)()
    read.Init(table.Bytes, table.Pos)
    found = {
        _snake(name): getattr(read, name)() for name in _OPTIONS[kind].split()
    }
    if "padding" in found:
        found["padding"] = names(schema.Padding)[found["padding"]]
    if hasattr(read, "FusedActivationFunction"):
        number = read.FusedActivationFunction()
        found["activation"] = names(schema.ActivationFunctionType)[number]
    return found


def _snake(name: str) -> str:
    name = name.removesuffix("Factor")
    return "".join("_" * c.isupper() + c.lower() for c in name).lstrip("_")
