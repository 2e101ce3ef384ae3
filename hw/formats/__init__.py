"""Number formats: what a code word of so many bits stands for.

This package is the bottom of the dependency order (hw < sim < costmodel < dse) and needs only
NumPy, so that the cost model and the explorer can use it cheaply.
"""

from macwright.hw.formats.base import Format
from macwright.hw.formats.block import BlockCodes, BlockFormat
from macwright.hw.formats.integer import BinaryFormat, IntFormat, TernaryFormat
from macwright.hw.formats.minifloat import FloatFormat
from macwright.hw.formats.names import ALIASES, FORMAT_NAMES, aliases, parse_format
from macwright.hw.formats.power import ApotFormat, PotFormat
from macwright.hw.formats.scaled import E8M0Format, FixedFormat

__all__ = [
    "ALIASES",
    "FORMAT_NAMES",
    "ApotFormat",
    "BinaryFormat",
    "BlockCodes",
    "BlockFormat",
    "E8M0Format",
    "FixedFormat",
    "FloatFormat",
    "Format",
    "IntFormat",
    "PotFormat",
    "TernaryFormat",
    "aliases",
    "parse_format",
]
