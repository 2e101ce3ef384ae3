"""Writing a machine: Verilog, memories, network, images, and build.json."""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from macwright.dse.build.machine import Lowered
from macwright.dse.run.allocation import Allocation
from macwright.hw.accelerator.machine import machine_library
from macwright.hw.accelerator.network.file import network_text
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.record import BUILD_FILE, VERSION, machine_record, read_build
from macwright.sim.accelerator.simulate import write_library

__all__ = ["IMAGES_FILE", "read_images", "write_build", "write_machine"]

#: Levels of evaluation samples, for the bench.
IMAGES_FILE = "images.npz"


def write_machine(
    lowered: Lowered, allocation: Allocation, folder: Path, *, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Write a machine into a folder; returns the content of its build.json, which comes last."""
    library = machine_library(lowered.spec)
    paths = write_library(library, folder)
    text = network_text(lowered.network)
    write_atomic(folder / "network.json", text)
    stream = io.BytesIO()
    np.savez(stream, levels=_narrow(lowered.images))
    write_atomic(folder / IMAGES_FILE, stream.getvalue())
    timing = lowered.sizing.timing
    record = machine_record(
        lowered.network,
        lowered.spec,
        verilog=[path.name for path in paths],
        latency=timing.latency,
    )
    fields = {
        "version": VERSION,
        "macwright": version("macwright"),
        "model_sha256": allocation.model_sha256,
        "allocation": allocation.to_fields(),
        "notes": list(notes),
        "network_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "accuracy": asdict(lowered.accuracy),
        "predicted": {
            **allocation.costs,
            "interval_cycles": lowered.spec.interval,
            "latency_cycles": timing.latency,
        },
        "buffers_words": lowered.sizing.depths,
        "buffers_unbounded_words": dict(lowered.sizing.unbounded.peaks),
        "machine": record.to_fields(),
        "files_sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted([*paths, *(folder / name for name in library.images)])
        },
    }
    fields |= _earlier(folder, fields)
    write_build(folder, fields)
    return fields


def _earlier(folder: Path, fields: dict[str, Any]) -> dict[str, Any]:
    """What was synthesised and placed of the same files before."""
    if not (folder / BUILD_FILE).is_file():
        return {}
    known = read_build(folder)
    if known.get("files_sha256") != fields["files_sha256"]:
        return {}
    return {name: known[name] for name in ("synthesised", "placed") if name in known}


def write_build(folder: Path, fields: dict[str, Any]) -> None:
    """Write build.json."""
    write_atomic(folder / BUILD_FILE, json.dumps(fields, indent=1) + "\n")


def read_images(folder: Path, count: int | None) -> np.ndarray:
    """Levels of the images that came with a machine, int64.

    Raises
    ------
    ValueError
        If there are fewer.
    """
    path = folder / IMAGES_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} must hold {IMAGES_FILE}, which is missing")
    with np.load(path, allow_pickle=False) as archive:
        levels = archive["levels"].astype(np.int64)
    if count is not None and not 1 <= count <= len(levels):
        raise RefusedInput(f"Images must be from 1 to the {len(levels)} of {path}, not {count}")
    return levels[:count]


def _narrow(levels: np.ndarray) -> np.ndarray:
    """The same in the narrowest type that holds it."""
    kind = np.promote_types(np.min_scalar_type(levels.min()), np.min_scalar_type(levels.max()))
    return levels.astype(kind)
