"""The page of a machine: what was promised of it beside what was synthesised and placed."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from macwright.costmodel.technology.devices import DEVICES
from macwright.dse.report.style import page
from macwright.hw.files import write_atomic
from macwright.sim.accelerator.record import read_build

__all__ = ["write_machine_report"]

#: Resources of the table, by the name of their cost, and what Yosys' cells of them are called.
_RESOURCES = {
    "luts": ("Look-up tables", ()),
    "ffs": ("Flip-flops", ("TRELLIS_FF", "SB_DFF")),
    "block_rams": ("Block RAMs", ("DP16KD", "SB_RAM40_4K")),
    "dsps": ("Hard multipliers", ("MULT18X18D", "SB_MAC16")),
}


def write_machine_report(folder: Path) -> Path:
    """Write machine.html into a folder with a machine, from its build.json alone.

    Parameters
    ----------
    folder : Path
        What ``macwright build`` wrote.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    FileNotFoundError, RefusedInput
        If the folder holds no such machine.
    """
    fields = read_build(folder)
    machine, placed = fields["machine"], fields.get("placed")
    name = machine["top"].removesuffix("_machine")
    where = f" on {placed['device'].upper()}" if placed else ""
    parts = {
        "lead": escape(_lead(fields)),
        "tiles": _tiles(fields),
        "figures": _figures(fields),
        "figures_note": escape(_figures_note(fields)),
        "stages_title": "Passes of the array" if machine["array"] else "Stages",
        "stages": _stages(machine),
        "buffers": _buffers(fields),
        "check": _check(fields),
        "facts": _facts(fields),
    }
    path = folder / "machine.html"
    write_atomic(path, page("machine.html", f"Machine of {name}{where}", parts, scripts=False))
    return path


def _lead(fields: Mapping[str, Any]) -> str:
    machine = fields["machine"]
    kind = f"{len(machine['stages'])} stages, all at work at once"
    if array := machine["array"]:
        kind = f"one array of {array[0]} x {array[1]} units, {len(machine['stages'])} passes"
    text = f"Point {fields['allocation']['point']} of its run as hardware: {kind}."
    if board := fields.get("board"):
        text += (
            f" On the {board['board']} at {board['clock_mhz']:g} MHz, behind a serial line of "
            f"{board['baud']:,} bits/s."
        )
    return text


def _tiles(fields: Mapping[str, Any]) -> str:
    accuracy, predicted = fields["accuracy"], fields["predicted"]
    metric = accuracy["metric"]
    tiles = [
        (
            f"Exact {metric}",
            f"{accuracy['exact']:.2f}",
            f"fake-quantised {accuracy['fake_quantised']:.2f}, FP32 "
            f"{accuracy['float_network']:.2f}; {accuracy['images']:,} samples",
        ),
        (
            "A frame every",
            f"{predicted['interval_cycles']:,} cycles",
            f"latency {predicted['latency_cycles']:,} cycles",
        ),
    ]
    if placed := fields.get("placed"):
        tiles += [
            ("Clock as placed", f"{placed['clock_mhz']:.1f} MHz", f"seed {placed['seed']}"),
            (
                "Frames a second",
                f"{placed['frames_per_s']:,.0f}",
                f"latency {placed['latency_us']:,.1f} µs",
            ),
        ]
    return "".join(
        f'<div><dt>{escape(name)}</dt><dd><div class="big">{escape(value)}</div>'
        f'<div class="note">{escape(note)}</div></dd></div>'
        for name, value, note in tiles
    )


def _figures(fields: Mapping[str, Any]) -> str:
    """Table of resources, clock and times, a column for each stage of knowledge."""
    allocation = fields["allocation"]
    promised, counted = allocation["costs"], fields.get("modelled", {})
    cells, placed = fields.get("synthesised", {}).get("cells", {}), fields.get("placed", {})
    whole = promised if allocation.get("hardware", {}).get("device") else {}
    if placed and DEVICES[placed["device"]].family != counted.get("family"):
        counted = {}
    sites = placed.get("sites", {})
    rows = []
    for name, (title, kinds) in _RESOURCES.items():
        of_yosys = sum(n for kind, n in cells.items() if kind.startswith(kinds)) if kinds else None
        site = sites.get(name, {})
        rows.append(
            [
                title,
                _number(whole.get(name)),
                _number(counted.get(name)),
                _number(of_yosys if cells else None),
                _number(site.get("used")),
                _off(site.get("used"), counted.get(name)),
                _share(site),
            ]
        )
    clock = allocation.get("clock_mhz")
    rate, latency = promised.get("throughput_fps"), promised.get("latency_ms")
    assumed = " (assumed)" if _clock_assumed(fields) else ""
    promise = _number(clock, 1) + assumed
    expected = _number(counted.get("clock_mhz"), 1)
    rows.append(["Clock, MHz", promise, expected, "", *_placed(placed.get("clock_mhz"), clock, 1)])
    rows.append(
        ["Frames a second", _number(rate), "", "", *_placed(placed.get("frames_per_s"), rate)]
    )
    micro = None if latency is None else latency * 1e3
    rows.append(
        ["Latency, µs", _number(micro, 1), "", "", *_placed(placed.get("latency_us"), micro, 1)]
    )
    heads = ("Promised", "Counted", "Synthesised", "Placed", "Off", "Of the device")
    return _table(("", *heads), rows, numbers=range(1, 7))


def _clock_assumed(fields: Mapping[str, Any]) -> bool:
    return bool(fields["allocation"].get("hardware", {}).get("clock_assumed"))


def _figures_note(fields: Mapping[str, Any]) -> str:
    note = (
        "Promised: by the front, for this point; resources where it was searched for a device, as "
        "the others are those of units alone. Counted: by the cost model of ECP5, from the "
        "machine's final widths and depths; its clock is the one that machines of as many look-up "
        "tables reach, the promised one that which all of them do. Off: placed beside counted, "
        "times beside promised."
    )
    if _clock_assumed(fields):
        note += (
            f" The promised clock is assumed, and promised times with it: units of "
            f"{fields['allocation']['technology']} have no periods."
        )
    if board := fields.get("board"):
        note += f" Times are those at the board's clock of {board['clock_mhz']:g} MHz."
    if not fields.get("placed"):
        note += " Not placed yet: macwright build --place."
    return note


def _placed(value: float | None, promised: float | None, digits: int = 0) -> list[str]:
    return [_number(value, digits), _off(value, promised), ""]


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _off(value: float | None, expected: float | None) -> str:
    """By how much a figure differs from what was expected, in per cent of that."""
    return "" if value is None or not expected else f"{100 * (value / expected - 1):+.1f} %"


def _share(site: Mapping[str, int]) -> str:
    if not site.get("available"):
        return ""
    return f"{site['used'] / site['available']:.0%} of {site['available']:,}"


def _stages(machine: Mapping[str, Any]) -> str:
    """Table of what works for how long; bars show the share of a frame's cycles."""
    whole = machine["interval"]
    rows = []
    for stage in machine["stages"]:
        share = stage["cycles"] / whole
        words = "; ".join(
            f"{o['words']:,} words of {o['lanes']} x {o['bits']} bits" for o in stage["outputs"]
        )
        bar = (
            f'<span class="bar"><span class="share" style="width:{100 * share:.1f}%"></span></span>'
        )
        rows.append(
            [stage["name"], stage["node"], f"{stage['cycles']:,}", f"{bar}{share:.0%}", words]
        )
    return _table(
        ("Name", "Layer", "Cycles of a frame", "Share of the interval", "Gives"),
        rows,
        numbers=(2,),
        plain=(3,),
    )


def _buffers(fields: Mapping[str, Any]) -> str:
    """Section of the buffers, whose depths the control model found; or of the memories."""
    if depths := fields.get("buffers_words"):
        peaks = fields["buffers_unbounded_words"]
        rows = [[name, f"{depth:,}", _number(peaks.get(name))] for name, depth in depths.items()]
        heads = ("Buffer", "Words", "Peak without bounds")
        title = "Buffers: as deep as the full rate needs"
    elif bits := fields.get("memories_bits"):
        rows = [[name, f"{count:,}"] for name, count in bits.items()]
        heads, title = ("Memory", "Bits"), "Memories"
    else:
        return ""
    table = _table(heads, rows, numbers=range(1, len(heads)))
    return (
        f'<section class="card wide" aria-labelledby="buffers-title">'
        f'<h2 id="buffers-title">{title}</h2><div class="scroll tall" role="region" '
        f'aria-labelledby="buffers-title" tabindex="0">{table}</div></section>'
    )


def _check(fields: Mapping[str, Any]) -> str:
    commands = ["macwright simulate DIR --images 64 --simulator verilator"]
    if fields.get("board"):
        commands += ["macwright simulate DIR --serial", "macwright board DIR --port PORT"]
    return "<br>".join(f"<code>{escape(command)}</code>" for command in commands)


def _facts(fields: Mapping[str, Any]) -> str:
    """Where it comes from."""
    facts = {
        "model sha256": fields["model_sha256"],
        "network.json sha256": fields["network_sha256"],
        "macwright": fields["macwright"],
    }
    for name in ("synthesised", "placed"):
        if name in fields:
            facts[f"{name} by"] = fields[name]["tool"]
    if bitstream := fields.get("placed", {}).get("bitstream"):
        facts["bitstream"] = bitstream
    facts |= {f"note {number}": note for number, note in enumerate(fields["notes"], 1)}
    return "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(str(text))}</dd>" for name, text in facts.items()
    )


def _table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: Sequence[int],
    plain: Sequence[int] = (),
) -> str:
    """HTML of a table; columns of `numbers` are aligned so, those of `plain` are HTML already."""

    def attributes(column: int) -> str:
        return ' class="number"' if column in numbers else ""

    head = "".join(
        f'<th scope="col"{attributes(k)}>{escape(text)}</th>' for k, text in enumerate(heads)
    )
    body = ""
    for row in rows:
        body += f'<tr><th scope="row">{escape(row[0])}</th>'
        for k, text in enumerate(row[1:], 1):
            body += f"<td{attributes(k)}>{text if k in plain else escape(text)}</td>"
        body += "</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
