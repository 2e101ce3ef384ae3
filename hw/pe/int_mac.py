"""Integer multiply-accumulate unit."""

from dataclasses import InitVar, dataclass, replace
from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Shape, Signal, Value, signed

from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.chain import CHAINS
from macwright.hw.arith.multipliers import MULTIPLIERS, smallest_multiplier
from macwright.hw.arith.target import check_target, target_of
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import BinaryFormat, IntFormat, TernaryFormat, parse_format
from macwright.hw.pe.accumulator import parse_int_acc
from macwright.hw.pe.int_product import (
    add_int_product,
    chain_product,
    chain_rows,
    infer_product,
)
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.operand import (
    check_operand,
    product_range,
    resolve_acc,
    safe_terms,
)
from macwright.hw.pe.spec import UnitSpec, parse_int

__all__ = ["IntMac", "IntMacSpec"]

_INT8, _INT32 = IntFormat(8), IntFormat(32)


@dataclass(frozen=True, kw_only=True)
class IntMacSpec(UnitSpec):
    """Everything that fixes an :class:`IntMac`.

    Parameters
    ----------
    act, weight : IntFormat, BinaryFormat or TernaryFormat
        Formats of the two factors, 1 to 16 bits.
    acc : IntFormat or None
        Accumulator, up to 64 bits. None ("exact") is replaced by the narrowest one that never
        overflows for `terms` products.
    terms : int, default=1024
        Number of products that an exact accumulator must hold; only with ``acc=None``.
    multiplier : {"infer", "baugh_wooley", "booth4", "rows"}
        How the product is made. "infer" leaves it to the synthesiser; the next two add partial
        products and accumulator in one compressor tree; "rows" is an array of carry chains, for
        (and only for) the targets ecp5, ice40 and xc7.
    adder : {"ripple", "brent_kung", "sklansky", "kogge_stone", "carry_save"}
        How that tree ends, from the smallest to the fastest. With "carry_save" the accumulator is
        the sum of two registers, the ports `acc` and `acc_carry`.
    en, rst : bool
        Whether the unit has a clock enable and a synchronous reset.
    pipeline : int
        Register stages before the accumulator: 0 for none, 1 for operands, 2 for operands and
        product; with "rows" more of them, up to one after each row.
    cut : {"operands", "product"}
        What a single register stage holds: the operands, or the product.
    target : str
        Technology whose primitives may be used.

    Examples
    --------
    >>> IntMacSpec(weight=IntFormat(4)).name
    'int_mac_int8_int4_int32'
    >>> spec = IntMacSpec(weight=IntFormat(4), acc=None, terms=500)
    >>> str(spec.acc), spec.safe_terms
    ('int20', 511)
    """

    family: ClassVar[str] = "int_mac"
    parsers: ClassVar = {
        "act": parse_format,
        "weight": parse_format,
        "acc": parse_int_acc,
        "terms": parse_int,
        "adder": str,
        "cut": str,
    }

    act: IntFormat | BinaryFormat | TernaryFormat = _INT8
    weight: IntFormat | BinaryFormat | TernaryFormat = _INT8
    acc: IntFormat | None = _INT32
    terms: InitVar[int | None] = None
    multiplier: str = "infer"
    adder: str = "ripple"
    en: bool = False
    rst: bool = False
    pipeline: int = 0
    cut: str = "operands"
    target: str = "generic"

    def __post_init__(self, terms: int | None) -> None:
        for role in ("act", "weight"):
            check_operand(getattr(self, role), role=role, unit="int_mac", floats=False)
        rows = chain_rows(self) if self.target in CHAINS else 1
        self.check_common(multipliers=("infer", *MULTIPLIERS, "rows"), stages=1 + rows)
        if (self.multiplier == "rows") != (self.target in CHAINS):
            raise RefusedInput(
                f"int_mac multiplier must be rows with a target of {', '.join(CHAINS)} and not "
                f"otherwise, not {self.multiplier!r} with target {self.target!r}"
            )
        self.check_cut()
        self.check_adder(why_ripple="with multiplier infer" if self.multiplier == "infer" else "")
        what = f"one {self.act} x {self.weight} product"
        resolve_acc(self, terms, sums=self.product_range, what=what, signed=False)

    @property
    def product_range(self) -> tuple[int, int]:
        """Smallest and largest product."""
        return product_range(self.act, self.weight)

    @property
    def safe_terms(self) -> int:
        """Number of products that can be summed, in any order, without wrapping."""
        return safe_terms(self.product_range, (int(self.acc.min), int(self.acc.max)))

    @property
    def name(self) -> str:
        """Name of the Verilog module and key of the cost table."""
        return self.make_name(self.act, self.weight, self.acc)

    def tuned(self, target: str) -> "IntMacSpec":
        """The same function with the multiplier and adders that suit a target.

        FPGAs get rows of carry chains, other targets one compressor tree, of Booth rows where
        that is smaller.
        """
        if check_target(target) in CHAINS:
            return replace(self, multiplier="rows", adder="ripple", target=target)
        multiplier = smallest_multiplier(self.act.width, self.weight.width, target=target)
        return replace(self, multiplier=multiplier, target=target)

    def create(self) -> "IntMac":
        """Build the hardware."""
        return IntMac(self)


class IntMac(Mac):
    """Multiply-accumulate: ``acc <= (0 if clear else acc) + a * w``, two's complement.

    Latency is ``1 + pipeline`` cycles and throughput one product a cycle; `en` = 0 holds every
    register. The sum wraps modulo ``2**acc.width``; it does not for ``spec.safe_terms`` products.
    Codes that a format does not have (-128 of int8sym, -2 of ternary) give unspecified sums.
    `rst` sets the accumulator to 0; what is in the pipeline stays there, so that with
    ``pipeline > 0``, or without `rst`, the first sum begins with `clear`.

    Parameters
    ----------
    spec : IntMacSpec
        Formats and widths.

    Members
    -------
    a, w, en, clear : see :class:`~macwright.hw.pe.mac.Mac`
    acc : :py:`Out(Shape(acc.width, acc.signed))`
        Accumulator, registered.
    acc_carry : :py:`Out(Shape(acc.width, acc.signed))`, if ``spec.adder`` is "carry_save"
        Second part of the accumulator, registered: the sum is ``acc + acc_carry``.
    """

    def __init__(self, spec: IntMacSpec) -> None:
        if not isinstance(spec, IntMacSpec):
            raise RefusedType(f"IntMac takes an IntMacSpec, not {spec!r}")
        acc = Shape(spec.acc.width, spec.acc.signed)
        super().__init__(spec, acc=acc, invalid=False)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        a, w, clear = self.delayed(m, self.a, self.w, self.clear, stage=1)
        if spec.multiplier == "infer":
            product, clear = self.delayed(m, infer_product(m, spec, a, w), clear, stage=2)
            acc = self.state(m, self.acc)
            with self.enabled(m):
                m.d.sync += acc.eq(Mux(clear, 0, acc) + product)
            return m
        if spec.multiplier == "rows":
            # Stages beyond the second go between the rows, evenly.
            cuts = max(0, spec.pipeline - 2)
            after = [(k + 1) * chain_rows(spec) // (cuts + 1) - 1 for k in range(cuts)]

            def cut(row: int, bits: list[Value]) -> list[Any]:
                return self.delayed(m, *bits, stage=3) if row in after else bits

            for _ in after:
                (clear,) = self.delayed(m, clear, stage=3)
            p, carry = chain_product(m, CHAINS[spec.target], spec, a, w, cut=cut)
            p, clear = self.delayed(m, p, clear, stage=2)
            carry = None if carry is None else self.delayed(m, carry, stage=2)[0]
            acc = self.state(m, self.acc)
            total = CHAINS[spec.target].accumulate(m, acc, p, clear=clear, carry=carry)
            with self.enabled(m):
                m.d.sync += acc.eq(total)
            return m
        target = target_of(spec.target)

        def add(heap: BitHeap, negative: bool) -> None:
            add_int_product(m, heap, spec, a, w, negative=negative)

        if spec.product_register:
            low, high = spec.product_range
            whole = BitHeap(range_width(low, high), target=target)
            add(whole, False)
            product = Signal(signed(whole.width), name="product")
            m.d.comb += product.eq(whole.sum(m, adder=spec.lane_adder))
            product, clear = self.delayed(m, product, clear, stage=2)

            def add(heap: BitHeap, negative: bool) -> None:
                heap.add(product, negative=negative)

        invert = spec.target.startswith("asic") and spec.multiplier == "baugh_wooley"
        self.accumulate(m, add, clear=clear, target=target, invert=invert)
        return m
