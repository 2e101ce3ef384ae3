"""run.json as it is read: what others have changed in it is refused, not run into."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from macwright.hw.errors import RefusedInput
from macwright.sim.fields import from_document

__all__ = ["read_info"]


@dataclass(frozen=True)
class _Clock:
    clock_mhz: float
    assumed: bool
    margin: float
    points: int
    too_fast_for: Mapping[str, Any]


@dataclass(frozen=True)
class _Ranking:
    allocations: int
    seed: int
    spearman: Mapping[str, float | None]


#: Types of what is read of run.json, by its place.
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("model", "model_sha256", "data_sha256", "technology", "objective"), str),
    **dict.fromkeys(("metric", "task", "stands_for"), str | None),
    **dict.fromkeys(("evaluation_samples", "calibration_samples"), int | None),
    **dict.fromkeys(("fp32_accuracy", "fp32_standard_error"), float | None),
    "fixed_formats": Mapping[str, Any],
    "verification": Mapping[str, Any],
    "losses": Mapping[str, Any],
    "clocks": tuple[_Clock, ...],
    "prediction": Mapping[str, Any] | None,
    "prediction.error": float,
    "prediction.points": int,
    "ranking": _Ranking | None,
    "settings": Mapping[str, Any],
    "settings.free": tuple[str, ...],
    "settings.held_out": float | None,
}


def read_info(folder: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    """What run.json of a run says, of the types that a run writes.

    Parameters
    ----------
    folder : Path
        Of a run.
    needed : sequence of str
        Places that must be there, such as ``settings.free``; others may be missing.

    Raises
    ------
    FileNotFoundError
        If there is no run.json.
    RefusedInput
        If it is no JSON object, a needed field is missing, or one has another type.
    """
    file = folder / "run.json"
    if not file.is_file():
        raise FileNotFoundError(f"Run must be a folder with run.json, and {folder} has none")
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RefusedInput(f"{file} must be the JSON that a run writes, not {error}") from None
    if not isinstance(info, dict):
        raise RefusedInput(f"{file} must be the JSON object that a run writes, not another value")
    for path, kind in _TYPES.items():
        place: Any = info
        *above, last = path.split(".")
        for name in above:
            place = place.get(name) or {}
        if last in place:
            from_document(kind, place[last], f"run.json.{path}")
        elif path in needed:
            raise RefusedInput(f"Field run.json.{path} must be there, and is missing")
    return info
