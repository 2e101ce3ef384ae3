"""Carry chains of FPGAs: rows of adders whose LUTs also form the partial products.

A chain target makes products as an array of rows, each one carry chain, and adds the last of them
to the accumulator. Per bit: ``sum = p ^ carry`` and ``carry = g if p == 0``, where the technology
fixes what `p` and `g` may depend on.

- ecp5, ``CCU2C``: `p` is a LUT4 of A, B, C, D; `g` is the same table with C = D = 0.
- ice40, ``SB_CARRY``: the carry is the majority of LUT inputs I1, I2 and the carry before, so
  rows add or pass (``a ? s + b : s``) rather than add ``a & b``.
- xc7, ``CARRY4``: `p` is a LUT6, which holds a radix-4 Booth digit; `g` is any signal.
"""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Instance, Module, Shape, Signal, Value

__all__ = ["CHAINS", "ChainTarget"]

ZERO, ONE = Const(0, 1), Const(1, 1)


def extend(value: Value, width: int) -> list[Value]:
    """Bits of a value, sign- or zero-extended to `width` bits."""
    top = value[-1] if value.shape().signed else ZERO
    return [value[k] if k < len(value) else top for k in range(width)]


def signed_of(bits: list[Value], *, signed: bool) -> Value:
    """Bits as a number."""
    return Cat(*bits).as_signed() if signed else Cat(*bits)


def digit_row(a: Value, b: Value) -> tuple[Value, Value]:
    """Product of a signed number of two bits and `b`: a row and the one to be added to it.

    A LUT of four inputs a bit: 0, b, -2b or -b as ``~(2b) + 1`` or ``~b + 1``.
    """
    wide = extend(b, len(b) + 2)
    low, minus = a[0], a[1]
    bits = [
        (low & (wide[k] ^ minus)) | (minus & ~low & ~(wide[k - 1] if k else ZERO))
        for k in range(len(b) + (1 if b.shape().signed else 2))
    ]
    return signed_of(bits, signed=True), minus


Cut = Callable[[int, list[Value]], list[Value]]


def no_cut(row: int, values: list[Value]) -> list[Value]:
    """No register after this row, nor any other."""
    return values


def cut_row(cut: Cut, row: int, parts: list[list[Value]]) -> list[list[Value]]:
    """All that the rows after this one need, behind its registers if it has any."""
    flat = iter(cut(row, [bit for part in parts for bit in part]))
    return [[next(flat) for _ in part] for part in parts]


def lut_init(function: Callable[..., int], inputs: int = 4) -> int:
    """Truth table of a Python function of bits, input 0 the least significant."""
    return sum(
        (function(*(k >> i & 1 for i in range(inputs))) & 1) << k for k in range(1 << inputs)
    )


class ChainTarget:
    """What the three technologies have in common.

    Attributes
    ----------
    name : str
        Name of the target.
    """

    name = ""

    def rows(self, a: Shape) -> int:
        """Rows of the product of a number of that shape that registers can be put between."""
        return a.width - 1 if a.width > 2 or not a.signed else 1

    def multiply(
        self, m: Module, a: Value, b: Value, *, cut: Cut = no_cut
    ) -> tuple[Value, Value | None]:
        """Product, and a bit that is still to be added to it, of two numbers of 2 bits or more.

        There is one row for each bit of `a` but the first (xc7: for each two bits). After each but
        the last, ``cut(row, bits)`` may put registers behind all bits that are still needed.
        """
        raise NotImplementedError

    def accumulate(
        self, m: Module, q: Value, p: Value, *, clear: Value, carry: Value | None
    ) -> Value:
        """``(0 if clear else q) + p + carry``, as wide as `q`."""
        raise NotImplementedError

    def accumulate_signed(
        self, m: Module, q: Value, magnitude: Value, *, sign: Value, clear: Value
    ) -> Value:
        """``(0 if clear else q) - magnitude`` if `sign`, else plus; as wide as `q`."""
        term = Cat(magnitude ^ sign.replicate(len(magnitude)), sign).as_signed()
        return self.accumulate(m, q, term, clear=clear, carry=sign)


class Ecp5(ChainTarget):
    """Lattice ECP5: ``CCU2C``, two bits each."""

    name = "ecp5"

    ROW = lut_init(lambda a, b, c, d: a ^ (c & d))
    ROW_MINUS = lut_init(lambda a, b, c, d: a ^ (c & ~d))
    PAIR = lut_init(lambda a, b, c, d: (a & b) ^ (c & d))
    ACC = lut_init(lambda a, b, c, d: (a & ~b) ^ c)
    ACC_SIGN = lut_init(lambda a, b, c, d: (a & ~b) ^ c ^ d)
    CARRY_IN = lut_init(lambda a, b, c, d: a & ~c)

    def chain(self, m: Module, columns: list[tuple], carry: Value | None = None) -> list[Value]:
        """Sum bits of a chain of ``(init, A, B, C, D)``, with a carry into its first bit."""
        count = len(columns)
        if carry is not None:
            columns = [(self.CARRY_IN, carry, ZERO, ONE, ZERO), *columns]
        if len(columns) % 2:
            columns = [*columns, (0, ZERO, ZERO, ZERO, ZERO)]
        sums, link = [], ZERO
        for k in range(0, len(columns), 2):
            s0, s1, out = Signal(name="s"), Signal(name="s"), Signal(name="carry")
            ports = {}
            for half in (0, 1):
                init, *inputs = columns[k + half]
                ports |= {f"p_INIT{half}": Const(init, 16), f"p_INJECT1_{half}": "NO"}
                ports |= {f"i_{n}{half}": v for n, v in zip("ABCD", inputs, strict=True)}
            m.submodules += Instance("CCU2C", **ports, i_CIN=link, o_S0=s0, o_S1=s1, o_COUT=out)
            link = out
            sums += [s0, s1]
        first = int(carry is not None)
        return sums[first : first + count]

    def multiply(
        self, m: Module, a: Value, b: Value, *, cut: Cut = no_cut
    ) -> tuple[Value, Value | None]:
        minus, signed, n = a.shape().signed, b.shape().signed, len(b)
        if len(a) == 2 and minus:
            return digit_row(a, b)
        bits = extend(b, n + 2)
        columns = [
            (self.PAIR, a[0], bits[k], a[1], bits[k - 1] if k else ZERO) for k in range(n + 2)
        ]
        total = self.chain(m, columns)
        done, rest, left, b_bits = total[:2], total[2:], list(a[2:]), list(b)
        for i in range(2, len(a)):
            done, rest, left, b_bits = cut_row(cut, i - 2, [done, rest, left, b_bits])
            last = minus and i == len(a) - 1
            wide = extend(signed_of(rest, signed=signed), n + 1)
            bits = extend(signed_of(b_bits, signed=signed), n + 1)
            init = self.ROW_MINUS if last else self.ROW
            columns = [(init, wide[k], ZERO, left[0], bits[k]) for k in range(n + 1)]
            total = self.chain(m, columns, left[0] if last else None)
            done, rest, left = [*done, total[0]], total[1:], left[1:]
        return signed_of([*done, *rest], signed=signed or minus), None

    def accumulate(
        self, m: Module, q: Value, p: Value, *, clear: Value, carry: Value | None
    ) -> Value:
        wide = extend(p, len(q))
        columns = [(self.ACC, q[k], clear, wide[k], ZERO) for k in range(len(q))]
        return Cat(*self.chain(m, columns, carry))

    def accumulate_signed(
        self, m: Module, q: Value, magnitude: Value, *, sign: Value, clear: Value
    ) -> Value:
        """The complement by the sign is in the chain's own LUTs."""
        wide = extend(magnitude, len(q))
        columns = [(self.ACC_SIGN, q[k], clear, wide[k], sign) for k in range(len(q))]
        return Cat(*self.chain(m, columns, sign))


class Ice40(ChainTarget):
    """Lattice iCE40: ``SB_CARRY`` beside ``SB_LUT4``; conditional adders."""

    name = "ice40"

    ADD_IF = lut_init(lambda a, s, b, c: s ^ (a & (b ^ c)))
    ADD_IF_NOT = ADD_IF ^ 0xFFFF
    ACC = lut_init(lambda clear, q, p, c: p ^ (~clear & (q ^ c)))

    def chain(self, m: Module, columns: list[tuple], carry: Value | None = None) -> list[Value]:
        """Sum bits of a chain of ``(init, I0, I1, I2)``, with a carry into its first bit."""
        link, sums = ZERO, []
        if carry is not None:
            link = Signal(name="carry")
            m.submodules += Instance("SB_CARRY", i_I0=carry, i_I1=carry, i_CI=ZERO, o_CO=link)
        for k, (init, i0, i1, i2) in enumerate(columns):
            total = Signal(name="s")
            ports = {"i_I0": i0, "i_I1": i1, "i_I2": i2, "i_I3": link, "o_O": total}
            m.submodules += Instance("SB_LUT4", p_LUT_INIT=Const(init, 16), **ports)
            sums.append(total)
            if k < len(columns) - 1:
                after = Signal(name="carry")
                m.submodules += Instance("SB_CARRY", i_I0=i1, i_I1=i2, i_CI=link, o_CO=after)
                link = after
        return sums

    def multiply(
        self, m: Module, a: Value, b: Value, *, cut: Cut = no_cut
    ) -> tuple[Value, Value | None]:
        minus, count = a.shape().signed, len(a)
        if minus and not b.shape().signed:
            b = Cat(b, ZERO).as_signed()  # ~s is negative
        signed, n = b.shape().signed, len(b)
        bits = extend(b, n + 1)
        # s - x = ~(~s + x): the row before the last gives ~s, the last complements its sum.
        first = [a[0] & bits[k] for k in range(n)]
        done, rest = first[:1], first[1:] or [first[0] if signed else ZERO]
        if minus and count == 2:
            rest = [~bit for bit in rest]
        left, b_bits = list(a[1:]), list(b)
        for i in range(1, count):
            if i > 1:
                done, rest, left, b_bits = cut_row(cut, i - 2, [done, rest, left, b_bits])
                bits = extend(signed_of(b_bits, signed=signed), n + 1)
            before, last = minus and i == count - 2, minus and i == count - 1
            wide = extend(signed_of(rest, signed=signed), n + 1)
            inits = [
                self.ADD_IF_NOT if last or (before and k) else self.ADD_IF for k in range(n + 1)
            ]
            columns = [(inits[k], left[0], wide[k], bits[k]) for k in range(n + 1)]
            total = self.chain(m, columns)
            done, rest, left = [*done, total[0]], total[1:], left[1:]
        return signed_of([*done, *rest], signed=signed), None

    def accumulate(
        self, m: Module, q: Value, p: Value, *, clear: Value, carry: Value | None
    ) -> Value:
        if carry is not None:
            # With `clear` the carries of the sum are wrong (and not looked at): p must be whole.
            bits = extend(p, len(p) + 1)
            columns = [(self.ADD_IF, ONE, bit, ZERO) for bit in bits]
            p = signed_of(self.chain(m, columns, carry), signed=p.shape().signed)
        wide = extend(p, len(q))
        columns = [(self.ACC, clear, q[k], wide[k]) for k in range(len(q))]
        return Cat(*self.chain(m, columns))


class Xc7(ChainTarget):
    """Xilinx 7-series: ``CARRY4`` with radix-4 Booth rows, one LUT6 a bit."""

    name = "xc7"

    def chain(self, m: Module, columns: list[tuple], carry: Value | None = None) -> list[Value]:
        """Sum bits of a chain of ``(S, DI)``, with a carry into its first bit."""
        sums, link = [], ZERO
        for k in range(0, len(columns), 4):
            four = columns[k : k + 4]
            four += [(ZERO, ZERO)] * (4 - len(four))
            out, total = Signal(4, name="carry"), Signal(4, name="s")
            start = carry if k == 0 and carry is not None else ZERO
            propagate, generate = Signal(4, name="p"), Signal(4, name="g")
            m.d.comb += propagate.eq(Cat(*(p for p, _ in four)))
            m.d.comb += generate.eq(Cat(*(g for _, g in four)))
            ports = {"i_S": propagate, "i_DI": generate, "i_CI": link, "i_CYINIT": start}
            m.submodules += Instance("CARRY4", **ports, o_O=total, o_CO=out)
            link = out[3]
            sums += list(total)
        return sums[: len(columns)]

    def rows(self, a: Shape) -> int:
        """Rows of the product of a number of that shape that registers can be put between."""
        return 1 if a.width == 2 and a.signed else (a.width + (1 if a.signed else 2)) // 2

    def multiply(
        self, m: Module, a: Value, b: Value, *, cut: Cut = no_cut
    ) -> tuple[Value, Value | None]:
        minus, signed = a.shape().signed, a.shape().signed or b.shape().signed
        if len(a) == 2 and minus:
            return digit_row(a, b)
        n = len(b) + (not b.shape().signed)
        bits = extend(b, n + 2)
        rows = self.rows(a.shape())
        left, b_bits = [ZERO, *extend(a, 2 * rows)], list(b)
        done, rest = [], [ZERO]
        for i in range(rows):
            if i:
                done, rest, left, b_bits = cut_row(cut, i - 1, [done, rest, left, b_bits])
                bits = extend(signed_of(b_bits, signed=b.shape().signed), n + 2)
            low, mid, high = left[:3]
            wide = extend(signed_of(rest, signed=True), n + 2)
            columns = []
            for k in range(n + 2):
                single = bits[k] & (mid ^ low)
                two = (bits[k - 1] if k else ZERO) & (high ^ mid) & ~(mid ^ low)
                columns.append((wide[k] ^ high ^ (single | two), wide[k]))
            total = self.chain(m, columns, high)
            done, rest, left = [*done, *total[:2]], total[2:], left[2:]
        return signed_of([*done, *rest][: len(a) + len(b)], signed=signed), None

    def accumulate(
        self, m: Module, q: Value, p: Value, *, clear: Value, carry: Value | None
    ) -> Value:
        wide = extend(p, len(q))
        columns = [((q[k] & ~clear) ^ wide[k], wide[k]) for k in range(len(q))]
        return Cat(*self.chain(m, columns, carry))


CHAINS = {target.name: target for target in (Ecp5(), Ice40(), Xc7())}
