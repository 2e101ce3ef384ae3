"""Files that are whole or absent."""

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path

__all__ = ["write_atomic"]

#: Age from which on a temporary file is one that nobody writes any more, in seconds.
_STALE = 3600


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write a file under a temporary name, then rename it, so that it is whole or absent.

    What a writer of the same file that was killed left behind an hour ago or earlier goes first.

    Parameters
    ----------
    path : Path
        Where the file goes; its folder is made if absent.
    data : str or bytes
        Content; text is written as UTF-8 with ``\\n`` line ends.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full; the old file, if any, is untouched.
    """
    raw = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    _clean(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(raw)
        # mkstemp makes files that only the owner reads; give what open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise type(error)(error.errno, error.strerror, str(path)) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _clean(path: Path) -> None:
    """Remove temporary files of a file, which only killed processes leave."""
    prefix = f".{path.name}."
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        left = [entry for entry in entries if entry.name.startswith(prefix)]
        for entry in left:
            random = re.fullmatch(r"[a-z0-9_]{8}", entry.name[len(prefix) :])
            if random and time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE:
                Path(entry).unlink()
