"""The table of exporters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from macwright.dse.export import (
    accelforge,
    fake_quantised,
    layer_codes,
    qdq,
    qonnx,
    tables,
    torch_module,
    zigzag,
)
from macwright.dse.export.source import SourceRun
from macwright.hw.errors import RefusedInput

__all__ = ["EXPORTERS", "Exporter", "export_point"]


class Exporter(Protocol):
    """What writes a point in the files of one kind; each file is whole or absent."""

    def __call__(self, run: SourceRun, point: int, folder: Path) -> list[Path]:
        """Write the files, and give their paths."""
        ...


#: Exporters by the kind that they write.
EXPORTERS: Mapping[str, Exporter] = {
    "qonnx": qonnx.export,
    "qdq": qdq.export,
    "onnx": fake_quantised.export,
    "torch": torch_module.export,
    "json": layer_codes.export,
    "csv": tables.export,
    "zigzag": zigzag.export,
    "accelforge": accelforge.export,
}


def export_point(run: SourceRun, point: int, kind: str, folder: Path | str) -> list[Path]:
    """Write a point of a run in files of a kind.

    Parameters
    ----------
    run : SourceRun
        What :func:`~macwright.dse.export.source.open_run` gives.
    point : int
        Number of the point.
    kind : str
        One of `EXPORTERS`.
    folder : path
        Made if absent; files of the same names are replaced.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    RefusedInput
        If there is no such kind or point, or the kind cannot hold a format of a layer, which the
        message names.
    """
    if kind not in EXPORTERS:
        raise RefusedInput(f"Kind must be one of {', '.join(EXPORTERS)}, not {kind!r}")
    return EXPORTERS[kind](run, point, Path(folder))
