"""Number formats: what a code word of so many bits stands for.

This package is the bottom of the dependency order (hw < sim < costmodel < dse) and needs only
NumPy, so that the cost model and the explorer can use it cheaply.
"""

from macwright.hw.formats.base import Format
from macwright.hw.formats.integer import BinaryFormat, IntFormat, TernaryFormat
from macwright.hw.formats.minifloat import FloatFormat
from macwright.hw.formats.names import parse_format

__all__ = [
    "BinaryFormat",
    "FloatFormat",
    "Format",
    "IntFormat",
    "TernaryFormat",
    "parse_format",
]
