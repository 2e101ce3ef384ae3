"""Weights of a temporal machine from memory outside of it: an AXI4 reader and a ring of words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.ram import Ram
from macwright.hw.errors import RefusedInput

__all__ = ["ADDRESS_BITS", "WeightStream", "WeightStreamSpec", "bus_ports", "check_bus"]

#: Bits of an address of the bus, and those of AXI4's widths that are supported.
ADDRESS_BITS, BUS_BITS = 32, (32, 64, 128, 256, 512)
#: Bytes of a burst, of at most 256 beats: a divisor of the 4 KiB that no burst of AXI4 may cross.
BURST_BYTES, LARGEST_BURST = 512, 4096


def check_bus(bits: int) -> None:
    """Refuse a bus that AXI4 does not have.

    Raises
    ------
    RefusedInput
        If bits are none of those supported.
    """
    if bits not in BUS_BITS:
        raise RefusedInput(
            f"Bits of the bus of weights must be one of {', '.join(map(str, BUS_BITS))}, "
            f"not {bits!r}"
        )


@dataclass(frozen=True, kw_only=True)
class WeightStreamSpec:
    """Everything that fixes a :class:`WeightStream`.

    Weights of a frame are read in the order of their use, each word from a whole number of beats
    that is a power of two, lowest bits first; bursts of whole words, of :data:`BURST_BYTES` where
    a word is not longer.

    Parameters
    ----------
    bus_bits : int
        Of a beat.
    word_bits : int
        Of a word of weights: those of all columns.
    frame_words : int
        Words of a frame.
    most : int
        Words that are used together at most: those of a word of output channels.
    """

    bus_bits: int
    word_bits: int
    frame_words: int
    most: int

    def __post_init__(self) -> None:
        check_bus(self.bus_bits)
        if self.word_beats * self.bus_bits > 8 * LARGEST_BURST:
            raise RefusedInput(
                f"Words of weights must fit a burst of {8 * LARGEST_BURST} bits to be streamed, "
                f"not be {self.word_bits} bits: fewer columns"
            )

    @property
    def word_beats(self) -> int:
        """Beats of a word."""
        return 1 << (-(-self.word_bits // self.bus_bits) - 1).bit_length()

    @property
    def burst_words(self) -> int:
        """Words of a burst, but for the last of a frame."""
        beats = min(8 * BURST_BYTES // self.bus_bits, 256)
        return max(1, beats // self.word_beats)

    @property
    def bursts(self) -> int:
        """Bursts of a frame."""
        return -(-self.frame_words // self.burst_words)

    @property
    def last_words(self) -> int:
        """Words of the last burst of a frame."""
        return self.frame_words - (self.bursts - 1) * self.burst_words

    @property
    def depth(self) -> int:
        """Words of the ring: those in use, as many that come meanwhile, and a burst."""
        return 2 * self.most + self.burst_words

    def beats(self, words: Sequence[int]) -> list[int]:
        """Content of the memory outside: a frame's words as beats."""
        mask = (1 << self.bus_bits) - 1
        return [
            word >> beat * self.bus_bits & mask for word in words for beat in range(self.word_beats)
        ]


def bus_ports(bus_bits: int) -> dict[str, Any]:
    """Ports of an AXI4 manager that reads: ``m_axi_ar...`` and ``m_axi_r...``, one identifier."""
    return {
        "m_axi_araddr": Out(ADDRESS_BITS),
        "m_axi_arlen": Out(8),
        "m_axi_arsize": Out(3),
        "m_axi_arburst": Out(2),
        "m_axi_arvalid": Out(1),
        "m_axi_arready": In(1),
        "m_axi_rdata": In(bus_bits),
        "m_axi_rresp": In(2),
        "m_axi_rlast": In(1),
        "m_axi_rvalid": In(1),
        "m_axi_rready": Out(1),
    }


class WeightStream(wiring.Component):
    """Reads weights ahead, frame after frame, and keeps them until they were used.

    Bursts are asked for as soon as the ring has room for them, however many are outstanding; so
    words are taken whenever they come.

    Parameters
    ----------
    spec : WeightStreamSpec
        Words and bus.

    Members
    -------
    run : :py:`In(1)`
        Whether bursts are asked for. Those that are asked for come all the same.
    base : :py:`In(32)`
        Address of the first beat; its lowest 12 bits are not looked at.
    address, data : In, Out
        Word of the ring, one clock edge after its address.
    needed : In
        Words that are used together now.
    free : :py:`In(1)`
        So many words were used and are not read again.
    present, following : :py:`Out(1)`
        Whether as many words are there, and whether as many again are.
    failed : :py:`Out(1)`
        A beat came with an error, since the last reset.
    m_axi_...
        See :func:`bus_ports`.
    """

    def __init__(self, spec: WeightStreamSpec) -> None:
        self.spec: Any = spec
        super().__init__(
            {
                "run": In(1),
                "base": In(ADDRESS_BITS),
                "address": In(range(spec.depth)),
                "data": Out(spec.word_bits),
                "needed": In(range(spec.most + 1)),
                "free": In(1),
                "present": Out(1),
                "following": Out(1),
                "failed": Out(1),
                **bus_ports(spec.bus_bits),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        freed = Signal(self.needed.shape(), name="freed")
        m.d.comb += freed.eq(Mux(self.free, self.needed, 0))
        self._ask(m, freed)
        arrives = self._take(m)
        level, after = (
            Signal(range(self.spec.depth + 1), name=name) for name in ("level", "level_after")
        )
        following = Signal(name="following_reg")
        m.d.comb += [
            after.eq(level + arrives - freed),
            self.present.eq(level >= self.needed),
            self.following.eq(following),
        ]
        m.d.sync += [level.eq(after), following.eq(after >= self.needed << 1)]
        return m

    def _ask(self, m: Module, freed: Any) -> None:
        """Addresses of bursts, each when there is room for it."""
        spec = self.spec
        number = Signal(range(max(2, spec.bursts)), name="burst")
        offset = Signal(ADDRESS_BITS, name="offset")
        room = Signal(range(spec.depth + 1), name="room", init=spec.depth)
        last, asks = Signal(name="is_last_burst"), Signal(name="asks")
        words = Signal(range(spec.burst_words + 1), name="burst_words")
        beats = Mux(last, spec.last_words * spec.word_beats, spec.burst_words * spec.word_beats)
        m.d.comb += [
            last.eq(number == spec.bursts - 1),
            words.eq(Mux(last, spec.last_words, spec.burst_words)),
            asks.eq(self.run & (~self.m_axi_arvalid | self.m_axi_arready) & (room >= words)),
            self.m_axi_arsize.eq((spec.bus_bits // 8).bit_length() - 1),
            self.m_axi_arburst.eq(1),
        ]
        valid, length = Signal(name="arvalid"), Signal(8, name="arlen", reset_less=True)
        address = Signal(ADDRESS_BITS, name="araddr", reset_less=True)
        m.d.comb += [
            self.m_axi_arvalid.eq(valid),
            self.m_axi_arlen.eq(length),
            self.m_axi_araddr.eq(address),
        ]
        m.d.sync += room.eq(room + freed - Mux(asks, words, 0))
        with m.If(asks):
            m.d.sync += [
                valid.eq(1),
                length.eq(beats - 1),
                address.eq(Cat(Const(0, 12), self.base[12:]) + offset),
                number.eq(Mux(last, 0, number + 1)),
                offset.eq(
                    Mux(last, 0, offset + spec.burst_words * spec.word_beats * spec.bus_bits // 8)
                ),
            ]
        with m.Elif(self.m_axi_arready):
            m.d.sync += valid.eq(0)

    def _take(self, m: Module) -> Signal:
        """Beats into words of the ring; whether a word is whole."""
        spec = self.spec
        m.submodules.ring = ring = Ram(spec.depth, width=spec.word_bits)
        place = Signal(range(spec.depth), name="place")
        whole = Signal(name="word_whole")
        comes = self.m_axi_rvalid
        m.d.comb += self.m_axi_rready.eq(1)
        data = self.m_axi_rdata
        if spec.word_beats > 1:
            beat = Signal(range(spec.word_beats), name="beat")
            before = Signal(
                (spec.word_beats - 1) * spec.bus_bits, name="beats_before", reset_less=True
            )
            data = Cat(before, self.m_axi_rdata)
            m.d.comb += whole.eq(comes & (beat == spec.word_beats - 1))
            with m.If(comes):
                m.d.sync += [beat.eq(beat + 1), before.eq(data[spec.bus_bits :])]
        else:
            m.d.comb += whole.eq(comes)
        with m.If(whole):
            m.d.sync += place.eq(Mux(place == spec.depth - 1, 0, place + 1))
        with m.If(comes & (self.m_axi_rresp != 0)):
            m.d.sync += self.failed.eq(1)
        m.d.comb += [
            ring.write.eq(whole),
            ring.write_addr.eq(place),
            ring.write_data.eq(data[: spec.word_bits]),
            ring.addr.eq(self.address),
            self.data.eq(ring.data),
        ]
        return whole
