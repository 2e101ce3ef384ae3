"""Widths of numbers."""

__all__ = ["range_width"]


def range_width(low: int, high: int) -> int:
    """Bits of the smallest two's complement number that holds both."""
    return max((~low if low < 0 else low).bit_length(), high.bit_length()) + 1
