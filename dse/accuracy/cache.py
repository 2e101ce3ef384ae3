"""Arrays kept between runs."""

import io
from collections.abc import Callable

import numpy as np

from macwright.costmodel.cache import Cache

__all__ = ["cached_array"]

#: Arrays of more bytes are made anew each time.
LARGEST = 1 << 26


def cached_array(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Array of a key, made if it is not in the cache.

    Parameters
    ----------
    key : str
        From `macwright.costmodel.cache.content_key`.
    make : callable
        Returns the array.
    """
    cache = Cache("arrays")
    if (raw := cache.get_bytes(key)) is not None:
        return np.load(io.BytesIO(raw), allow_pickle=False)
    values = make()
    if values.nbytes <= LARGEST:
        stream = io.BytesIO()
        np.save(stream, values, allow_pickle=False)
        cache.put_bytes(key, stream.getvalue())
    return values
