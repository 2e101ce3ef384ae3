"""Packets for the benches of AXI4-Stream wrappers: sums against the golden model of the unit."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, Timer

from macwright.hw.formats import BlockFormat, FloatFormat
from macwright.sim.bench.driver import PERIOD
from macwright.sim.bench.mac import finite_codes
from macwright.sim.families import golden_model
from macwright.sim.golden import legal_codes

__all__ = ["full_rate", "packets", "patience", "reset"]

#: Cycles in which something must move where nothing stalls.
_SOON = 32
_Beat = Mapping[str, int]


class _Streams:
    """Both ends of a wrapper, cycle by cycle.

    What is offered stays until it is taken, and what the wrapper offers must, too.
    """

    def __init__(self, dut: Any, spec: Any) -> None:
        self.dut, self.spec = dut, spec
        self.cycle = 0
        self.results: list[tuple[int, int, int]] = []  # word, flag, cycle
        self.fields = _fields(spec)
        self._waiting: tuple[str, str] | None = None
        self._falling = FallingEdge(dut.aclk)

    async def start(self) -> None:
        """Start the clock, and hold the reset for two cycles."""
        await Timer(1, unit="step")
        for name in ("s_axis_tvalid", "s_axis_tlast", "s_axis_tdata", "m_axis_tready", "aresetn"):
            getattr(self.dut, name).set(Immediate(0))
        if hasattr(self.dut, "s_axis_tuser"):
            self.dut.s_axis_tuser.set(Immediate(0))
        Clock(self.dut.aclk, PERIOD, unit="step", impl="gpi").start()
        await self.reset()

    async def reset(self) -> None:
        """Two cycles of reset; what the wrapper offered is gone."""
        self.dut.aresetn.set(Immediate(0))
        self.dut.s_axis_tvalid.set(Immediate(0))
        for _ in range(2):
            await self._falling
        self.dut.aresetn.set(Immediate(1))
        self._waiting = None

    async def step(self, beat: _Beat | None, *, ready: bool) -> bool:
        """A cycle with or without a beat on offer; whether it was taken."""
        self.dut.s_axis_tvalid.set(Immediate(int(beat is not None)))
        self.dut.m_axis_tready.set(Immediate(int(ready)))
        if beat is not None:
            word = 0
            for name, (low, _) in self.fields.items():
                word |= beat[name] << low
            self.dut.s_axis_tdata.set(Immediate(word))
            self.dut.s_axis_tlast.set(Immediate(beat["last"]))
            if hasattr(self.dut, "s_axis_tuser"):
                self.dut.s_axis_tuser.set(Immediate(beat["said_end"]))
        await Timer(1, unit="step")
        taken = beat is not None and str(self.dut.s_axis_tready.value) == "1"
        self._look(ready=ready)
        await self._falling
        self.cycle += 1
        return taken

    def _look(self, *, ready: bool) -> None:
        """Take a result if there is one; one that waited must be as it was."""
        dut = self.dut
        flag = str(dut.m_axis_tuser.value) if hasattr(dut, "m_axis_tuser") else "0"
        now = str(dut.m_axis_tdata.value), flag
        valid = str(dut.m_axis_tvalid.value)
        assert valid in ("0", "1"), f"m_axis_tvalid is {valid} in cycle {self.cycle}"
        if self._waiting is not None:
            assert valid == "1", f"m_axis_tvalid fell before m_axis_tready in cycle {self.cycle}"
            assert now == self._waiting, (
                f"Result changed from {self._waiting} to {now} while it waited, in cycle "
                f"{self.cycle}"
            )
        self._waiting = now if valid == "1" and not ready else None
        if valid == "1" and ready:
            assert str(dut.m_axis_tlast.value) == "1", "m_axis_tlast must be 1"
            word = int(now[0], 2) if set(now[0]) <= set("01") else -1
            self.results.append((word, int(flag, 2), self.cycle))


async def packets(dut: Any, spec: Any) -> None:
    """Packets of random length and operands, with every kind of stall at both ends."""
    streams = _Streams(dut, spec)
    await streams.start()
    for offered, ready in ((1.0, 1.0), (0.3, 1.0), (1.0, 0.2), (0.6, 0.5), (0.05, 0.9)):
        sent = [_packet(spec, length) for length in _lengths(30 if offered > 0.1 else 5)]
        await _run(
            streams,
            sent,
            offer=lambda p=offered: random.random() < p,
            ready=lambda p=ready: random.random() < p,
        )


async def full_rate(dut: Any, spec: Any) -> None:
    """A beat a cycle, and between packets the pause that the manifest says."""
    streams = _Streams(dut, spec)
    await streams.start()
    sent = [_packet(spec, length) for length in _lengths(40)]
    begin = streams.cycle
    last = await _run(streams, sent, offer=lambda: True, ready=lambda: True)
    # From the definition of the unit: a register a stage, and one for the total of groups.
    edges = spec.pipeline + int(getattr(spec, "scale", None) is not None)
    beats = sum(map(len, sent))
    # Of the last result the cycle in which it is taken counts from 0.
    want = beats + max(0, edges - 1) * (len(sent) - 1) + edges
    got = last - begin
    assert got == want, f"{beats} beats in {len(sent)} packets took {got} cycles, expected {want}"


async def patience(dut: Any, spec: Any) -> None:
    """A result comes though the next packet stops after a beat, and waits for its taker."""
    streams = _Streams(dut, spec)
    await streams.start()
    for _ in range(10):
        first, second = _packet(spec, random.choice((1, 2, 5))), _packet(spec, 4)
        # As much of the second packet as fits, but not its end, then nothing at all.
        beats = [*first, *second[: random.choice((0, 1, 2, 3))]]
        given = 0
        for _ in range(_SOON):
            beat = beats[given] if given < len(beats) else None
            given += await streams.step(beat, ready=False)
        for _ in range(_SOON):
            beat = beats[given] if given < len(beats) else None
            given += await streams.step(beat, ready=True)
        assert given == len(beats), f"{given} of {len(beats)} beats were taken"
        _check(streams, [first])
        await _send(streams, second[len(beats) - len(first) :])
        _check(streams, [second])


async def reset(dut: Any, spec: Any) -> None:
    """A reset within a packet: what was begun is dropped, and the next sum is right."""
    streams = _Streams(dut, spec)
    await streams.start()
    for _ in range(10):
        await _send(streams, _packet(spec, 6)[: random.randrange(1, 6)], finish=False)
        await streams.reset()
        sent = [_packet(spec, length) for length in (1, 3)]
        await _run(streams, sent, offer=lambda: True, ready=lambda: True)


async def _run(
    streams: _Streams,
    sent: Sequence[Sequence[_Beat]],
    *,
    offer: Callable[[], bool],
    ready: Callable[[], bool],
) -> int:
    """Send packets and check their results; the cycle in which the last was taken."""
    beats = [beat for packet in sent for beat in packet]
    given, offered, idle = 0, False, 0
    while len(streams.results) < len(sent):
        before = given, len(streams.results)
        # A beat that was offered stays on offer.
        offered = given < len(beats) and (offered or offer())
        if await streams.step(beats[given] if offered else None, ready=ready()):
            given, offered = given + 1, False
        idle = 0 if before != (given, len(streams.results)) else idle + 1
        assert idle < 200 * _SOON, f"Nothing moved since cycle {streams.cycle - idle}"
    last = streams.results[-1][2]
    for _ in range(_SOON // 4):
        await streams.step(None, ready=True)
    _check(streams, sent)
    return last


async def _send(streams: _Streams, beats: Sequence[_Beat], *, finish: bool = True) -> None:
    """Send beats as fast as they are taken, and wait for what comes of them."""
    given = 0
    for _ in range(_SOON + len(beats)):
        given += await streams.step(beats[given] if given < len(beats) else None, ready=True)
        if not finish and given == len(beats):
            return
    assert given == len(beats), f"{given} of {len(beats)} beats were taken"


def _check(streams: _Streams, sent: Sequence[Sequence[_Beat]]) -> None:
    """Compare the results with the golden model's, then forget them."""
    spec = streams.spec
    assert len(streams.results) == len(sent), (
        f"{len(streams.results)} results came of {len(sent)} packets by cycle {streams.cycle}"
    )
    for number, (packet, (word, flag, cycle)) in enumerate(zip(sent, streams.results, strict=True)):
        want, invalid = _expected(spec, packet)
        where = f"of packet {number}, {len(packet)} beats, in cycle {cycle}"
        if invalid is not None:
            assert flag == invalid, f"m_axis_tuser is {flag}, expected {invalid}, {where}"
        if want is not None:
            width = len(streams.dut.m_axis_tdata)
            wanted = _extended(spec, want, width)
            assert word == wanted, f"m_axis_tdata is {word:#x}, expected {wanted:#x}, {where}"
    streams.results.clear()


def _expected(spec: Any, packet: Sequence[_Beat]) -> tuple[int | None, int | None]:
    """Result and flag of a packet by the golden model, which has no streams and no stalls."""
    model = golden_model(spec)
    scaled = _is_scaled(spec)
    names = [name for name in _fields(spec) if name not in ("scale", "zero")]
    ended: _Beat | None = None
    first_group = True
    # Behind the packet whatever follows: it starts a sum of its own.
    follow = spec.pipeline + scaled
    for number, beat in enumerate([*packet, *[packet[-1]] * follow]):
        clear = number == 0 or number >= len(packet) or ended is not None
        inputs = {name: beat[name] for name in names}
        if scaled:
            inputs |= {"take": int(ended is not None), "start": int(first_group)}
            held = ended or beat
            inputs |= {name: held[name] for name in ("scale", "zero") if name in held}
        model.step(**inputs, clear=int(clear))
        if ended is not None:
            first_group = False
        ended = beat if scaled and number < len(packet) and beat["group_end"] else None
    if scaled:
        return model.total, getattr(model, "total_invalid", None)
    return model.acc, getattr(model, "invalid", None)


def _extended(spec: Any, code: int, width: int) -> int:
    """Code word of a result in a word of whole bytes."""
    fmt = spec.total if _is_scaled(spec) else spec.acc
    # Of accumulators only floats and unsigned integers have no sign to extend.
    signed = not isinstance(fmt, FloatFormat) and getattr(fmt, "signed", True)
    negative = signed and code >> (fmt.width - 1)
    return code + (2**width - 2**fmt.width if negative else 0)


def _is_scaled(spec: Any) -> bool:
    return getattr(spec, "scale", None) is not None


def _fields(spec: Any) -> dict[str, tuple[int, int]]:
    """Lowest bit and width of each operand in a word, each from a whole byte on."""
    lanes = getattr(spec, "lanes", 1)
    widths = {"a": lanes * spec.act.width, "w": lanes * spec.weight.width}
    for name, fmt in (("a_scale", spec.act), ("w_scale", spec.weight)):
        widths |= {name: fmt.scale.width} if isinstance(fmt, BlockFormat) else {}
    for name in ("scale", "zero"):
        fmt = getattr(spec, name, None)
        widths |= {} if fmt is None else {name: fmt.width}
    low, layout = 0, {}
    for name, width in widths.items():
        layout[name] = low, width
        low += (width + 7) // 8 * 8
    return layout


def _lengths(count: int) -> list[int]:
    """Lengths of packets, many of them short."""
    return [random.choice((1, 1, 2, 3, random.randrange(1, 20))) for _ in range(count)]


def _packet(spec: Any, length: int) -> list[_Beat]:
    """Random operands; in one packet of five NaN and infinity, too, where a format has them."""
    lane = getattr(spec, "lane", spec)
    special = random.random() < 0.2
    codes = {
        name: finite_codes(fmt)
        if isinstance(fmt, FloatFormat) and not special
        else legal_codes(fmt)
        for name, fmt in (("a", lane.act), ("w", lane.weight))
    }
    widths = {"a": spec.act.width, "w": spec.weight.width}
    longest = getattr(spec, "group", length)
    beats: list[_Beat] = []
    in_group = 0
    for number in range(length):
        beat = {name: random.randrange(2**width) for name, (_, width) in _fields(spec).items()}
        for name, choices in codes.items():
            lanes = [random.choice(choices) for _ in range(getattr(spec, "lanes", 1))]
            beat[name] = sum(code << (k * widths[name]) for k, code in enumerate(lanes))
        in_group += 1
        last = number == length - 1
        end = last or in_group == longest or random.random() < 0.3
        in_group = 0 if end else in_group
        # The end of a sum ends its group, whatever is said of that.
        said = int(end and not (last and random.random() < 0.5))
        beats.append({**beat, "last": int(last), "group_end": int(end), "said_end": said})
    return beats
