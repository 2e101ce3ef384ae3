"""Resources of machines against what Yosys makes of their Verilog."""

import json
from collections import Counter

import numpy as np
import pytest
from helpers.hardware import Around

from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.system.machine_resources import Resources, machine_model
from macwright.hw.accelerator.array import MacArraySpec
from macwright.hw.accelerator.drain import DrainSpec
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.library import Library
from macwright.hw.accelerator.machine import Stage
from macwright.hw.accelerator.operands import default_unit
from macwright.hw.accelerator.ram import Ram
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.hw.errors import NotSupported
from macwright.hw.formats import IntFormat

MODEL = machine_model("ecp5")


@pytest.mark.parametrize(
    ("words", "bits", "constant", "blocks"),
    [
        # As Yosys 0.70 mapped memories of machines.
        *((1152, 48, True, 4), (2304, 12, True, 2), (4608, 24, True, 6), (576, 96, True, 6)),
        *((144, 256, True, 8), (288, 128, True, 4), (1728, 16, True, 2), (256, 16, True, 1)),
        *((64, 32, True, 0), (144, 8, True, 0), (320, 4, True, 0)),
        *((82, 16, False, 1), (64, 10, False, 0), (192, 8, False, 1), (608, 10, False, 1)),
    ],
)
def test_block_rams_of_memories(words, bits, constant, blocks):
    assert MODEL.memory_resources(words, bits, constant).block_rams == blocks


def cells_of(memory, flow="synth_ecp5"):
    """Cells of a memory alone, by type, as Yosys maps it."""
    library = Library("machine")
    library.add("top", Around(memory), "")
    library.finish()
    texts = {f"{name}.v": text for name, text in library.modules.items()} | library.images
    script = "".join(f"read_verilog {name}.v\n" for name in library.modules)
    script += f"{flow} -top top\nwrite_json netlist.json\n"
    (netlist,) = run_yosys(find_yosys(), script, texts, outputs=["netlist.json"])
    return Counter(cell["type"] for cell in netlist["modules"]["top"]["cells"].values())


@pytest.mark.parametrize(
    ("words", "bits"),
    # One row of blocks or several, bits that are no multiple of a byte, and both sides of where
    # distributed RAM is cheaper.
    [
        (4000, 40),
        (3164, 80),
        (5880, 20),
        (448, 80),
        (100, 16),
        (82, 16),
        (192, 8),
        (48, 30),
        (3, 64),
    ],
)
def test_memories_that_are_written_are_those_of_yosys(words, bits):
    count = cells_of(Ram(words, width=bits))
    mapped = MODEL.memory.mapped(words, bits, constant=False)
    cells = {"block": 0, "distributed": 0, mapped.kind: mapped.cells}
    assert cells == {"block": count["DP16KD"], "distributed": count["TRELLIS_DPR16X4"]}
    if mapped.kind == "block" and mapped.rows == 1:
        assert not count["LUT4"] + count["TRELLIS_FF"]  # that would give the old word


@pytest.mark.parametrize(
    ("words", "bits"),
    # Several rows of narrow or wide blocks, one row, and registers.
    [(1792, 20), (1792, 16), (600, 24), (2000, 9), (513, 8), (100, 7), (5, 32), (3, 16)],
)
def test_memories_on_ice40_are_those_of_yosys(words, bits):
    model = machine_model("ice40")
    count = cells_of(Ram(words, width=bits), "synth_ice40")
    made = model.memory_resources(words, bits, False)
    assert made.block_rams == count["SB_RAM40_4K"]
    assert made.luts == pytest.approx(count["SB_LUT4"], abs=0.3 * bits + 20)


@pytest.mark.parametrize(
    ("family", "flow", "cell"),
    [("ecp5", "synth_ecp5", "MULT18X18D"), ("ice40", "synth_ice40 -dsp", "SB_MAC16")],
)
@pytest.mark.parametrize(
    "widths", [(8, 8), (5, 5), (18, 18), (19, 9), (19, 19), (27, 17), (35, 9), (37, 9)]
)
def test_multipliers_are_those_of_yosys(widths, family, flow, cell):
    a, b = widths
    text = (
        f"module top(input signed [{a - 1}:0] a, input signed [{b - 1}:0] b, "
        f"output signed [{a + b - 1}:0] y); assign y = a * b; endmodule"
    )
    script = f"read_verilog top.v\n{flow} -top top\nwrite_json netlist.json\n"
    (netlist,) = run_yosys(find_yosys(), script, {"top.v": text}, outputs=["netlist.json"])
    cells = netlist["modules"]["top"]["cells"].values()
    used = sum(each["type"] == cell for each in cells)
    assert machine_model(family).multipliers(widths) == used


@pytest.mark.parametrize(("words", "bits"), [(2048, 20), (1024, 36), (1152, 48), (2304, 12)])
def test_what_chooses_a_row_of_block_rams(words, bits):
    random = np.random.default_rng(1)
    content = [int.from_bytes(random.bytes(8)) % (1 << bits) for _ in range(words)]
    count = cells_of(Rom(content, width=bits, name="rom"))
    made = MODEL.memory_resources(words, bits, True)
    assert made.block_rams == count["DP16KD"]
    assert made.luts == pytest.approx(count["LUT4"], abs=0.3 * bits)


def engine(act, weight, *, pe, simd):
    """A convolution of 3 x 3 over 12 x 12 x 4, 8 channels."""
    act, weight = IntFormat(act, signed=False), IntFormat(weight)
    window = WindowSpec(
        bits=act.width, write_lanes=1, read_lanes=simd, depth=120, height=12, width=12, channels=4,
        kernel=(3, 3), pads=(1, 1, 1, 1), passes=8 // pe,
    )  # fmt: skip
    sums = act.width + weight.width + 4
    array = MacArraySpec(
        unit=default_unit(act, weight, sums, simd), pe=pe, simd=simd, groups=1,
        steps=8 // pe * window.beats,
    )  # fmt: skip
    output = RequantiserSpec(
        sums=array.sums, bias=array.sums - 2, multiplier=16, shift=20, low=0, high=255, bits=8
    )
    drain = DrainSpec(results=pe, lanes=1, rounds=8 // pe, sums=array.sums, outputs=(output,))
    return EngineSpec(window=window, array=array, drain=drain)


@pytest.mark.parametrize(("act", "weight", "pe", "simd"), [(8, 8, 2, 1), (4, 3, 4, 2)])
def test_an_engine(act, weight, pe, simd):
    spec = engine(act, weight, pe=pe, simd=simd)
    random = np.random.default_rng(0)
    width = spec.array.results * simd * weight
    constants = {
        "weights": [int(random.integers(1 << width)) for _ in range(spec.beats * 8 // pe)],
        "bias": random.integers(-200, 200, 8).tolist(),
        "multipliers": [random.integers(1 << 14, 1 << 16, 8).tolist()],
    }
    stage = Stage(name="e", spec=spec, inputs=(("input", 0),), constants=constants)
    library = Library("e")
    library.add("e", stage.create(), "")
    library.finish()
    texts = {f"{name}.v": text for name, text in library.modules.items()} | library.images
    script = "".join(f"read_verilog {name}.v\n" for name in library.modules)
    script += "synth_ecp5 -top e\nwrite_json netlist.json\n"
    (netlist,) = run_yosys(find_yosys(), script, texts, outputs=["netlist.json"])
    cells = netlist["modules"]["e"]["cells"].values()
    count = Counter(cell["type"] for cell in cells)
    carries = [cell["connections"] for cell in cells if cell["type"] == "CCU2C"]
    ends = {cell["COUT"][0] for cell in carries}
    chains = sum(cell["CIN"][0] not in ends for cell in carries)
    luts = count["LUT4"] + 2 * count["CCU2C"] + 6 * count["TRELLIS_DPR16X4"] + 4 * chains
    made = MODEL.of(spec)
    assert (made.dsps, made.block_rams) == (count["MULT18X18D"], count["DP16KD"])
    assert made.luts == pytest.approx(luts, rel=0.1)
    # Coefficients are those of parts, of which some registers are merged in a whole.
    assert made.ffs == pytest.approx(count["TRELLIS_FF"], rel=0.15)


def test_sums():
    assert 2 * Resources(luts=1.5, dsps=2) + Resources(ffs=1) == Resources(luts=3, ffs=1, dsps=4)


def test_families_without_measurements():
    with pytest.raises(NotSupported, match="such as ecp5, not xc7"):
        machine_model("xc7")


def test_the_table_says_where_it_is_from():
    from importlib.resources import files

    table = files("macwright.costmodel.tables").joinpath("ecp5_machine.json")
    known = json.loads(table.read_text())
    assert known["made_by"] == "benchmarks/machine_area.py --fit"
    assert 0 < known["period_error"] < 0.1


def test_clocks_of_larger_machines_are_slower_and_within_those_of_placed_ones():
    assert MODEL.period_ns is not None
    *_, smallest, largest = MODEL.period_ns
    sizes = (10, smallest, 1.1 * smallest, 0.9 * largest, largest, 60_000, 80_000)
    clocks = [MODEL.expected_mhz(luts) for luts in sizes]
    assert clocks == sorted(clocks, reverse=True)
    assert MODEL.fastest_mhz == clocks[0] == clocks[1] < 125
    assert clocks[-1] == clocks[-2] == clocks[-3] > 75
    for luts, clock in zip(sizes[1:4], clocks[1:4], strict=True):
        assert MODEL.most_luts(clock) == pytest.approx(luts)
    assert MODEL.most_luts(clocks[-1]) == MODEL.most_luts(50) == float("inf")
