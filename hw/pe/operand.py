"""Operand formats as hardware sees them: port shapes, grids, products and their ranges."""

from typing import Any

from amaranth.hdl import Shape, signed, unsigned

from macwright.hw.arith.widths import range_width
from macwright.hw.errors import RefusedInput, RefusedType
from macwright.hw.formats import BinaryFormat, FloatFormat, Format, IntFormat, TernaryFormat

__all__ = [
    "check_operand",
    "grid_ends",
    "has_specials",
    "is_integer",
    "lsb_exponent",
    "operand_shape",
    "product_range",
    "resolve_acc",
    "safe_terms",
]


def is_integer(fmt: object) -> bool:
    """Whether a format's values are integers: int, uint, binary or ternary."""
    return isinstance(fmt, IntFormat | BinaryFormat | TernaryFormat)


def has_specials(fmt: object) -> bool:
    """Whether some codes of a format are NaN or infinity."""
    return isinstance(fmt, FloatFormat) and fmt.specials != "none"


def check_operand(fmt: Format, *, role: str, unit: str, floats: bool) -> None:
    """Refuse formats that the operand of a MAC cannot have.

    Parameters
    ----------
    fmt : Format
        Format of the operand.
    role, unit : str
        For the message: "act" or "weight", and the family.
    floats : bool
        Whether minifloats are allowed.
    """
    if not is_integer(fmt) and not (floats and isinstance(fmt, FloatFormat)):
        kinds = "an integer, binary or ternary format" + (" or a minifloat" if floats else "")
        raise RefusedType(f"{unit} {role} format must be {kinds}, not {fmt}")
    if not 1 <= fmt.width <= 16:
        raise RefusedInput(f"{unit} {role} format must have 1 to 16 bits, not {fmt}")


def operand_shape(fmt: Format) -> Shape:
    """Shape of an operand port: integers as numbers, binary and minifloats as raw codes."""
    if isinstance(fmt, IntFormat):
        return Shape(fmt.width, fmt.signed)
    return signed(2) if isinstance(fmt, TernaryFormat) else unsigned(fmt.width)


def lsb_exponent(fmt: Format) -> int:
    """Exponent `k` such that every finite value of a format is an integer times ``2**k``."""
    return 1 - fmt.bias - fmt.man_bits if isinstance(fmt, FloatFormat) else 0


def product_range(act: Format, weight: Format) -> tuple[int, int]:
    """Smallest and largest product, as multiples of ``2**(lsb_exponent of both)``."""
    products = [a * w for a in grid_ends(act) for w in grid_ends(weight)]
    return min(products), max(products)


def grid_ends(fmt: Format) -> tuple[int, int]:
    """Smallest and largest finite value, as multiples of ``2**lsb_exponent(fmt)``."""
    if not isinstance(fmt, FloatFormat):
        return int(fmt.min), int(fmt.max)
    exponent, fraction = divmod(fmt.max_code, 1 << fmt.man_bits)
    hidden = int(exponent > 0) << fmt.man_bits
    most = (hidden + fraction) << (max(exponent, 1) - 1)
    return -most, most


def _exact_acc(products: tuple[int, int], *, terms: int) -> IntFormat:
    """Narrowest accumulator for so many products of a range."""
    if type(terms) is not int or terms < 1:
        raise RefusedInput(f"Number of terms must be an integer of at least 1, not {terms!r}")
    width = range_width(terms * products[0], terms * products[1])
    if width > 64:
        raise RefusedInput(
            f"Number of terms must be small enough for a 64-bit accumulator, not {terms}"
        )
    return IntFormat(width)


def resolve_acc(
    spec: Any, terms: int | None, *, sums: tuple[int, int], what: str, signed: bool
) -> None:
    """Replace the accumulator None ("exact") of a spec that is being made, or check the one given.

    Parameters
    ----------
    spec : unit spec
        With `family`, `acc` and `safe_terms`.
    terms : int or None
        Products that an exact accumulator must hold, 1024 if None.
    sums : (int, int)
        Smallest and largest number that a cycle adds.
    what : str
        What that is, for the message.
    signed : bool
        Whether the accumulator must be signed.
    """
    if spec.acc is None:
        acc = _exact_acc(sums, terms=1024 if terms is None else terms)
        object.__setattr__(spec, "acc", acc)
    elif terms is not None:
        raise RefusedInput(f"Number of terms must come with accumulator exact, not {spec.acc}")
    if not isinstance(spec.acc, IntFormat) or (signed and not spec.acc.signed):
        kind = "a signed integer" if signed else "an integer"
        raise RefusedType(f"{spec.family} accumulator must be {kind} format, not {spec.acc}")
    if spec.safe_terms < 1:
        raise RefusedInput(
            f"{spec.family} accumulator must hold {what} (from {sums[0]} to {sums[1]}), "
            f"not {spec.acc}"
        )


def safe_terms(products: tuple[int, int], acc: tuple[int, int]) -> int:
    """Number of products of a range whose every partial sum stays in the accumulator's range."""
    (low, high), (least, most) = products, acc
    counts = [most // high] if high > 0 else []
    counts += [-least // -low] if low < 0 else []
    return min(counts)
