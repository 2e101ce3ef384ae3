"""Making of the shipped tables: every unit characterised, and its bench run."""

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.costmodel.bench_record import bench_record
from macwright.costmodel.characterize import characterize
from macwright.costmodel.default_units import default_units

__all__ = ["SHIPPED", "shipped_rows"]

#: Technologies whose tables ship.
SHIPPED = ("gates", "ecp5")


def shipped_rows(
    technology: str,
    *,
    specs: Sequence[Any] | None = None,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Cost rows with the record of each unit's bench.

    Parameters
    ----------
    technology : str
        What the units are mapped to.
    specs : sequence of unit specs or None
        Units; None for those of the default search.
    jobs : int or None
        Processes at once; None for one a processor.
    progress : callable or None
        ``progress(stage, done, total)``.

    Returns
    -------
    DataFrame
        Columns as `macwright.costmodel.characterize.COLUMNS`, `bench` filled in.

    Raises
    ------
    ToolError
        If there is no simulator, or a unit fails its bench: such a unit has no row.
    """
    specs = default_units(technology) if specs is None else specs
    rows = characterize(specs, technology, jobs=jobs, progress=progress)
    stage = f"benches for {technology}"
    if progress is not None:
        progress(stage, 0, len(specs))
    records: dict[str, str] = {}
    pool = ThreadPoolExecutor(max_workers=jobs or os.cpu_count())
    with tempfile.TemporaryDirectory(prefix="macwright-") as folder:
        try:
            todo = {pool.submit(bench_record, s, Path(folder) / s.name): s.name for s in specs}
            for done, future in enumerate(as_completed(todo), 1):
                records[todo[future]] = future.result()
                if progress is not None:
                    progress(stage, done, len(specs))
        finally:
            pool.shutdown(cancel_futures=True)
    return rows.assign(bench=[records[name] for name in rows["unit"]])
