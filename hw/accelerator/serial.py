"""Serial line in front of a machine: bytes in, bytes out, as a computer's serial port has them."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.fifo import Fifo, FifoSpec
from macwright.hw.accelerator.stream import check_count

__all__ = ["SerialReceiver", "SerialShell", "SerialShellSpec", "SerialTransmitter"]

#: Bits of a byte on the line: start, eight of data, stop.
FRAME_BITS = 10


class SerialReceiver(wiring.Component):
    """Receiver of bytes: eight bits, the lowest first, no parity, one stop bit.

    The line is sampled in the middle of each bit; a start bit that is over by its middle is none.

    Parameters
    ----------
    divisor : int
        Cycles of a bit, at least 4.

    Members
    -------
    line : :py:`In(1)`
        The line, in no relation to the clock; 1 at rest.
    valid : :py:`Out(1)`, data : :py:`Out(8)`
        Whether there is a byte in this cycle, and the byte.
    held : :py:`Out(1)`
        The line is held at 0 for longer than a byte: a break.
    """

    def __init__(self, divisor: int) -> None:
        check_count("Cycles of a bit", divisor, least=4)
        self.divisor = divisor
        super().__init__({"line": In(1), "valid": Out(1), "data": Out(8), "held": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first, line = Signal(init=1, name="line_first"), Signal(init=1, name="line_reg")
        m.d.sync += [first.eq(self.line), line.eq(first)]
        left = Signal(range(self.divisor), name="left")
        bits = Signal(range(FRAME_BITS), name="bit")
        data = Signal(8, name="data_reg", reset_less=True)
        m.d.comb += self.data.eq(data)
        m.d.sync += [self.valid.eq(0), left.eq(Mux(left == 0, self.divisor - 1, left - 1))]
        with m.FSM(name="state"):
            with m.State("REST"):
                m.d.sync += [left.eq(self.divisor // 2 - 1), bits.eq(0)]
                with m.If(~line):
                    m.next = "BYTE"
            with m.State("BYTE"), m.If(left == 0):
                m.d.sync += bits.eq(bits + 1)
                with m.If(bits == 0):
                    with m.If(line):
                        m.next = "REST"
                with m.Elif(bits < FRAME_BITS - 1):
                    m.d.sync += data.eq(Cat(data[1:], line))
                with m.Elif(line):
                    m.d.sync += self.valid.eq(1)
                    m.next = "REST"
                with m.Else():
                    m.next = "WAIT"
            with m.State("WAIT"):
                m.d.comb += self.held.eq(data == 0)
                with m.If(line):
                    m.next = "REST"
        return m


class SerialTransmitter(wiring.Component):
    """Transmitter of bytes, as :class:`SerialReceiver` takes them.

    Parameters
    ----------
    divisor : int
        Cycles of a bit.

    Members
    -------
    valid : :py:`In(1)`, data : :py:`In(8)`, ready : :py:`Out(1)`
        Byte to send; it is taken where `valid` and `ready` are 1.
    line : :py:`Out(1)`
        The line.
    """

    def __init__(self, divisor: int) -> None:
        check_count("Cycles of a bit", divisor, least=4)
        self.divisor = divisor
        super().__init__({"valid": In(1), "data": In(8), "ready": Out(1), "line": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shift = Signal(FRAME_BITS, init=(1 << FRAME_BITS) - 1, name="shift")
        bits = Signal(range(FRAME_BITS + 1), name="bits_left")
        left = Signal(range(self.divisor), name="left")
        m.d.comb += [self.line.eq(shift[0]), self.ready.eq(bits == 0)]
        with m.If(self.ready):
            m.d.sync += left.eq(self.divisor - 1)
            with m.If(self.valid):
                m.d.sync += [shift.eq(Cat(0, self.data, 1)), bits.eq(FRAME_BITS)]
        with m.Elif(left == 0):
            m.d.sync += [left.eq(self.divisor - 1), shift.eq(Cat(shift[1:], 1)), bits.eq(bits - 1)]
        with m.Else():
            m.d.sync += left.eq(left - 1)
        return m


@dataclass(frozen=True, kw_only=True)
class SerialShellSpec:
    """Everything that fixes a :class:`SerialShell`.

    Parameters
    ----------
    machine : str
        Name of the machine's top module.
    in_bytes, out_bytes : int
        Bytes of a word that the machine takes and gives.
    frame_words : int
        Words of a frame that it takes.
    divisor : int
        Cycles of a bit on the line.
    """

    machine: str
    in_bytes: int
    out_bytes: int
    frame_words: int
    divisor: int

    def __post_init__(self) -> None:
        for name in ("in_bytes", "out_bytes", "frame_words"):
            check_count(f"Serial shell {name}", getattr(self, name))
        check_count("Cycles of a bit", self.divisor, least=4)

    @property
    def name(self) -> str:
        """Name of the Verilog module."""
        return f"{self.machine}_serial"

    @property
    def fifo(self) -> FifoSpec:
        """Buffer of a whole frame: bytes cannot be held back on the line."""
        return FifoSpec(
            bits=8, write_lanes=1, read_lanes=self.in_bytes, depth=max(2, self.frame_words)
        )


class SerialShell(wiring.Component):
    """A machine behind a serial line.

    A frame is the bytes of its words, each the lowest byte first; so is a result. There is room for
    one frame, so who sends waits for the result of each before the next. A break, the line held at
    0 for more than a byte, makes the machine begin anew, whatever was sent before.

    Parameters
    ----------
    spec : SerialShellSpec
        Machine and line.

    Members
    -------
    rx : :py:`In(1)`, tx : :py:`Out(1)`
        Lines in and out.
    """

    def __init__(self, spec: SerialShellSpec) -> None:
        self.spec = spec
        super().__init__({"rx": In(1), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        receiver: Any = SerialReceiver(spec.divisor)
        sender: Any = SerialTransmitter(spec.divisor)
        fifo: Any = Fifo(spec.fifo)
        restart = Signal(name="restart")
        m.submodules.receiver, m.submodules.transmitter = receiver, sender
        m.submodules.frame = ResetInserter(restart)(fifo)
        taken, given = Signal(name="s_axis_tready"), Signal(name="m_axis_tvalid")
        result = Signal(8 * spec.out_bytes, name="m_axis_tdata")
        ready = Signal(name="m_axis_tready")
        m.submodules.machine = Instance(
            spec.machine,
            i_clk=ClockSignal(),
            i_rst=restart,
            i_s_axis_tdata=fifo.source.data,
            i_s_axis_tvalid=fifo.source.valid,
            i_s_axis_tlast=0,
            o_s_axis_tready=taken,
            o_m_axis_tdata=result,
            o_m_axis_tvalid=given,
            o_m_axis_tlast=Signal(name="m_axis_tlast"),
            i_m_axis_tready=ready,
        )
        accepted = receiver.valid & fifo.room
        m.d.comb += [
            receiver.line.eq(self.rx),
            self.tx.eq(sender.line),
            fifo.reserve.eq(accepted),
            fifo.valid.eq(accepted),
            fifo.data.eq(receiver.data),
            fifo.source.ready.eq(taken),
        ]
        m.d.sync += restart.eq(receiver.held)
        left = Signal(range(spec.out_bytes + 1), name="bytes_left")
        word = Signal(len(result), name="word", reset_less=True)
        m.d.comb += [
            ready.eq(left == 0),
            sender.valid.eq(left != 0),
            sender.data.eq(word[:8]),
        ]
        with m.If(ready & given):
            m.d.sync += [word.eq(result), left.eq(spec.out_bytes)]
        with m.Elif(sender.ready & (left != 0)):
            m.d.sync += [word.eq(word >> 8), left.eq(left - 1)]
        with m.If(restart):
            m.d.sync += left.eq(0)
        return m
