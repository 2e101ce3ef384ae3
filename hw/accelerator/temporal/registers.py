"""Registers of a machine over AXI4-Lite: start, counters, and where its weights are."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.temporal.weight_stream import bus_ports

__all__ = ["REGISTERS", "Registers", "connect_outside", "register_ports"]

#: Addresses of the registers.
REGISTERS = {"control": 0, "status": 4, "base": 8, "frames": 12, "cycles": 16}
_ADDRESS_BITS = 5


def register_ports() -> dict[str, Any]:
    """Ports of an AXI4-Lite subordinate, ``s_axil_...``, of 32 bits."""
    return {
        "s_axil_awaddr": In(_ADDRESS_BITS),
        "s_axil_awvalid": In(1),
        "s_axil_awready": Out(1),
        "s_axil_wdata": In(32),
        "s_axil_wstrb": In(4),
        "s_axil_wvalid": In(1),
        "s_axil_wready": Out(1),
        "s_axil_bresp": Out(2),
        "s_axil_bvalid": Out(1),
        "s_axil_bready": In(1),
        "s_axil_araddr": In(_ADDRESS_BITS),
        "s_axil_arvalid": In(1),
        "s_axil_arready": Out(1),
        "s_axil_rdata": Out(32),
        "s_axil_rresp": Out(2),
        "s_axil_rvalid": Out(1),
        "s_axil_rready": In(1),
    }


class Registers(wiring.Component):
    """Five registers of 32 bits.

    ======= ========= ==========================================================================
    address register  what it is
    ======= ========= ==========================================================================
    0x00    control   bit 0: run; frames are taken, and weights read, while it is set
    0x04    status    bit 0: a frame is in the machine; bit 1: a beat of weights came with an error
                      since the last reset
    0x08    base      address of the weights, a multiple of 4 KiB; to be written before `run` is set
    0x0c    frames    frames that went out since the last reset, modulo 2^32
    0x10    cycles    cycles of the last frame: from its first word taken, to its last result taken
    ======= ========= ==========================================================================

    One access of each kind is done at a time. Only whole words are written: with a ``wstrb`` other
    than 15 nothing is, and the answer is an error (SLVERR), as for other addresses and for
    registers that cannot be written.

    Members
    -------
    s_axil_...
        See :func:`register_ports`.
    run : :py:`Out(1)`, base : :py:`Out(32)`
        Registers of these names.
    takes, ends : :py:`In(1)`
        A word of a frame goes in; the last word of one goes out.
    failed : :py:`In(1)`
        Weights came with an error.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "run": Out(1),
                "base": Out(32),
                "takes": In(1),
                "ends": In(1),
                "failed": In(1),
                **register_ports(),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        busy, frames, cycles, since = (
            Signal(bits, name=name)
            for name, bits in (("busy", 1), ("frames", 32), ("cycles", 32), ("since", 32))
        )
        begins = self.takes & ~busy
        m.d.sync += since.eq(Mux(begins, 1, since + 1))
        with m.If(self.ends):
            m.d.sync += [busy.eq(0), frames.eq(frames + 1), cycles.eq(since + 1)]
        with m.Elif(begins):
            m.d.sync += busy.eq(1)
        self._writes(m)
        known: dict[str, Value] = {
            "control": self.run,
            "status": Cat(busy, self.failed),
            "base": self.base,
            "frames": frames,
            "cycles": cycles,
        }
        self._reads(m, known)
        return m

    def _writes(self, m: Module) -> None:
        """An address and a word, in whatever order they come, and one answer."""
        answers, wrong = Signal(name="answers"), Signal(name="write_wrong")
        both = Signal(name="both")
        m.d.comb += [
            both.eq(self.s_axil_awvalid & self.s_axil_wvalid & ~answers),
            self.s_axil_awready.eq(both),
            self.s_axil_wready.eq(both),
            self.s_axil_bvalid.eq(answers),
            self.s_axil_bresp.eq(wrong << 1),
        ]
        with m.If(both):
            m.d.sync += [answers.eq(1), wrong.eq(1)]
            for name in ("control", "base"):
                at = self.s_axil_awaddr == REGISTERS[name]
                register = self.run if name == "control" else self.base
                with m.If(at & self.s_axil_wstrb.all()):
                    m.d.sync += [register.eq(self.s_axil_wdata), wrong.eq(0)]
        with m.Elif(self.s_axil_bready):
            m.d.sync += answers.eq(0)

    def _reads(self, m: Module, known: dict[str, Value]) -> None:
        """An address, and a word in the next cycle."""
        valid, wrong = Signal(name="read_valid"), Signal(name="read_wrong")
        word = Signal(32, name="read_word", reset_less=True)
        m.d.comb += [
            self.s_axil_arready.eq(~valid),
            self.s_axil_rvalid.eq(valid),
            self.s_axil_rdata.eq(word),
            self.s_axil_rresp.eq(wrong << 1),
        ]
        with m.If(self.s_axil_arvalid & ~valid):
            m.d.sync += [valid.eq(1), wrong.eq(1), word.eq(0)]
            for name, value in known.items():
                with m.If(self.s_axil_araddr == REGISTERS[name]):
                    m.d.sync += [word.eq(value), wrong.eq(0)]
        with m.Elif(self.s_axil_rready):
            m.d.sync += valid.eq(0)


def connect_outside(m: Module, machine: Any, stream: Any, registers: Any) -> None:
    """Connect the ports of a machine to its reader of weights and its registers, and both."""
    parts = (stream, bus_ports(stream.spec.bus_bits)), (registers, register_ports())
    for part, ports in parts:
        for name, port in ports.items():
            outer, inner = getattr(machine, name), getattr(part, name)
            m.d.comb += outer.eq(inner) if port.flow == Out else inner.eq(outer)
    m.d.comb += [
        stream.run.eq(registers.run),
        stream.base.eq(registers.base),
        registers.failed.eq(stream.failed),
        registers.takes.eq(machine.s_axis_tvalid & machine.s_axis_tready),
        registers.ends.eq(machine.m_axis_tvalid & machine.m_axis_tready & machine.m_axis_tlast),
    ]
