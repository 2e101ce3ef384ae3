# Amaranth makes members at run time.
# pyright: reportAttributeAccessIssue=false
"""A memory behind AXI4, for Amaranth's simulator: latency, and stalls of both channels."""

import random
from collections import deque
from dataclasses import dataclass, field

BASE = 0x12345000


@dataclass
class BusMemory:
    """Writes a machine's registers, and then gives it what it asks for, in each cycle once.

    Bursts are checked: beats of whole words within 4 KiB of the image, and addresses that stay
    while nobody is ready for them.
    """

    beats: list[int]
    bits: int
    latency: int = 0
    ready: float = 1.0
    valid: float = 1.0
    seed: int = 0
    asked: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self):
        self.chance = random.Random(self.seed)
        self.writes = deque([(8, BASE), (0, 1)])
        self.waiting, self.due = deque(), deque()
        self.cycle, self.kept = 0, None

    def __call__(self, ctx, machine):
        self._write(ctx, machine)
        self._address(ctx, machine)
        self._data(ctx, machine)
        self.cycle += 1

    def _write(self, ctx, machine):
        if ctx.get(machine.s_axil_bvalid):
            assert ctx.get(machine.s_axil_bresp) == 0
        ctx.set(machine.s_axil_bready, 1)
        busy = bool(self.writes)
        ctx.set(machine.s_axil_awvalid, busy)
        ctx.set(machine.s_axil_wvalid, busy)
        if busy:
            address, word = self.writes[0]
            ctx.set(machine.s_axil_awaddr, address)
            ctx.set(machine.s_axil_wdata, word)
            ctx.set(machine.s_axil_wstrb, 15)
            if ctx.get(machine.s_axil_awready):
                assert ctx.get(machine.s_axil_wready)
                self.writes.popleft()

    def _address(self, ctx, machine):
        ready = self.chance.random() < self.ready
        ctx.set(machine.m_axi_arready, ready)
        if not ctx.get(machine.m_axi_arvalid):
            assert self.kept is None, "an address went away"
            return
        burst = ctx.get(machine.m_axi_araddr), ctx.get(machine.m_axi_arlen)
        assert self.kept in (None, burst), "an address changed"
        assert ctx.get(machine.m_axi_arsize) == (self.bits // 8).bit_length() - 1
        assert ctx.get(machine.m_axi_arburst) == 1
        self.kept = None if ready else burst
        if not ready:
            return
        address, count = burst[0], burst[1] + 1
        size = count * self.bits // 8
        assert address // 4096 == (address + size - 1) // 4096, "a burst crosses 4 KiB"
        first, rest = divmod(address - BASE, self.bits // 8)
        assert rest == 0
        assert 0 <= first
        assert first + count <= len(self.beats), "beyond the image"
        self.asked.append((first, count))
        self.waiting.extend(
            (self.cycle + 1 + self.latency, beat) for beat in self.beats[first : first + count]
        )

    def _data(self, ctx, machine):
        # A word that is offered is taken: the machine has room for all that it asked for.
        assert ctx.get(machine.m_axi_rready)
        offered = bool(self.waiting) and self.waiting[0][0] <= self.cycle
        offered = offered and self.chance.random() < self.valid
        ctx.set(machine.m_axi_rvalid, offered)
        if offered:
            ctx.set(machine.m_axi_rdata, self.waiting.popleft()[1])
