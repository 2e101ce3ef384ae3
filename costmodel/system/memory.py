"""Memories and movement: energy of an access, area and leakage.

SRAM figures are interpolated in a table that CACTI 7 made, or are those of the macros of a real
130 nm process; DRAM is a constant for each kind. Sources stand in the tables and beside the
constants; scaling to another technology is an assumption and is called one in `Sram.source`.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput

__all__ = ["DRAM_PJ_PER_BIT", "Sram", "dram_energy_pj", "ihp_sram", "sram"]

#: Energy of a bit read or written, device and interface, as the library hwcomponents quotes it.
DRAM_PJ_PER_BIT = {"lpddr4": 8.0, "ddr3": 70.0, "hbm2": 6.25, "hbm3": 4.05}

_FIGURES = ("read_pj", "write_pj", "leakage_mw", "access_ns", "area_mm2")
#: Technology nodes of the table, and those that it may be scaled to, nm.
_NODES, _NODE_RANGE = (22.0, 45.0), (7.0, 180.0)


@dataclass(frozen=True, kw_only=True)
class Sram:
    """Figures of a memory.

    Parameters
    ----------
    bits : int
        Bits of an access.
    read_pj, write_pj : float
        Energy of an access of `bits`, pJ.
    area_mm2 : float
    leakage_mw, access_ns : float or None
        None where the source does not state them.
    source : str
        Where the figures come from, and what was assumed.
    """

    bits: int
    read_pj: float
    write_pj: float
    area_mm2: float
    leakage_mw: float | None
    access_ns: float | None
    source: str

    @property
    def read_pj_per_bit(self) -> float:
        """Energy of a bit that is read, pJ."""
        return self.read_pj / self.bits

    @property
    def write_pj_per_bit(self) -> float:
        """Energy of a bit that is written, pJ."""
        return self.write_pj / self.bits


def sram(*, kib: float, bits: int, node_nm: float = 45.0, cell: str = "itrs-hp") -> Sram:
    """Figures of an SRAM with one port, interpolated in the table of CACTI 7.

    Logarithms are interpolated linearly over those of size and width. The figures of 45 and 22 nm
    are joined by a power of the node, which is an assumption for any other node.

    Parameters
    ----------
    kib : float
        Capacity, 1 to 1024 KiB.
    bits : int
        Bits of an access, 32 to 256.
    node_nm : float
        Technology node, 7 to 180 nm.
    cell : {"itrs-hp", "itrs-lop"}
        Transistors for high performance, or for low operating power.

    Raises
    ------
    ValueError
        If a parameter is out of the table.

    Examples
    --------
    >>> sram(kib=64, bits=64, node_nm=22).read_pj
    4.6885
    """
    tables = _cacti()
    if cell not in tables:
        raise RefusedInput(f"SRAM cell must be one of {', '.join(tables)}, not {cell!r}")
    sizes, widths, figures = tables[cell]
    for name, value, (low, high) in (
        ("SRAM capacity in KiB", kib, (sizes[0], sizes[-1])),
        ("SRAM width in bits", bits, (widths[0], widths[-1])),
        ("Technology node in nm", node_nm, _NODE_RANGE),
    ):
        if not low <= value <= high:
            raise RefusedInput(f"{name} must be from {low:g} to {high:g}, not {value!r}")
    logs = np.log(figures)
    row, column = _place(sizes, kib), _place(widths, bits)
    rows = logs[:, row[0]] * (1 - row[1]) + logs[:, row[0] + 1] * row[1]
    small, large = rows[:, column[0]] * (1 - column[1]) + rows[:, column[0] + 1] * column[1]
    part = np.log(node_nm / _NODES[0]) / np.log(_NODES[1] / _NODES[0])
    values = np.exp(small * (1 - part) + large * part)
    source = f"CACTI 7, {cell}, {node_nm:g} nm"
    if node_nm not in _NODES:
        source += " (assumed: a power of the node through 22 and 45 nm)"
    names = zip(_FIGURES, (float(f"{figure:.6g}") for figure in values), strict=True)
    return Sram(bits=bits, source=source, **dict(names))


def ihp_sram(*, words: int, bits: int) -> Sram:
    """Figures of a memory made of IHP SG13G2 macros of one kind, the one of least area.

    Macros side by side are all accessed; of those stacked, one. Multiplexers between them and
    leakage, which the macros' files do not state, are left out.

    Parameters
    ----------
    words, bits : int
        Capacity; at least 1.

    Raises
    ------
    ValueError
        If a number is below 1.
    """
    if words < 1 or bits < 1:
        raise RefusedInput(f"Memory must have at least one word of one bit, not {words} of {bits}")
    rows = _read("ihp_sg13g2_sram.csv")
    beside = -(-bits // rows["bits"])
    count = beside * -(-words // rows["words"])
    best = (count * rows["area_um2"]).idxmin()
    macro = rows.loc[best]
    return Sram(
        bits=bits,
        read_pj=float(beside[best] * macro["read_pj"]),
        write_pj=float(beside[best] * macro["write_pj"]),
        area_mm2=float(count[best] * macro["area_um2"] * 1e-6),
        leakage_mw=None,
        access_ns=None,
        source=f"IHP SG13G2, {count[best]} macros {macro['macro']}",
    )


def dram_energy_pj(bits: float, *, kind: str = "lpddr4") -> float:
    """Energy of bits moved from or to DRAM, pJ.

    Raises
    ------
    ValueError
        If there is no such kind, or the number of bits is negative.

    Examples
    --------
    >>> dram_energy_pj(64, kind="hbm2")
    400.0
    """
    if kind not in DRAM_PJ_PER_BIT:
        raise RefusedInput(f"DRAM must be one of {', '.join(DRAM_PJ_PER_BIT)}, not {kind!r}")
    if not bits >= 0:
        raise RefusedInput(f"Number of bits must be at least 0, not {bits!r}")
    return bits * DRAM_PJ_PER_BIT[kind]


def _place(axis: NDArray[np.float64], value: float) -> tuple[int, float]:
    """Interval of a value and how far into it, in logarithms."""
    index = int(np.clip(np.searchsorted(axis, value, side="right") - 1, 0, len(axis) - 2))
    return index, float(np.log(value / axis[index]) / np.log(axis[index + 1] / axis[index]))


def _read(name: str) -> pd.DataFrame:
    text = (
        files("macwright.costmodel.system")
        .joinpath("memory_data", name)
        .read_text(encoding="utf-8")
    )
    return pd.read_csv(StringIO(text), comment="#")


@cache
def _cacti() -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Sizes, widths and figures of each cell, shape (n_nodes, n_sizes, n_widths, n_figures)."""
    rows = _read("cacti_sram.csv")
    tables = {}
    for cell, part in rows.groupby("cell"):
        part = part.sort_values(["node_nm", "kib", "bits"])
        sizes, widths = (np.unique(part[name]).astype(float) for name in ("kib", "bits"))
        figures = part[list(_FIGURES)].to_numpy(dtype=float)
        shape = (len(_NODES), len(sizes), len(widths), len(_FIGURES))
        tables[str(cell)] = (sizes, widths, figures.reshape(shape))
    return tables
