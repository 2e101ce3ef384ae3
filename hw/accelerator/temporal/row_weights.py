"""Weight memories of the rows of an array, for its connected layers."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value

from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.temporal.spec import TemporalSpec

__all__ = ["row_weights"]


def row_weights(m: Module, spec: TemporalSpec, issue: Any) -> list[Value]:
    """Weights of rows 1, 2 and so on of connected layers, each a cycle after the row above."""
    result: list[Value] = []
    at, tap = issue.row_weight, Signal(name="tap_row0")
    m.d.sync += tap.eq(issue.tap)
    for row, words in enumerate(spec.code.row_words, 1):
        rom = Rom(words, width=spec.array.weights.width, name=f"{spec.name}_weights_row{row}")
        m.submodules[f"weights_row{row}"] = rom
        below, tapped = Signal(len(at), name=f"at_row{row}"), Signal(name=f"tap_row{row}")
        m.d.sync += [below.eq(at), tapped.eq(tap)]
        m.d.comb += rom.addr.eq(below)
        result.append(Mux(tapped, rom.data, 0))
        at, tap = below, tapped
    return result
