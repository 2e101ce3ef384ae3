"""What constants of a machine are made of on a family of FPGAs."""

from math import ceil

__all__ = ["constant_style"]

#: Words and bits of a word of an iCE40 block RAM, by mode (Lattice FPGA-TN-02002, table 1).
_MODES = ((256, 16), (512, 8), (1024, 4), (2048, 2))
#: Bits of constants that a block RAM of iCE40 is worth. A UP5K has 176 look-up tables of 16 bits
#: for each of its block RAMs and an HX8K 240, and constants in look-up tables need multiplexers.
_WORTH = 3000


def constant_style(family: str, words: int, bits: int) -> str:
    """What a synthesiser is to make of constants: ``"block"`` RAM or ``"logic"``.

    On ECP5 as Yosys likes (``"auto"``). On iCE40 it makes block RAM of nearly everything, and
    machines of one array have too many small constants for that.

    Parameters
    ----------
    family : {"ecp5", "ice40"}
        Family.
    words, bits : int
        How many there are, and the bits of each.

    Examples
    --------
    >>> constant_style("ice40", 256, 8), constant_style("ice40", 12912, 6)
    ('logic', 'block')
    """
    if family != "ice40":
        return "auto"
    blocks = min(ceil(words / deep) * ceil(bits / wide) for deep, wide in _MODES)
    return "block" if words * bits >= _WORTH * blocks else "logic"
