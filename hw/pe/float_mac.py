"""Minifloat multiply-accumulate unit with a floating-point accumulator."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned

from macwright.hw.arith.float_add import FloatTerm, add_float
from macwright.hw.arith.normalise import normalise
from macwright.hw.arith.target import target_of
from macwright.hw.errors import RefusedType
from macwright.hw.formats import FloatFormat
from macwright.hw.pe.mac import Mac
from macwright.hw.pe.minifloat_product import raw_product
from macwright.hw.pe.operand import has_specials, lsb_exponent, product_range
from macwright.hw.pe.product import split

__all__ = ["FloatMac", "kinds"]


def kinds(fmt: Any, code: Value) -> tuple[Value, Value]:
    """Whether a code is NaN, and whether it is an infinity."""
    no = Const(0, 1)
    if not has_specials(fmt):
        return no, no
    if fmt.specials != "ieee":
        return split(fmt, code).special, no
    top = code[fmt.man_bits : -1].all()
    fraction = code[: fmt.man_bits].any()
    return top & fraction, top & ~fraction


class FloatMac(Mac):
    """Fused multiply-accumulate: ``acc <= round((0 if clear else acc) + a * w)``.

    The product is exact and the sum is rounded once, to nearest even, to the accumulator's
    format, with its subnormals. Zero is signed as in IEEE 754's fused multiply-add (a sum starts
    at positive zero; the formats without negative zero have one zero). A sum too large becomes
    infinity where the format has it, else NaN where it has that, else the largest number. NaN,
    infinity times zero and infinity minus infinity give NaN: positive and quiet, and there it
    stays until a sum starts. An infinity gives infinity, or NaN in a format without. If the
    format has no NaN, there is a flag: one sets `invalid`, which stays until a sum starts without
    one, and `acc` is unspecified while it is set.

    Latency is ``1 + pipeline`` cycles and throughput one product a cycle; `en` = 0 holds every
    register. Reset and pipeline: see :class:`~macwright.hw.pe.int_mac.IntMac`.

    Parameters
    ----------
    spec : MinifloatMacSpec
        Formats; its accumulator is a FloatFormat.

    Members
    -------
    a, w, en, clear : see :class:`~macwright.hw.pe.mac.Mac`
    acc : :py:`Out(acc.width)`
        Code word of the accumulator, registered.
    invalid : :py:`Out(1)`, if an operand may be NaN or infinity and the accumulator may not
        Sticky flag, registered.
    """

    def __init__(self, spec: Any) -> None:
        if not isinstance(spec.acc, FloatFormat):
            raise RefusedType(f"FloatMac takes a spec with a float accumulator, not {spec.acc}")
        special = has_specials(spec.act) or has_specials(spec.weight)
        flag = special and not has_specials(spec.acc)
        super().__init__(spec, acc=unsigned(spec.acc.width), invalid=flag)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        a, w, clear = self.delayed(m, self.a, self.w, self.clear, stage=1)
        term = self._product(m, a, w)
        sign, exponent, significand, clear, nan, inf = self.delayed(
            m,
            term.sign,
            term.exponent,
            term.significand,
            clear,
            Const(0, 1) if term.nan is None else term.nan,
            Const(0, 1) if term.inf is None else term.inf,
            stage=2,
        )
        term = FloatTerm(
            sign,
            exponent,
            significand,
            None if term.nan is None else nan,
            None if term.inf is None else inf,
            term.low,
            term.high,
        )
        acc = self.state(m, self.acc)
        before = Signal(len(acc), name="before")
        m.d.comb += before.eq(acc & ~clear.replicate(len(acc)))
        after = add_float(m, spec.acc, before, term, target=target_of(spec.target))
        with self.enabled(m):
            m.d.sync += acc.eq(after)
        if hasattr(self, "invalid"):
            invalid = self.state(m, self.invalid)
            with self.enabled(m):
                m.d.sync += invalid.eq((nan | inf) | (invalid & ~clear))
        return m

    def _product(self, m: Module, a: Value, w: Value) -> FloatTerm:
        """Exact product, its highest bit in place."""
        spec = self.spec
        least = lsb_exponent(spec.act) + lsb_exponent(spec.weight)
        x, y = split(spec.act, a), split(spec.weight, w)
        if spec.multiplier == "array":
            target = target_of(spec.target)
            bits, back, top, sign, _ = raw_product(m, spec, a, w, target=target)
            product, shift = Cat(*bits), top - back
        else:
            product, sign = x.significand * y.significand, x.sign ^ y.sign
            shift = x.shift + y.shift
        whole = Signal(len(product), name="product")
        m.d.comb += whole.eq(product)
        significand, zeros = normalise(m, whole)
        low, high = product_range(spec.act, spec.weight)
        greatest = least + max(-low, high).bit_length() - 1
        span = max(abs(least), abs(greatest)) + 2 * len(whole)
        exponent = Signal(signed(span.bit_length() + 1), name="product_exponent")
        m.d.comb += exponent.eq(shift - zeros + (least + len(whole) - 1))
        (nan_a, inf_a), (nan_w, inf_w) = kinds(spec.act, a), kinds(spec.weight, w)
        zero_a, zero_w = ~x.significand.any(), ~y.significand.any()
        nan = Mux(nan_a | nan_w, 1, (inf_a & zero_w) | (inf_w & zero_a))[0]
        inf = ((inf_a | inf_w) & ~nan)[0]
        formats = [fmt for fmt in (spec.act, spec.weight) if has_specials(fmt)]
        infinite = any(fmt.specials == "ieee" for fmt in formats)
        return FloatTerm(
            sign[0],
            exponent,
            significand,
            nan if formats else None,
            inf if infinite else None,
            least,
            greatest,
        )
