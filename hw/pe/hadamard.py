"""Hadamard transform: a butterfly of additions and subtractions."""

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import BinaryFormat, IntFormat, parse_format
from macwright.hw.pe.spec import UnitSpec, parse_int

__all__ = ["Hadamard", "HadamardSpec"]

_INT8 = IntFormat(8)
#: Numbers that are transformed together at least and at most.
_LEAST, _MOST = 2, 256


@dataclass(frozen=True, kw_only=True)
class HadamardSpec(UnitSpec):
    """Everything that fixes a :class:`Hadamard`.

    Parameters
    ----------
    act : IntFormat
        Numbers that come in, signed, 2 to 32 bits.
    points : int
        Numbers that are transformed together, a power of two from 2 to 256.
    en, rst : bool
        Whether the unit has a clock enable and a synchronous reset.
    pipeline : int
        Register stages between the stages of the butterfly, fewer than those.

    Examples
    --------
    >>> spec = HadamardSpec(points=32)
    >>> spec.name, spec.stages, spec.additions
    ('hadamard_32_int8_int13', 5, 160)
    """

    family: ClassVar[str] = "hadamard"
    parsers: ClassVar = {"act": parse_format, "points": parse_int}

    act: IntFormat = _INT8
    points: int = 16
    multiplier: str = "infer"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    target: str = "generic"

    def __post_init__(self) -> None:
        points = self.points
        if type(points) is not int or not _LEAST <= points <= _MOST or points & (points - 1):
            raise RefusedInput(
                f"hadamard points must be a power of two from {_LEAST} to {_MOST}, not {points!r}"
            )
        self.check_common(multipliers=("infer",), stages=self.stages - 1)
        if self.target != "generic":
            raise RefusedInput(f"hadamard target must be generic, not {self.target}")
        if not isinstance(self.act, IntFormat):
            raise RefusedType(f"hadamard act format must be an integer, not {self.act}")
        if not self.act.signed or self.act.symmetric or not 2 <= self.act.width <= 32:
            raise RefusedInput(
                f"hadamard act format must be signed, of 2 to 32 bits, not {self.act}"
            )

    @property
    def stages(self) -> int:
        """Additions that one result is behind."""
        return self.points.bit_length() - 1

    @property
    def additions(self) -> int:
        """Additions and subtractions of one transform."""
        return self.points * self.stages

    @property
    def weight(self) -> BinaryFormat:
        """Entries of the matrix: 1 and -1."""
        return BinaryFormat()

    @property
    def acc(self) -> IntFormat:
        """Results; none is too large for it."""
        return IntFormat(self.act.width + self.stages)

    @property
    def macs_per_cycle(self) -> int:
        """Results of one cycle, which energies are counted for."""
        return self.points

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        return self.make_name(self.points, self.act, self.acc)

    def create(self) -> "Hadamard":
        """Build the hardware."""
        return Hadamard(self)


class Hadamard(wiring.Component):
    """Hadamard transform: ``y[j] <= sum((-1) ** popcount(i & j) * a[i] for i in range(points))``.

    Exact: results have a bit more for each of the `stages` of the butterfly, which are `additions`
    additions and subtractions in all.

    Latency is ``1 + pipeline`` cycles, throughput a transform a cycle; `en` = 0 holds every
    register. `rst` sets the results to 0; what is in the pipeline stays there.

    Parameters
    ----------
    spec : HadamardSpec
        Format and size.

    Members
    -------
    a : :py:`In(points * act.width)`
        Numbers one beside the other, number 0 in the low bits.
    en : :py:`In(1)`, if the spec has it
        Clock enable.
    y : :py:`Out(points * acc.width)`
        Results, likewise, registered.
    """

    def __init__(self, spec: HadamardSpec) -> None:
        if not isinstance(spec, HadamardSpec):
            raise RefusedType(f"Hadamard takes a HadamardSpec, not {spec!r}")
        self.spec: Any = spec
        ports: dict[str, Any] = {"a": In(spec.points * spec.act.width)}
        ports |= {"en": In(1)} if spec.en else {}
        super().__init__(ports | {"y": Out(spec.points * spec.acc.width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        enable = self.en if spec.en else Const(1, 1)
        width = spec.act.width
        values: list[Value] = [
            self.a[i * width : (i + 1) * width].as_signed() for i in range(spec.points)
        ]
        # Registers as far apart as they can be; the last stage ends in that of the results.
        after = {spec.stages * k // (spec.pipeline + 1) for k in range(1, spec.pipeline + 1)}
        for stage in range(spec.stages):
            if stage in after:
                values = self._held(m, values, enable, stage)
            half = 1 << stage
            values = [
                self._sum(m, values[i ^ half if i & half else i], values[i | half], i, stage)
                for i in range(spec.points)
            ]
        y = Signal(len(self.y), name="y_reg", reset_less=not spec.rst)
        m.d.comb += self.y.eq(y)
        with m.If(enable):
            m.d.sync += y.eq(Cat(*values))
        return m

    def _sum(self, m: Module, first: Value, second: Value, place: int, stage: int) -> Value:
        """Sum of a pair at its first place, their difference at the second."""
        result = Signal(signed(len(first) + 1), name=f"s{stage}_{place}")
        m.d.comb += result.eq(first - second if place >> stage & 1 else first + second)
        return result

    def _held(self, m: Module, values: list[Value], enable: Value, stage: int) -> list[Value]:
        held = [
            Signal(signed(len(value)), name=f"r{stage}_{i}", reset_less=True)
            for i, value in enumerate(values)
        ]
        with m.If(enable):
            m.d.sync += [register.eq(value) for register, value in zip(held, values, strict=True)]
        return [*held]
