"""What is decided of all passes together: few shifts, and where tensors lie."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from macwright.hw.accelerator.temporal.order import in_least_memory
from macwright.hw.accelerator.temporal.program import LayerPass
from macwright.hw.accelerator.temporal.tensors import Tensor, allocate

__all__ = ["allocated", "ordered", "with_few_shifts", "with_one_fraction"]

#: Bits of a multiplier: one more than networks have, which is free in hard multipliers and lets
#: twice as many passes share a shift.
MULTIPLIER_BITS = 17


def with_one_fraction(passes: Sequence[LayerPass]) -> list[LayerPass]:
    """Passes whose biases have the same bits below a unit of the sums, those of the finest.

    ``(2**f t + b) / 2**s`` is ``(2**(f + k) t + 2**k b) / 2**(s + k)``.
    """
    most = max((layer.fraction for layer in passes), default=0)
    return [
        layer
        if layer.mode == "largest"
        else replace(
            layer,
            bias=layer.bias << most - layer.fraction,
            shift=layer.shift + most - layer.fraction,
            fraction=most,
        )
        for layer in passes
    ]


def with_few_shifts(passes: Sequence[LayerPass]) -> list[LayerPass]:
    """Passes that share as few shifts as can be, as multipliers with room are doubled.

    ``M / 2**s`` is ``2 M / 2**(s + 1)``: each pass can have any of a range of shifts, and the
    fewest numbers that meet all ranges are found from the lowest upper end.
    """
    result = list(passes)
    summed = [i for i, layer in enumerate(passes) if layer.mode != "largest"]

    def room(layer: LayerPass) -> int:
        return MULTIPLIER_BITS - max(1, int(layer.scale.max()).bit_length())

    chosen = -1
    for i in sorted(summed, key=lambda i: passes[i].shift + room(passes[i])):
        layer = passes[i]
        if layer.shift > chosen:
            chosen = layer.shift + room(layer)
        more = chosen - layer.shift
        result[i] = replace(layer, shift=chosen, scale=layer.scale << more)
    return result


def ordered(
    source: str, tensors: Mapping[str, Tensor], passes: Sequence[LayerPass], output: str
) -> list[LayerPass]:
    """Passes in the order that takes the least activation memory."""
    sizes = {layer.edge: tensors[layer.edge].size for layer in passes if layer.edge != output}
    least = in_least_memory(passes, sizes | {source: tensors[source].size}, source)
    ways = [list(passes), least]
    return min(ways, key=lambda way: allocated(source, tensors, way, output)[1])


def allocated(
    source: str, tensors: Mapping[str, Tensor], passes: Sequence[LayerPass], output: str
) -> tuple[dict[str, int], int]:
    """Addresses of all tensors but the output, and words of the activation memory."""
    born, last = {source: -1}, {source: -1}
    for i, layer in enumerate(passes):
        for step in layer.steps:
            last[step.tensor] = i
        if layer.edge != output:
            born.setdefault(layer.edge, i)
            last[layer.edge] = i
    sizes = {name: tensors[name].size for name in born}
    return allocate(sizes, born, last)
