"""Requantiser of the temporal machine: what its layers choose comes through ports."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.stream import check_count
from macwright.hw.errors import RefusedInput

__all__ = ["Lane", "LaneSpec"]


@dataclass(frozen=True, kw_only=True)
class LaneSpec:
    """Everything that fixes a :class:`Lane`.

    Parameters
    ----------
    sums : int
        Bits of a sum, signed.
    bias, fraction : int
        Bits of the bias, signed, and how many of them are below a unit of the sums.
    multiplier : int
        Bits of the multiplier, unsigned.
    shifts : tuple of int
        Shifts that layers choose from, rising; the fewer, the less hardware.
    zero : int
        Bits of the level that is added, signed.
    bits : int
        Bits of the result, unsigned.
    """

    sums: int
    bias: int
    fraction: int
    multiplier: int
    shifts: tuple[int, ...]
    zero: int
    bits: int

    #: Register stages: sum with bias, product, rounding, saturation.
    latency = 4
    rst, target = False, "generic"

    def __post_init__(self) -> None:
        for name in ("sums", "bias", "multiplier", "zero", "bits"):
            check_count(f"Lane {name}", getattr(self, name))
        if list(self.shifts) != sorted(set(self.shifts)) or not self.shifts or self.shifts[0] < 0:
            raise RefusedInput(f"Shifts of a lane must rise from 0 or more, not {self.shifts}")

    @property
    def name(self) -> str:
        """Name of the Verilog module."""
        shifts = "_".join(map(str, self.shifts))
        widths = f"s{self.sums}_b{self.bias}_f{self.fraction}_m{self.multiplier}"
        return f"requantiser_lane_{widths}_z{self.zero}_y{self.bits}_sh{shifts}"

    @property
    def choice(self) -> int:
        """Bits that choose a shift."""
        return max(1, (len(self.shifts) - 1).bit_length())

    def create(self) -> "Lane":
        """Build the hardware."""
        return Lane(self)


class Lane(wiring.Component):
    """``y = saturate(round((2**fraction * x + bias) * scale / 2**shift) + zero)``.

    The product is exact and rounded once, a tie to the even number. Latency is four cycles,
    throughput one sum a cycle. `shift`, `zero`, `low` and `high` hold while results come.

    Parameters
    ----------
    spec : LaneSpec
        Widths and shifts.

    Members
    -------
    x, bias : :py:`In(signed(sums))`, :py:`In(signed(bias))`
        Added without wrapping.
    scale : :py:`In(multiplier)`
        Multiplier, in the cycle of `x`.
    shift : :py:`In(choice)`
        Which of the shifts.
    zero, low, high : :py:`In(signed(zero))`, :py:`In(bits)`, :py:`In(bits)`
        Level that stands for 0, least and greatest result.
    y : :py:`Out(bits)`
        Result, registered.
    """

    def __init__(self, spec: LaneSpec) -> None:
        self.spec: Any = spec
        super().__init__(
            {
                "x": In(signed(spec.sums)),
                "bias": In(signed(spec.bias)),
                "scale": In(spec.multiplier),
                "shift": In(spec.choice),
                "zero": In(signed(spec.zero)),
                "low": In(spec.bits),
                "high": In(spec.bits),
                "y": Out(spec.bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        bits = max(spec.sums + spec.fraction, spec.bias) + 1
        total = Signal(signed(bits), name="total", reset_less=True)
        scale = Signal(unsigned(spec.multiplier), name="scale_reg", reset_less=True)
        width = max(len(total) + spec.multiplier, spec.shifts[-1] + 1)
        product = Signal(signed(width), name="product", reset_less=True)
        m.d.sync += [
            total.eq((self.x << spec.fraction) + self.bias),
            scale.eq(self.scale),
            product.eq(total * scale),
        ]
        cut, half, rest = self._cut(m, product)
        zero_width = max(len(cut), spec.zero) + 1
        floor = Signal(signed(zero_width), name="floor", reset_less=True)
        level = Signal(signed(zero_width), name="level")
        up = Signal(name="up", reset_less=True)
        m.d.comb += level.eq(cut + self.zero)
        m.d.sync += [floor.eq(level), up.eq(half & (rest | level[0]))]
        value = Signal(signed(zero_width + 1), name="value")
        y = Signal(spec.bits, name="y_reg", reset_less=True)
        m.d.comb += [value.eq(floor + up), self.y.eq(y)]
        m.d.sync += y.eq(Mux(value > self.high, self.high, Mux(value < self.low, self.low, value)))
        return m

    def _cut(self, m: Module, product: Signal) -> tuple[Signal, Value, Value]:
        """The product's floor after the shift, the first bit below, and whether any is below it."""
        shifts = self.spec.shifts
        cut = Signal(signed(len(product) - shifts[0]), name="cut")
        half, rest = Signal(name="half"), Signal(name="rest")
        with m.Switch(self.shift):
            for index, shift in enumerate(shifts):
                with m.Case(index) if index + 1 < len(shifts) else m.Default():
                    m.d.comb += [
                        cut.eq(product >> shift),
                        half.eq(product[shift - 1] if shift else 0),
                        rest.eq(product[: max(0, shift - 1)].any()),
                    ]
        return cut, half, rest
