"""From the folder of a run to files of one of its points."""

from pathlib import Path

from macwright.costmodel.progress import Progress
from macwright.dse.data.source import BESIDE_THE_MODEL, DataSource
from macwright.dse.export.exporters import export_point
from macwright.dse.export.source import open_run
from macwright.dse.run.folder import check_writable

__all__ = ["export"]


def export(
    run: Path | str,
    point: int,
    to: str,
    folder: Path | str,
    *,
    model: Path | str | None = None,
    source: DataSource = BESIDE_THE_MODEL,
    progress: Progress | None = None,
) -> list[Path]:
    """Write a point of a run in the files of another tool.

    Parameters
    ----------
    run : path
        Folder that ``macwright dse`` or :func:`macwright.save_run` wrote.
    point : int
        Number of the point.
    to : str
        ``qonnx``, ``qdq``, ``onnx``, ``torch``, ``json``, ``csv``, ``zigzag`` or ``accelforge``.
    folder : path
        Where the files go; files of the same names are replaced.
    model, source
        As the run had them; see :func:`macwright.dse.export.source.open_run`.
    progress : callable, optional
        Called with stage, done and total.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    OSError
        If a file is missing or the folder cannot be written.
    RefusedInput
        If there is no such kind or point, model or data are not those of the run, or the kind
        cannot hold a format of a layer.

    Examples
    --------
    >>> import macwright
    >>> macwright.export("out/run", 3, "qonnx", "out/qonnx")  # doctest: +SKIP
    """
    opened = open_run(run, model=model, source=source, progress=progress)
    check_writable(Path(folder))
    return export_point(opened, point, to, folder)
