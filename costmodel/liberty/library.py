"""Cell libraries: reading Liberty (NLDM) files into cells in ns, fF, fJ, nW and V.

The digest of a file is cached by the SHA-256 of its uncompressed content: JSON text and numbers,
read back in a few milliseconds.
"""

import codecs
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from macwright.costmodel.cache import Cache, content_key, modules_sha256
from macwright.costmodel.liberty import digest, logic, syntax, tables, units
from macwright.costmodel.liberty.cells import Arc, Cell, FlipFlop, Pin, PowerArc
from macwright.costmodel.liberty.digest import digest_library
from macwright.costmodel.liberty.lookup import TableData
from macwright.costmodel.liberty.syntax import LibertyError
from macwright.costmodel.npz import memory_limit
from macwright.hw.errors import RefusedInput

__all__ = ["Library", "LibraryFile", "read_liberty"]

#: Modules that the digest depends on.
_DIGESTING = tuple(module.__name__ for module in (digest, logic, syntax, tables, units))

#: Most bytes of a file, uncompressed: the largest published ones have some 100 MB.
LARGEST = 1 << 29

_CHUNK = 1 << 20


@dataclass(frozen=True)
class LibraryFile:
    """What one of the files of a library holds.

    Parameters
    ----------
    time_ns, load_ff : float
        Its units of time and capacitance.
    cell_names : tuple of str
        Its cells, in order.
    """

    time_ns: float
    load_ff: float
    cell_names: tuple[str, ...]


@dataclass
class Library:
    """Cells of one technology, from one file or several read together.

    Parameters
    ----------
    name : str
        Of the first file.
    voltage_v : float
        Supply.
    temperature_c : float or None
        Of the figures, if stated.
    sources : list of (str, str)
        File name and SHA-256 of the uncompressed content of each file.
    files : list of LibraryFile
        Of each file, in the same order.
    left_out : dict of str to str
        Cells whose figures are not modelled, such as tables of three axes, and why.
    """

    name: str
    voltage_v: float
    sources: list[tuple[str, str]]
    _records: dict[str, tuple[str, NDArray[np.float64]]]
    _wire_loads: list[tuple[float, dict[str, list[float]]]]
    _cells: dict[str, Cell] = field(default_factory=dict)
    temperature_c: float | None = None
    files: list[LibraryFile] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, cells: Mapping[str, Cell]) -> Self:
        """Library of cells that no file describes: no supply voltage, no wires."""
        return cls(name, 0.0, [], {}, [], dict(cells))

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
            if name in self.left_out:
                raise KeyError(f"Cell {name} must not be used: {self.left_out[name]}")
            if name not in self._records:
                raise KeyError(f"Cell must be one of library {self.name}, not {name!r}")
            text, numbers = self._records[name]
            self._cells[name] = _cell(name, json.loads(text), numbers)
        return self._cells[name]

    def wire_capacitance_ff(
        self, fanout: NDArray[np.int64], area: float = 0.0
    ) -> NDArray[np.float64]:
        """Capacitance of a net's wire by the library's default wire-load model.

        Parameters
        ----------
        fanout : ndarray of int64, shape (n,)
            Pins that each net drives.
        area : float
            Of the design, in the library's unit, by which some libraries choose the model.

        Returns
        -------
        ndarray of float64, shape (n,)
            fF; zero where the library states no wire-load model.
        """
        if not self._wire_loads:
            return np.zeros(len(fanout))
        fitting = (model for top, model in self._wire_loads if area < top)
        model = next(fitting, self._wire_loads[-1][1])
        fanouts, loads, slope = (model[k] for k in ("fanout", "cap", "slope"))
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
        raise RefusedInput("Liberty files must be at least one, not none")
    library: Library | None = None
    for done, path in enumerate(paths):
        _check_name(path)
        content = _content(path)
        sha = hashlib.sha256(content).hexdigest()
        header, records, numbers = _digest(path, content, sha)
        if library is None:
            library = Library(header["name"], header["voltage_v"], [], {}, header["wire_loads"])
            library.temperature_c = header["temperature_c"]
        _add(library, path.name, sha, header, {n: (text, numbers) for n, text in records.items()})
        if progress:
            progress("liberty", done + 1, len(paths))
    assert library is not None  # for the type checker: there is at least one path
    return library


def _add(
    library: Library,
    file: str,
    sha: str,
    header: Mapping[str, Any],
    records: Mapping[str, tuple[str, NDArray[np.float64]]],
) -> None:
    """Put the cells of a file into a library."""
    for what, unit, given, first in (
        ("supply", "V", header["voltage_v"], library.voltage_v),
        ("temperature", "degrees", header["temperature_c"], library.temperature_c),
    ):
        if given != first:
            raise LibertyError(
                f"{file}:1: the {what} must be {first} {unit} as in "
                f"{library.sources[0][0]}, not {given} {unit}"
            )
    library.sources.append((file, sha))
    library.files.append(LibraryFile(header["time_ns"], header["load_ff"], tuple(records)))
    for name in (*records, *header["left_out"]):
        if name in library._records or name in library.left_out:
            raise LibertyError(
                f"{file}:1: cell {name[:60]} must be in one file, not also in an earlier one"
            )
    library._records.update(records)
    library.left_out.update(header["left_out"])


def _check_name(path: Path) -> None:
    """Refuse names that no record could hold on one line."""
    if not path.name.isprintable() or '"' in path.name:
        raise RefusedInput(
            f"Liberty file must have a name without quotes and control characters, "
            f"not {path.name!r}; rename it"
        )


def _content(path: Path) -> bytes:
    """Uncompressed content of a file."""
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        reader: Any = gzip.GzipFile(fileobj=stream) if zipped else stream
        parts, size, most = [], 0, min(LARGEST, memory_limit())
        try:
            while part := reader.read(_CHUNK):
                parts.append(part)
                size += len(part)
                if size > most:
                    raise LibertyError(
                        f"{path.name}:1: the file must have at most {most / 1e6:.0f} MB of text; "
                        "leave out what timing and power by tables do not need"
                    )
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise LibertyError(
                f"{path.name}:1: the file must be whole gzip data ({error})"
            ) from None
    return b"".join(parts)


def _text(name: str, content: bytes) -> str:
    """Text of a file, whatever mark of its encoding it begins with."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as error:
            raise LibertyError(f"{name}:1: the file must be whole UTF-16 text ({error})") from None
    # What is no UTF-8 can only be in comments and strings that nothing reads.
    return content.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")


def _digest(
    path: Path, content: bytes, sha: str
) -> tuple[dict[str, Any], dict[str, str], NDArray[np.float64]]:
    """Header, JSON text of each cell, and numbers of all tables; from the cache if it is there."""
    cache = Cache("liberty")
    key = content_key(sha256=sha, code=modules_sha256(*_DIGESTING))
    raw = cache.get_bytes(key)
    if raw is None:
        header, cells, numbers = digest_library(path.name, _text(path.name, content))
        header["cells"] = list(cells)
        records = [json.dumps(cell, separators=(",", ":")) for cell in cells.values()]
        text = "\n".join([json.dumps(header), *records]).encode()
        raw = len(text).to_bytes(8, "little") + text + numbers.astype("<f8").tobytes()
        cache.put_bytes(key, raw)
    end = 8 + int.from_bytes(raw[:8], "little")
    head, *lines = raw[8:end].decode().split("\n")
    header = json.loads(head)
    return (
        header,
        dict(zip(header["cells"], lines, strict=True)),
        np.frombuffer(raw[end:], dtype="<f8").astype(np.float64),
    )


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
        record["dont_use"],
    )
