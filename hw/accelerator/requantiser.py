"""Requantiser with a constant shift: from a sum to the code of one consumer."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.levels import constant_code
from macwright.hw.accelerator.minifloat_rounding import ROUNDING_STAGES, minifloat_code
from macwright.hw.accelerator.stream import check_count
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import FloatFormat

__all__ = ["HALF", "Requantiser", "RequantiserSpec"]

#: Bits of the lower half of a sum, unsigned: what a multiplier of 18 signed bits takes.
HALF = 17


@dataclass(frozen=True, kw_only=True)
class RequantiserSpec:
    """Everything that fixes a :class:`Requantiser`.

    Parameters
    ----------
    sums : int
        Bits of a sum, signed.
    bias : int
        Bits of the bias, signed; 0 for none.
    multiplier : int
        Bits of the multiplier, unsigned.
    shift : int
        By how many bits the product is shifted down.
    zero : int
        Level that stands for 0.
    low, high : int
        Least and greatest result.
    bits : int
        Bits of the result.
    constant : int or None
        The multiplier, where it is one number for all sums; then it is no port.
    fraction : int
        Bits of the bias below a unit of the sums.
    minifloat : FloatFormat or None
        Format of the result, of which `zero`, `low` and `high` are levels; None of an integer.
    """

    sums: int
    bias: int
    multiplier: int
    shift: int
    zero: int = 0
    low: int
    high: int
    bits: int
    constant: int | None = None
    fraction: int = 0
    minifloat: FloatFormat | None = None

    rst, target = False, "generic"

    def __post_init__(self) -> None:
        for name in ("sums", "multiplier", "bits"):
            check_count(f"Requantiser {name}", getattr(self, name))
        for name in ("bias", "shift", "fraction"):
            check_count(f"Requantiser {name}", getattr(self, name), least=0)
        if self.constant is not None and not 0 <= self.constant < 1 << self.multiplier:
            raise RefusedInput(
                f"Requantiser constant must have {self.multiplier} bits, not be {self.constant}"
            )
        if self.minifloat is not None:
            self._check_minifloat(self.minifloat)
            return
        least, most = (-(1 << self.bits - 1), (1 << self.bits) - 1)
        if not least <= self.low <= self.high <= most or (
            self.low < 0 and self.high >= 1 << self.bits - 1
        ):
            raise RefusedInput(
                f"Requantiser bounds must be a range of {self.bits} bits, not {self.low} to "
                f"{self.high}"
            )

    def _check_minifloat(self, fmt: FloatFormat) -> None:
        if self.bits != fmt.width or self.low > self.high:
            raise RefusedInput(
                f"Requantiser to {fmt} must have {fmt.width} bits and ordered bounds, not "
                f"{self.bits}, and {self.low} to {self.high}"
            )
        for level in (self.low, self.high):
            constant_code(level, fmt)

    @property
    def latency(self) -> int:
        """Register stages: inputs, sum with bias, products of its halves, product, then rounding.

        Rounding to integers takes three: floor, rounding, saturation.
        """
        return 4 + (3 if self.minifloat is None else ROUNDING_STAGES)

    @property
    def total(self) -> int:
        """Bits of sum plus bias."""
        sums = self.sums + self.fraction
        return max(sums, self.bias) + 1 if self.bias else sums

    @cached_property
    def name(self) -> str:
        """Name of the Verilog module."""
        words = [f"requantiser_s{self.sums}_b{self.bias}_m{self.multiplier}_sh{self.shift}"]
        words += [f"f{self.fraction}"] if self.fraction else []
        words += [f"z{self.zero}"] if self.zero else []
        words += [f"{self.low}_{self.high}_y{self.bits}"]
        words += [f"c{self.constant}"] if self.constant is not None else []
        words += [str(self.minifloat)] if self.minifloat is not None else []
        return "_".join(words).replace("-", "n")

    def create(self) -> "Requantiser":
        """Build the hardware."""
        return Requantiser(self)


class Requantiser(wiring.Component):
    """``y = saturate(round(((2**fraction * x + bias) * scale + zero * 2**shift) / 2**shift))``.

    The product is exact and rounded once, a tie to the even number or, of minifloats, code; the
    result is limited to `low` and `high`. Latency is ``spec.latency``, throughput one sum a cycle;
    nothing stalls and nothing is reset.

    Parameters
    ----------
    spec : RequantiserSpec
        Widths and constants.

    Members
    -------
    x : :py:`In(signed(sums))`
        Sum.
    bias : :py:`In(signed(bias))`, if the spec has it
        Added without wrapping.
    scale : :py:`In(multiplier)`, unless it is constant
        Multiplier.
    y : :py:`Out(bits)`
        Result, registered; two's complement where `low` is negative, or a code of the minifloat.
    """

    def __init__(self, spec: RequantiserSpec) -> None:
        self.spec: Any = spec
        ports: dict[str, Any] = {"x": In(signed(spec.sums))}
        ports |= {"bias": In(signed(spec.bias))} if spec.bias else {}
        ports |= {"scale": In(spec.multiplier)} if spec.constant is None else {}
        super().__init__(ports | {"y": Out(spec.bits)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        x = self._registered(m, self.x, "x_reg") << spec.fraction
        total = Signal(signed(spec.total), name="total", reset_less=True)
        m.d.sync += total.eq(x + self._registered(m, self.bias, "bias_reg") if spec.bias else x)
        if spec.constant is None:
            scale = self._registered(
                m, self._registered(m, self.scale, "scale_reg"), "scale_with_total"
            )
        else:
            scale = Const(spec.constant, spec.multiplier)
        product = self._product(m, total, scale)
        if spec.minifloat is not None:
            m.d.comb += self.y.eq(minifloat_code(m, spec, product))
            return m
        floor, up = self._rounding(m, product)
        value = Signal(signed(len(floor) + 1), name="value", reset_less=True)
        y = Signal(spec.bits, name="y_reg", reset_less=True)
        m.d.comb += self.y.eq(y)
        m.d.sync += [
            value.eq(floor + up),
            y.eq(Mux(value > spec.high, spec.high, Mux(value < spec.low, spec.low, value))),
        ]
        return m

    def _registered(self, m: Module, value: Value, name: str) -> Signal:
        register = Signal(value.shape(), name=name, reset_less=True)
        m.d.sync += register.eq(value)
        return register

    def _product(self, m: Module, total: Signal, scale: Value) -> Signal:
        """Register: the product, one cycle after the registers of those of the sum's halves."""
        spec = self.spec
        # At least the bits that are cut off, and the sign.
        width = max(spec.total + spec.multiplier, spec.shift + 1)
        product = Signal(signed(width), name="product", reset_less=True)
        if len(total) <= HALF:
            m.d.sync += product.eq(self._registered(m, total * scale, "product_whole"))
            return product
        low = self._registered(m, total[:HALF] * scale, "product_low")
        high = self._registered(m, total[HALF:].as_signed() * scale, "product_high")
        m.d.sync += product.eq((high << HALF) + low)
        return product

    def _rounding(self, m: Module, product: Value) -> tuple[Signal, Signal]:
        """Registers: the product's floor, with the zero, and whether it is rounded up."""
        spec, shift = self.spec, self.spec.shift
        low, high = product.shape().signed and -(1 << len(product) - 1), (1 << len(product) - 1) - 1
        low, high = (low >> shift) + spec.zero, (high >> shift) + spec.zero
        floor = Signal(signed(range_width(low, high)), name="floor")
        half, rest = product[shift - 1] if shift else Const(0, 1), product[: max(0, shift - 1)]
        floor_reg = Signal(floor.shape(), name="floor_reg", reset_less=True)
        up = Signal(name="up", reset_less=True)
        m.d.comb += floor.eq((product >> shift) + spec.zero)
        m.d.sync += [floor_reg.eq(floor), up.eq(half & (rest.any() | floor[0]))]
        return floor_reg, up
