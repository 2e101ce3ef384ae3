"""The folder that a run leaves behind."""

import csv
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.dse.csv_file import as_text
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic
from macwright.sim.owned import scratch_folder

__all__ = ["check_writable", "csv_text", "json_text", "only_writer", "write_run"]

#: Tables that not every run has.
SOMETIMES = ("uniform.csv", "sequential.csv", "pairs.csv", "ranking.csv", "whole_front.csv")
_ALWAYS = ("layers.csv", "sensitivity.csv", "options.csv", "costs.csv", "front.csv", "report.html")

#: Held while a run is written; what a run that was killed leaves of it says whose folder it is.
_LOCK = ".macwright-writes"


def check_writable(folder: Path) -> None:
    """Refuse early what could not be written at the end, or would take the place of others' files.

    Raises
    ------
    OSError
        If the folder, or the nearest one above that exists, takes no files, or one of the files
        cannot be replaced.
    RefusedInput
        If the folder holds files of the names of a run's, but no run.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"Output folder must be a folder, not the file {str(nearest)!r}")
    _check_takes_files(folder, nearest)
    if not folder.exists():
        return
    allocations = folder / "allocations"
    if allocations.exists() or allocations.is_symlink():
        if not allocations.is_dir():
            raise NotADirectoryError(f"{str(allocations)!r} must be a folder, not a file")
        _check_takes_files(folder, allocations)
    theirs = sorted(_old_files(folder))
    for path in theirs:
        if path.is_dir() and not path.is_symlink():
            raise IsADirectoryError(f"{str(path)!r} must be a file, not a folder")
    if theirs and not _is_ours(folder):
        raise RefusedInput(
            f"Output folder must be new, empty or of an earlier run, not {str(folder)!r} with a "
            f"{theirs[0].relative_to(folder)} of others"
        )


def _check_takes_files(folder: Path, place: Path) -> None:
    try:
        handle, name = tempfile.mkstemp(prefix=".macwright-probe", dir=place)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"Output folder must be writable, not {str(folder)!r} ({reason})") from None
    os.close(handle)
    Path(name).unlink()


def _is_ours(folder: Path) -> bool:
    """Whether a run was written, or begun, in a folder."""
    if (folder / _LOCK).exists():
        return True
    try:
        run = json.loads((folder / "run.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(run, dict | list)


def _old_files(folder: Path) -> Iterator[Path]:
    """Files of an earlier run, or of their names."""
    names = [folder / name for name in (*_ALWAYS, *SOMETIMES, "run.json")]
    names += list(folder.glob("options_*_mhz.csv"))
    allocations = [p for p in folder.glob("allocations/*") if re.fullmatch(r"\d+\.json", p.name)]
    yield from (path for path in (*names, *allocations) if path.exists() or path.is_symlink())


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; others wait."""
    place = folder / _LOCK
    while True:
        handle = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # The one before may have removed the file that was opened.
        try:
            if os.path.samestat(os.fstat(handle), place.stat()):
                break
        except FileNotFoundError:
            pass
        os.close(handle)
    try:
        yield
        place.unlink()
    finally:
        os.close(handle)


def json_text(data: Any) -> str:
    """JSON with sorted keys and a final line end, the same text for equal data."""
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def csv_text(rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> str:
    """CSV with a header, ``\\n`` line ends, numbers at full precision, absent values empty.

    Texts are those of :func:`~macwright.dse.csv_file.as_text`, which no spreadsheet runs.
    """
    if not isinstance(rows, pd.DataFrame):
        rows = pd.DataFrame(list(rows))
    out = _Lines()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(map(_cell, rows.columns))
    for row in rows.itertuples(index=False, name=None):
        writer.writerow(map(_cell, row))
    return "".join(out.lines)


class _Lines:
    """Rows that end with ``\\n``; csv quotes what is in its own line end alone, such as ``\\r``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(f"{line[:-2]}\n")


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return as_text(value)
    return "" if pd.isna(value) else value


def write_run(
    folder: Path, files: Mapping[str, str], *, finish: Callable[[Path], Any] | None = None
) -> None:
    """Write the files of a run: one writer of a folder at a time, `run.json` last.

    They are written into a hidden folder first and then moved, so that a folder with `run.json` is
    whole, and of one run. Allocations of an earlier run, and tables that not every run has, are
    removed if they are not among them; files of other names stay.

    Parameters
    ----------
    folder : Path
        Made if absent.
    files : mapping from str to str
        Text of each file by its path in the folder.
    finish : callable, optional
        Called with the folder that holds the files, to add more.

    Raises
    ------
    OSError
        If the files cannot be written.
    """
    existed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with scratch_folder(folder, ".macwright-") as staged:
            for name, text in files.items():
                write_atomic(staged / name, text)
            if finish:
                finish(staged)
            with only_writer(folder):
                _replace(folder, staged)
    finally:
        if not existed and not any(folder.iterdir()):
            folder.rmdir()


def _replace(folder: Path, staged: Path) -> None:
    """Move the files of a run into the place of an earlier one's."""
    paths = sorted(path for path in staged.rglob("*") if path.is_file())
    places = {folder / path.relative_to(staged): path for path in paths}
    (folder / "run.json").unlink(missing_ok=True)
    present = [folder / name for name in _ALWAYS]
    for old in list(_old_files(folder)):
        if old not in places and old not in present:
            old.unlink()
    for place, path in sorted(places.items(), key=lambda pair: pair[0].name == "run.json"):
        place.parent.mkdir(exist_ok=True)
        path.replace(place)
