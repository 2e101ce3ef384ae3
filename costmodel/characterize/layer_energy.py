"""Energy of units with the operands of a network's layers, in dataflow order."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from macwright.costmodel.cache import Cache
from macwright.costmodel.characterize.unit import unit_netlist
from macwright.costmodel.npz import Archive
from macwright.costmodel.power.unit import energy_key
from macwright.costmodel.stimulus import layer as layer_operands
from macwright.costmodel.stimulus.layer import LayerOperands
from macwright.costmodel.technology.technology import Technology
from macwright.hw.errors import RefusedInput
from macwright.hw.pe.spec import Unit

__all__ = ["layer_energies", "read_operands"]

#: Operands of a layer in a unit's formats: codes (m, k) and (k, n); None if the layer has none.
Operands = Callable[[str, Any], tuple[NDArray[np.int64], NDArray[np.int64]] | None]
_COLUMNS = ("energy_fj_per_mac", "glitch_factor", "ci95_fj_per_mac")


def layer_energies(
    specs: Iterable[Unit],
    layers: Sequence[str],
    operands: Operands,
    technology: Technology,
    *,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> pd.DataFrame:
    """Energy per MAC of each unit with the operands of each layer.

    1,008 transitions are simulated for each, output stationary: see
    `macwright.costmodel.stimulus.named.layer_streams`. Results are cached by the operands' content.

    Parameters
    ----------
    specs : iterable of unit specs or OperatingMode
        Units of one product a cycle, or in one of several modes; mapped if they were not before.
    layers : sequence of str
        Names of the layers.
    operands : callable
        ``operands(layer, spec)`` gives the codes of the activations, shape (m, k), and of the
        weights, shape (k, n), of some rows and columns of the layer's matrix product, in the
        unit's formats; None where the unit is no option. It is called in several threads.
    technology : Technology
        One that has energies.
    jobs : int or None
        Units at once; None for one a processor.
    progress : callable or None
        ``progress(stage, done, total)``.

    Returns
    -------
    DataFrame
        Columns `unit`, `layer`, `energy_fj_per_mac`, `glitch_factor`, `ci95_fj_per_mac`, in the
        order of `specs` and `layers`.

    Raises
    ------
    ValueError
        If the technology has no energies, or operands do not fit.
    ToolError
        If a unit cannot be mapped.
    """
    if technology.energy is None:
        raise RefusedInput(
            f"Technology must be given by Liberty files to have energies, not {technology.name}"
        )
    units = list(dict.fromkeys(specs))
    stage = "energy of layers"
    if progress is not None:
        progress(stage, 0, len(units))
    pool = ThreadPoolExecutor(max_workers=jobs or os.cpu_count())
    try:
        todo = {pool.submit(_unit, spec, layers, operands, technology): spec for spec in units}
        rows = {}
        for done, future in enumerate(as_completed(todo), 1):
            rows[todo[future]] = future.result()
            if progress is not None:
                progress(stage, done, len(units))
    finally:
        pool.shutdown(cancel_futures=True)
    every = [row for spec in units for row in rows[spec]]
    return pd.DataFrame(every, columns=["unit", "layer", *_COLUMNS])


def _unit(
    spec: Unit, layers: Sequence[str], operands: Operands, technology: Technology
) -> list[dict[str, Any]]:
    """Rows of one unit."""
    key, netlist = unit_netlist(spec, technology)
    store, rows = Cache("energy"), []
    for layer in layers:
        codes = operands(layer, spec)
        if codes is None:
            continue
        recorded = LayerOperands(layer, *codes, lanes=16)
        place = energy_key(key, spec, recorded.sha256, layer_operands.__name__)
        energy: Mapping[str, Any] | None = store.get(place)
        if energy is None:
            assert technology.energy is not None
            energy = dict(technology.energy(netlist, spec, recorded))
            store.put(place, energy)
        rows.append({"unit": spec.row, "layer": layer, **{c: energy[c] for c in _COLUMNS}})
    return rows


def read_operands(path: Path) -> Callable[[Any], LayerOperands]:
    """Operands of one layer from a file, for `characterize`.

    Parameters
    ----------
    path : Path
        An ``.npz`` file with arrays `activations`, shape (m, k), and `weights`, shape (k, n):
        codes if they are integers, values on the formats' own scale if they are floats.

    Returns
    -------
    callable
        Gives the operands in the formats of a spec.

    Raises
    ------
    ValueError
        If the file is no such archive.
    """
    archive = Archive(path)
    arrays = [archive[name] for name in ("activations", "weights")]
    if any(array.dtype.kind not in "iuf" or array.ndim != 2 for array in arrays):
        raise RefusedInput(f"Arrays of {path} must be matrices of numbers")

    def made(spec: Unit) -> LayerOperands:
        acts, weights = (
            fmt.encode(array.astype(np.float64))
            if array.dtype.kind == "f"
            else array.astype(np.int64)
            for fmt, array in zip((spec.act, spec.weight), arrays, strict=True)
        )
        return LayerOperands(path.stem, acts, weights)

    return made
