"""Conformance: what every format and every unit must keep, to be called from a user's own tests."""

from macwright.testing.formats import check_format
from macwright.testing.report import Conformance, ConformanceError
from macwright.testing.units import check_unit

__all__ = ["Conformance", "ConformanceError", "check_format", "check_unit"]
