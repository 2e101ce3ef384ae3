"""Requantiser: bias, multiply, shift, round, zero point, saturate."""

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import FloatFormat, IntFormat, parse_format
from macwright.hw.pe.operand import operand_shape
from macwright.hw.pe.spec import UnitSpec, parse_bool, parse_int

__all__ = ["Requant", "RequantSpec"]

_INT8, _INT32, _UINT16 = IntFormat(8), IntFormat(32), IntFormat(16, signed=False)


@dataclass(frozen=True, kw_only=True)
class RequantSpec(UnitSpec):
    """Everything that fixes a :class:`Requant`.

    Parameters
    ----------
    act : IntFormat
        Sums that come in, 2 to 64 bits, signed.
    weight : IntFormat or FloatFormat
        Scale: an unsigned integer of up to 32 bits, with a shift beside it (dyadic), or a float
        format of up to 32 bits.
    acc : IntFormat
        Result, 1 to 32 bits.
    bias : bool
        Whether there is a bias, of the format of the sums.
    zero : bool
        Whether there is a zero point, of the format of the result.
    rounding : {"half_even", "half_up"}
        Where a tie goes: to the even number, or up (toward positive infinity).
    shift_bits : int
        Bits of the port `shift`, 1 to 6; with an integer scale.
    en, rst : bool
        Whether the unit has a clock enable and a synchronous reset.
    pipeline : {0, 1}
        Register stages before the result: none, or one for all inputs.

    Examples
    --------
    >>> RequantSpec().name
    'requant_int32_uint16_int8_half_even_bias'
    """

    family: ClassVar[str] = "requant"
    parsers: ClassVar = {
        "act": parse_format,
        "weight": parse_format,
        "acc": parse_format,
        "bias": parse_bool,
        "zero": parse_bool,
        "rounding": str,
        "shift_bits": parse_int,
    }

    act: IntFormat = _INT32
    weight: IntFormat | FloatFormat = _UINT16
    acc: IntFormat = _INT8
    bias: bool = True
    zero: bool = False
    rounding: str = "half_even"
    shift_bits: int = 5
    multiplier: str = "infer"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    target: str = "generic"

    def __post_init__(self) -> None:
        self.check_common(multipliers=("infer",), stages=1)
        if self.target != "generic":
            raise RefusedInput(f"requant target must be generic, not {self.target}")
        for role, most in (("act", 64), ("acc", 32)):
            fmt = getattr(self, role)
            if not isinstance(fmt, IntFormat):
                raise RefusedType(f"requant {role} format must be an integer, not {fmt}")
            if fmt.width > most:
                raise RefusedInput(f"requant {role} format must have 1 to {most} bits, not {fmt}")
        if not self.act.signed:
            raise RefusedInput(f"requant act format must be signed, not {self.act}")
        scale = self.weight
        if isinstance(scale, IntFormat):
            if scale.signed or scale.width > 32:
                raise RefusedInput(
                    f"requant weight format must be unsigned, of 1 to 32 bits, not {scale}"
                )
        elif not isinstance(scale, FloatFormat):
            raise RefusedType(f"requant weight format must be an integer or a float, not {scale}")
        if self.rounding not in ("half_even", "half_up"):
            raise RefusedInput(
                f"requant rounding must be half_even or half_up, not {self.rounding!r}"
            )
        if type(self.shift_bits) is not int or not 1 <= self.shift_bits <= 6:
            raise RefusedInput(
                f"requant shift_bits must be an integer from 1 to 6, not {self.shift_bits!r}"
            )
        for role in ("bias", "zero"):
            if not isinstance(getattr(self, role), bool):
                raise RefusedInput(
                    f"requant {role} must be true or false, not {getattr(self, role)!r}"
                )

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        words = [self.act, self.weight, self.acc, self.rounding]
        words += [flag for flag in ("bias", "zero") if getattr(self, flag)]
        words += [f"sh{self.shift_bits}"] if self.shift_bits != 5 else []
        return self.make_name(*words)

    def create(self) -> "Requant":
        """Build the hardware."""
        return Requant(self)


class Requant(wiring.Component):
    """Requantise: ``y <= saturate(round((x + bias) * scale * 2**-shift) + zero)``.

    The product is exact and rounded once, ties as ``spec.rounding`` says. With a float `scale`
    there is no `shift`: the scale's exponent takes its place; a scale that is NaN, infinite or
    negative gives an unspecified result. Saturation is to the range of the result's format (of
    int8sym: -127 to 127), after the zero point was added.

    Latency is ``1 + pipeline`` cycles, throughput one number a cycle; `en` = 0 holds every
    register. `rst` sets the result to 0; what is in the pipeline stays there.

    Parameters
    ----------
    spec : RequantSpec
        Formats and rounding.

    Members
    -------
    x : :py:`In(signed(act.width))`
        Sum.
    bias : :py:`In(signed(act.width))`, if the spec has it
        Added without wrapping.
    scale : :py:`In(weight.width)`
        Multiplier, or code of the float.
    shift : :py:`In(shift_bits)`, with an integer scale
        By how many bits the product is shifted down.
    zero : :py:`In(acc)`, if the spec has it
        Zero point of the result.
    en : :py:`In(1)`, if the spec has it
        Clock enable.
    y : :py:`Out(acc)`
        Result, registered.
    """

    def __init__(self, spec: RequantSpec) -> None:
        if not isinstance(spec, RequantSpec):
            raise RefusedType(f"Requant takes a RequantSpec, not {spec!r}")
        self.spec: Any = spec
        ports: dict[str, Any] = {"x": In(signed(spec.act.width)), "scale": In(spec.weight.width)}
        ports |= {"bias": In(signed(spec.act.width))} if spec.bias else {}
        ports |= {"shift": In(spec.shift_bits)} if isinstance(spec.weight, IntFormat) else {}
        ports |= {"zero": In(operand_shape(spec.acc))} if spec.zero else {}
        ports |= {"en": In(1)} if spec.en else {}
        super().__init__(ports | {"y": Out(operand_shape(spec.acc))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        enable = self.en if spec.en else Const(1, 1)
        ports: dict[str, Value] = {
            name: getattr(self, name)
            for name in ("x", "bias", "scale", "shift", "zero")
            if name in self.signature.members
        }
        if spec.pipeline:
            for name, value in ports.items():
                ports[name] = Signal(value.shape(), name=f"{name}_p1", reset_less=True)
                with m.If(enable):
                    m.d.sync += ports[name].eq(value)
        total = ports["x"] + ports["bias"] if spec.bias else ports["x"]
        if isinstance(spec.weight, FloatFormat):
            factor, up, down = _float_scale(spec.weight, ports["scale"])
        else:
            factor, up, down = ports["scale"], None, ports["shift"]
        whole = Signal(signed(len(total) + len(factor)), name="product")
        m.d.comb += whole.eq(total * factor)
        low, high = int(spec.acc.min), int(spec.acc.max)
        rounded = self._rounded(m, whole, down)
        if spec.zero:
            rounded = rounded + ports["zero"]
        value, over, under = Signal(rounded.shape(), name="value"), rounded > high, rounded < low
        m.d.comb += value.eq(rounded)
        if up is not None:
            value, over, under = self._scaled_up(m, whole, up, ports, (value, over, under))
        y = Signal(self.y.shape(), name="y_reg", reset_less=not spec.rst)
        m.d.comb += self.y.eq(y)
        with m.If(enable):
            m.d.sync += y.eq(Mux(over, high, Mux(under, low, value)))
        return m

    def _rounded(self, m: Module, whole: Value, down: Value) -> Value:
        """``round(whole * 2**-down)``: the bits cut off decide, and the lowest kept if they tie."""
        far = Signal(signed(len(whole) + 2), name="shifted")
        # Two more bits below: the highest one cut off, and whether any other is set.
        half, sticky = Signal(name="half"), Signal(name="sticky")
        doubled = Cat(Const(0, 1), whole).as_signed()
        moved = Signal(signed(len(doubled)), name="moved")
        mask = Signal(len(doubled), name="mask")
        m.d.comb += [
            moved.eq(doubled >> down),
            half.eq(moved[0]),
            mask.eq(~((Const(-1, signed(len(doubled))) << down)[: len(doubled)])),
            sticky.eq((doubled & mask).any()),
            far.eq(moved >> 1),
        ]
        carry = half if self.spec.rounding == "half_up" else half & (sticky | far[0])
        return far + carry

    def _scaled_up(
        self, m: Module, whole: Value, up: Value, ports: dict[str, Value], other: tuple
    ) -> tuple[Value, Value, Value]:
        """The same for scales whose lowest bit counts one or more: shifted up, not rounded."""
        spec = self.spec
        low, high = int(spec.acc.min), int(spec.acc.max)
        # One bit more than the result and its zero point is enough to know that it saturates.
        room = spec.acc.width + 3
        far = whole << up
        clipped = Signal(signed(room), name="kept")
        top = (1 << (room - 1)) - 1
        m.d.comb += clipped.eq(Mux(far > top, top, Mux(far < -top, -top, far)))
        total = clipped + ports["zero"] if spec.zero else clipped
        value, over, under = other
        chosen = Signal(Shape(max(len(value), len(total)), True), name="chosen")
        m.d.comb += chosen.eq(Mux(up.any(), total, value))
        return (
            chosen,
            Mux(up.any(), total > high, over),
            Mux(up.any(), total < low, under),
        )


def _float_scale(fmt: FloatFormat, code: Value) -> tuple[Value, Value | None, Value]:
    """Significand of a scale, and by how many bits its product goes up (None: never) and down."""
    man, exp = fmt.man_bits, fmt.exp_bits
    exponent = code[man : man + exp]
    significand = Cat(code[:man], exponent.any())
    # The significand counts 2**(exponent - unit).
    unit = fmt.bias + man
    true = Mux(exponent.any(), exponent, 1)
    down = Mux(true < unit, unit - true, 0)[: max(unit, 1).bit_length()]
    most = (1 << exp) - 1 - unit
    if most <= 0:
        return significand, None, down
    return significand, Mux(true > unit, true - unit, 0)[: most.bit_length()], down
