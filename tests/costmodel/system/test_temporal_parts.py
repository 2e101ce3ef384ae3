"""Parts of a machine of one array: against the files that it is made of, and against Yosys."""

from collections import Counter

import pytest
from helpers import networks

from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.system.machine_parts import parts
from macwright.costmodel.system.machine_resources import machine_model
from macwright.dse.architecture.machine import eight_bit_network
from macwright.dse.data.recipe import load_recipe
from macwright.dse.workload import load_workload
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.machine import temporal_library
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.pe import IntMacSpec

MODEL = machine_model("ecp5")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    model, data = networks.write(tmp_path_factory.mktemp("net"), networks.cnn())
    dataset = load_recipe(model, data_path=data)
    return eight_bit_network(load_workload(model, dataset), dataset)


def machine(network, rows, columns, unit=None):
    program = compile_network(network, rows=rows, columns=columns)
    return TemporalSpec(name="m", program=program, unit=unit or IntMacSpec(pipeline=1))


@pytest.mark.parametrize(("rows", "columns"), [(4, 2), (4, 4), (4, 8)])
def test_constant_memories_are_those_of_the_files(network, rows, columns):
    spec = machine(network, rows, columns)
    library = temporal_library(spec)
    written = Counter(len(text.split()) for text in library.images.values())
    (part, _) = parts(spec)
    counted = Counter(words for words, bits, constant in part.memories if constant and words)
    assert written == counted


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (4, 8), (8, 8)])
def test_the_whole_machine_is_what_synthesis_makes_of_it(network, rows, columns):
    spec = machine(network, rows, columns)
    library = temporal_library(spec)
    texts = {f"{name}.v": text for name, text in library.modules.items()} | library.images
    script = "".join(f"read_verilog {name}.v\n" for name in library.modules)
    script += f"synth_ecp5 -top {spec.name}\nwrite_json netlist.json\n"
    (netlist,) = run_yosys(find_yosys(), script, texts, outputs=["netlist.json"])
    cells = netlist["modules"][spec.name]["cells"].values()
    count = Counter(cell["type"] for cell in cells)
    whole = MODEL.of(spec, {spec.array.unit: MODEL.unit(spec.array.unit)})
    luts = count["LUT4"] + 2 * count["CCU2C"] + 6 * count["TRELLIS_DPR16X4"]
    assert whole.dsps == count["MULT18X18D"]
    assert whole.luts == pytest.approx(luts, rel=0.25)
    assert whole.ffs == pytest.approx(count["TRELLIS_FF"], rel=0.15)
