"""Where a machine goes."""

from dataclasses import dataclass

from macwright.dse.build.place import FLOWS
from macwright.hw.accelerator.temporal.weight_stream import check_bus
from macwright.hw.errors import RefusedInput

__all__ = ["ANY_SITE", "Site"]


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a machine goes: an FPGA, alone or on a board, and its clock.

    Parameters
    ----------
    device : str, optional
        FPGA: lfe5u-25f, lfe5u-45f, lfe5u-85f, ice40-up5k or ice40-hx8k; by default that which the
        allocation was searched for, or lfe5u-85f.
    board : str, optional
        Board on which the machine is, behind a serial line: one of
        :data:`macwright.dse.build.boards.BOARDS`. Without one it is a core, whose pins nextpnr
        chooses.
    baud : int, default=115200
        Bits a second of the serial line.
    clock_mhz : float, optional
        That the placer aims at, MHz; 100 if absent. On a board the clock that the machine has, by
        the PLL of its FPGA; that of the board's oscillator if absent.
    seed : int, default=1
        Of the placement.
    weights_bus : int, optional
        Bits of an AXI4 bus over which a machine of one array reads its weights: 32, 64, 128, 256
        or 512. Without it they are in the machine.
    wide_bits : int, optional
        Bits of the operands of additions and average pools, 4 to 16: fewer take less memory, and
        the exact accuracy of the machine, which `build` measures, may be lower. If absent those
        that the allocation was searched with, or 10.

    Raises
    ------
    RefusedInput
        If there is no such FPGA or bus, bits are out of range, or the clock is not above 0 MHz.

    Examples
    --------
    >>> Site(board="icebreaker", clock_mhz=24).baud
    115200
    """

    device: str | None = None
    board: str | None = None
    baud: int = 115200
    clock_mhz: float | None = None
    seed: int = 1
    weights_bus: int | None = None
    wide_bits: int | None = None

    def __post_init__(self) -> None:
        if self.device is not None and self.device not in FLOWS:
            raise RefusedInput(f"Device must be one of {', '.join(FLOWS)}, not {self.device!r}")
        if self.clock_mhz is not None and not 0 < self.clock_mhz < float("inf"):
            raise RefusedInput(f"Clock must be above 0 MHz, not {self.clock_mhz}")
        if self.wide_bits is not None and not 4 <= self.wide_bits <= 16:
            raise RefusedInput(f"Wide operands must have 4 to 16 bits, not {self.wide_bits}")
        if self.weights_bus is not None:
            check_bus(self.weights_bus)


#: The FPGA that the allocation was searched for.
ANY_SITE = Site()
