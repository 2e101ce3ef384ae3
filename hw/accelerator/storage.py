"""What all buffers share: words packed to the width of the memory, credits, the memory itself."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from macwright.hw.accelerator.ram import Ram
from macwright.hw.accelerator.stream import Words, check_count, counter
from macwright.hw.errors import RefusedInput

__all__ = ["MEMORY_KINDS", "StorageSpec", "credits", "packed", "storage"]

#: Where a memory may be: left to the synthesiser, block RAM, distributed RAM, registers.
MEMORY_KINDS = ("auto", "block", "distributed", "registers")


@dataclass(frozen=True, kw_only=True)
class StorageSpec:
    """Memory of a buffer, and both of its sides.

    Parameters
    ----------
    bits : int
        Bits of a channel.
    write_lanes, read_lanes : int
        Channels of a word that is written and of one that is read; one divides the other, and
        words that are read from wider ones are a power of two of them.
    depth : int
        Words of the memory, which are as wide as the wider of both.
    burst : int
        Words that are reserved at a time.
    kind : {"auto", "block", "distributed", "registers"}
        What the memory is made of.
    """

    bits: int
    write_lanes: int
    read_lanes: int
    depth: int
    burst: int = 1
    kind: str = "auto"

    def __post_init__(self) -> None:
        for name in ("bits", "write_lanes", "read_lanes", "depth", "burst"):
            check_count(f"Buffer {name}", getattr(self, name))
        wide, narrow = (
            max(self.write_lanes, self.read_lanes),
            min(self.write_lanes, self.read_lanes),
        )
        if wide % narrow:
            raise RefusedInput(
                f"Lanes of a buffer must divide those of its other side, not be {self.write_lanes} "
                f"written and {self.read_lanes} read"
            )
        if self.parts & (self.parts - 1):
            raise RefusedInput(
                "Words read from a wider one must be a power of two of them, not "
                f"{self.parts} ({self.write_lanes} lanes written, {self.read_lanes} read)"
            )
        if self.capacity < self.burst:
            raise RefusedInput(
                f"Buffer depth must hold a burst of {self.burst} words, not {self.capacity}"
            )
        if self.kind not in MEMORY_KINDS:
            raise RefusedInput(
                f"Buffer kind must be one of {', '.join(MEMORY_KINDS)}, not {self.kind!r}"
            )

    @property
    def written(self) -> Words:
        """Words that are written."""
        return Words(lanes=self.write_lanes, bits=self.bits)

    @property
    def read(self) -> Words:
        """Words that are read."""
        return Words(lanes=self.read_lanes, bits=self.bits)

    @property
    def stored(self) -> Words:
        """Words of the memory."""
        return Words(lanes=max(self.write_lanes, self.read_lanes), bits=self.bits)

    @property
    def pack(self) -> int:
        """Written words in one of the memory."""
        return self.stored.lanes // self.write_lanes

    @property
    def parts(self) -> int:
        """Read words in one of the memory."""
        return self.stored.lanes // self.read_lanes

    @property
    def capacity(self) -> int:
        """Written words that there is room for."""
        return self.depth * self.pack


def packed(m: Module, spec: StorageSpec, valid: Value, data: Value) -> tuple[Value, Value]:
    """Words of the memory from written ones: whether one is complete, and the word."""
    if spec.pack == 1:
        return valid, data
    _, last = counter(m, step=valid, count=spec.pack, name="pack")
    before = Signal((spec.pack - 1) * len(data), name="packed", reset_less=True)
    with m.If(valid):
        m.d.sync += before.eq(Cat(before, data)[len(data) :])
    return valid & last, Cat(before, data)


def credits(
    m: Module, spec: StorageSpec, *, reserve: Value, free: Value, first: int = 0, ahead: int = 0
) -> Value:
    """Register: whether a burst fits; `free` written words that are given back count a cycle later.

    Up to `ahead` of them may be given back before they are written, and `first` are at the start.
    """
    most = spec.capacity + ahead
    count = Signal(range(most + 1), init=spec.capacity + first, name="credits")
    freed = Signal(len(free), name="freed_reg")
    room = Signal(init=1, name="room_reg")
    # Both outcomes, as it is known late whether a burst is reserved.
    credit = Signal(range(most + 1), name="credits_kept")
    m.d.comb += credit.eq(count + freed)
    m.d.sync += [
        freed.eq(free),
        count.eq(Mux(reserve, credit - spec.burst, credit)),
        room.eq(Mux(reserve, credit >= 2 * spec.burst, credit >= spec.burst)),
    ]
    return room


def storage(m: Module, spec: StorageSpec, *, valid: Value, data: Value, addr: Value) -> Value:
    """The memory, written in order and read at `addr`: its word one clock edge later."""
    style = "" if spec.kind == "auto" else spec.kind
    m.submodules.memory = memory = Ram(spec.depth, width=spec.stored.width, style=style)
    pointer, _ = counter(m, step=valid, count=spec.depth, name="write_addr")
    m.d.comb += [
        memory.write.eq(valid),
        memory.write_addr.eq(0 if pointer is None else pointer),
        memory.write_data.eq(data),
        memory.addr.eq(addr),
    ]
    return memory.data
