"""The folder that a run leaves behind."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.hw.files import write_atomic

__all__ = ["check_writable", "csv_text", "json_text", "write_run"]


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


def write_run(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of a run; allocations of an earlier run that are not among them go.

    `run.json` is written last, so that a folder with one is whole.

    Parameters
    ----------
    folder : Path
        Made if absent.
    files : mapping from str to str
        Text of each file by its path in the folder.
    """
    (folder / "run.json").unlink(missing_ok=True)
    for old in (folder / "allocations").glob("*.json"):
        if f"allocations/{old.name}" not in files:
            old.unlink()
    for name in sorted(files, key=lambda name: name == "run.json"):
        write_atomic(folder / name, files[name])
