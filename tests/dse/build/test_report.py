"""The page of a machine says what build.json says."""

import json
import re
import shutil

import pytest

from macwright.dse.build.emit import write_build
from macwright.dse.cli.main import main
from macwright.dse.report.machine import write_machine_report
from macwright.sim.accelerator.record import read_build

#: What nextpnr and Yosys said of a machine, in the words of build.json.
PLACED = {
    "synthesised": {
        "tool": "pyosys 0.70",
        "cells": {"TRELLIS_FF": 990, "DP16KD": 3, "MULT18X18D": 11, "LUT4": 700, "CCU2C": 20},
    },
    "placed": {
        "device": "lfe5u-25f", "tool": "nextpnr", "seed": 7, "clock_mhz": 91.25,
        "frames_per_s": 98765.4, "latency_us": 12.34, "bitstream": "machine_lfe5u-25f.bit",
        "sites": {
            "luts": {"used": 1100, "available": 24288}, "ffs": {"used": 990, "available": 24288},
            "block_rams": {"used": 3, "available": 56}, "dsps": {"used": 11, "available": 28},
        },
    },
}  # fmt: skip


def rows(page: str, title: str) -> dict[str, list[str]]:
    """Rows of the table after a title, by their first cell."""
    table = page[page.index(title) :].split("<tbody>")[1].split("</tbody>")[0]
    found = {}
    for row in table.split("</tr>")[:-1]:
        head, *cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)
        found[head] = [re.sub("<[^>]+>", "", cell) for cell in cells]
    return found


def test_placed_figures_stand_beside_counted_ones(built, tmp_path, capsys):
    folder = shutil.copytree(built, tmp_path / "chip")
    fields = {**read_build(folder), **PLACED}
    counted = {"luts": 1000.0, "ffs": 1000.0, "block_rams": 3, "dsps": 10}
    fields["modelled"] = {"family": "ecp5", **counted}
    write_build(folder, fields)
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "machine.html")
    page = (folder / "machine.html").read_text()
    figures = rows(page, "Promised, counted, synthesised, placed")
    assert figures["Look-up tables"] == ["", "1,000", "", "1,100", "+10.0 %", "5% of 24,288"]
    assert figures["Flip-flops"] == ["", "1,000", "990", "990", "-1.0 %", "4% of 24,288"]
    assert figures["Hard multipliers"][1:4] == ["10", "11", "11"]
    assert figures["Clock, MHz"][3] == "91.2"
    assert figures["Frames a second"][3] == "98,765"
    stages = rows(page, ">Stages<")
    assert list(stages) == [stage["name"] for stage in fields["machine"]["stages"]]
    whole = fields["machine"]["interval"]
    for stage in fields["machine"]["stages"]:
        assert stages[stage["name"]][2] == f"{stage['cycles'] / whole:.0%}"
    buffers = rows(page, "Buffers:")
    assert {name: cells[0] for name, cells in buffers.items()} == {
        name: f"{depth:,}" for name, depth in fields["buffers_words"].items()
    }
    # The same record gives the same bytes, and text of it is never markup.
    assert write_machine_report(folder).read_text() == page
    fields["notes"] = ["<script>alert(1)</script>", "{{stages}}"]
    write_build(folder, fields)
    page = write_machine_report(folder).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{stages}}" in page


def test_an_ice40_is_not_held_against_the_model_of_ecp5(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "chip")
    fields = {**read_build(folder), **PLACED}
    fields["placed"] = {**PLACED["placed"], "device": "ice40-up5k"}
    fields["allocation"]["costs"] |= {"luts": 90.0, "throughput_fps": 50_000.0}
    write_build(folder, fields)
    figures = rows(write_machine_report(folder).read_text(), "Promised, counted")
    # Those of units alone are no promise of a machine; its times are.
    assert figures["Look-up tables"] == ["", "", "", "1,100", "", "5% of 24,288"]
    assert figures["Frames a second"][0] == "50,000"
    fields["allocation"]["hardware"] = {"device": "lfe5u-25f"}
    write_build(folder, fields)
    figures = rows(write_machine_report(folder).read_text(), "Promised, counted")
    assert figures["Look-up tables"][0] == "90"


@pytest.mark.parametrize("technology", ["gates", "ecp5"])
def test_a_clock_that_nobody_measured_is_called_assumed(pixels, tmp_path, capsys, technology):
    run, chip = tmp_path / "run", tmp_path / "chip"
    chosen = "--weights int8 --activations int8 --architecture dataflow --clock-mhz 50 --points 1"
    command = ["dse", str(pixels), "--technology", technology, *chosen.split(), "--measure", "1"]
    assert main([*command, "--no-verify", "-o", str(run)]) == 0
    allocation = str(run / "allocations" / "0.json")
    assert main(["build", allocation, "--model", str(pixels), "-o", str(chip)]) == 0
    page = (chip / "machine.html").read_text()
    clock = rows(page, "Promised, counted")["Clock, MHz"][0]
    assumed = technology == "gates"
    assert clock == ("50.0 (assumed)" if assumed else "50.0")
    assert ("clock is assumed, and promised times with it: units of gates" in page) == assumed


def test_a_machine_that_is_not_placed_says_so(built, tmp_path, capsys):
    folder = shutil.copytree(built, tmp_path / "chip")
    page = write_machine_report(folder).read_text()
    assert "Not placed yet: macwright build --place." in page
    assert rows(page, "Promised, counted")["Look-up tables"][3:] == ["", "", ""]
    assert main(["report", str(folder), "--svg", str(tmp_path / "a.svg")]) == 1
    assert "a machine has no front" in capsys.readouterr().err
    (folder / "build.json").write_text(json.dumps({"version": 1}))
    with pytest.raises(ValueError, match="must be what macwright build wrote"):
        write_machine_report(folder)
