"""Conformance: what every format and every unit must keep."""
