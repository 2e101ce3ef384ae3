"""Content-addressed cache of results that take long to make."""

import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

from macwright.hw.files import write_atomic

__all__ = ["Cache", "cache_dir", "content_key", "modules_sha256"]


def cache_dir() -> Path:
    """Folder of all caches: ``$MACWRIGHT_CACHE``, or ``~/.cache/macwright``."""
    chosen = os.environ.get("MACWRIGHT_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "macwright"


def content_key(**parts: Any) -> str:
    """SHA-256 of everything a result depends on.

    Parameters
    ----------
    **parts : JSON values
        Such as the Verilog text, the script and the versions of the tools. Names count, their
        order does not.

    Examples
    --------
    >>> content_key(a=1, b="x") == content_key(b="x", a=1)
    True
    """
    return _digest(parts)


@cache
def modules_sha256(*names: str) -> str:
    """SHA-256 of the source of imported modules, for results that depend on what they do."""
    places = [str(sys.modules[name].__file__) for name in names]
    return hashlib.sha256(b"".join(Path(place).read_bytes() for place in places)).hexdigest()


class Cache:
    """Results by key, one JSON file each.

    A file is written whole and then renamed, and a key fixes its content, so any number of
    processes may read and write at once: the worst that happens is that two of them make the same
    result. A file that is damaged, in whatever way, counts as absent and is written anew.

    Parameters
    ----------
    name : str
        Sub-folder for results of one kind.
    folder : Path or None
        Where the sub-folder goes; :func:`cache_dir` if None.
    """

    def __init__(self, name: str, *, folder: Path | None = None) -> None:
        self.folder = (cache_dir() if folder is None else folder) / name

    def path(self, key: str) -> Path:
        """File of a key."""
        return self.folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> Any | None:
        """Result of a key, or None if the cache has none or its file is damaged."""
        try:
            entry = json.loads(self.path(key).read_bytes())
            intact = entry["key"] == key and entry["sha256"] == _digest(entry["result"])
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return entry["result"] if intact else None

    def put(self, key: str, result: Any) -> None:
        """Keep a result.

        Parameters
        ----------
        key : str
            From :func:`content_key`.
        result : JSON value
            Anything but None.

        Raises
        ------
        OSError
            If the folder cannot be written or the disk is full; nothing is left behind.
        """
        entry = {"key": key, "sha256": _digest(result), "result": result}
        write_atomic(self.path(key), json.dumps(entry, sort_keys=True, allow_nan=False) + "\n")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
