"""Arrays kept between runs."""

import io
from collections.abc import Callable

import numpy as np

from macwright.costmodel.cache import cache_dir
from macwright.hw.files import write_atomic

__all__ = ["kept_array"]

#: Arrays of more bytes are made anew each time.
LARGEST = 1 << 26


def kept_array(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Array of a key, made if it is not in the cache.

    Files are written whole and then renamed, so processes may share them; a damaged one counts as
    absent.

    Parameters
    ----------
    key : str
        From `macwright.costmodel.cache.content_key`.
    make : callable
        Returns the array.

    Raises
    ------
    OSError
        If the cache folder cannot be written.
    """
    path = cache_dir() / "arrays" / key[:2] / f"{key}.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["values"]
    except Exception:  # a damaged zip file raises almost anything
        pass
    values = make()
    if values.nbytes <= LARGEST:
        stream = io.BytesIO()
        np.savez(stream, values=values)
        write_atomic(path, stream.getvalue())
    return values
