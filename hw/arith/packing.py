"""Several products that share a factor in one multiplication, for the hard multipliers of FPGAs.

The word ``sum(w[i] << (i * spacing))`` times `a` holds every ``a * w[i]`` in a field of its own.
What lies below a field is too small to change it, but for its sign: below zero, it borrows one.
So ``product[i] = field[i] + (most significant bit of the field below)``, exactly, and that bit is
a carry into the adder that the field goes to: no table and no other adder. (The scheme of Xilinx'
WP486, "Deep Learning with INT8 Optimization", with its correction moved into the accumulator.)
"""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from macwright.hw.arith.hard_multipliers import MULTIPLIER_CELLS
from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput

__all__ = ["Packing"]


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How products that share a factor are laid out in one.

    Parameters
    ----------
    act, weight : (int, int)
        Smallest and largest value of the shared factor and of the others.
    products : int
        How many there are, at least 1.

    Examples
    --------
    Two products of 8 x 4 bits, and three of 4 x 4 without the weight -8, in 18 x 18 bits:

    >>> two = Packing(act=(-128, 127), weight=(-8, 7), products=2)
    >>> two.spacing, two.word_width
    (12, 17)
    >>> three = Packing(act=(-8, 7), weight=(-7, 7), products=3)
    >>> three.spacing, three.word_width
    (7, 18)
    """

    act: tuple[int, int]
    weight: tuple[int, int]
    products: int

    @property
    def product_range(self) -> tuple[int, int]:
        """Smallest and largest product."""
        ends = [a * w for a in self.act for w in self.weight]
        return min(ends), max(ends)

    @property
    def spacing(self) -> int:
        """Bits from one field to the next, as few as can be.

        A field is a number of that width, signed if products are. Those with a field above and
        one below must hold a product less the borrow.
        """
        low, high = self.product_range
        if low >= 0:
            return max(1, high.bit_length())
        return range_width(low - (self.products > 2), high)

    @property
    def word_width(self) -> int:
        """Bits of the word that holds the weights, a signed number."""
        low, high = (
            sum(end << (i * self.spacing) for i in range(self.products)) for end in self.weight
        )
        return range_width(low, high)

    @property
    def act_width(self) -> int:
        """Bits of the shared factor as a signed number."""
        return range_width(*self.act)

    def check_cell(self, technology: str) -> None:
        """Refuse what needs more than one hard multiplier.

        Raises
        ------
        ValueError
            If word and factor do not fit the cell of that technology.
        """
        cell, wide, narrow = MULTIPLIER_CELLS[technology]
        if self.word_width > wide or self.act_width > narrow:
            raise RefusedInput(
                f"{self.products} packed products must fit the {wide} x {narrow} bits of one "
                f"{cell} of {technology}, not take {self.word_width} x {self.act_width}"
            )

    def pack(self, m: Module, weights: list[Value]) -> Signal:
        """Word of the weights, the first in the lowest bits; some gates, no adder.

        A weight above a negative one is less by one: its bits that have only zeros below flip.
        """
        low, high = self.weight
        borrow: Value = Const(0, 1)
        bits: list[Value] = []
        for i, weight in enumerate(weights):
            top = weight[-1] if weight.shape().signed else Const(0, 1)
            count = range_width(low - (i > 0 and low < 0), high)
            wide = [weight[k] if k < len(weight) else top for k in range(count)]
            digit, flip = Signal(count, name=f"digit_{i}"), borrow
            for k, bit in enumerate(wide):
                m.d.comb += digit[k].eq(bit ^ flip)
                flip = flip & ~bit
            borrow = digit[-1]
            room = self.spacing if i < self.products - 1 else self.word_width - len(bits)
            bits += [digit[k] if k < count else borrow for k in range(room)]
        word = Signal(signed(self.word_width), name="word")
        m.d.comb += word.eq(Cat(*bits))
        return word

    def multiply(self, m: Module, word: Value, a: Value) -> Signal:
        """Word of the products, left to the synthesiser.

        The kept wire keeps the multiplication apart from the additions behind it.
        """
        low, high = self.product_range
        ends = [sum(end << (i * self.spacing) for i in range(self.products)) for end in (low, high)]
        product = Signal(signed(range_width(*ends)), name="product", attrs={"keep": 1})
        m.d.comb += product.eq(word * a)
        return product

    def split(self, product: Value) -> list[tuple[Value, Value | None]]:
        """Field of each product, and the carry bit that is still to be added to it, if any."""
        negative = self.product_range[0] < 0
        fields: list[tuple[Value, Value | None]] = []
        for i in range(self.products):
            start = i * self.spacing
            end = start + self.spacing if i < self.products - 1 else len(product)
            field = product[start:end]
            carry = product[start - 1] if negative and i else None
            fields.append((field.as_signed() if negative else field, carry))
        return fields
