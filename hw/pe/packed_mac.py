"""Multiply-accumulate units that share one multiplication, for the DSP blocks of FPGAs."""

from dataclasses import InitVar, dataclass, replace
from typing import Any, ClassVar

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib.wiring import In

from macwright.hw.arith.chain import CHAINS
from macwright.hw.arith.packing import Packing
from macwright.hw.arith.target import check_target
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe.accumulator import parse_int_acc
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.operand import check_operand, product_range, resolve_acc, safe_terms
from macwright.hw.pe.spec import UnitSpec, parse_int

__all__ = ["PackedMac", "PackedMacSpec"]

_INT4, _INT8, _INT32 = IntFormat(4), IntFormat(8), IntFormat(32)


@dataclass(frozen=True, kw_only=True)
class PackedMacSpec(UnitSpec):
    """Everything that fixes a :class:`PackedMac`.

    Parameters
    ----------
    act, weight : IntFormat
        Activation, which all products share, and weights; 1 to 16 bits.
    products : int
        Weights, products and accumulators, 1 to 8.
    acc : IntFormat or None
        Each accumulator, signed. None ("exact") is replaced by the narrowest one that never
        overflows for sums of `terms` products.
    terms : int, default=1024
        Number of products that an exact accumulator must hold; only with ``acc=None``.
    multiplier : {"infer"}
        The one multiplication is left to the synthesiser, which uses a DSP block if it may.
    en, rst : bool
        Whether the unit has a clock enable and a synchronous reset.
    pipeline : {0, 1, 2}
        Register stages before the accumulators: none, operands (the weights packed already),
        operands and product.
    target : {"generic", "ecp5", "ice40", "xc7"}
        Technology whose carry chains accumulate. The multiplication must then fit its DSP block:
        18 x 18, 16 x 16 and 25 x 18 bits.

    Examples
    --------
    >>> PackedMacSpec().name
    'packed_mac_2_int8_int4_int32'
    >>> spec = PackedMacSpec(act=IntFormat(4), weight=IntFormat(4, symmetric=True), products=3)
    >>> spec.packing.spacing, spec.tuned("ecp5").name
    (7, 'packed_mac_3_int4_int4sym_int32_ecp5')
    """

    family: ClassVar[str] = "packed_mac"
    parsers: ClassVar = {
        "act": parse_format,
        "weight": parse_format,
        "products": parse_int,
        "acc": parse_int_acc,
        "terms": parse_int,
    }

    act: IntFormat = _INT8
    weight: IntFormat = _INT4
    products: int = 2
    acc: IntFormat | None = _INT32
    terms: InitVar[int | None] = None
    multiplier: str = "infer"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    target: str = "generic"

    def __post_init__(self, terms: int | None) -> None:
        for role in ("act", "weight"):
            fmt = getattr(self, role)
            if not isinstance(fmt, IntFormat):
                raise RefusedType(f"packed_mac {role} format must be an integer format, not {fmt}")
            check_operand(fmt, role=role, unit="packed_mac", floats=False)
        if type(self.products) is not int or not 1 <= self.products <= 8:
            raise RefusedInput(
                f"Number of products must be an integer from 1 to 8, not {self.products!r}"
            )
        self.check_common(multipliers=("infer",), stages=2)
        if self.target not in ("generic", *CHAINS):
            raise RefusedInput(
                f"packed_mac target must be one of generic, {', '.join(CHAINS)}, not {self.target}"
            )
        if self.target in CHAINS:
            self.packing.check_cell(self.target)
        what = f"one {self.act} x {self.weight} product"
        resolve_acc(self, terms, sums=self.product_range, what=what, signed=True)

    @property
    def packing(self) -> Packing:
        """How the products are laid out."""
        ends = [(int(fmt.min), int(fmt.max)) for fmt in (self.act, self.weight)]
        return Packing(act=ends[0], weight=ends[1], products=self.products)

    @property
    def product_range(self) -> tuple[int, int]:
        """Smallest and largest product."""
        return product_range(self.act, self.weight)

    @property
    def safe_terms(self) -> int:
        """Number of products that an accumulator can sum, in any order, without wrapping."""
        return safe_terms(self.product_range, (int(self.acc.min), int(self.acc.max)))  # type: ignore[union-attr]

    @property
    def macs_per_cycle(self) -> int:
        """Products per clock cycle."""
        return self.products

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        return self.make_name(self.products, self.act, self.weight, self.acc)

    def tuned(self, target: str) -> "PackedMacSpec":
        """The same function with the adders that suit a target.

        Raises
        ------
        ValueError
            If the products do not fit a DSP block of that target.
        """
        return replace(self, target=target if check_target(target) in CHAINS else "generic")

    def create(self) -> "PackedMac":
        """Build the hardware."""
        return PackedMac(self)


class PackedMac(Mac):
    """Sums with a shared activation: ``acc[i] <= (0 if clear else acc[i]) + a * w[i]``.

    One multiplication makes all products: the weights lie `spec.packing.spacing` bits apart in
    one of its factors, and what a product borrows from the next comes back as carry into that
    one's accumulator. Every product is exact, whatever the operands. Latency is ``1 + pipeline``
    cycles and throughput one product a cycle for each weight; `en` = 0 holds every register. Each
    sum wraps modulo ``2**acc.width``; it does not for ``spec.safe_terms`` products. Codes that a
    format does not have (-8 of int4sym) give unspecified sums, in all accumulators. `rst` sets the
    accumulators to 0; what is in the pipeline stays there.

    Parameters
    ----------
    spec : PackedMacSpec
        Formats and widths.

    Members
    -------
    w : :py:`In(products * weight.width)`
        Weight i from bit ``i * weight.width``.
    acc : :py:`Out(products * acc.width)`
        Accumulator i from bit ``i * acc.width``, registered.
    a, en, clear : see :class:`~macwright.hw.pe.mac.Mac`
    """

    def __init__(self, spec: PackedMacSpec) -> None:
        if not isinstance(spec, PackedMacSpec):
            raise RefusedType(f"PackedMac takes a PackedMacSpec, not {spec!r}")
        more = {"w": In(unsigned(spec.products * spec.weight.width))}
        acc = unsigned(spec.products * spec.acc.width)  # type: ignore[union-attr]
        super().__init__(spec, acc=acc, invalid=False, more=more)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, packing = self.spec, self.spec.packing
        weights = [self.w.word_select(i, spec.weight.width) for i in range(spec.products)]
        if spec.weight.signed:
            weights = [weight.as_signed() for weight in weights]
        word = packing.pack(m, weights)
        a, word, clear = self.delayed(m, self.a, word, self.clear, stage=1)
        product, clear = self.delayed(m, packing.multiply(m, word, a), clear, stage=2)
        acc, width = self.state(m, self.acc), spec.acc.width
        sums = [
            self._sum(m, acc.word_select(i, width), field, carry, clear)
            for i, (field, carry) in enumerate(packing.split(product))
        ]
        with self.enabled(m):
            m.d.sync += acc.eq(Cat(*sums))
        return m

    def _sum(self, m: Module, acc: Value, field: Value, carry: Value | None, clear: Any) -> Value:
        """``(0 if clear else acc) + field + carry``."""
        if self.spec.target in CHAINS:
            return CHAINS[self.spec.target].accumulate(m, acc, field, clear=clear, carry=carry)
        total, before = Signal(len(acc), name="acc_next"), Mux(clear, 0, acc)
        if carry is None:
            m.d.comb += total.eq(before + field)
        else:
            # The carry comes out of a bit below: one adder, not two.
            term = Cat(carry, field).as_signed() if field.shape().signed else Cat(carry, field)
            m.d.comb += total.eq((Cat(Const(1, 1), before) + term)[1:])
        return total
