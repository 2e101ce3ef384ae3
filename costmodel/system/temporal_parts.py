"""What a temporal machine is made of: the numbers that its resources follow.

One part for all but the units, whose features are summed over the machine: synthesis flattens it,
and what it saves across the borders of modules is a third of the look-up tables. Memories follow
the rules of all machines.
"""

from collections.abc import Iterator

import numpy as np
from amaranth.hdl import Shape
from numpy.typing import NDArray

from macwright.costmodel.system.part import Part, bits_of
from macwright.hw.accelerator.temporal.lane import LaneSpec
from macwright.hw.accelerator.temporal.program import Program
from macwright.hw.accelerator.temporal.spec import TemporalSpec

__all__ = ["temporal_parts"]


def temporal_parts(spec: TemporalSpec) -> Iterator[Part]:
    """Parts of a temporal machine."""
    array, lane, code, program = spec.array, spec.lane, spec.code, spec.program
    units, columns = array.rows * array.columns, array.columns
    acts, weights = array.unit.act.width, array.unit.weight.width
    source, result = program.source, program.result
    layout, step = (Shape.cast(each).width for each in (code.pass_layout, code.step_layout))
    # A unit's own operand registers are those in which weights move down.
    hard = getattr(array.unit, "multiplier", "") == "infer"
    registered = hard and array.unit.pipeline > 0
    moved = 0 if registered else (array.rows - 1) * columns * weights
    shared, of_rows = program.weight_depths
    stream = program.weight_stream
    counters = 4 * (code.address_bits + code.place_bits)
    most = any(each.mode == "largest" for each in program.passes)
    features = {
        "one": 1,
        "operands": units * acts,
        "products": columns * _product_bits(lane),
        "shifted": columns * (len(lane.shifts) - 1) * _cut_bits(lane),
        "largest": most * columns * program.lane_bits,
        "results": columns * spec.result_bits,
        "streamed": int(stream is not None),
        "control": counters,
        "registers": units * acts
        + moved
        + columns * (2 * acts + weights + array.sums)
        + columns * _lane_registers(lane)
        + 4 * array.rows
        + result.lanes * spec.result_bits
        + (source.joined - 1) * source.lanes * program.lane_bits
        + counters
        + 2 * bits_of(shared),
    }
    constants = (
        *(() if stream else ((shared, columns * weights),)),
        *((words, _used(program, row) * weights) for row, words in enumerate(of_rows, 1)),
        (len(code.parameter_words), columns * (code.bias_bits + code.scale_bits)),
        (len(program.passes), layout),
        (len(code.steps), step),
        *((len(table), _varying(table)) for table in source.tables if not _shifted(table)),
    )
    # Input that is joined has the codes of the rows above beside it.
    above = (source.stacked - 1) * source.lanes * program.lane_bits
    memories = (
        (program.depth, columns * program.lane_bits, False),
        (result.words * result.positions, result.lanes * spec.result_bits, False),
        *(((stream.depth, columns * weights, False),) if stream else ()),
        *(((max(2, source.width), above, False),) if above else ()),
        *((words, bits, True) for words, bits in constants),
    )
    products = ((_total_bits(lane), lane.multiplier + 1),) * columns
    yield Part("temporal", features, memories, products, mixed_constants=True)
    yield Part("unit", {}, count=units, unit=array.unit)


def _used(program: Program, row: int) -> int:
    """Columns for which a row of connected layers has weights: a memory has no others."""
    used = [
        layer.weights[row :: program.rows].any(axis=(0, 1))
        for layer in program.passes
        if layer.mode == "connected" and layer.words > row
    ]
    return int(np.any(used, axis=0).sum())


def _varying(table: NDArray[np.int64]) -> int:
    """Bits of a table's words that are not the same in all of them."""
    return int(np.bitwise_or.reduce(table ^ table[0])).bit_count()


def _shifted(table: NDArray[np.int64]) -> bool:
    """Whether a table adds a constant, which logic does."""
    return bool(np.all(np.diff(table) == 1))


def _total_bits(lane: LaneSpec) -> int:
    """Bits of a sum with its bias."""
    return max(lane.sums + lane.fraction, lane.bias) + 1


def _product_bits(lane: LaneSpec) -> int:
    return max(_total_bits(lane) + lane.multiplier, lane.shifts[-1] + 1)


def _cut_bits(lane: LaneSpec) -> int:
    """Bits of a product after its shift."""
    return _product_bits(lane) - lane.shifts[0]


def _lane_registers(lane: LaneSpec) -> int:
    """Sum, multiplier, product, rounded value and its carry, result."""
    floor = max(_cut_bits(lane), lane.zero) + 1
    return _total_bits(lane) + lane.multiplier + _product_bits(lane) + floor + 1 + lane.bits
