"""Where things are."""

from pathlib import Path

__all__ = ["ROOT", "SHARED", "SMALL_LIBERTY", "module_name"]

#: The checkout.
ROOT = Path(__file__).resolve().parents[2]
#: Reference cases, trained networks and cell libraries; tests that need them skip where absent.
SHARED = ROOT.parent / "shared"
#: A library of a few cells.
SMALL_LIBERTY = ROOT / "tests" / "costmodel" / "small.lib"


def module_name(path: Path) -> str:
    """Import name of a file of ours; `dse/public` is the folder of `macwright` itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[2:] if parts[:2] == ("dse", "public") else parts
    return ".".join(("macwright", *parts)).removesuffix(".__init__")
