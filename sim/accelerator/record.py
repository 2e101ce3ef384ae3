"""What a folder with a machine says of it: its words, its stages, its cycles."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from macwright.hw.accelerator.machine import MachineSpec
from macwright.hw.accelerator.network import Network, Reshape
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.errors import RefusedInput
from macwright.sim.fields import from_document, shown

__all__ = [
    "BUILD_FILE",
    "BusRecord",
    "MachineRecord",
    "StageRecord",
    "WordRecord",
    "machine_record",
    "read_build",
    "temporal_record",
]

#: File of a folder that describes the machine in it, and the version of its layout.
BUILD_FILE, VERSION = "build.json", 1


@dataclass(frozen=True, kw_only=True)
class WordRecord:
    """Words in which a tensor is passed on.

    Parameters
    ----------
    edge : str
        Edge of the network.
    lanes, bits : int
        Codes in a word, and bits of a code.
    words : int
        Words of a frame.
    """

    edge: str
    lanes: int
    bits: int
    words: int

    def __post_init__(self) -> None:
        for name in ("lanes", "bits", "words"):
            _check_positive(self, name)


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """A stage of a machine.

    Parameters
    ----------
    name : str
        Name of its instance.
    node : str
        Node of the network that it computes.
    cycles : int
        Cycles of a frame.
    outputs : tuple of WordRecord
        What it gives.
    """

    name: str
    node: str
    cycles: int
    outputs: tuple[WordRecord, ...]

    def __post_init__(self) -> None:
        _check_name(self.name)


@dataclass(frozen=True, kw_only=True)
class BusRecord:
    """AXI4 bus over which a machine reads its weights.

    Parameters
    ----------
    bits : int
        Of a beat.
    beats : int
        Beats of a frame.
    image : str
        File of them, one in hexadecimal digits on a line.
    latency : int
        Cycles from an address to the first beat, of the memory that cycles are predicted for.
    """

    bits: int
    beats: int
    image: str
    latency: int

    def __post_init__(self) -> None:
        for name in ("bits", "beats", "latency"):
            _check_positive(self, name)
        if not re.fullmatch(r"[A-Za-z_]\w*\.hex", self.image, re.ASCII):
            raise RefusedInput(
                f"Image of weights must be a plain name in .hex, not {shown(self.image)}"
            )


@dataclass(frozen=True, kw_only=True)
class MachineRecord:
    """A machine, as its bench needs to know it.

    Parameters
    ----------
    top : str
        Name of its top module.
    verilog : tuple of str
        Its files.
    source, result : WordRecord
        What goes in and what comes out.
    interval, latency : int
        Cycles between frames, and from the first word of a frame to its last result, as predicted.
    stages : tuple of StageRecord
        In an order of execution; those of a temporal machine are its passes.
    array : (int, int), optional
        Rows and columns of the array of a temporal machine.
    bus : BusRecord, optional
        How its weights come, if from outside.
    """

    top: str
    verilog: tuple[str, ...]
    source: WordRecord
    result: WordRecord
    interval: int
    latency: int
    stages: tuple[StageRecord, ...]
    array: tuple[int, int] | None = None
    bus: BusRecord | None = None

    def __post_init__(self) -> None:
        _check_name(self.top)
        for name in ("interval", "latency"):
            _check_positive(self, name)
        for name in self.verilog:
            if not re.fullmatch(r"[A-Za-z_]\w*\.v", name, re.ASCII):
                raise RefusedInput(f"Files of a machine must be plain names in .v, not {name!r}")

    def to_fields(self) -> dict[str, Any]:
        """All of it, as JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "MachineRecord":
        """From the same.

        Raises
        ------
        RefusedInput
            If it is not that.
        """
        return from_document(cls, fields, "machine")


def _check_positive(record: Any, name: str) -> None:
    value = getattr(record, name)
    if not 1 <= value < 1 << 31:
        raise RefusedInput(f"Field {name} of a machine must be from 1 to 2^31 - 1, not {value}")


def _check_name(name: str) -> None:
    """Names that are in a bench must be names there, too."""
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
        raise RefusedInput(f"Parts of a machine must have names of Verilog, not {name!r}")


def machine_record(
    network: Network, spec: MachineSpec, *, verilog: list[str], latency: int
) -> MachineRecord:
    """Record of a machine that was composed from a network."""
    nodes = [node for node in network.nodes if not isinstance(node, Reshape)]
    stages = []
    for node, stage in zip(nodes, spec.stages, strict=True):
        part = stage.spec
        lanes = part.drain.lanes if hasattr(part, "drain") else part.lanes
        outputs = tuple(
            WordRecord(
                edge=name,
                lanes=lanes,
                bits=network.edge(name).format.width,
                words=network.edge(name).size // lanes,
            )
            for name in node.produced
        )
        stages.append(
            StageRecord(name=stage.name, node=node.name, cycles=part.cycles, outputs=outputs)
        )
    out = spec.fifo.read
    return MachineRecord(
        top=spec.name,
        verilog=tuple(verilog),
        source=WordRecord(
            edge=network.input,
            lanes=spec.words.lanes,
            bits=spec.words.bits,
            words=spec.frame_words,
        ),
        result=WordRecord(
            edge=network.output, lanes=out.lanes, bits=out.bits, words=spec.out_words
        ),
        interval=spec.interval,
        latency=latency,
        stages=tuple(stages),
    )


def temporal_record(
    spec: TemporalSpec,
    *,
    verilog: list[str],
    frames: tuple[int, int] | None = None,
    latency: int = 1,
) -> MachineRecord:
    """Record of a temporal machine.

    Parameters
    ----------
    spec : TemporalSpec
        The machine.
    verilog : list of str
        Its files.
    frames : (int, int), optional
        Cycles of the first frame, and of those that follow, where weights come from outside.
    latency : int
        Of the memory there, for which they hold.
    """
    program, stages = spec.program, []
    for number, layer_pass in enumerate(program.passes):
        words = WordRecord(
            edge=layer_pass.edge,
            lanes=program.columns,
            bits=spec.result_bits,
            words=layer_pass.words * layer_pass.positions,
        )
        cycles = layer_pass.cycles(program.rows, spec.unit.pipeline)
        stages.append(
            StageRecord(name=f"pass{number}", node=layer_pass.node, cycles=cycles, outputs=(words,))
        )
    source, result = program.source, program.result
    first, interval = frames or (spec.frame_cycles, spec.frame_cycles)
    stream, bus = program.weight_stream, None
    if stream:
        bus = BusRecord(
            bits=stream.bus_bits, beats=stream.frame_words * stream.word_beats,
            image=f"{spec.name}_weights.hex", latency=latency,
        )  # fmt: skip
    return MachineRecord(
        top=spec.name,
        verilog=tuple(verilog),
        source=WordRecord(
            edge=source.edge, lanes=source.lanes, bits=source.bits,
            words=source.frame_words,
        ),
        result=WordRecord(
            edge=result.edge, lanes=1, bits=result.bits, words=result.channels * result.positions
        ),
        interval=interval,
        # From the first word in to the last result out, both in cycles that count.
        latency=first - 1,
        stages=tuple(stages),
        array=(program.rows, program.columns),
        bus=bus,
    )  # fmt: skip


def read_build(folder: Path) -> dict[str, Any]:
    """Content of a folder's build.json.

    Raises
    ------
    FileNotFoundError
        If the folder has none.
    ValueError
        If it is not one that `macwright build` wrote.
    """
    path = folder / BUILD_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} must hold a machine that macwright build wrote")
    try:
        fields = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RefusedInput(f"{path} must be what macwright build wrote, not {error}") from error
    if not isinstance(fields, dict) or not {"version", "machine"} <= fields.keys():
        raise RefusedInput(
            f"{path} must be what macwright build wrote, an object with version and machine"
        )
    if fields["version"] != VERSION:
        raise RefusedInput(
            f"{path} must be of version {VERSION}, not {shown(fields['version'])}; build it anew"
        )
    try:
        MachineRecord.of(fields["machine"])
    except ValueError as error:
        raise RefusedInput(f"{path} must be what macwright build wrote: {error}") from error
    return fields
