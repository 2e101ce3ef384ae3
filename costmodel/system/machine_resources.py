"""Resources of a machine on an FPGA, from its specs alone.

Look-up tables and registers are linear in the features of
:mod:`macwright.costmodel.system.machine_parts`; the coefficients are those of least squares, none
below 0, over parts of machines that the generator made and Yosys mapped
(``benchmarks/machine_area.py``, which also says how far they are off). Look-up tables are counted
as nextpnr counts them after placement: a CCU2C takes two, a distributed RAM of 16 x 4 bits four.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from itertools import product
from math import ceil, exp, inf, log
from typing import Any

from macwright.costmodel.system.machine_parts import parts
from macwright.costmodel.system.memory_mapping import MemoryRules
from macwright.costmodel.system.part import Part
from macwright.hw.accelerator.machine import MachineSpec
from macwright.hw.errors import NotSupported
from macwright.hw.formats import BinaryFormat, IntFormat, TernaryFormat

__all__ = ["MachineModel", "Resources", "machine_model"]

_INTEGERS = IntFormat | BinaryFormat | TernaryFormat


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What something takes of an FPGA; sums and multiples are made with + and *.

    Examples
    --------
    >>> 2 * Resources(luts=3.0, dsps=1) + Resources(ffs=1.0)
    Resources(luts=6.0, ffs=1.0, block_rams=0, dsps=2)
    """

    luts: float = 0.0
    ffs: float = 0.0
    block_rams: int = 0
    dsps: int = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    def __rmul__(self, count: int) -> "Resources":
        return Resources(**{f.name: count * getattr(self, f.name) for f in fields(self)})

    def to_fields(self) -> dict[str, float]:
        """By name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, kw_only=True)
class MachineModel:
    """The model of a family of devices.

    Parameters
    ----------
    family : str
        Technology.
    coefficients : mapping
        By kind of part, and by ``luts`` or ``ffs``: what each feature adds.
    memory : MemoryRules
        Which memories become block RAM, distributed RAM or logic.
    memory_luts : mapping
        Look-up tables: `row` for each bit of a further row of words, `constant` for 16 bits of
        constants, `cell` for a cell of distributed RAM.
    adder : mapping
        Look-up tables of an adder: as many as there are in a carry cell for each of its `bits`, and
        `ends` of a chain.
    factor, least_product : int
        Bits of a multiplier's operands, and of the narrowest product that one is taken for.
    array_mhz : mapping
        Clock that placed machines of one array reach, MHz, by device.
    slower : mapping
        How many times slower units are on a device than on that on which they were placed.
    period_ns : (float, float, float, float) or None
        Shortest period of a machine with an engine for each layer: a constant, what it grows by
        with the logarithm of its look-up tables, as wires get longer, and the look-up tables below
        which it does not fall, and above which it does not grow. Fitted to placed machines
        (``benchmarks/machine_placed.py``). None if such machines were not measured.
    period_error : float
        Mean share by which the clock of such a machine is off, counted from the others.
    """

    family: str
    coefficients: Mapping[str, Mapping[str, Mapping[str, float]]]
    memory: MemoryRules
    memory_luts: Mapping[str, float]
    adder: Mapping[str, int]
    factor: int
    least_product: int
    array_mhz: Mapping[str, float]
    slower: Mapping[str, float]
    period_ns: tuple[float, float, float, float] | None
    period_error: float

    def array_clock(self, device: str) -> float:
        """Clock that machines of one array reach on a device, MHz.

        Raises
        ------
        NotSupported
            If none was placed there.
        """
        if device not in self.array_mhz:
            raise NotSupported(
                f"Machines must be for a device on which some were placed, "
                f"{' or '.join(self.array_mhz)}, not {device}: search units with --technology "
                f"{self.family} instead of --device, and see with macwright build --place what fits"
            )
        return self.array_mhz[device]

    def expected_mhz(self, luts: float) -> float:
        """Clock that a machine with an engine for each layer probably reaches, MHz."""
        least, slope, smallest, largest = self._periods
        return 1e3 / (least + slope * log(min(max(luts, smallest), largest)))

    @property
    def fastest_mhz(self) -> float:
        """Clock of the smallest of such machines, MHz."""
        return self.expected_mhz(0.0)

    def most_luts(self, clock_mhz: float) -> float:
        """Look-up tables of the largest machine expected to reach a clock."""
        if clock_mhz <= self.expected_mhz(inf):
            return inf
        least, slope, *_ = self._periods
        return exp((1e3 / clock_mhz - least) / slope)

    @property
    def _periods(self) -> tuple[float, float, float, float]:
        if self.period_ns is None:
            raise NotSupported(
                f"Machines on {self.family} must be of one array, as those with an engine for each "
                "layer were not measured there: --architecture temporal"
            )
        return self.period_ns

    def of(self, spec: Any, units: Mapping[Any, Resources] | None = None) -> Resources:
        """Resources of a stage, a buffer, a requantiser or a whole machine.

        Parameters
        ----------
        spec : MachineSpec, RequantiserSpec, StorageSpec, or spec of a stage
            What it is.
        units : mapping, optional
            Resources of multiply-accumulate units that are not of integers, by spec.

        Raises
        ------
        NotSupported
            If it has such a unit that `units` lacks.
        """
        if isinstance(spec, MachineSpec):
            return self.total((*(stage.spec for stage in spec.stages), spec.fifo), units)
        total = Resources()
        for part in parts(spec):
            total = total + part.count * self._part(part, units or {})
        return total

    def total(
        self, specs: Iterable[Any], units: Mapping[Any, Resources] | None = None
    ) -> Resources:
        """Resources of several stages."""
        total = Resources()
        for spec in specs:
            total = total + self.of(spec, units)
        return total

    def _part(self, part: Part, units: Mapping[Any, Resources]) -> Resources:
        if part.unit is not None:
            return units[part.unit] if part.unit in units else self.unit(part.unit)
        by, features = self.coefficients[part.kind], self.features(part)
        luts, ffs = (
            sum(by[what].get(name, 0.0) * value for name, value in features.items())
            for what in ("luts", "ffs")
        )
        dsps = sum(map(self.multipliers, part.products))
        return Resources(luts=luts, ffs=ffs, dsps=dsps) + self.memories(part)

    def features(self, part: Part) -> dict[str, float]:
        """What look-up tables and registers of a part are linear in.

        Beside its own features, rows of memories that can be written, as each is enabled apart, and
        of constants in logic the bits of a word and 16 bits of all words.
        """
        rows, width, size = 0, 0, 0.0
        for words, bits, constant in part.memories:
            mapped = self.memory.mapped(words, bits, constant=constant)
            rows += 0 if constant else mapped.rows
            if constant and mapped.kind == "logic":
                width, size = width + bits, size + words * bits / 16
        more = {"written_rows": rows, "constant_bits": width, "constant_size": size}
        return {**part.features, **more}

    def memories(self, part: Part) -> Resources:
        """What memories of a part take, without what its features stand for."""
        total = Resources()
        for words, bits, constant in part.memories:
            each = self.memory_resources(words, bits, constant)
            mixed = part.mixed_constants and constant and not each.block_rams
            total = total + (replace(each, luts=0.0) if mixed else each)
        return total

    def multipliers(self, widths: tuple[int, int]) -> int:
        """Multipliers of a product, whose factors Yosys cuts; single bits are logic."""
        pieces = product(*(self._pieces(width) for width in widths))
        return sum(min(a, b) > 1 and a + b >= self.least_product for a, b in pieces)

    def _pieces(self, width: int) -> list[int]:
        """Bits of the pieces of a factor."""
        return [self.factor] * (width // self.factor) + [width % self.factor]

    def memory_resources(self, words: int, bits: int, constant: bool) -> Resources:
        """A memory; what is not a block has a register for each bit that is read."""
        mapped, luts = self.memory.mapped(words, bits, constant=constant), self.memory_luts
        choice = luts["row"] * (mapped.rows - 1) * bits
        if mapped.kind == "block":
            return Resources(luts=choice, block_rams=mapped.cells)
        if mapped.kind == "distributed":
            return Resources(luts=mapped.cells * luts["cell"] + choice, ffs=bits)
        if constant:
            return Resources(luts=luts["constant"] * words * bits / 16, ffs=bits)
        return Resources(luts=bits, ffs=(words + 1) * bits)

    def unit(self, unit: Any) -> Resources:
        """Resources of a unit of integers whose products are left to hard multipliers.

        Raises
        ------
        NotSupported
            If it is of other formats.
        """
        hard = getattr(unit, "multiplier", "") == "infer"
        if not (hard and isinstance(unit.act, _INTEGERS) and isinstance(unit.weight, _INTEGERS)):
            raise NotSupported(f"Resources of unit {unit.name} must be measured to be counted")
        acc, act, weight = unit.acc.width, unit.act.width, unit.weight.width
        # An adder behind a multiplexer for `clear`; registers of operands and sum. A binary weight
        # negates, by a second adder.
        luts = acc + self._adder(acc)
        if isinstance(unit.weight, BinaryFormat):
            luts += act + self._adder(act + 1)
        dsps = 0 if isinstance(unit.weight, BinaryFormat) else self._of_unit(unit)
        return Resources(luts=luts, ffs=acc + act + weight + 1, dsps=dsps)

    def multiplies(self, unit: Any) -> bool:
        """Whether Yosys takes a unit of this kind as it is counted: products are wide enough."""
        if getattr(unit, "multiplier", "") != "infer" or isinstance(unit.weight, BinaryFormat):
            return True
        return self._of_unit(unit) > 0

    def _of_unit(self, unit: Any) -> int:
        """Multipliers of a unit, to which unsigned factors come with a sign."""
        act, weight = (
            fmt.width + (not getattr(fmt, "signed", True)) for fmt in (unit.act, unit.weight)
        )
        return self.multipliers((act, weight))

    def _adder(self, bits: int) -> int:
        """Look-up tables of an adder."""
        return self.adder["bits"] * ceil(bits / self.adder["bits"]) + self.adder["ends"]


@cache
def machine_model(family: str) -> MachineModel:
    """The model of a family that ships.

    Raises
    ------
    NotSupported
        If none ships.
    """
    path = files("macwright.costmodel.tables").joinpath(f"{family}_machine.json")
    if not path.is_file():
        raise NotSupported(
            f"Machines must be for a family whose parts were measured, such as ecp5, not {family}"
        )
    known = json.loads(path.read_text(encoding="utf-8"))
    return MachineModel(
        family=family,
        coefficients=known["coefficients"],
        memory=MemoryRules.from_fields(known["memory"]),
        memory_luts=known["memory_luts"],
        adder=known["adder"],
        factor=known["factor"],
        least_product=known["least_product"],
        array_mhz=known["temporal_clock_mhz"],
        slower=known.get("slower", {}),
        period_ns=tuple(known["period_ns"]) if "period_ns" in known else None,
        period_error=known.get("period_error", 0.0),
    )
