"""Loops of a layer and bits of its operands, for tools that map workloads onto hardware."""

from collections.abc import Mapping
from dataclasses import dataclass

from macwright.dse.export.source import QuantisedPoint
from macwright.dse.run.allocation import Allocation, LayerChoice
from macwright.dse.workload import Layer, Workload
from macwright.dse.workload.convolution import Conv
from macwright.hw.errors import RefusedInput

__all__ = ["Bits", "Plane", "bits_of", "plane_of", "product_loops"]

_Pair = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Loops of a convolution of one or two axes; of each pair rows come first.

    Parameters
    ----------
    loops : mapping of str to int
        Sizes of B, K, G, OX, OY, C, FX and FY.
    size : (int, int)
        Of the input.
    strides, dilations : (int, int)
        Between outputs, and between taps.
    pads : ((int, int), (int, int))
        Rows above and below the input, columns before and after it.
    """

    loops: Mapping[str, int]
    size: _Pair
    strides: _Pair
    dilations: _Pair
    pads: tuple[_Pair, _Pair]


@dataclass(frozen=True, kw_only=True)
class Bits:
    """Bits of a weight, an activation and a sum."""

    weight: int
    act: int
    sums: int


def plane_of(layer: Layer, network: Workload) -> Plane | None:
    """Loops of a convolution of one or two axes; None of another layer."""
    operator = layer.operator
    if type(operator) is not Conv or len(layer.attributes["kernel_shape"]) > 2:
        return None
    size = network.shapes[layer.act][2:]
    strides, dilations, pads = operator.geometry(layer, size)
    kernel = _pair(layer.attributes["kernel_shape"])
    out = _pair(network.shapes[layer.out][2:])
    loops = {
        **{"B": 1, "K": layer.n, "G": layer.groups, "OX": out[1], "OY": out[0]},
        **{"C": layer.k // (kernel[0] * kernel[1]), "FX": kernel[1], "FY": kernel[0]},
    }
    above, beside = [(0, 0)] * (2 - len(pads)) + [(int(a), int(b)) for a, b in pads]
    return Plane(
        loops=loops,
        size=_pair(size),
        strides=_pair(strides),
        dilations=_pair(dilations),
        pads=(above, beside),
    )


def product_loops(layer: Layer) -> dict[str, int]:
    """Loops of a layer as matrix products, of which its groups are the batch."""
    return {"B": layer.groups, "D": layer.m, "K": layer.n, "C": layer.k}


def bits_of(quantised: QuantisedPoint, layer: Layer, tool: str) -> Bits:
    """Bits of a layer's operands and sums.

    Raises
    ------
    RefusedInput
        If a format has no whole bits for a value, as those of blocks, sums have no known width, or
        the layer reads a transform of its input.
    """
    for plan in quantised.plans:
        if plan.layer.name == layer.name and plan.act.rotation > 1:
            raise RefusedInput(
                f"Activations of layer {layer.name} must have no Hadamard transform in {tool}, "
                f"whose workloads know none, not one of {plan.act.rotation} channels"
            )
    choice = quantised.allocation.layers[layer.name]
    for text, fmt in zip((choice.weight, choice.activation), choice.formats, strict=True):
        if fmt.bits_per_value != fmt.width:
            raise RefusedInput(
                f"Format {text} of layer {layer.name} must have whole bits for a value in {tool}, "
                f"whose workloads know no blocks, not {fmt.bits_per_value:g}"
            )
    weight, act = choice.formats
    sums = _sum_bits(quantised.allocation, choice, layer, tool)
    return Bits(weight=int(weight.width), act=int(act.width), sums=sums)


def _sum_bits(allocation: Allocation, choice: LayerChoice, layer: Layer, tool: str) -> int:
    width = getattr(getattr(allocation.units[choice.unit], "acc", None), "width", None)
    if width is None:
        raise RefusedInput(
            f"Unit {choice.unit} of layer {layer.name} must have an accumulator of known width for "
            f"{tool}"
        )
    return int(width)


def _pair(numbers: tuple[int, ...] | list[int]) -> _Pair:
    """Of rows and columns; one row where there are only columns."""
    first, second = [1] * (2 - len(numbers)) + [int(number) for number in numbers]
    return first, second
