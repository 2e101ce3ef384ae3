"""Minifloat multiply-accumulate units, and the one with an exact fixed-point accumulator."""

from dataclasses import InitVar, dataclass, replace
from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Signal, signed

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.chain import CHAINS
from macwright.hw.arith.target import check_target, target_of
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import FloatFormat, Format, parse_format
from macwright.hw.pe.accumulator import FixedAcc, parse_fixed_acc
from macwright.hw.pe.float_mac import FloatMac
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.minifloat_product import aligned_product
from macwright.hw.pe.operand import (
    check_operand,
    has_specials,
    is_integer,
    lsb_exponent,
    product_range,
    range_width,
    safe_terms,
)
from macwright.hw.pe.product import split
from macwright.hw.pe.spec import UnitSpec, parse_int

__all__ = ["MinifloatMac", "MinifloatMacSpec"]

_E4M3FN = parse_format("e4m3fn")


@dataclass(frozen=True, kw_only=True)
class MinifloatMacSpec(UnitSpec):
    """Everything that fixes a :class:`MinifloatMac`, or a :class:`FloatMac`.

    Parameters
    ----------
    act, weight : Format
        Formats of the two factors: minifloats of up to 16 bits, one of them possibly an integer.
    acc : FixedAcc, FloatFormat or None
        Accumulator. None ("exact") is replaced by the narrowest fixed-point one that never
        overflows for `terms` products. With a float format every sum is rounded to it.
    terms : int, default=1024
        Number of products that an exact accumulator must hold; only with ``acc=None``.
    drop : int
        Low bits of every product that are cut off (toward zero) before a fixed-point sum; 0 is
        exact.
    multiplier : {"infer", "array"}
        How product and sum are made: left to the synthesiser, or as a small array, an aligner and
        one adder that takes the sign in as carry and complement.
    adder : {"ripple", "brent_kung", "sklansky", "kogge_stone", "carry_save"}
        How the sum with a fixed-point accumulator ends, from the smallest to the fastest. With
        "carry_save" the accumulator is the sum of two registers, the ports `acc` and `acc_carry`.
    en, rst : bool
        Whether the unit has a clock enable and a synchronous reset.
    pipeline : {0, 1, 2}
        Register stages before the accumulator: none, operands, operands and aligned product.
    cut : {"operands", "product"}
        What the first register stage holds: the operands; or the aligned product, and with two
        stages, with a fixed-point accumulator, the significands' product before it is aligned.
    target : str
        Technology whose primitives may be used.

    Examples
    --------
    >>> from macwright.hw.formats import parse_format
    >>> e2m1 = parse_format("e2m1fn")
    >>> spec = MinifloatMacSpec(act=e2m1, weight=e2m1)
    >>> spec.name, spec.acc_exponent, spec.safe_terms
    ('minifloat_mac_e2m1fn_e2m1fn_fixed19', -2, 1820)
    """

    family: ClassVar[str] = "minifloat_mac"
    parsers: ClassVar = {
        "act": parse_format,
        "weight": parse_format,
        "acc": parse_fixed_acc,
        "terms": parse_int,
        "drop": parse_int,
        "adder": str,
        "cut": str,
    }

    act: Format = _E4M3FN
    weight: Format = _E4M3FN
    acc: FixedAcc | FloatFormat | None = None
    terms: InitVar[int | None] = None
    drop: int = 0
    multiplier: str = "infer"
    adder: str = "ripple"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    cut: str = "operands"
    target: str = "generic"

    def __post_init__(self, terms: int | None) -> None:
        for role in ("act", "weight"):
            check_operand(getattr(self, role), role=role, unit="minifloat_mac", floats=True)
        if is_integer(self.act) and is_integer(self.weight):
            raise RefusedType(
                "minifloat_mac must have a minifloat factor; int_mac multiplies integers"
            )
        self.check_common(multipliers=("infer", "array"), stages=2)
        if self.multiplier == "infer" and self.target != "generic":
            raise RefusedInput(
                f"minifloat_mac multiplier must be array with target {self.target}, not 'infer'"
            )
        self.check_cut(most=1 if isinstance(self.acc, FloatFormat) else 2)
        self.check_adder(why_ripple=self._why_ripple())
        low, high = product_range(self.act, self.weight)
        most = max(-low, high).bit_length() - 1
        if type(self.drop) is not int or not 0 <= self.drop <= most:
            raise RefusedInput(
                f"minifloat_mac drop must be an integer from 0 to {most}, not {self.drop!r}"
            )
        if self.acc is None:
            low, high = self.product_range
            count = _check_terms(terms)
            object.__setattr__(self, "acc", FixedAcc(range_width(count * low, count * high)))
        elif terms is not None:
            raise RefusedInput(f"Number of terms must come with accumulator exact, not {self.acc}")
        if isinstance(self.acc, FloatFormat):
            _check_float(self)
            return
        if not isinstance(self.acc, FixedAcc):
            raise RefusedType(f"minifloat_mac accumulator must be fixed or float, not {self.acc}")
        if self.safe_terms < 1:
            width = range_width(*self.product_range)
            raise RefusedInput(
                f"minifloat_mac accumulator must hold one {self.act} x {self.weight} product, "
                f"at least fixed{width}, not {self.acc}"
            )

    def _why_ripple(self) -> str:
        """Why there is no choice of final adders; empty where there is one."""
        if self.multiplier == "infer":
            return "with multiplier infer"
        if self.target in CHAINS:
            return f"with target {self.target}, which has carry chains"
        return "with a float accumulator" if isinstance(self.acc, FloatFormat) else ""

    @property
    def significand_register(self) -> bool:
        """Whether there is a register between the significands' product and its alignment."""
        return self.pipeline == 2 and self.cut == "product"

    @property
    def product_range(self) -> tuple[int, int]:
        """Smallest and largest product, in units of the accumulator."""
        low, high = product_range(self.act, self.weight)
        return -(-low >> self.drop), high >> self.drop

    @property
    def acc_exponent(self) -> int:
        """Value of the accumulator is `acc` times two to this power (0 for a float)."""
        if isinstance(self.acc, FloatFormat):
            return 0
        return lsb_exponent(self.act) + lsb_exponent(self.weight) + self.drop

    @property
    def safe_terms(self) -> int:
        """Number of products that can be summed without wrapping (0 for a float, which rounds)."""
        if isinstance(self.acc, FloatFormat):
            return 0
        half = 1 << (self.acc.width - 1)
        return safe_terms(self.product_range, (-half, half - 1))

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        drop = [f"drop{self.drop}"] if self.drop else []
        return self.make_name(self.act, self.weight, self.acc, *drop)

    def tuned(self, target: str) -> "MinifloatMacSpec":
        """The same function with the adders that suit a target."""
        chains = check_target(target) in CHAINS
        chosen = "generic" if chains and isinstance(self.acc, FloatFormat) else target
        return replace(self, multiplier="array", target=chosen)

    def create(self) -> "MinifloatMac | FloatMac":
        """Build the hardware."""
        return FloatMac(self) if isinstance(self.acc, FloatFormat) else MinifloatMac(self)


def _check_float(spec: MinifloatMacSpec) -> None:
    """Refuse options that a floating-point accumulator does not have."""
    if spec.drop:
        raise RefusedInput(
            f"minifloat_mac drop must be 0 with a float accumulator, not {spec.drop}"
        )
    if spec.target in CHAINS:
        raise RefusedInput(
            "minifloat_mac target must be generic or asic with a float accumulator, "
            f"not {spec.target}"
        )


def _check_terms(terms: int | None) -> int:
    if terms is not None and (type(terms) is not int or not 1 <= terms <= 1 << 32):
        raise RefusedInput(f"Number of terms must be an integer from 1 to 2**32, not {terms!r}")
    return 1024 if terms is None else terms


class MinifloatMac(Mac):
    """Exact multiply-accumulate: ``acc <= (0 if clear else acc) + a * w / 2**acc_exponent``.

    Every product is a whole number of units ``2**acc_exponent`` (after its low `drop` bits are cut
    off, toward zero), so nothing is rounded. Latency is ``1 + pipeline`` cycles and throughput one
    product a cycle; `en` = 0 holds every register. The sum wraps modulo ``2**acc.width``; it does
    not for ``spec.safe_terms`` products. A NaN or infinity sets `invalid`, which stays until a sum
    starts without one, and `acc` is unspecified while it is set; formats whose codes are all
    numbers have no such port. Reset and pipeline: see :class:`~macwright.hw.pe.int_mac.IntMac`.

    Parameters
    ----------
    spec : MinifloatMacSpec
        Formats and widths.

    Members
    -------
    a, w, en, clear : see :class:`~macwright.hw.pe.mac.Mac`
    acc, acc_carry : see :class:`~macwright.hw.pe.mac.Mac`
        :py:`signed(acc.width)`.
    invalid : :py:`Out(1)`, if a format has NaN or infinity
        Sticky flag, registered.
    """

    def __init__(self, spec: MinifloatMacSpec) -> None:
        if not isinstance(spec, MinifloatMacSpec):
            raise RefusedType(f"MinifloatMac takes a MinifloatMacSpec, not {spec!r}")
        if not isinstance(spec.acc, FixedAcc):
            raise RefusedType(f"MinifloatMac takes a spec with a fixed accumulator, not {spec.acc}")
        flag = has_specials(spec.act) or has_specials(spec.weight)
        super().__init__(spec, acc=signed(spec.acc.width), invalid=flag)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        a, w, clear = self.delayed(m, self.a, self.w, self.clear, stage=1)
        spec = self.spec
        if spec.multiplier == "infer":
            special, clear = self._infer(m, a, w, clear)
        else:
            special, clear = self._align(m, a, w, clear)
        if hasattr(self, "invalid"):
            invalid = self.state(m, self.invalid)
            with self.enabled(m):
                m.d.sync += invalid.eq(special | (invalid & ~clear))
        return m

    def _align(self, m: Module, a: Any, w: Any, clear: Any) -> tuple[Any, Any]:
        """Aligned product and accumulator; returns what the flag needs."""
        spec = self.spec
        target = target_of("generic" if spec.target in CHAINS else spec.target)
        cut = self._cut if spec.significand_register else None
        term = aligned_product(m, spec, a, w, target=target, cut=cut)
        (clear,) = [clear] if cut is None else cut(m, clear)
        bits, sign, special, clear = self.delayed(
            m, term.bits, term.sign, term.special, clear, stage=2
        )
        if spec.target in CHAINS:
            acc = self.state(m, self.acc)
            chain = CHAINS[spec.target]
            after = chain.accumulate_signed(m, acc, bits, sign=sign, clear=clear)
            with self.enabled(m):
                m.d.sync += acc.eq(after)
            return special, clear

        def add(heap: BitHeap, negative: bool) -> None:
            heap.add(bits)
            heap.add_bit(sign, 0)
            heap.subtract_sign(sign, len(bits))

        self.accumulate(m, add, clear=clear, target=target)
        return special, clear

    def _cut(self, m: Module, *values: Any) -> list[Any]:
        """The values, a register later."""
        return self.registered(m, *values, suffix="cut")

    def _infer(self, m: Module, a: Any, w: Any, clear: Any) -> tuple[Any, Any]:
        """The same, left to the synthesiser."""
        x, y = split(self.spec.act, a), split(self.spec.weight, w)
        low, high = self.spec.product_range
        magnitude = Signal(max(-low, high).bit_length())
        significand, shift, sign = x.significand * y.significand, x.shift + y.shift, x.sign ^ y.sign
        any_special = x.special | y.special
        if self.spec.significand_register:
            significand, shift, sign, any_special, clear = self._cut(
                m, significand, shift, sign, any_special, clear
            )
        m.d.comb += magnitude.eq((significand << shift) >> self.spec.drop)
        term = Signal(signed(len(magnitude) + 1), attrs={"keep": 1})
        m.d.comb += term.eq(Mux(sign, -magnitude, magnitude))
        special = Signal()
        m.d.comb += special.eq(any_special)
        term, special, clear = self.delayed(m, term, special, clear, stage=2)
        acc = self.state(m, self.acc)
        with self.enabled(m):
            m.d.sync += acc.eq(Mux(clear, 0, acc) + term)
        return special, clear
