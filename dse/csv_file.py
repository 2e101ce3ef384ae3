"""CSV files that users bring."""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from macwright.hw.errors import RefusedInput

__all__ = ["as_text", "check_names", "from_text", "quoted", "read_csv", "trimmed"]

#: Most characters of an entry that a message repeats.
_SHOWN = 60

#: What ends an entry without being seen: a mark of the encoding, spaces of no width.
_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060"


def quoted(text: object) -> str:
    """An entry as a message repeats it: in quotes, on one line, cut where it is long."""
    text = str(text)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def trimmed(text: str) -> str:
    """A name without the blanks around it."""
    return text.strip().strip(_UNSEEN).strip()


#: Signs with which spreadsheets begin a formula, also those of full width.
_FORMULA = "[=+\\-@\\t\\r\uff1d\uff0b\uff0d\uff20]"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def as_text(entry: str) -> str:
    """An entry that no spreadsheet runs: with an apostrophe before what would begin a formula.

    Numbers stay what they are. :func:`from_text` is the inverse.

    Examples
    --------
    >>> as_text("=1+1"), as_text("'=1"), as_text("-0.5"), as_text("conv")
    ("'=1+1", "''=1", '-0.5', 'conv')
    """
    runs = re.match(f"'*{_FORMULA}", entry) and not _NUMBER.fullmatch(entry)
    return f"'{entry}" if runs else entry


def from_text(entry: str) -> str:
    """What :func:`as_text` made an entry of.

    Examples
    --------
    >>> from_text("'=1+1"), from_text("''=1"), from_text("-0.5"), from_text("it's")
    ('=1+1', "'=1", '-0.5', "it's")
    """
    return entry[1:] if re.match(f"'+{_FORMULA}", entry) else entry


def check_names(names: Iterable[str], what: str) -> None:
    """Refuse names that nobody can tell apart.

    Parameters
    ----------
    names : iterable of str
        Trimmed.
    what : str
        What they name, as a message begins: ``"Layers"``.

    Raises
    ------
    ValueError
        If two differ by blanks, unseen characters or the encoding of the same letters alone.
    """
    seen: dict[str, str] = {}
    for name in dict.fromkeys(names):
        key = unicodedata.normalize("NFKC", name).translate(dict.fromkeys(map(ord, _UNSEEN)))
        first = seen.setdefault("".join(key.split()), name)
        if first != name:
            raise RefusedInput(
                f"{what} must have names that differ by more than blanks, "
                f"not {quoted(first)} and {quoted(name)}"
            )


def read_csv(path: Path | str, what: str, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file, every entry as text; names in its first line are trimmed.

    Entries are separated by commas, in UTF-8, or in UTF-16 if the file begins with its mark. An
    apostrophe before what would begin a formula is left out, as of :func:`from_text`.

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
        reader = csv.reader(io.StringIO(_text(Path(path)), newline=""), strict=True)
        rows = [(reader.line_num, [from_text(entry) for entry in row]) for row in reader if row]
    except (csv.Error, UnicodeError) as error:
        raise RefusedInput(f"{what} must be a CSV file, and {path} is not one: {error}") from error
    if not rows:
        raise RefusedInput(f"{what} must be a CSV file, and {path} is not one: it is empty")
    names = [trimmed(name) for name in rows[0][1]]
    _check_separators(path, names)
    for line, row in rows[1:]:
        if len(row) != len(names):
            raise RefusedInput(
                f"{path} must have as many entries in each row as names in its first line, "
                f"{len(names)}, not {len(row)} in line {line}"
            )
    twice = [name for n, name in enumerate(names) if name in names[:n]]
    if twice:
        raise RefusedInput(f"Column {quoted(twice[0])} must be given once, not twice")
    missing = [name for name in columns if name not in names]
    if missing:
        raise RefusedInput(
            f"{path} must have columns {', '.join(columns)}; {missing[0]} is not among them"
        )
    return pd.DataFrame([row for _, row in rows[1:]], columns=names, dtype=object)


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    return raw.decode("utf-8-sig")


def _check_separators(path: Path | str, names: Sequence[str]) -> None:
    """Refuse files in which commas are not what separates entries."""
    if len(names) > 1:
        return
    for sign, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if re.search(rf"\w\s*{re.escape(sign)}\s*\w", names[0]):
            raise RefusedInput(
                f"{path} must have commas between entries and points in numbers, not {word}; "
                "write it as CSV in English"
            )
