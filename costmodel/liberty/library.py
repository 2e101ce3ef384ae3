"""Cell libraries: reading Liberty (NLDM) files into cells in ns, fF, fJ, nW and V.

The digest of a file is cached by the SHA-256 of its uncompressed content: a NumPy archive of
JSON text and numbers (no pickle), read back in a few milliseconds.
"""

import gzip
import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.cache import cache_dir
from macwright.costmodel.liberty.cells import Arc, Cell, FlipFlop, Pin, PowerArc
from macwright.costmodel.liberty.digest import digest_library
from macwright.costmodel.liberty.lookup import TableData
from macwright.costmodel.liberty.syntax import LibertyError
from macwright.hw.files import write_atomic

__all__ = ["Library", "read_liberty"]

#: Changes when the digest does, so that old cache files are not read.
_VERSION = 1


@dataclass
class Library:
    """Cells of one technology, from one file or several read together.

    Parameters
    ----------
    name : str
        Of the first file.
    voltage_v : float
        Supply.
    sources : list of (str, str)
        File name and SHA-256 of the uncompressed content of each file.
    """

    name: str
    voltage_v: float
    sources: list[tuple[str, str]]
    _records: dict[str, tuple[str, NDArray[np.float64]]]
    _wire_load_ff: dict[str, list[float]]
    _cells: dict[str, Cell] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, cells: Mapping[str, Cell]) -> Self:
        """Library of cells that no file describes: no supply voltage, no wires."""
        return cls(name, 0.0, [], {}, {"fanout": [], "cap": [], "slope": []}, dict(cells))

    @property
    def cell_names(self) -> list[str]:
        """Names of all cells."""
        return list(self._records)

    def cell(self, name: str) -> Cell:
        """Return a cell.

        Raises
        ------
        KeyError
            If the library has no cell of that name.
        """
        if name not in self._cells:
            if name not in self._records:
                raise KeyError(f"Cell must be one of library {self.name}, not {name!r}")
            text, numbers = self._records[name]
            self._cells[name] = _cell(name, json.loads(text), numbers)
        return self._cells[name]

    def wire_capacitance_ff(self, fanout: NDArray[np.int64]) -> NDArray[np.float64]:
        """Capacitance of a net's wire by the library's default wire-load model.

        Parameters
        ----------
        fanout : ndarray of int64, shape (n,)
            Pins that each net drives.

        Returns
        -------
        ndarray of float64, shape (n,)
            fF; zero where the library states no wire-load model.
        """
        fanouts, loads, slope = (self._wire_load_ff[k] for k in ("fanout", "cap", "slope"))
        if not fanouts:
            return np.zeros(len(fanout))
        last = np.maximum(fanout - fanouts[-1], 0) * slope[0]
        wires = np.interp(fanout, [0, *fanouts], [0, *loads]) + last
        return np.where(fanout > 0, wires, 0.0)


def read_liberty(
    paths: Iterable[str | Path],
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> Library:
    """Read Liberty files (`.lib` or `.lib.gz`) as one library.

    Parameters
    ----------
    paths : iterable of path
        Files of one technology: the cells are put together.
    progress : callable, optional
        Called as ``progress(stage, done, total)`` for each file.

    Returns
    -------
    Library

    Raises
    ------
    LibertyError
        If a file is not Liberty, is truncated, or contradicts another; names file and line.
    OSError
        If a file cannot be read.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise ValueError("Liberty files must be at least one, not none")
    library: Library | None = None
    for done, path in enumerate(paths):
        content = _content(path)
        sha = hashlib.sha256(content).hexdigest()
        header, records, numbers = _digest(path, content, sha)
        if library is None:
            library = Library(header["name"], header["voltage_v"], [], {}, header["wire_load_ff"])
        if header["voltage_v"] != library.voltage_v:
            raise LibertyError(
                f"{path.name}:1: the supply must be {library.voltage_v} V as in "
                f"{library.sources[0][0]}, not {header['voltage_v']} V"
            )
        library.sources.append((path.name, sha))
        for name, text in records.items():
            if name in library._records:
                raise LibertyError(
                    f"{path.name}:1: cell {name} must be in one file, not also in an earlier one"
                )
            library._records[name] = (text, numbers)
        if progress:
            progress("liberty", done + 1, len(paths))
    assert library is not None  # for the type checker: there is at least one path
    return library


def _content(path: Path) -> bytes:
    """Uncompressed content of a file."""
    raw = path.read_bytes()
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LibertyError(f"{path.name}:1: the file must be whole gzip data ({error})") from None


def _digest(
    path: Path, content: bytes, sha: str
) -> tuple[dict[str, Any], dict[str, str], NDArray[np.float64]]:
    """Header, JSON text of each cell, and numbers of all tables; from the cache if it is there."""
    cached = cache_dir() / "liberty" / f"{sha}-{_VERSION}.npz"
    try:
        with np.load(io.BytesIO(cached.read_bytes()), allow_pickle=False) as data:
            lines = data["text"].tobytes().decode().split("\n")
            numbers = data["numbers"]
        header = json.loads(lines[0])
        if len(header["cells"]) == len(lines) - 1:
            return header, dict(zip(header["cells"], lines[1:], strict=True)), numbers
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # absent or damaged: read the file itself
    header, cells, numbers = digest_library(path.name, content.decode("utf-8", "replace"))
    header["cells"] = list(cells)
    records = {name: json.dumps(cell, separators=(",", ":")) for name, cell in cells.items()}
    text = "\n".join([json.dumps(header), *records.values()])
    archive = io.BytesIO()
    np.savez(archive, text=np.frombuffer(text.encode(), dtype=np.uint8), numbers=numbers)
    try:
        write_atomic(cached, archive.getvalue())
    except OSError:
        pass  # a cache that cannot be written costs time, not the result
    return header, records, numbers


def _table(place: list[int] | None, numbers: NDArray[np.float64]) -> TableData | None:
    if place is None:
        return None
    start, r, c = place
    rows = numbers[start : start + r]
    columns = numbers[start + r : start + r + c]
    values = numbers[start + r + c : start + r + c + r * c].reshape(r, c)
    return TableData(rows, columns, values)


def _cell(name: str, record: dict[str, Any], numbers: NDArray[np.float64]) -> Cell:
    pins = {}
    for pin, data in record["pins"].items():
        arcs = tuple(Arc(*a[:4], *(_table(t, numbers) for t in a[4:])) for a in data["arcs"])
        power = tuple(PowerArc(*p[:3], *(_table(t, numbers) for t in p[3:])) for p in data["power"])
        rise, fall = data["capacitance_ff"]
        pins[pin] = Pin(
            pin, data["direction"], (rise, fall), data["function"], data["three_state"], arcs, power
        )
    return Cell(
        name,
        record["area"],
        pins,
        FlipFlop(**record["ff"]) if record["ff"] else None,
        record["other_state"],
        tuple((value, when) for value, when in record["leakage"]),
        record["cell_leakage_nw"],
    )
