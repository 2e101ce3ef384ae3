"""Run folders as tables."""

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from macwright.dse.csv_file import from_text
from macwright.dse.run.info import read_info
from macwright.hw.errors import RefusedInput

if TYPE_CHECKING:
    from macwright.dse.explore import Exploration
    from macwright.dse.run.allocation import Allocation

__all__ = ["Run", "save_run"]


class Run:
    """What ``macwright dse`` left in a folder; each table is read when it is first asked for.

    Parameters
    ----------
    path : path
        Folder of the run.

    Attributes
    ----------
    path : Path
    info : dict
        Contents of `run.json`: inputs with their hashes, settings, versions, seconds.

    Raises
    ------
    FileNotFoundError
        If the folder holds no whole run, or a table is asked for that this run does not have.
    ValueError
        If a file is not what a run writes.

    Examples
    --------
    >>> import macwright, tempfile
    >>> macwright.Run("no/such/run")
    Traceback (most recent call last):
    ...
    FileNotFoundError: Run must be a folder with run.json, and no/such/run has none
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.info: dict[str, Any] = read_info(self.path)

    @cached_property
    def front(self) -> pd.DataFrame:
        """Reported points by `point`: status, gap, losses, accuracies (%), costs, mean bits."""
        return self.table("front").set_index("point", drop=True)

    @cached_property
    def layers(self) -> pd.DataFrame:
        """MAC operators by `layer`, in network order: sizes and counts for one sample."""
        return self.table("layers").set_index("layer", drop=True)

    @cached_property
    def sensitivity(self) -> pd.DataFrame:
        """Loss of each tensor in each format."""
        return self.table("sensitivity")

    @cached_property
    def options(self) -> pd.DataFrame:
        """Options of each layer: loss and costs."""
        return self.table("options")

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Cost rows of the units, by `unit`."""
        return self.table("costs").set_index("unit", drop=True)

    @cached_property
    def allocations(self) -> pd.DataFrame:
        """Formats and unit of each layer of each reported point, by `point` and `layer`."""
        rows = [
            {"point": point, "layer": layer, **choice}
            for point, file in self.front["allocation"].items()
            for layer, choice in self._json(str(file))["layers"].items()
        ]
        return pd.DataFrame(rows).set_index(["point", "layer"], drop=True)

    def allocation(self, point: int) -> "Allocation":
        """All that building a point needs, specs of its units among it.

        Raises
        ------
        RefusedInput
            If there is no such point, or its file is not of this version.
        """
        from macwright.dse.run.allocation import read_allocation

        if point not in self.front.index:
            known = ", ".join(map(str, self.front.index))
            raise RefusedInput(f"Point must be one of {known}, not {point!r}")
        return read_allocation(self.path / str(self.front.loc[point, "allocation"]))

    def table(self, name: str) -> pd.DataFrame:
        """Any table of the run, such as ``uniform``, ``whole_front`` or ``ranking``."""
        file = self.path / f"{name}.csv"
        if not file.is_file():
            names = ", ".join(sorted(path.stem for path in self.path.glob("*.csv")))
            raise FileNotFoundError(f"Table of {self.path} must be one of {names}, not {name!r}")
        try:
            table = pd.read_csv(file)
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise RefusedInput(f"{file} must be a table of a run: {error}") from None
        for name in table.select_dtypes(exclude="number"):
            table[name] = table[name].map(lambda v: from_text(v) if isinstance(v, str) else v)
        return table

    def plot(self, **options: Any) -> Any:
        """Draw the front; see :func:`macwright.plot_front`."""
        from macwright.plotting import plot_front

        return plot_front(self, **options)

    def _json(self, name: str) -> dict[str, Any]:
        try:
            return json.loads((self.path / name).read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise RefusedInput(f"{self.path / name} must be JSON: {error}") from None

    def _summary(self) -> str:
        return (
            f"{self.info['model']} on {self.info['technology']}, "
            f"{len(self.front)} points of {self.info['objective']}"
        )

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self._summary()})"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self._summary())}</p>" + self.front.to_html(max_rows=40)


def save_run(exploration: "Exploration", folder: Path | str) -> Run:
    """Write what was explored as ``macwright dse`` does, report and all.

    Parameters
    ----------
    exploration : Exploration
        What :func:`macwright.explore` gave.
    folder : path
        Made if absent; files of an earlier run in it are replaced once all are written.

    Returns
    -------
    Run

    Raises
    ------
    OSError
        If the folder cannot be written.

    Examples
    --------
    >>> import macwright
    >>> import tempfile
    >>> import numpy as np, onnx
    >>> folder = Path(tempfile.mkdtemp())
    >>> text = '<ir_version: 8, opset_import: ["": 17]> g (float[N,3] x) => (float[N,2] y) '
    >>> text += '<float[3,2] w = {1, -2, 3, 0.5, -1, 2}> { y = MatMul(x, w) }'
    >>> onnx.save(onnx.parser.parse_model(text), folder / "net.onnx")
    >>> x = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3)
    >>> np.savez(folder / "net.npz", x_calib=x, x_eval=x, y_eval=np.arange(16) % 2)
    >>> settings = macwright.Settings(weights=("int4", "int8"), activations=("int8",), jobs=1)
    >>> source = macwright.DataSource(data=folder / "net.npz")
    >>> found = macwright.explore(folder / "net.onnx", settings, source=source)
    >>> run = macwright.save_run(found, folder / "run")
    >>> run.front["status"].tolist(), run.allocations["weight"].tolist()
    (['optimal', 'optimal'], ['int4', 'int8'])
    >>> [choice.weight for choice in run.allocation(1).layers.values()]
    ['int8']
    >>> sorted(path.name for path in run.path.iterdir())[:3]
    ['allocations', 'costs.csv', 'front.csv']
    """
    from macwright.dse.report.page import write_report
    from macwright.dse.run.files import run_files
    from macwright.dse.run.folder import check_writable, write_run

    folder = Path(folder)
    check_writable(folder)
    write_run(folder, run_files(exploration), finish=write_report)
    return Run(folder)
