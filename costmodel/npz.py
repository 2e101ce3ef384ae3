"""NumPy archives of users, read without trusting what they say of their size."""

import lzma
import math
import os
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError

from numpy.lib import format as npy
from numpy.typing import NDArray

from macwright.hw.errors import RefusedInput

__all__ = ["Archive", "memory_limit"]


def memory_limit() -> int:
    """Bytes that one input may take: ``$MACWRIGHT_MEMORY`` (bytes), or half of the machine's.

    Raises
    ------
    ValueError
        If the variable is no positive whole number.
    """
    text = os.environ.get("MACWRIGHT_MEMORY")
    if text is None:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    if not text.isascii() or not text.isdigit() or not 0 < len(text) < 19 or not int(text):
        raise RefusedInput(
            f"MACWRIGHT_MEMORY must be a positive whole number of bytes, not {text!r}"
        )
    return int(text)


class Archive:
    """NumPy archive that says what is wrong with it in one sentence.

    Shape and type of an array are read first, and compared with the bytes that the archive holds of
    it, before anything of its size is asked for.

    Parameters
    ----------
    path : Path
        The ``.npz`` file; nothing pickled is read from it.

    Raises
    ------
    ValueError
        If it is no archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self.names = [
                    name.removesuffix(".npy") for name in archive.namelist() if name[-4:] == ".npy"
                ]
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
            raise RefusedInput(f"{path} must be a NumPy .npz archive, not another file") from error

    def __getitem__(self, name: object) -> NDArray:
        """Array of a name.

        Raises
        ------
        ValueError
            If there is none, or it is damaged, holds objects, or is larger than `memory_limit`.
        """
        if name not in self.names:
            raise RefusedInput(
                f"{self.path.name} must hold an array {name!r}, not only {', '.join(self.names)}"
            )
        try:
            with zipfile.ZipFile(self.path) as archive:
                self._check(archive, str(name))
                with archive.open(f"{name}.npy") as file:
                    return npy.read_array(file, allow_pickle=False)
        except RefusedInput:
            raise
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
            raise self._damaged(str(name)) from error
        except (ValueError, RuntimeError, SyntaxError, TokenError) as error:
            # Encrypted, packed in another way, or a header that is no literal.
            raise self._damaged(str(name)) from error

    def _check(self, archive: zipfile.ZipFile, name: str) -> None:
        with archive.open(f"{name}.npy") as file:
            version = npy.read_magic(file)
            read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
            if version not in read:
                raise self._damaged(name)
            shape, _, dtype = read[version](file)
            if dtype.hasobject:
                raise self._damaged(name)
            start = file.tell()
        size = math.prod(shape) * dtype.itemsize
        held = archive.getinfo(f"{name}.npy").file_size - start
        if min((*shape, 0)) < 0 or size != held:
            raise RefusedInput(
                f"Array {name!r} of {self.path.name} must be as large as its shape {shape} says, "
                f"{size} bytes, not {held}"
            )
        if size > (limit := memory_limit()):
            raise RefusedInput(
                f"Array {name!r} of {self.path.name} must fit into {limit} bytes of memory, not "
                f"take {size}; MACWRIGHT_MEMORY sets another limit"
            )

    def _damaged(self, name: str) -> RefusedInput:
        return RefusedInput(
            f"Array {name!r} of {self.path.name} must be plain numbers, not damaged or pickled "
            "objects"
        )
