"""Sensitivities that the user brings."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from macwright.dse.csv_file import quoted, read_csv
from macwright.dse.quantizer.options import act_format, layer_formats, weight_format
from macwright.dse.workload.layer import Workload
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format

__all__ = ["read_sensitivity"]

COLUMNS = ("layer", "tensor", "format", "loss")


def read_sensitivity(
    path: Path | str,
    workload: Workload,
    weight_formats: Sequence[str],
    act_formats: Sequence[str],
) -> pd.DataFrame:
    """Read a table of sensitivities, in place of measuring them.

    Parameters
    ----------
    path : path
        CSV file with columns ``layer``, ``tensor`` (``weight`` or ``activation``), ``format`` and
        ``loss``; others are ignored. An integer format of activations stands for the signed and
        the unsigned one of its width.
    workload : Workload
        Network whose layers it is about.
    weight_formats, act_formats : sequence of str
        Formats that it must have, for every layer; of a tensor whose format the model prescribes
        that one.

    Returns
    -------
    pandas.DataFrame
        As of :func:`macwright.dse.sensitivity.measure.measure_sensitivity`.

    Raises
    ------
    FileNotFoundError
        If the file is absent.
    ValueError
        If a column, a row or a number will not do.
    """
    table = read_csv(path, "Sensitivities", COLUMNS)
    known = {layer.name: layer for layer in workload.layers}
    losses: dict[tuple[str, str, str], float] = {}
    for line, (name, tensor, fmt, loss) in enumerate(table[list(COLUMNS)].to_numpy(), 2):
        if name not in known:
            raise RefusedInput(
                f"Line {line} of {path} must name a layer of the model, not {quoted(name)}"
            )
        if tensor not in ("weight", "activation"):
            raise RefusedInput(
                f"Line {line} of {path} must be about a weight or an activation, "
                f"not {quoted(tensor)}"
            )
        number = _number(loss)
        if not (math.isfinite(number) and number >= 0):
            raise RefusedInput(
                f"Line {line} of {path} must have a loss of at least 0, not {quoted(loss)}"
            )
        losses[name, tensor, _concrete(known[name], tensor, fmt)] = number
    wanted = [
        (layer.name, tensor, fmt)
        for layer in workload.layers
        for tensor, names in zip(
            ("weight", "activation"),
            layer_formats(layer, weight_formats, act_formats, workload.fixed),
            strict=True,
        )
        for fmt in names
    ]
    for key in wanted:
        if key not in losses:
            raise RefusedInput(f"{path} must have a loss of {key[2]} for the {key[1]} of {key[0]}")
    result = pd.DataFrame(wanted, columns=list(COLUMNS[:3]))
    return result.assign(loss=np.array([losses[key] for key in wanted], np.float64))


def _concrete(layer, tensor: str, name: str) -> str:
    if tensor == "activation":
        return act_format(layer, name)
    return weight_format(layer, name) if layer.dynamic else str(parse_format(name))


def _number(text: object) -> float:
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
