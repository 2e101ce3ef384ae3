"""Units on disk: Verilog, manifest and bench."""

from pathlib import Path
from typing import Any

from macwright.hw.pe.spec import UnitSpec
from macwright.sim.generate import write_unit

__all__ = ["generate"]


def generate(spec: UnitSpec, folder: Path | str) -> dict[str, Any]:
    """Write the Verilog of a unit, its manifest and its cocotb bench.

    Parameters
    ----------
    spec : UnitSpec
        Unit to generate.
    folder : path
        Where the files go; made if absent.

    Returns
    -------
    dict
        The manifest: `top`, `verilog`, `spec`, `ports`, `latency` (clock cycles),
        `macs_per_cycle`, `bench` and the version.

    Raises
    ------
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> import macwright, tempfile
    >>> spec = macwright.IntMacSpec(weight=macwright.IntFormat(4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manifest = macwright.generate(spec, folder)
    >>> manifest["verilog"]["file"], [port["name"] for port in manifest["ports"]]
    ('int_mac_int8_int4_int32.v', ['clk', 'a', 'w', 'clear', 'acc'])
    """
    return write_unit(spec, Path(folder))
