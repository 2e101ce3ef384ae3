"""What fixes a temporal machine: its program and its units."""

from dataclasses import dataclass, field, replace
from functools import cached_property

from macwright.hw.accelerator.stream import Words
from macwright.hw.accelerator.temporal.array import ArraySpec
from macwright.hw.accelerator.temporal.lane import LaneSpec
from macwright.hw.accelerator.temporal.microcode import Microcode
from macwright.hw.accelerator.temporal.program import Program
from macwright.hw.accelerator.temporal.split_mac import SplitMacSpec
from macwright.hw.arith.widths import range_width
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec

__all__ = ["TemporalSpec"]


@dataclass(frozen=True, kw_only=True, eq=False)
class TemporalSpec:
    """Everything that fixes a :class:`TemporalMachine`.

    Parameters
    ----------
    name : str
        Name of the top module, and beginning of those of the others.
    program : Program
        What it does.
    unit : IntMacSpec
        Unit of a PE, but for its formats, which are the program's. Where that splits weights, the
        unit is a :class:`SplitMacSpec` of the same stages, for the same cell library or none.
    """

    name: str
    program: Program
    unit: IntMacSpec = field(default_factory=IntMacSpec)

    @cached_property
    def code(self) -> Microcode:
        """Words of its memories."""
        return Microcode(self.program)

    @cached_property
    def array(self) -> ArraySpec:
        """The array."""
        program = self.program
        formats = {
            "act": IntFormat(program.act_bits, signed=False),
            "weight": IntFormat(program.weight_bits),
            "acc": IntFormat(program.sum_bits),
        }
        unit: IntMacSpec | SplitMacSpec = replace(self.unit, **formats, en=False, rst=False)
        if program.split > 1:
            target = self.unit.target if self.unit.target.startswith("asic") else "generic"
            unit = SplitMacSpec(
                **formats, split=program.split, pipeline=self.unit.pipeline, target=target
            )
        own = len(program.weight_depths[1])
        return ArraySpec(unit=unit, rows=program.rows, columns=program.columns, own=own)

    @cached_property
    def lane(self) -> LaneSpec:
        """Requantiser of a column."""
        zeros = [layer.zero for layer in self.program.passes]
        return LaneSpec(
            sums=self.program.sum_bits,
            bias=self.code.bias_bits,
            fraction=self.program.fraction,
            multiplier=self.code.scale_bits,
            shifts=self.program.shifts,
            zero=range_width(min(zeros), max(zeros)),
            bits=self.result_bits,
        )

    @property
    def frame_cycles(self) -> int:
        """Cycles between frames."""
        return self.program.frame_cycles(self.unit.pipeline)

    @property
    def result_bits(self) -> int:
        """Bits of what a requantiser gives: of a code in memory or of a result."""
        return max(
            self.program.lane_bits, *(layer.high.bit_length() for layer in self.program.passes)
        )

    @property
    def source(self) -> Words:
        """Words that come in."""
        return Words(lanes=self.program.source.lanes, bits=self.program.source.bits)

    @property
    def result(self) -> Words:
        """Words that go out."""
        return Words(lanes=1, bits=self.program.result.bits)
