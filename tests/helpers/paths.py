"""Where things are."""

from pathlib import Path

__all__ = ["ROOT", "SHARED", "SMALL_LIBERTY"]

#: The checkout.
ROOT = Path(__file__).resolve().parents[2]
#: Reference cases, trained networks and cell libraries; tests that need them skip where absent.
SHARED = ROOT.parent / "shared"
#: A library of a few cells.
SMALL_LIBERTY = ROOT / "tests" / "costmodel" / "small.lib"
