"""From an allocation to a folder with its machine, and on to a bitstream."""

from functools import partial
from pathlib import Path
from typing import Any

from macwright.costmodel.progress import Progress
from macwright.dse.build.boards import check_board, write_board
from macwright.dse.build.emit import LATER, write_build, write_machine, write_temporal
from macwright.dse.build.machine import lower
from macwright.dse.build.place import place as place_machine
from macwright.dse.build.site import ANY_SITE, Site
from macwright.dse.build.temporal import lower_temporal
from macwright.dse.data.source import BESIDE_THE_MODEL, DataSource
from macwright.dse.models import embedded_model
from macwright.dse.report.machine import write_machine_report
from macwright.dse.run.allocation import read_allocation
from macwright.dse.run.folder import check_writable, only_writer
from macwright.dse.settings import WIDE_BITS
from macwright.hw.errors import RefusedInput
from macwright.sim.accelerator.record import MachineRecord

__all__ = ["build"]


#: FPGA of machines for which nobody names one.
_DEVICE = "lfe5u-85f"


def build(
    allocation: Path | str,
    folder: Path | str,
    *,
    model: Path | str | None = None,
    source: DataSource = BESIDE_THE_MODEL,
    interval: int | None = None,
    site: Site = ANY_SITE,
    place: bool = False,
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
    source : DataSource, optional
        Where its data is, if there is no recipe beside the model.
    interval : int, optional
        Cycles between frames, of a machine with an engine for each layer; those of the
        allocation's foldings if absent.
    site : Site, optional
        FPGA, board and clock.
    place : bool, default=False
        Whether to synthesise, place and route it, too, and to write a bitstream (``pip install
        'macwright[fpga]'``).
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
    chosen = read_allocation(Path(allocation))
    if chosen.architecture == "temporal" and interval is not None:
        raise RefusedInput(
            "Interval must be given of a machine with an engine for each layer, not of one array, "
            f"whose interval its size decides: leave out {interval}"
        )
    device, clock_mhz = site.device or chosen.device, site.clock_mhz
    wide_bits = site.wide_bits or (chosen.array.wide_bits if chosen.array else WIDE_BITS)
    if site.weights_bus is not None:
        _check_streamed(chosen.architecture, site)
    if site.board is not None:
        device = check_board(site.board, device, clock_mhz=clock_mhz, baud=site.baud)
    model, folder = Path(model or embedded_model()), Path(folder)
    check_writable(folder)
    workload, dataset = source.load(model)
    if chosen.architecture == "temporal":
        machine = lower_temporal(
            workload,
            dataset,
            chosen,
            bus_bits=site.weights_bus,
            wide_bits=wide_bits,
            progress=progress,
        )
        write = partial(write_temporal, machine, device=device or _DEVICE)
    else:
        lowered = lower(
            workload,
            dataset,
            chosen,
            interval=interval,
            wide_bits=wide_bits,
            progress=progress,
        )
        write = partial(write_machine, lowered)
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        fields = write(chosen, folder, notes=dataset.notes)
        around = None
        if site.board is not None:
            record = MachineRecord.of(fields["machine"])
            around = write_board(folder, record, site.board, clock_mhz=clock_mhz, baud=site.baud)
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
            device or _DEVICE,
            seed=site.seed,
            clock_mhz=100.0 if clock_mhz is None else clock_mhz,
            progress=progress,
        )
    finally:
        write_machine_report(folder)


def _check_streamed(architecture: str, site: Site) -> None:
    """Refuse a bus for weights where there cannot be one."""
    if architecture != "temporal":
        raise RefusedInput(
            "Weights must be in the machine where each layer has an engine; leave out the bus of "
            f"{site.weights_bus} bits, or search with --architecture temporal"
        )
    if site.board is not None:
        raise RefusedInput(
            f"Weights must be in the machine on board {site.board}, whose memory it does not "
            f"control; leave out the bus of {site.weights_bus} bits"
        )
