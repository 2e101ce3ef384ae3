"""What a synthesiser makes of a memory: block RAMs, distributed RAM or logic.

Yosys counts the cost of each way in the same unit and takes the cheapest (``memory_libmap`` of
Yosys 0.70, and the costs of its libraries of memories, such as ``lattice/brams_16kd.txt``). Of the
widths w of a block, a word of b bits takes ``rows = ⌈words / depth(w)⌉`` of them; where it can be
written, b is rounded up to the bits that a write enable has. Rows lie side by side, so
that parts of words fill blocks: ``blocks = ⌈rows b / w⌉``. What chooses a row costs half a unit for
each bit of further rows that are read, and for each of several rows that are written. What a word
reads as where it is written costs nothing, as the machines' memories say that it may be anything
(:mod:`macwright.hw.accelerator.ram`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

__all__ = ["MappedMemory", "MemoryRules"]

#: Of multiplexers and demultiplexers (FACTOR_MUX and FACTOR_DEMUX), per bit.
_CHOICE_COST = 0.5


@dataclass(frozen=True, kw_only=True)
class MappedMemory:
    """A memory as it is mapped.

    Parameters
    ----------
    kind : {"block", "distributed", "logic"}
        What it is made of.
    cells : int
        Block RAMs, or cells of distributed RAM.
    rows : int
        Parts of its words of which one is chosen.
    """

    kind: str
    cells: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class MemoryRules:
    """Memories of a family, and what they cost.

    Parameters
    ----------
    block_words : int
        Words of a block of the first width.
    block_widths : tuple of int
        Widths that a block may have; each has half the words of the one before.
    write_bits : tuple of int
        Bits of a write enable of a block, by width.
    block_cost, constants_block_cost : float
        Of a block that can be written, and of one of constants.
    cell_cost : float
        Of a cell of distributed RAM.
    cell_words, cell_width : int
        Of such a cell; 0 where there are none.
    constant_cost, bit_cost : float
        Of a bit of constants in logic, and of a bit in registers.

    Examples
    --------
    >>> rules = MemoryRules(
    ...     block_words=16384, block_widths=(1, 2, 4, 9, 18, 36), write_bits=(1, 2, 4, 9, 9, 9),
    ...     block_cost=128, constants_block_cost=128, cell_cost=4, cell_words=16, cell_width=4,
    ...     constant_cost=1 / 16, bit_cost=1,
    ... )
    >>> rules.mapped(4000, 40, constant=False)
    MappedMemory(kind='block', cells=10, rows=1)
    """

    block_words: int
    block_widths: tuple[int, ...]
    write_bits: tuple[int, ...]
    block_cost: float
    constants_block_cost: float
    cell_cost: float
    cell_words: int
    cell_width: int
    constant_cost: float
    bit_cost: float

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "MemoryRules":
        """From a table's JSON."""
        tuples = {name: tuple(fields[name]) for name in ("block_widths", "write_bits")}
        return cls(**{**fields, **tuples})

    def mapped(self, words: int, bits: int, *, constant: bool) -> MappedMemory:
        """What becomes of a memory of so many words; constants are never distributed RAM."""
        ways = list(self._ways(words, bits, constant))
        return min(ways, key=lambda way: way[0])[1]

    def _ways(self, words: int, bits: int, constant: bool) -> Iterator[tuple[float, MappedMemory]]:
        """Costs and mappings; the first of equal costs is taken."""
        cost = words * bits * (self.constant_cost if constant else self.bit_cost)
        yield cost, MappedMemory(kind="logic", cells=0, rows=1)
        if self.cell_words and not constant:
            rows = ceil(words / self.cell_words)
            cells = rows * ceil(bits / self.cell_width)
            cost = self.cell_cost * cells + _chosen(rows, bits, constant)
            yield cost, MappedMemory(kind="distributed", cells=cells, rows=rows)
        for place, width in enumerate(self.block_widths):
            byte = 1 if constant else self.write_bits[place]
            rows = ceil(words / (self.block_words >> place))
            blocks = ceil(rows * byte * ceil(bits / byte) / width)
            cost = self.constants_block_cost if constant else self.block_cost
            cost = cost * blocks + _chosen(rows, bits, constant)
            yield cost, MappedMemory(kind="block", cells=blocks, rows=rows)


def _chosen(rows: int, bits: int, constant: bool) -> float:
    """Cost of choosing a row."""
    written = rows if rows > 1 and not constant else 0
    return _CHOICE_COST * ((rows - 1) * bits + written)
