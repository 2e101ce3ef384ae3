"""The run that is exported from: its model, its data and the network of each point."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from macwright.dse.data.recipe import Dataset
from macwright.dse.data.source import BESIDE_THE_MODEL, DataSource
from macwright.dse.models import embedded_model
from macwright.dse.quantizer import LayerPlan, QuantOptions, quantise
from macwright.dse.run.allocation import Allocation, read_allocation
from macwright.dse.run.info import read_info
from macwright.dse.validation.refine import split_held_out
from macwright.dse.workload import Workload
from macwright.dse.workload.free import freed
from macwright.hw.errors import RefusedInput

__all__ = ["QuantisedPoint", "SourceRun", "open_run"]

#: Of run.json.
_NEEDED = ("model", "model_sha256", "data_sha256", "settings.free", "settings.held_out")


@dataclass(frozen=True, kw_only=True, eq=False)
class QuantisedPoint:
    """A point, quantised anew with the options that its allocation holds.

    Parameters
    ----------
    allocation : Allocation
        What it chose.
    network : Workload
        The float network that was quantised; equalised if the options say so.
    plans : list of LayerPlan
        Formats, scales, weights and biases, one for each layer.
    """

    allocation: Allocation
    network: Workload
    plans: list[LayerPlan]

    @property
    def stem(self) -> str:
        """Start of the names of its files."""
        return f"{self.network.path.stem}-{self.allocation.point}"


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceRun:
    """A run with the model and the data that it was made of.

    Parameters
    ----------
    folder : Path
        Where `run.json` is.
    workload : Workload
        The model.
    dataset : Dataset
        Its data; the calibration samples set the scales.
    progress : callable, optional
        Called with stage, done and total.
    """

    folder: Path
    workload: Workload
    dataset: Dataset
    progress: Callable[[str, int, int], None] | None = None

    def quantised(self, point: int) -> QuantisedPoint:
        """Quantise the network as a point says.

        Raises
        ------
        RefusedInput
            If the run has no such point, or its allocation is of another model.
        """
        allocation = self._allocation(point)
        if allocation.model_sha256 != self.workload.sha256:
            raise RefusedInput(
                f"Allocation of point {point} must be of the model {self.workload.path.name}, not "
                f"of one with the digest {allocation.model_sha256[:12]}; make the run anew"
            )
        network, plans = quantise(
            self.workload,
            self.dataset,
            {name: (layer.weight, layer.activation) for name, layer in allocation.layers.items()},
            options=QuantOptions(**allocation.quantiser),
            progress=self.progress,
        )
        return QuantisedPoint(allocation=allocation, network=network, plans=plans)

    def _allocation(self, point: int) -> Allocation:
        folder = self.folder / "allocations"
        known = sorted(int(path.stem) for path in folder.glob("*.json") if path.stem.isdecimal())
        if point not in known:
            names = ", ".join(map(str, known)) or "none, as the run has no allocations"
            raise RefusedInput(f"Point of {self.folder} must be one of {names}, not {point}")
        return read_allocation(folder / f"{point}.json")


def open_run(
    folder: Path | str,
    *,
    model: Path | str | None = None,
    source: DataSource = BESIDE_THE_MODEL,
    progress: Callable[[str, int, int], None] | None = None,
) -> SourceRun:
    """Read a run, and the model and data that it was made of.

    Parameters
    ----------
    folder : path
        What ``macwright dse`` wrote.
    model : path, optional
        The model; by default the embedded network, if the run is of it.
    source : DataSource, optional
        Where its data is; whether labels count is what the run says.
    progress : callable, optional
        See `SourceRun`.

    Raises
    ------
    OSError
        If the run, the model, the recipe or the data is missing.
    RefusedInput
        If model or data are not those of the run.
    """
    folder = Path(folder)
    info = read_info(folder, _NEEDED)
    if model is None and info["model"] != embedded_model().name:
        raise RefusedInput(
            f"Option --model must say where {info['model']} is, which the run {folder} is of"
        )
    path = Path(model) if model is not None else embedded_model()
    settings = info["settings"]
    # Runs of before the task was written all had labels.
    source = replace(source, labels=info.get("task") != "unlabelled")
    workload, dataset = source.load(path)
    workload = freed(workload, settings["free"])
    if settings["held_out"]:
        dataset, _ = split_held_out(dataset, settings["held_out"])
    for what, given, wanted in (
        ("Model", workload.sha256, info["model_sha256"]),
        ("Data", dataset.sha256, info["data_sha256"]),
    ):
        if given != wanted:
            raise RefusedInput(
                f"{what} of {path} must be what the run {folder} was made of, with the digest "
                f"{wanted[:12]}, not {given[:12]}; give that, or make the run anew"
            )
    return SourceRun(folder=folder, workload=workload, dataset=dataset, progress=progress)
