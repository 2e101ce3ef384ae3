"""CSV files that users bring."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from macwright.hw.errors import RefusedInput

__all__ = ["read_csv"]


def read_csv(path: Path | str, what: str, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file, every entry as text.

    Parameters
    ----------
    path:
        The file.
    what:
        What it holds, as a message begins: ``"Pairs"``.
    columns:
        Names that its first line must have.

    Raises
    ------
    FileNotFoundError
        If it is absent.
    ValueError
        If it is no CSV file, or a column is missing.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{what} must be a CSV file, and {path} is not a file")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise RefusedInput(f"{what} must be a CSV file, and {path} is not one: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise RefusedInput(
            f"{path} must have as many names in its first line as entries in each row"
        )
    missing = [name for name in columns if name not in table]
    if missing:
        raise RefusedInput(
            f"{path} must have columns {', '.join(columns)}; {missing[0]} is not among them"
        )
    return table
