"""The main job: from a model and data to a proved front whose points are measured."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.costmodel.characterize.priced import priced
from macwright.costmodel.progress import Progress
from macwright.costmodel.tables.clock import built
from macwright.costmodel.tables.lookup import costs
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.technology import Technology
from macwright.dse.accuracy.evaluate import evaluate
from macwright.dse.architecture.clocks import Clocked, check_clocks, clocked_costs, too_fast
from macwright.dse.architecture.hardware import memory_node
from macwright.dse.data.recipe import Dataset
from macwright.dse.data.source import BESIDE_THE_MODEL, DataSource
from macwright.dse.models import embedded_model
from macwright.dse.search.front import search
from macwright.dse.search.hardware import hardware_of, unit_costs, used_units
from macwright.dse.search.options import option_table
from macwright.dse.search.result import SearchResult
from macwright.dse.search.transforms import all_units, transform_units, with_transforms
from macwright.dse.sensitivity.measure import AccuracyPrediction
from macwright.dse.sensitivity.pair_terms import pair_terms
from macwright.dse.sensitivity.source import Losses, find_losses
from macwright.dse.settings import Settings, Temporal
from macwright.dse.solver.model.pairs import PairTerm
from macwright.dse.validation.accuracy import (
    calibration_changes,
    held_out_results,
    measure_points,
)
from macwright.dse.validation.exact import measure_exact
from macwright.dse.validation.layer_energy import with_layer_energy
from macwright.dse.validation.ranking import Ranking, rank_allocations
from macwright.dse.validation.refine import (
    Correction,
    refined,
    split_held_out,
)
from macwright.dse.validation.units import Verification, verify_units
from macwright.dse.workload import Workload
from macwright.dse.workload.free import freed
from macwright.hw.errors import RefusedInput

__all__ = ["Exploration", "explore"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exploration:
    """Everything that a run found.

    Attributes
    ----------
    losses : Losses
        What each tensor loses in each format.
    units : mapping of str to UnitSpec
        Units that could be chosen, by name.
    technology : Technology
        What units are mapped to.
    pairs : list of PairTerm
        Losses that options of two layers add together.
    costs : DataFrame
        Cost rows of all units, each at its smallest.
    clocked : list of Clocked
        What units cost at each clock.
    options : DataFrame
        One row for each clock, layer and option: see
        :func:`macwright.dse.search.options.option_table`.
    search : SearchResult
        Points, measured, and how they were found.
    prediction : AccuracyPrediction or None
        How accuracy was predicted; None with fewer than five measured points of the front.
    ranking : Ranking or None
        How well the losses rank random allocations, if asked for.
    corrections : list of Correction
        Of the losses, one for each time they were refined.
    held_out : dict or None
        What was measured on the data kept back: number of samples and accuracies.
    not_exact : dict
        Why a measured point has no integer network, by its name.
    seconds : dict
        Wall-clock time of each stage.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, onnx
    >>> folder = Path(tempfile.mkdtemp())
    >>> text = '<ir_version: 8, opset_import: ["": 17]> g (float[N,3] x) => (float[N,2] y) '
    >>> text += '<float[3,2] w = {1, -2, 3, 0.5, -1, 2}> { y = MatMul(x, w) }'
    >>> onnx.save(onnx.parser.parse_model(text), folder / "net.onnx")
    >>> x = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3)
    >>> np.savez(folder / "net.npz", x_calib=x, x_eval=x, y_eval=np.arange(16) % 2)
    >>> settings = Settings(weights=("int4", "int8"), activations=("int8",), verify=False, jobs=1)
    >>> source = DataSource(data=folder / "net.npz")
    >>> exploration = explore(folder / "net.onnx", settings, source=source)
    >>> [layer.macs for layer in exploration.workload.layers], exploration.reference
    ([6], 43.75)
    """

    settings: Settings
    workload: Workload
    dataset: Dataset
    losses: Losses
    units: Mapping[str, Any]
    technology: Technology
    pairs: list[PairTerm]
    costs: pd.DataFrame
    clocked: list[Clocked]
    options: pd.DataFrame
    search: SearchResult
    reference: float
    reference_error: float | None
    verification: Verification
    prediction: AccuracyPrediction | None
    ranking: Ranking | None
    corrections: list[Correction]
    held_out: dict[str, Any] | None
    not_exact: dict[str, str]
    seconds: dict[str, float]

    def __repr__(self) -> str:
        statuses = {str(point.status) for point in self.search.front}
        said = f"all {statuses.pop()}" if len(statuses) == 1 else ", ".join(sorted(statuses))
        name, technology = self.workload.path.name, self.settings.technology
        return f"Exploration({name} on {technology}: {len(self.search.front)} points, {said})"


def explore(
    model: Path | str | None = None,
    settings: Settings | None = None,
    *,
    source: DataSource = BESIDE_THE_MODEL,
    sensitivity: Path | str | None = None,
    technology: Technology | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Find the front of a model, prove it, verify its units and measure its points.

    Parameters
    ----------
    model : path, optional
        ONNX file; by default the network that comes with macwright.
    settings : Settings, optional
        Formats, costs, limits and how much to report.
    source : DataSource, optional
        Where its data is, if there is no recipe beside the model.
    sensitivity : path, optional
        Table of losses in place of the measured ones.
    technology : Technology, optional
        What Liberty files of the user give; else that of the name in the settings.
    progress : callable, optional
        Called with stage, done and total.

    Raises
    ------
    ValueError
        If the model, the data, a format or a budget cannot be used; the message says why.
    macwright.hw.files.ToolError
        If synthesis or simulation fails.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np, onnx
    >>> folder = Path(tempfile.mkdtemp())
    >>> text = '<ir_version: 8, opset_import: ["": 17]> g (float[N,3] x) => (float[N,2] y) '
    >>> text += '<float[3,2] w = {1, -2, 3, 0.5, -1, 2}> { y = MatMul(x, w) }'
    >>> onnx.save(onnx.parser.parse_model(text), folder / "net.onnx")
    >>> x = np.linspace(-1, 1, 48, dtype=np.float32).reshape(16, 3)
    >>> np.savez(folder / "net.npz", x_calib=x, x_eval=x, y_eval=np.arange(16) % 2)
    >>> settings = Settings(weights=("int4", "int8"), activations=("int8",), verify=False, jobs=1)
    >>> explore(folder / "net.onnx", settings, source=DataSource(data=folder / "net.npz"))
    Exploration(net.onnx on gates: 2 points, all optimal)
    """
    clock = _Clock()
    model = embedded_model() if model is None else Path(model)
    settings = settings or Settings()
    sensitivity = None if sensitivity is None else Path(sensitivity)
    technology = technology or find_technology(settings.technology)
    if technology.name != settings.technology:
        raise RefusedInput(
            f"Technology must be that of the settings, {settings.technology}, not {technology.name}"
        )
    if settings.pairs and sensitivity is not None:
        raise RefusedInput("Pairs of layers must come without a table of losses, not with both")
    if settings.rotate and sensitivity is not None:
        raise RefusedInput("Rotate must come without a table of losses, which knows no transforms")
    chip = settings.architecture
    check_clocks(settings, technology)
    node_nm = memory_node(technology.record) if isinstance(chip, Temporal) else None
    if not model.is_file():
        raise FileNotFoundError(f"Model must be an ONNX file, and {str(model)!r} is not a file")
    workload, dataset = source.load(model)
    workload = freed(workload, settings.free)
    last = None
    if settings.held_out:
        dataset, last = split_held_out(dataset, settings.held_out)
    layers = workload.layers
    # Before anything is measured: it refuses formats that no unit takes.
    settings, hardware = hardware_of(workload, dataset, settings, progress)
    units, machines = hardware.units, hardware.machines
    dataset = dataclasses.replace(dataset, notes=(*dataset.notes, *hardware.notes))
    # It finds labels that the network has no outputs for.
    float_network = evaluate(workload, dataset, None, jobs=settings.jobs)
    reference = float_network.metric
    clock("read")
    if machines is None:
        others = [*hardware.others, *(all_units(workload) if settings.rotate else [])]
        wanted = [*units.values(), *priced(others, technology)]
        rows, curves = unit_costs(wanted, technology, settings, progress)
        clocked = clocked_costs(rows, curves, settings, technology)
    else:
        rows = machines.rows()
        clocked = machines.clocked(rows)
    if not any(len(at.costs) for at in clocked):
        raise too_fast(clocked, units)
    clock("characterise")
    losses = find_losses(workload, dataset, settings, sensitivity, progress)
    clock("sensitivity")
    priced_at = clocked[:1] if clocked[0].assumed else clocked
    if machines is not None:  # they know which units meet each clock
        priced_at = [dataclasses.replace(clocked[0], refused={})]
    single = pd.concat(
        [
            option_table(
                layers,
                settings.weights,
                settings.activations,
                sensitivity=losses.table,
                units=units,
                at=at,
                factors=losses.factors,
                fixed=workload.fixed,
            )
            for at in priced_at
        ],
        ignore_index=True,
    )
    if settings.rotate:
        single = with_transforms(single, layers, losses, priced_at)
    if machines is not None:
        single = single.drop(columns="clock_mhz")
    # Losses know no clock.
    distinct = single.drop_duplicates(["layer", "option"])

    pairs: list[PairTerm] = []
    if settings.pairs:
        pairs = pair_terms(workload, dataset, distinct, losses, settings, progress)
        clock("pairs")

    def searched(options: pd.DataFrame) -> SearchResult:
        return search(
            workload,
            options,
            hardware,
            clocked,
            settings,
            progress,
            pairs=pairs,
            node_nm=node_nm,
        )

    def measured(chosen: Sequence[Mapping[str, str]]) -> list[float]:
        return calibration_changes(workload, dataset, chosen, losses.rotations, settings, progress)

    options, search_result, corrections = refined(single, settings, searched, measured)
    clock("solve")
    used = used_units(search_result, hardware, clocked, technology)
    for point in search_result.front:
        used += [x for x in transform_units(losses.rotations, point.pairs) if x not in used]
    if machines is not None:  # what was counted for the search is mapped for the record
        rows = costs(used, technology, dsp=True, jobs=settings.jobs, progress=progress)
        clocked = machines.clocked(rows)
    verification = verify_units(
        used,
        pd.concat([built(at.costs) for at in clocked if len(at.costs)]),
        simulating=settings.verify,
        jobs=settings.jobs,
        progress=progress,
    )
    clock("verify")
    if settings.layer_energy:
        search_result = with_layer_energy(
            workload, dataset, search_result, units, hardware.others, technology, settings, progress
        )
        clock("layer energy")
    prediction, search_result = measure_points(
        workload, dataset, search_result, reference, losses.rotations, settings, progress
    )
    not_exact = {}
    if settings.exact:
        search_result, not_exact = measure_exact(
            workload, dataset, search_result, losses.rotations, settings, progress
        )
    ranking = None
    if settings.rank:
        ranking = rank_allocations(
            workload,
            dataset,
            options.drop_duplicates(["layer", "option"]),
            pairs,
            losses.rotations,
            settings,
            progress,
        )
    held_out = None
    if last is not None:
        held_out = held_out_results(workload, last, search_result, losses.rotations, settings)
    clock("measure")
    return Exploration(
        settings=settings,
        workload=workload,
        dataset=dataset,
        losses=losses,
        units={spec.name: spec for spec in (*units.values(), *hardware.others)},
        technology=technology,
        pairs=pairs,
        costs=rows,
        clocked=clocked,
        options=options,
        search=search_result,
        reference=reference,
        reference_error=float_network.standard_error,
        verification=verification,
        prediction=prediction,
        ranking=ranking,
        corrections=corrections,
        held_out=held_out,
        not_exact=not_exact,
        seconds=clock.seconds,
    )


class _Clock:
    """Wall-clock time between calls, by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def __call__(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._last = round(now - self._last, 3), now
