"""Formula model: gates of a MAC counted on paper, in microseconds.

The model of the analysis of FP8 against INT8 by van Baalen et al. (arXiv 2303.17951): two-input
gates in a MAC with a fixed-point accumulator, stage by stage, from textbook circuits. It knows
nothing of what a synthesiser merges or shares, so its figures are labelled and never mixed with
measured ones; it serves to rank units before any is made.
"""

from typing import Any

from macwright.hw.errors import RefusedInput
from macwright.hw.formats import FloatFormat

__all__ = ["CELLS", "FAMILIES", "mac_gates", "unit_gates"]

#: Families that `unit_gates` covers.
FAMILIES = ("int_mac", "minifloat_mac")

#: Two-input gates in each cell: a full adder is two half adders and an OR, a flip-flop two
#: multiplexers.
CELLS = {"and": 1, "or": 1, "ao21": 2, "mux": 3, "xor": 3, "ha": 3, "fa": 7, "ff": 6}


def mac_gates(exp_bits: int, *, magnitude_bits: int = 7, spare_bits: int = 12) -> dict[str, int]:
    """Gates of each stage of a MAC whose operands have one format.

    Parameters
    ----------
    exp_bits : int
        Exponent bits of a minifloat, whose significand takes what is left; 0 for an integer.
    magnitude_bits : int
        Bits of the format without the sign: 7 for INT8 and FP8.
    spare_bits : int
        Bits of the accumulator above the widest product.

    Returns
    -------
    dict
        Two-input gates of `multiply`, `align_and_add` and `norm_and_accumulate`.

    Raises
    ------
    ValueError
        If the exponent leaves no bit for the significand.

    Examples
    --------
    >>> sum(mac_gates(0).values()), sum(mac_gates(4).values())
    (727, 1065)
    """
    if not 0 <= exp_bits <= magnitude_bits:
        raise RefusedInput(
            f"Exponent must have from 0 to {magnitude_bits} bits (the magnitude's), not {exp_bits}"
        )
    sig_bits = magnitude_bits - exp_bits + 2 if exp_bits else magnitude_bits + 1
    return _stages(
        sig_bits=(sig_bits, sig_bits),
        exp_bits=exp_bits,
        shift=2 * (2**exp_bits - 2) if exp_bits else 0,
        spare_bits=spare_bits,
        product_register=exp_bits > 0,
    )


def unit_gates(spec: Any) -> int:
    """Gates of a unit, two-input: the same model with the formats and accumulator of a spec.

    Operands may differ. Unlike the published MAC, a minifloat unit has a product register only
    with two pipeline stages; the first stage holds the operands.

    Parameters
    ----------
    spec : IntMacSpec or MinifloatMacSpec
        The unit, with a fixed-point accumulator.

    Raises
    ------
    ValueError
        If the formula does not cover the unit: other families, float accumulators.
    """
    if spec.family not in FAMILIES or isinstance(spec.acc, FloatFormat):
        raise RefusedInput(
            f"Unit must be one of {', '.join(FAMILIES)} with a fixed-point accumulator for the "
            f"formula, not {spec.name}"
        )
    sig_bits, exp_bits, shift = [], 0, 0
    for fmt in (spec.act, spec.weight):
        if isinstance(fmt, FloatFormat):
            # Sign and hidden bit count, as in the published model.
            sig_bits.append(fmt.man_bits + 2)
            exp_bits = max(exp_bits, fmt.exp_bits)
            shift += 2**fmt.exp_bits - 2
        else:
            sig_bits.append(fmt.width)
    product_bits = sum(sig_bits) - 1 + shift
    stages = _stages(
        sig_bits=(sig_bits[0], sig_bits[1]),
        exp_bits=exp_bits,
        shift=shift,
        spare_bits=max(spec.acc.width - product_bits, 0),
        product_register=spec.product_register,
    )
    operand_bits = (spec.act.width + spec.weight.width) * spec.operand_register
    return sum(stages.values()) + CELLS["ff"] * operand_bits


def _stages(
    *,
    sig_bits: tuple[int, int],
    exp_bits: int,
    shift: int,
    spare_bits: int,
    product_register: bool,
) -> dict[str, int]:
    product = sum(sig_bits) - 1
    width = product + shift
    multiply = sig_bits[0] * sig_bits[1] + _reduce(*sig_bits)
    align = _add(width)
    if exp_bits:
        multiply += _add(exp_bits)
        align += _shift(product, shift)
    if product_register:
        align += CELLS["ff"] * (product + (exp_bits + 1 if exp_bits else 0) + 1)
    return {
        "multiply": multiply,
        "align_and_add": align,
        "norm_and_accumulate": CELLS["ha"] * spare_bits + CELLS["ff"] * (width + spare_bits),
    }


def _add(bits: int) -> int:
    """Gates of an adder."""
    return (bits - 1) * CELLS["fa"] + CELLS["ha"]


def _reduce(columns: int, rows: int) -> int:
    """Gates that sum the partial products of a multiplier."""
    return (rows - 1) * ((columns - 1) * CELLS["fa"] + CELLS["ha"])


def _shift(bits: int, most: int) -> int:
    """Gates of a left shifter from `bits` bits by 0 to `most`, whose result is so much wider."""
    stages = most.bit_length()  # ceil(log2(most + 1))
    return (bits - 2) * stages * CELLS["mux"] + most * (CELLS["mux"] + CELLS["and"])
