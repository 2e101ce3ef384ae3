"""NPZ files that are the same whenever they are made."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["npz_bytes"]


def npz_bytes(arrays: Mapping[str, ArrayLike]) -> bytes:
    """Arrays as an NPZ file, without the time of day that ``np.savez`` writes.

    Examples
    --------
    >>> np.load(io.BytesIO(npz_bytes({"x": [1, 2]})))["x"]
    array([1, 2])
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            # ZipInfo has the first time that there is.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return stream.getvalue()
