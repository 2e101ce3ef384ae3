"""Bit heap: a sum of weighted bits and constants from anywhere, compressed into one number."""

from amaranth.hdl import Cat, Const, Module, Signal, Value, ValueLike

from macwright.hw.arith.prefix import prefix_add
from macwright.hw.arith.target import GENERIC, Bit, Target
from macwright.hw.errors import RefusedInput

__all__ = ["BitHeap"]


class BitHeap:
    """Sum of weighted bits, modulo ``2**width``.

    A bit of negative weight is added as its complement and a constant; all constants are added
    up while the heap is filled and cost at most one bit a column. Signed numbers are added by
    giving their most significant bit negative weight, so nothing is sign-extended.

    Parameters
    ----------
    width : int
        Bits of the result, at least 1.
    target : Target
        What the adders are made of.

    Examples
    --------
    ``heap.add(x); heap.add(y, shift=2, negative=True); total = heap.sum(m)`` is x - 4*y.
    """

    def __init__(self, width: int, *, target: Target = GENERIC) -> None:
        if width < 1:
            raise RefusedInput(f"Heap width must be at least 1, not {width!r}")
        self.width = width
        self.target = target
        self.columns: list[list[Bit]] = [[] for _ in range(width)]
        self.constant = 0
        self.sign: tuple[Bit, int] | None = None

    def add_constant(self, value: int) -> None:
        """Add an integer of either sign."""
        self.constant = (self.constant + value) % (1 << self.width)

    def add_bit(self, bit: Bit | Value, weight: int, *, negative: bool = False) -> None:
        """Add ``bit * 2**weight``, or subtract it if `negative`; `weight` from 0."""
        if not isinstance(bit, Bit):
            bit = Bit(bit)
        if weight >= self.width:
            return
        if negative:
            bit = ~bit
            self.add_constant(-(1 << weight))
        self.columns[weight].append(bit)

    def subtract_sign(self, bit: Value, weight: int) -> None:
        """Subtract ``bit * 2**weight``, the sign of what else is added; once, and last.

        Cheaper than a bit of negative weight where only the accumulator reaches above.
        """
        above = self.columns[weight:]
        if self.sign is None and self.constant >> weight == 0 and all(len(c) == 1 for c in above):
            self.sign = (Bit(bit), weight)
        else:
            self.add_bit(bit, weight, negative=True)

    def add(
        self, value: ValueLike, *, shift: int = 0, negative: bool = False, arrival: float = 0.0
    ) -> None:
        """Add ``value * 2**shift``, or subtract it if `negative`; signed if `value` is."""
        value = Value.cast(value)
        if isinstance(value, Const):
            self.add_constant((-value.value if negative else value.value) << shift)
            return
        top = len(value) - 1
        for k in range(len(value)):
            minus = negative != (value.shape().signed and k == top)
            self.add_bit(Bit(value[k], False, arrival), shift + k, negative=minus)

    def sum(self, m: Module, *, adder: str = "ripple") -> Value:
        """Add the logic to `m` and return the sum.

        Parameters
        ----------
        m : Module
            Where the adders go.
        adder : {"ripple", "brent_kung", "kogge_stone", "sklansky", "plus"}
            How the last two rows are added. "ripple" compresses each column to one bit before
            the next: the fewest adders. The others compress to two rows first.

        Returns
        -------
        Value
            Unsigned, `width` bits.
        """
        if adder == "ripple":
            return Cat(bit.value for bit in self._ripple(m))
        self._extend_sign()
        # A third bit of the lowest column is the adder's carry-in: as a bit of the heap it would
        # make a carry in every column above.
        column = self.columns[0]
        column.sort(key=lambda bit: bit.arrival)
        carry = column.pop() if len(column) == 3 and not self.constant & 1 else None
        first, second = _rows(m, self._greedy(m))
        return prefix_add(
            m, first, second, adder=adder, carry=None if carry is None else carry.value
        )

    def carry_save(self, m: Module) -> tuple[Value, Value]:
        """Add the compressor tree to `m` and return two numbers whose sum is the sum."""
        return _rows(m, self._dadda(m))

    def _ones(self) -> list[bool]:
        return [bool(self.constant >> k & 1) for k in range(self.width)]

    def _ripple(self, m: Module) -> list[Bit]:
        columns = [list(column) for column in self.columns]
        columns.append([])
        total: list[Bit] = []
        ones = self._ones()
        for k in range(self.width):
            column = columns[k]
            if self.sign is not None and self.sign[1] == k:
                dots = [column[0] for column in self.columns[k:]]
                carry = (column[1:] or [Bit(Const(0, 1))])[0]
                return [*total, *_add_sign(m, dots, carry, self.sign[0])]
            while len(column) > 1:
                column.sort(key=lambda bit: bit.arrival)
                if k == self.width - 1:
                    column[:3] = [self.target.parity(m, column[:3])]
                    continue
                if len(column) == 2:
                    bits = column[:2]
                    s, c = self.target.half_adder(m, bits, plus_one=ones[k])
                    ones[k] = False
                else:
                    bits = column[:3]
                    s, c = self.target.full_adder(m, bits)
                del column[: len(bits)]
                column.append(s)
                columns[k + 1].append(c)
            bit = column[0] if column else None
            if bit is not None and all(ones[k:]):
                # x - 1 = -(~x): what is left of the constant is the sign of what is below.
                sign = ~bit
                above = [list(column) for column in columns[k + 1 : self.width]]
                carries = above[0][len(self.columns[k + 1]) :] if above else []
                if len(carries) == 1 and all(len(c) == 1 for c in self.columns[k + 1 :]):
                    dots = [column[0] for column in self.columns[k + 1 :]]
                    return [*total, sign, *_add_sign(m, dots, carries[0], sign)]
                for column in columns[k + 1 : self.width]:
                    column.append(sign)
                ones[k:] = [False] * (self.width - k)
                bit = sign
            elif bit is not None and ones[k]:
                columns[k + 1].append(bit)
                bit = ~bit
            total.append(bit if bit is not None else Bit(Const(int(ones[k]), 1)))
        return total

    def _extend_sign(self) -> None:
        """Make the sign a bit of each column that it reaches, where they have room for it.

        As a constant and a bit it would make a carry in each of them.
        """
        if self.sign is not None and max(map(len, self.columns[self.sign[1] :])) < 2:
            bit, weight = self.sign
            self.sign = None
            for column in self.columns[weight:]:
                column.append(bit)

    def _compress(self, m: Module, bits: list[Bit]) -> tuple[Bit, Bit]:
        """Sum and carry of two or three bits, of which the first may be a constant one."""
        if not isinstance(bits[0].signal, Const):
            adder = self.target.full_adder if len(bits) == 3 else self.target.half_adder
            return adder(m, bits)
        if len(bits) == 3:
            return self.target.half_adder(m, bits[1:], plus_one=True)
        return ~bits[1], bits[1]

    def _with_ones(self) -> list[list[Bit]]:
        if self.sign is not None:
            bit, weight = self.sign
            self.sign = None
            self.add_constant(-(1 << weight))
            self.columns[weight].append(~bit)
        columns = [list(column) for column in self.columns]
        for column, ones in zip(columns, self._ones(), strict=True):
            if ones:
                column.append(Bit(Const(1, 1), False, -1.0))
        return columns

    def _greedy(self, m: Module) -> list[list[Bit]]:
        """Two bits a column, by as few adders as can be; a carry may ripple through them."""
        columns = [*self._with_ones(), []]
        for k in range(self.width):
            column = columns[k]
            while len(column) > 2:
                column.sort(key=lambda bit: bit.arrival)
                s, c = self._compress(m, column[:3])
                del column[:3]
                column.append(s)
                columns[k + 1].append(c)
        return columns[: self.width]

    def _dadda(self, m: Module) -> list[list[Bit]]:
        """Two bits a column, level by level: nothing ripples (Dadda, 1965)."""
        columns = self._with_ones()
        heights = [2]
        while heights[-1] < max(map(len, columns)):
            heights.append(heights[-1] * 3 // 2)
        for height in reversed(heights):
            carries: list[Bit] = []
            for k, column in enumerate(columns):
                column.sort(key=lambda bit: bit.arrival)
                carried, carries = carries, []
                while len(column) + len(carried) > height:
                    taken = column[: 2 if len(column) + len(carried) == height + 1 else 3]
                    del column[: len(taken)]
                    s, c = self._compress(m, taken)
                    carried.append(s)
                    carries.append(c)
                columns[k] = column + carried
        return columns


def _rows(m: Module, columns: list[list[Bit]]) -> tuple[Value, Value]:
    zero = Bit(Const(0, 1))
    padded = [[*column, zero, zero][:2] for column in columns]
    first, second = Signal(len(columns), name="row0"), Signal(len(columns), name="row1")
    m.d.comb += [
        first.eq(Cat(pair[0].value for pair in padded)),
        second.eq(Cat(pair[1].value for pair in padded)),
    ]
    return first, second


def _add_sign(m: Module, dots: list[Bit], carry: Bit, sign: Bit) -> list[Bit]:
    """Add a carry to a number and subtract a sign bit from it, both at its lowest bit.

    At most one of the two has an effect; `move` says which columns it reaches: it passes those
    that are 0 when it is a borrow, 1 when it is a carry.
    """
    move = Signal(name="move")
    m.d.comb += move.eq(carry.value ^ sign.value)
    total = []
    for k, dot in enumerate(dots):
        bit, after = Signal(name="s"), Signal(name="move")
        m.d.comb += bit.eq(dot.value ^ move)
        total.append(Bit(bit))
        if k < len(dots) - 1:
            m.d.comb += after.eq(move & (dot.value ^ sign.value))
            move = after
    return total
