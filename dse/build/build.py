"""From an allocation to a folder with its machine, and on to a bitstream."""

from functools import partial
from pathlib import Path
from typing import Any

from macwright.costmodel.progress import Progress
from macwright.dse.build.boards import check_board, write_board
from macwright.dse.build.emit import LATER, write_build, write_machine, write_temporal
from macwright.dse.build.machine import lower
from macwright.dse.build.place import FLOWS
from macwright.dse.build.place import place as place_machine
from macwright.dse.build.temporal import lower_temporal
from macwright.dse.data.recipe import load_recipe
from macwright.dse.models import embedded_model
from macwright.dse.report.machine import write_machine_report
from macwright.dse.run.allocation import read_allocation
from macwright.dse.run.folder import check_writable, only_writer
from macwright.dse.workload import load_workload
from macwright.hw.errors import RefusedInput
from macwright.sim.accelerator.record import MachineRecord

__all__ = ["build"]


def build(
    allocation: Path | str,
    folder: Path | str,
    *,
    model: Path | str | None = None,
    recipe: Path | str | None = None,
    data: Path | str | None = None,
    labels: bool = True,
    interval: int | None = None,
    place: bool = False,
    device: str | None = None,
    board: str | None = None,
    baud: int = 115200,
    seed: int = 1,
    clock_mhz: float | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the machine of an allocation: Verilog of the whole network, and its record.

    Parameters
    ----------
    allocation : path
        ``allocations/N.json`` of a run.
    folder : path
        Where the machine goes.
    model : path, optional
        The network; by default the one that comes with macwright.
    recipe, data, labels
        See :func:`macwright.dse.data.recipe.load_recipe`.
    interval : int, optional
        Cycles between frames, of a machine with an engine for each layer; those of the
        allocation's foldings if absent.
    place : bool, default=False
        Whether to synthesise, place and route it, too, and to write a bitstream (``pip install
        'macwright[fpga]'``).
    device : str, optional
        FPGA for that: lfe5u-25f, lfe5u-45f, lfe5u-85f, ice40-up5k or ice40-hx8k; by default that
        which the allocation was searched for, or lfe5u-85f.
    board : str, optional
        Board on which the machine is, behind a serial line: one of
        :data:`macwright.dse.build.boards.BOARDS`. Without one it is a core, whose pins nextpnr
        chooses.
    baud : int, default=115200
        Bits a second of the serial line.
    seed : int, default=1
        Of the placement.
    clock_mhz : float, optional
        That the placer aims at, MHz; 100 if absent. On a board the clock that the machine has, by
        the PLL of its FPGA; that of the board's oscillator if absent.
    progress : callable, optional
        Called with stage, done and total.

    Returns
    -------
    dict
        What ``build.json`` says.

    Raises
    ------
    RefusedInput
        If something cannot be built; the message names the layer.
    ToolError
        If synthesis or placement fails.

    Examples
    --------
    >>> import macwright
    >>> macwright.build("out/run/allocations/0.json", "out/chip")  # doctest: +SKIP
    """
    if interval is not None and interval < 1:
        raise RefusedInput(f"Interval must be at least 1 cycle, not {interval}")
    if device is not None and device not in FLOWS:
        raise RefusedInput(f"Device must be one of {', '.join(FLOWS)}, not {device!r}")
    if clock_mhz is not None and not 0 < clock_mhz < float("inf"):
        raise RefusedInput(f"Clock must be above 0 MHz, not {clock_mhz}")
    chosen = read_allocation(Path(allocation))
    if chosen.architecture == "temporal" and interval is not None:
        raise RefusedInput(
            "Interval must be given of a machine with an engine for each layer, not of one array, "
            f"whose interval its size decides: leave out {interval}"
        )
    device = device or chosen.device
    if board is not None:
        device = check_board(board, device, clock_mhz=clock_mhz, baud=baud)
    model, folder = Path(model or embedded_model()), Path(folder)
    check_writable(folder)
    dataset = load_recipe(model, recipe, data, labels=labels)
    workload = load_workload(model, dataset)
    if chosen.architecture == "temporal":
        machine = lower_temporal(workload, dataset, chosen, progress=progress)
        write = partial(write_temporal, machine)
    else:
        lowered = lower(workload, dataset, chosen, interval=interval, progress=progress)
        write = partial(write_machine, lowered)
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        fields = write(chosen, folder, notes=dataset.notes)
        around = None
        if board is not None:
            record = MachineRecord.of(fields["machine"])
            around = write_board(folder, record, board, clock_mhz=clock_mhz, baud=baud)
            clock_mhz = around["clock_mhz"]
        if fields.get("board") != around:  # what was placed is no machine on this board
            fields = {name: value for name, value in fields.items() if name not in LATER}
            fields |= {} if around is None else {"board": around}
            write_build(folder, fields)
        write_machine_report(folder)
    if not place:
        return fields
    try:
        return place_machine(
            folder,
            device or "lfe5u-85f",
            seed=seed,
            clock_mhz=100.0 if clock_mhz is None else clock_mhz,
            progress=progress,
        )
    finally:
        write_machine_report(folder)
