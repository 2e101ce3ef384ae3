"""Making of the shipped tables: every unit characterised, and the benches of some run."""

import os
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.many import characterize, cost_frame
from macwright.costmodel.progress import Progress
from macwright.costmodel.tables.bench_record import bench_record
from macwright.costmodel.tables.default_units import (
    SWITCHED,
    default_units,
    fp8_units,
    switched_unit,
)
from macwright.costmodel.tables.lookup import current_rows
from macwright.costmodel.technology.catalogue import LIBERTY_NAMES, RECORDS
from macwright.costmodel.technology.technology import Technology
from macwright.hw.registry import registry
from macwright.sim.owned import scratch_folder

__all__ = ["BENCHED", "SHIPPED", "shipped_rows", "shipped_units"]

#: Technologies whose tables ship.
SHIPPED = tuple(name for name, record in RECORDS.items() if record.shipped)
#: Those whose rows of the default search bring the record of the bench that the unit passed.
BENCHED = tuple(name for name, record in RECORDS.items() if record.benched)


def shipped_units(technology: str) -> list[Any]:
    """Units of a shipped table: default search, FP8 against INT8, and the registry as it is.

    Where there are energies, the search's units with several modes come in each of them.
    """
    others = [*fp8_units(technology).values(), *registry()]
    if technology in LIBERTY_NAMES:
        others += [mode for text in SWITCHED for mode in switched_unit(text).operating_modes()[1:]]
    return list(dict.fromkeys([*default_units(technology), *others]))


def shipped_rows(
    technology: Technology,
    *,
    specs: Sequence[Any] | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, int, list[str]]:
    """Rows of a shipped table: those that are current stay, the others are made anew.

    Parameters
    ----------
    technology : Technology
        What the units are mapped to. One that is not mappable keeps its current rows alone.
    specs : sequence of unit specs or None
        Units; None for `shipped_units`.
    jobs : int or None
        Processes at once; None for one a processor.
    executor : Executor or None
        As for `characterize`.
    progress : callable or None
        ``progress(stage, done, total)``.

    Returns
    -------
    rows : DataFrame
        Columns as `macwright.costmodel.characterize.many.COLUMNS`.
    new : int
        Rows among them that are new.
    lacking : list of str
        Units that need a mappable technology.

    Raises
    ------
    ToolError
        If there is no simulator for a bench, or a unit fails it: such a unit has no row.
    """
    specs = shipped_units(technology.name) if specs is None else specs
    known = current_rows(specs, technology)
    current = cost_frame([row for row in known if row is not None])
    todo = [spec for spec, row in zip(specs, known, strict=True) if row is None]
    if not todo or not technology.mappable:
        return current, 0, [spec.row for spec in todo]
    new = characterize(todo, technology, jobs=jobs, executor=executor, progress=progress)
    if technology.name in BENCHED:
        searched = set(default_units(technology.name))
        records = _bench_records([s for s in todo if s in searched], technology, jobs, progress)
        new = new.assign(bench=[records.get(name) for name in new["unit"]])
    rows = cost_frame([*current.to_dict("records"), *new.to_dict("records")])
    return rows, len(todo), []


def _bench_records(
    specs: Sequence[Any], technology: Technology, jobs: int | None, progress: Progress | None
) -> dict[str, str]:
    """Record of the bench of each unit, by name."""
    stage = f"benches for {technology.name}"
    if progress is not None:
        progress(stage, 0, len(specs))
    records: dict[str, str] = {}
    pool = ThreadPoolExecutor(max_workers=jobs or os.cpu_count())
    with scratch_folder() as folder:
        try:
            todo = {pool.submit(bench_record, s, folder / s.name): s.name for s in specs}
            for done, future in enumerate(as_completed(todo), 1):
                records[todo[future]] = future.result()
                if progress is not None:
                    progress(stage, done, len(specs))
        finally:
            pool.shutdown(cancel_futures=True)
    return records
