"""A machine at its serial line: simulated bit by bit, or on a board, against its network."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import Network, read_network
from macwright.hw.errors import RefusedInput, ToolError
from macwright.sim.accelerator.built import PATIENCE, BuiltMachine, to_stream
from macwright.sim.accelerator.difference import levels_from_words
from macwright.sim.accelerator.integer_network import IntegerModel
from macwright.sim.accelerator.record import MachineRecord, WordRecord, read_build
from macwright.sim.fields import from_document, shown
from macwright.sim.owned import scratch_folder

__all__ = ["LineComparison", "PortMachine", "SerialMachine", "compare_at_line", "open_port"]

#: Frames that are sent between two breaks.
FRAMES = 4
_Levels = NDArray[np.int64]


class Line(Protocol):
    """What a machine at a serial line is: frames of levels in, results out."""

    def run(self, levels: _Levels) -> _Levels:
        """Results of frames."""
        ...


@dataclass(frozen=True, kw_only=True)
class LineComparison:
    """A machine at its serial line beside its network.

    Parameters
    ----------
    images : int
        Images that were equal.
    difference : str or None
        The first result that differs: image, place, and both levels.
    """

    images: int
    difference: str | None


@dataclass
class SerialMachine(BuiltMachine):
    """The simulation of a machine with its serial shell, as `macwright build --board` wrote it.

    See :class:`~macwright.sim.accelerator.built.BuiltMachine`.

    Raises
    ------
    RefusedInput
        If the machine is a core without a board.
    """

    board: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.board = board_of(self.folder)
        super().__post_init__()

    @property
    def variant(self) -> str:
        """See the base."""
        return f"{self.tool.name}_serial"

    @property
    def verilog(self) -> tuple[str, ...]:
        """See the base."""
        return *self.record.verilog, f"{self.board['shell']}.v"

    def _bench(self) -> str:
        text = (files("macwright.sim.accelerator") / "serial.v").read_text()
        text = text.replace("DIVISOR", str(self.board["cycles_per_bit"]))
        return text.replace("SHELL", self.board["shell"])

    def run(self, levels: _Levels) -> _Levels:  # type: ignore[override]
        """Results of frames that are sent one after the other, after half a frame and a break."""
        record = self.record
        with scratch_folder(self.work) as place:
            self.link_memories(place)
            data = frame_bytes(levels, record.source, self.network)
            (place / "input.hex").write_text("".join(f"{byte:02x}\n" for byte in data))
            numbers = {
                "frames": len(levels),
                "in": len(data) // len(levels),
                "out": _bytes(record.result),
                "patience": max(PATIENCE, 4 * record.interval),
            }
            self.execute(numbers, place)
            received = bytes.fromhex((place / "output.txt").read_text())
        if len(received) != len(levels) * numbers["out"]:
            raise ToolError(
                f"Machine {record.top} hangs after {len(received)} bytes at its serial line; the "
                f"network gives {len(levels) * numbers['out']}"
            )
        return levels_of_bytes(received, record, self.network)


@dataclass(kw_only=True)
class PortMachine:
    """A machine on a board, at a serial port of this computer.

    Parameters
    ----------
    port : serial.Serial
        The port, open; it gives up after a time.
    record : MachineRecord
        The machine.
    network : Network
        What it computes.
    """

    port: Any
    record: MachineRecord
    network: Network

    def run(self, levels: _Levels) -> _Levels:
        """Results of frames that are sent one after the other, after a break."""
        self.port.send_break()
        self.port.reset_input_buffer()
        received = b""
        for number, frame in enumerate(levels):
            self.port.write(frame_bytes(frame[None], self.record.source, self.network))
            got = self.port.read(_bytes(self.record.result))
            if len(got) < _bytes(self.record.result):
                raise ToolError(
                    f"Board at {self.port.port} must answer with {_bytes(self.record.result)} "
                    f"bytes, and gave {len(got)} for image {number} within {self.port.timeout:g} s:"
                    " is its bitstream that of this folder, and the port that of its serial line?"
                )
            received += got
        return levels_of_bytes(received, self.record, self.network)


def open_port(folder: Path, port: str) -> PortMachine:
    """The machine of a folder on a board at a port, such as ``/dev/ttyUSB0``.

    Raises
    ------
    RefusedInput
        If the folder's machine has no board, or there is no such port.
    ToolError
        If the package for serial ports is not installed.
    """
    board, record = board_of(folder), MachineRecord.of(read_build(folder)["machine"])
    try:
        import serial  # type: ignore[import-not-found, import-untyped]
    except ImportError:
        raise ToolError(
            "Boards need pyserial, which is not installed: pip install 'macwright[board]'"
        ) from None
    seconds = 1 + 2 * record.interval / board["clock_mhz"] / 1e6
    seconds += 10 * (_bytes(record.source) + _bytes(record.result)) / board["baud"]
    try:
        opened = serial.Serial(port, board["baud"], timeout=seconds)
    except (serial.SerialException, ValueError) as error:
        raise RefusedInput(
            f"Port must be that of a board's serial line, not {port}: {error}"
        ) from None
    return PortMachine(port=opened, record=record, network=read_network(folder / "network.json"))


def compare_at_line(
    machine: Line,
    network: Network,
    levels: _Levels,
    progress: Callable[[str, int, int], None] | None = None,
) -> LineComparison:
    """Give a machine at a serial line images, and compare its results with its network's.

    Parameters
    ----------
    machine : SerialMachine or PortMachine
        The machine.
    network : Network
        What it computes.
    levels : ndarray of int64, shape (images, *shape of the input)
        Levels of the input.
    progress : callable, optional
        Called with ``("serial line", images done, images)``.
    """
    expected = IntegerModel(network).run(levels)
    for start in range(0, len(levels), FRAMES):
        results = machine.run(levels[start : start + FRAMES])
        wrong = np.argwhere(results != expected[start : start + FRAMES])
        if len(wrong):
            image, *place = (int(index) for index in wrong[0])
            here = (image, *place)
            return LineComparison(
                images=start + image,
                difference=f"result {place} of image {start + image} is {results[here]}, and "
                f"{expected[start:][here]} in the network",
            )
        if progress:
            progress("serial line", start + len(results), len(levels))
    return LineComparison(images=len(levels), difference=None)


def board_of(folder: Path) -> dict[str, Any]:
    """What build.json of a folder says of its board.

    Raises
    ------
    RefusedInput
        If it says of none, or what cannot be.
    """
    board = read_build(folder).get("board")
    if board is None:
        raise RefusedInput(
            f"{folder} must hold a machine on a board, not a core: macwright build --board"
        )
    if not isinstance(board, dict):
        raise RefusedInput(f"Field board of {folder} must be an object, not {shown(board)}")
    known = [
        from_document(kind, board.get(name), f"board.{name}")
        for name, kind in (("shell", str), ("cycles_per_bit", int), ("baud", int))
    ]
    clock_mhz = from_document(float, board.get("clock_mhz"), "board.clock_mhz")
    if min(*known[1:], clock_mhz) <= 0 or not re.fullmatch(r"[A-Za-z_]\w*", known[0], re.ASCII):
        raise RefusedInput(
            f"Board of {folder} must have a shell with a name of Verilog, and cycles_per_bit, baud "
            "and clock_mhz above 0; build it anew"
        )
    return dict(board)


def _bytes(words: WordRecord) -> int:
    """Bytes of a frame."""
    return words.words * -(-words.lanes * words.bits // 8)


def frame_bytes(levels: _Levels, words: WordRecord, network: Network) -> bytes:
    """Bytes of frames, each word the lowest first."""
    size = -(-words.lanes * words.bits // 8)
    return b"".join(word.to_bytes(size, "little") for word in to_stream(levels, words, network))


def levels_of_bytes(data: bytes, record: MachineRecord, network: Network) -> _Levels:
    """Levels of results."""
    size = -(-record.result.lanes * record.result.bits // 8)
    words = [
        int.from_bytes(data[start : start + size], "little") for start in range(0, len(data), size)
    ]
    shape = network.edge(record.result.edge).shape
    return levels_from_words(words, record.result, network).reshape(-1, *shape)
