"""Streams between the modules of a machine.

A tensor goes position by position in raster order, the channels of a position one after the other,
`lanes` of them in a word, the first in the lowest bits. Modules count, so words carry no mark of
the end of a frame; only the ends of a machine do (``tlast``).

Flow is controlled by credits. Whoever writes into a buffer reserves room for a burst of words
first, and writes them however much later; so pipelines never stall, and valid and ready exist only
where a buffer is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.errors import RefusedInput

__all__ = [
    "Source",
    "Words",
    "check_count",
    "connect_sink",
    "counter",
    "delayed",
    "sink_ports",
    "stage_ports",
]


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a word of a stream is.

    Parameters
    ----------
    lanes : int
        Channels in a word.
    bits : int
        Bits of a channel.
    """

    lanes: int
    bits: int

    def __post_init__(self) -> None:
        check_count("Lanes of a word", self.lanes)
        check_count("Bits of a lane", self.bits)

    @property
    def width(self) -> int:
        """Bits of a word."""
        return self.lanes * self.bits

    def split(self, word: Value) -> list[Value]:
        """Channels of a word, the first in its lowest bits."""
        return [word.word_select(lane, self.bits) for lane in range(self.lanes)]


def check_count(what: str, number: Any, *, least: int = 1) -> None:
    """Refuse what is no integer of at least so many."""
    if type(number) is not int or number < least:
        raise RefusedInput(f"{what} must be an integer of at least {least}, not {number!r}")


def sink_ports(words: Words) -> dict[str, Any]:
    """Ports through which a buffer is filled.

    ``room`` (out): a burst fits. ``reserve`` (in, only with `room`): one is taken. ``valid``,
    ``data`` (in): a word of a burst that was reserved in this or an earlier cycle.
    """
    return {"room": Out(1), "reserve": In(1), "valid": In(1), "data": In(words.width)}


def stage_ports(inputs: Sequence[Words], outputs: Sequence[int]) -> dict[str, Any]:
    """Ports of a stage of a machine, which has a buffer for each of its inputs.

    ``room0, reserve0, valid0, in0`` and so on: see :func:`sink_ports`. ``allow`` (in): all buffers
    that the outputs go to have room. ``start`` (out, only with `allow`): a burst of them is
    reserved. ``valid`` (out): there is a word for each output, ``out0`` and so on, of as many bits
    as `outputs` say.
    """
    ports: dict[str, Any] = {}
    for k, words in enumerate(inputs):
        ports |= {f"room{k}": Out(1), f"reserve{k}": In(1), f"valid{k}": In(1)}
        ports |= {f"in{k}": In(words.width)}
    ports |= {"allow": In(1), "start": Out(1), "valid": Out(1)}
    return ports | {f"out{k}": Out(width) for k, width in enumerate(outputs)}


def connect_sink(m: Any, stage: Any, k: int, buffer: Any) -> None:
    """Connect the k-th input of a stage to its buffer."""
    m.d.comb += [
        getattr(stage, f"room{k}").eq(buffer.room),
        buffer.reserve.eq(getattr(stage, f"reserve{k}")),
        buffer.valid.eq(getattr(stage, f"valid{k}")),
        buffer.data.eq(getattr(stage, f"in{k}")),
    ]


class Source(wiring.Signature):
    """Signature of the end of a buffer that is read: ``valid``, ``data`` and ``ready``.

    A word is taken at a clock edge where `valid` and `ready` are 1; `data` holds until then.
    """

    def __init__(self, words: Words) -> None:
        super().__init__({"valid": Out(1), "data": Out(words.width), "ready": In(1)})

    def create(self, **arguments: Any) -> Any:
        """Signals of the interface."""
        return super().create(**arguments)


def counter(m: Any, *, step: Value, count: int, name: str) -> tuple[Signal | None, Any]:
    """Counter of steps from 0 to ``count - 1``, over and over; and whether it is at its last.

    A count of 1 needs no register. Both results are registers.
    """
    if count == 1:
        return None, 1
    index = Signal(range(count), name=name)
    last = Signal(name=f"{name}_last")
    with m.If(step):
        m.d.sync += [index.eq(index + 1), last.eq(index == count - 2)]
        with m.If(last):
            m.d.sync += index.eq(0)
    return index, last


def delayed(m: Any, signal: Value, cycles: int, name: str) -> Value:
    """The bit so many cycles later: a chain of registers, 0 at the start."""
    for cycle in range(cycles):
        after = Signal(name=f"{name}_{cycle + 1}")
        m.d.sync += after.eq(signal)
        signal = after
    return signal
