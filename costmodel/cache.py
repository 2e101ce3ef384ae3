"""Content-addressed cache of results that take long to make."""

import contextlib
import hashlib
import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from macwright.hw.files import write_atomic

__all__ = ["Cache", "cache_dir", "cached_files", "content_key", "modules_sha256"]

#: Name of a file of a cache: a key and what it holds.
_ENTRY = re.compile(r"[0-9a-f]{64}\.(json|bytes)")


def cache_dir() -> Path:
    """Folder of all caches: ``$MACWRIGHT_CACHE``, or ``~/.cache/macwright``."""
    chosen = os.environ.get("MACWRIGHT_CACHE")
    if chosen:
        return Path(chosen)
    try:
        return Path.home() / ".cache" / "macwright"
    except RuntimeError:  # no home: nothing is kept
        return Path(os.devnull) / "macwright"


def cached_files() -> dict[str, list[Path]]:
    """Files of all caches by kind; what else lies in their folder is not ours."""
    files: dict[str, list[Path]] = {}
    for path in sorted(cache_dir().glob("*/??/*")):
        if _ENTRY.fullmatch(path.name) and path.name[:2] == path.parent.name:
            files.setdefault(path.parents[1].name, []).append(path)
    return files


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
    """Results by key, one file each: JSON values, or bytes.

    A file is written whole and then renamed, and a key fixes its content, so any number of
    processes may read and write at once: the worst that happens is that two of them make the same
    result. Every file holds a digest of its key and content, which is checked when it is read: a
    file that is damaged, in whatever way, counts as absent and is written anew. A cache that
    cannot be read or written costs time alone.

    Parameters
    ----------
    name : str
        Sub-folder for results of one kind.
    folder : Path or None
        Where the sub-folder goes; :func:`cache_dir` if None.
    """

    def __init__(self, name: str, *, folder: Path | None = None) -> None:
        self.folder = (cache_dir() if folder is None else folder) / name

    def path(self, key: str, kind: str = "json") -> Path:
        """File of a key; `kind` is ``json`` or ``bytes``."""
        return self.folder / key[:2] / f"{key}.{kind}"

    def get(self, key: str) -> Any | None:
        """Result of a key, or None if the cache has none or its file is damaged."""
        try:
            entry = json.loads(self.path(key).read_bytes())
            intact = entry["key"] == key and entry["sha256"] == _digest(entry["result"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return entry["result"] if intact else None

    def put(self, key: str, result: Any) -> None:
        """Keep a result, if the cache can be written.

        Parameters
        ----------
        key : str
            From :func:`content_key`.
        result : JSON value
            Anything but None.
        """
        entry = {"key": key, "sha256": _digest(result), "result": result}
        text = json.dumps(entry, sort_keys=True, allow_nan=False) + "\n"
        self._write(self.path(key), text.encode())

    def get_bytes(self, key: str) -> bytes | None:
        """Bytes of a key, or None if the cache has none or its file is damaged."""
        try:
            raw = self.path(key, "bytes").read_bytes()
        except OSError:
            return None
        data = raw[_SHA256_BYTES:]
        return data if raw[:_SHA256_BYTES] == _bytes_digest(key, data) else None

    def put_bytes(self, key: str, data: bytes) -> None:
        """Keep bytes, if the cache can be written."""
        self._write(self.path(key, "bytes"), _bytes_digest(key, data) + data)

    @staticmethod
    def _write(path: Path, raw: bytes) -> None:
        # A full disk or a folder of others: the result is there all the same.
        with contextlib.suppress(OSError):
            write_atomic(path, raw)


_SHA256_BYTES = 32


def _bytes_digest(key: str, data: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + data).digest()


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
