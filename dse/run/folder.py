"""The folder that a run leaves behind."""

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.hw.files import write_atomic

__all__ = ["check_writable", "csv_text", "json_text", "write_run"]

#: Tables that not every run has.
SOMETIMES = ("uniform.csv", "sequential.csv", "pairs.csv", "ranking.csv", "whole_front.csv")


def check_writable(folder: Path) -> None:
    """Refuse early what could not be written at the end.

    Raises
    ------
    OSError
        If the folder, or the nearest one above that exists, takes no files.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(f"Output folder must be a folder, not the file {str(nearest)!r}")
    probe = nearest / ".macwright-probe"
    try:
        write_atomic(probe, "")
    except OSError as error:
        reason = error.strerror or error
        raise OSError(f"Output folder must be writable, not {str(folder)!r} ({reason})") from None
    probe.unlink()


def json_text(data: Any) -> str:
    """JSON with sorted keys and a final line end, the same text for equal data."""
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"


def csv_text(rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> str:
    """CSV with a header, ``\\n`` line ends, numbers at full precision, absent values empty."""
    if not isinstance(rows, pd.DataFrame):
        rows = pd.DataFrame(list(rows))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.columns)
    for row in rows.itertuples(index=False, name=None):
        writer.writerow("" if pd.isna(value) else value for value in row)
    return out.getvalue()


def write_run(
    folder: Path, files: Mapping[str, str], *, finish: Callable[[Path], Any] | None = None
) -> None:
    """Write the files of a run: all of them, or none and the folder stays as it was.

    They are written beside their place first and then moved, `run.json` last, so that a folder
    with that file is whole. Allocations of an earlier run, and tables that not every run has, are
    removed if they are not among them.

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
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, text in files.items():
            write_atomic(staged / name, text)
        if finish:
            finish(staged)
        if not existed:
            staged.chmod(0o777 & ~_umask())
            staged.rename(folder)
            return
        (folder / "run.json").unlink(missing_ok=True)
        for old in (*(folder / "allocations").glob("*.json"), *(folder / n for n in SOMETIMES)):
            old.unlink(missing_ok=True)
        paths = [path for path in staged.rglob("*") if path.is_file()]
        for path in sorted(paths, key=lambda path: (path.name == "run.json", path)):
            place = folder / path.relative_to(staged)
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
