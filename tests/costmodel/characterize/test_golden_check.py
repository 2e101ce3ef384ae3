"""The check of mapped netlists: it passes what is right and names what is not."""

import copy

import pytest

from macwright.costmodel.characterize.golden_check import check_netlist
from macwright.costmodel.characterize.unit import generate_unit
from macwright.costmodel.characterize.yosys import find_yosys, run_yosys
from macwright.costmodel.power.lut_activity import lut_netlist
from macwright.costmodel.tables.default_units import mac_spec
from macwright.costmodel.technology.catalogue import find_technology
from macwright.hw.errors import ToolError
from macwright.hw.pe import spec_from_fields


def mapped(spec, technology):
    flow = find_technology(technology)
    script, outputs = flow.script(spec.name, dsp=False)
    texts = {**flow.texts(), "unit.v": generate_unit(spec)[0]}
    (netlist,) = run_yosys(find_yosys(), script, texts, outputs=list(outputs.values()))
    return netlist


@pytest.mark.parametrize(
    "spec",
    [
        mac_spec(act="uint4", weight="int3", technology="ice40"),
        spec_from_fields("requant", {"act": "int12", "weight": "uint4", "shift_bits": 3}),
        spec_from_fields("serial_mac", {"lanes": 1, "act": "int4", "weight": "int4"}),
    ],
    ids=lambda spec: spec.family,
)
def test_every_inverted_table_is_noticed(spec):
    netlist = mapped(spec, "ice40")
    assert check_netlist(lut_netlist(netlist, spec.name), spec) == 1056
    luts = [n for n, c in netlist["modules"][spec.name]["cells"].items() if c["type"] == "SB_LUT4"]
    for name in luts[:: max(1, len(luts) // 4)]:
        broken = copy.deepcopy(netlist)
        parameters = broken["modules"][spec.name]["cells"][name]["parameters"]
        parameters["LUT_INIT"] = parameters["LUT_INIT"].translate(str.maketrans("01", "10"))
        with pytest.raises(ToolError, match="a netlist that is not the unit: "):
            check_netlist(lut_netlist(broken, spec.name), spec)
