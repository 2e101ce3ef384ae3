"""Writing a machine: Verilog, memories, network, images, and build.json."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from macwright.costmodel.npz import Archive
from macwright.costmodel.system.machine_resources import machine_model
from macwright.costmodel.system.weight_streaming import LATENCY, streamed_frames
from macwright.costmodel.technology.devices import DEVICES
from macwright.dse.architecture.engine_units import engine_unit
from macwright.dse.build.machine import Lowered
from macwright.dse.build.memories import constant_style
from macwright.dse.build.temporal import LoweredTemporal
from macwright.dse.data.npz import npz_bytes
from macwright.dse.run.allocation import Allocation
from macwright.hw.accelerator.library import Library
from macwright.hw.accelerator.machine import MachineSpec, machine_library
from macwright.hw.accelerator.network.file import network_text
from macwright.hw.accelerator.temporal.machine import temporal_library
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.errors import NotSupported, RefusedInput
from macwright.hw.files import write_atomic
from macwright.hw.pe import UnitSpec
from macwright.sim.accelerator.record import (
    BUILD_FILE,
    VERSION,
    MachineRecord,
    machine_record,
    read_build,
    temporal_record,
)
from macwright.sim.accelerator.simulate import write_library

__all__ = ["IMAGES_FILE", "LATER", "read_images", "write_build", "write_machine", "write_temporal"]

#: Levels of evaluation samples, for the bench.
IMAGES_FILE = "images.npz"
#: What build.json says of what was made of a machine; it stays as long as its files do.
LATER = ("board", "synthesised", "placed")


def write_machine(
    lowered: Lowered, allocation: Allocation, folder: Path, *, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Write a dataflow machine into a folder.

    Returns
    -------
    dict
        Content of its build.json, which comes last.
    """
    timing = lowered.sizing.timing

    def record(verilog: list[str]) -> MachineRecord:
        return machine_record(
            lowered.network, lowered.spec, verilog=verilog, latency=timing.latency
        )

    buffers = {
        "buffers_words": lowered.sizing.depths,
        "buffers_unbounded_words": dict(lowered.sizing.unbounded.peaks),
        "modelled": _modelled(lowered.spec, allocation, "ecp5"),
    }
    return _write(
        lowered, machine_library(lowered.spec), record, allocation, folder, notes, buffers
    )


def write_temporal(
    lowered: LoweredTemporal,
    allocation: Allocation,
    folder: Path,
    *,
    device: str = "lfe5u-85f",
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Write a temporal machine for one of `DEVICES`; returns as :func:`write_machine`."""
    spec, program = lowered.spec, lowered.spec.program
    family = DEVICES[device].family

    stream, frames = program.weight_stream, None
    if stream:
        frames = streamed_frames(program, spec.unit.pipeline, latency=LATENCY)

    def record(verilog: list[str]) -> MachineRecord:
        return temporal_record(spec, verilog=verilog, frames=frames, latency=LATENCY)

    words = stream.depth if stream else program.weight_words
    memories = {
        "activation": program.depth * program.columns * program.lane_bits,
        "weight": words * program.columns * program.weight_bits,
        "program": spec.code.program_bits,
        "parameter": spec.code.parameter_bits,
    }
    about = {
        "memories_bits": memories,
        "unit": spec.array.unit.name,
        "modelled": _modelled(spec, allocation, family, device),
    }
    library = temporal_library(spec, partial(constant_style, family))
    return _write(lowered, library, record, allocation, folder, notes, about)


def _write(
    lowered: Lowered | LoweredTemporal,
    library: Library,
    record_of: Callable[[list[str]], MachineRecord],
    allocation: Allocation,
    folder: Path,
    notes: Sequence[str],
    about: dict[str, Any],
) -> dict[str, Any]:
    """Write what all machines have; without build.json until they are of one machine."""
    known = _earlier(folder)
    (folder / BUILD_FILE).unlink(missing_ok=True)
    paths = write_library(library, folder)
    text = network_text(lowered.network)
    write_atomic(folder / "network.json", text)
    write_atomic(folder / IMAGES_FILE, npz_bytes({"levels": _narrow(lowered.images)}))
    record = record_of([path.name for path in paths])
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
            "interval_cycles": record.interval,
            "latency_cycles": record.latency,
        },
        **about,
        "machine": record.to_fields(),
        "files_sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted([*paths, *(folder / name for name in library.images)])
        },
    }
    if known.get("files_sha256") == fields["files_sha256"]:
        fields |= {name: known[name] for name in LATER if name in known}
    write_build(folder, fields)
    return fields


def _modelled(
    spec: MachineSpec | TemporalSpec, allocation: Allocation, family: str, device: str = ""
) -> dict[str, Any]:
    """Resources of the machine as the cost model counts them from its final widths and depths."""
    model, units = machine_model(family), {}
    known = {_kind(unit): unit for unit in allocation.units.values()}
    owners = [spec] if isinstance(spec, TemporalSpec) else [stage.spec for stage in spec.stages]
    for owner in owners:
        unit = getattr(getattr(owner, "array", None), "unit", None)
        if isinstance(unit, UnitSpec) and _kind(unit) in known:
            units[unit] = engine_unit(known[_kind(unit)], model).with_sum(unit, model)
    try:
        if device:
            model.array_clock(device)  # refuses what was not measured, such as without multipliers
        resources = model.of(spec, units)
    except NotSupported as reason:
        return {"family": family, "not_counted": str(reason)}
    counted = {"family": family, **resources.to_fields()}
    if isinstance(spec, TemporalSpec):
        return counted
    return {**counted, "clock_mhz": model.expected_mhz(resources.luts)}


def _kind(unit: UnitSpec) -> tuple[Any, ...]:
    """What units have in common whose sums alone differ."""
    fields = {name: text for name, text in unit.to_fields().items() if name not in ("acc", "terms")}
    return unit.family, tuple(sorted((name, str(value)) for name, value in fields.items()))


def _earlier(folder: Path) -> dict[str, Any]:
    """What a folder says of a machine that was built before; nothing of one that is damaged."""
    try:
        return read_build(folder)
    except (FileNotFoundError, RefusedInput):
        return {}


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
    levels = Archive(path)["levels"]
    if levels.dtype.kind not in "iu" or not levels.ndim:
        raise RefusedInput(f"Levels of {path} must be whole numbers, not {levels.dtype}")
    levels = levels.astype(np.int64)
    if count is not None and not 1 <= count <= len(levels):
        raise RefusedInput(f"Images must be from 1 to the {len(levels)} of {path}, not {count}")
    return levels[:count]


def _narrow(levels: np.ndarray) -> np.ndarray:
    """The same in the narrowest type that holds it."""
    kind = np.promote_types(np.min_scalar_type(levels.min()), np.min_scalar_type(levels.max()))
    return levels.astype(kind)
