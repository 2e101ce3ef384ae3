"""Technologies: what is counted, on designs small enough to count by hand."""

import pytest

from macwright.costmodel.characterize.unit import synthesize
from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.technology.catalogue import find_technology, technology_names
from macwright.costmodel.technology.levels import logic_depth
from macwright.hw.errors import ToolError


def figures(body, *, technology="gates", ports="input a, b, c, d, clk, output y, z", dsp=False):
    verilog = f"module unit({ports});\n{body}\nendmodule\n"
    got = synthesize(
        verilog, top="unit", technology=find_technology(technology), yosys=find_yosys(), dsp=dsp
    )
    assert got.pop("flow") == find_technology(technology).describe(dsp=dsp)
    return got


# Published weights: AND2 and OR2 1, AO21 2, MUX2, XOR2 and half adder 3, full adder 7, FF 6.
@pytest.mark.parametrize(
    ("body", "area", "ffs", "depth"),
    [
        ("assign y = a & b;", 1, 0, 1),
        ("assign y = ~(a | ~b);", 1, 0, 1),
        ("assign y = ~a;", 0, 0, 0),
        ("assign y = (a & b) | c;", 2, 0, 2),
        ("assign y = a ? b : c;", 3, 0, 2),
        ("assign y = a ^ b;", 3, 0, 2),
        ("assign y = ~(a ^ b);", 3, 0, 2),
        ("assign y = a ^ b; assign z = a & b;", 3, 0, 2),
        ("assign {z, y} = a + b + c;", 7, 0, 4),
        ("macwright_fa fa(.a(a), .b(b), .c(c), .s(y), .co(z));", 7, 0, 4),
        ("assign y = a & b & c & d;", 3, 0, 2),
        ("reg q; always @(posedge clk) q <= a; assign y = q;", 6, 1, 0),
        ("reg q; always @(posedge clk) if (b) q <= a; assign y = q;", 9, 1, 2),
        ("reg q; always @(posedge clk) if (b) q <= 0; else q <= a; assign y = q;", 7, 1, 1),
        ("reg q; always @(posedge clk) if (c) q <= ~b & a & d; assign y = q;", 11, 1, 3),
    ],
)  # fmt: skip
def test_gates_are_the_published_ones(body, area, ffs, depth):
    assert figures(body) == {"area": area, "ffs": ffs, "depth": depth}


def test_adder_in_gates_is_ripple_carry():
    ports = "input clk, input [31:0] a, b, output reg [31:0] y"
    got = figures("always @(posedge clk) y <= a + b;", ports=ports)
    # Half adder, 30 full adders, and a last sum bit that needs no carry: two exclusive-ors.
    # Two levels for each of 30 carries, two for the last sum, one or two for the first carry.
    assert got.pop("depth") in (63, 64)
    assert got == {"area": 3 + 30 * 7 + 6 + 32 * 6, "ffs": 32}


@pytest.mark.parametrize(
    ("technology", "luts", "carries"), [("ecp5", 32, 16), ("ice40", 32, 30), ("xc7", 32, 8)]
)
def test_registered_adder_on_an_fpga(technology, luts, carries):
    ports = "input clk, input [31:0] a, b, output reg [31:0] y"
    got = figures("always @(posedge clk) y <= a + b;", ports=ports, technology=technology)
    expected = {"area": luts, "luts": luts, "ffs": 32, "dsps": 0, "depth": 1}
    assert {k: v for k, v in got.items() if k != "carries"} == expected
    assert abs(got["carries"] - carries) <= 1


@pytest.mark.parametrize(
    ("technology", "depth"),
    [("ecp5", 1), ("ice40", None), pytest.param("xc7", None, marks=pytest.mark.slow)],
)
def test_hard_multiplier_only_where_asked_for(technology, depth):
    ports = "input signed [9:0] a, b, output signed [19:0] y"
    soft = figures("assign y = a * b;", ports=ports, technology=technology)
    hard = figures("assign y = a * b;", ports=ports, technology=technology, dsp=True)
    assert soft["dsps"] == 0
    assert soft["luts"] > 80
    assert (hard["dsps"], hard["luts"], hard["depth"]) == (1, 0, depth)


@pytest.mark.parametrize("technology", ["ecp5", "ice40"])
def test_levels_of_luts_are_counted(technology):
    got = figures("assign y = &a;", ports="input [15:0] a, output y", technology=technology)
    assert (got["luts"], got["depth"]) == (5, 2)


@pytest.mark.parametrize(
    ("technology", "body", "message"),
    [
        ("gates", "reg q; always @* if (a) q = b; assign y = q;", "D latches are not supported"),
        ("gates", "assign y = ~(y & a);", "has a combinational loop"),
        ("ecp5", "DCCA buffer(.CLKI(a), .CE(b), .CLKO(y));", "cannot be mapped to ecp5: .* DCCA"),
    ],
)
def test_what_cannot_be_mapped_is_refused(technology, body, message):
    with pytest.raises(ToolError, match=f"^Unit unit could not be characterised: .*{message}"):
        figures(body, technology=technology)


def cell(kind, inputs, output):
    ports = dict(zip("ABCDEF", ([bit] for bit in inputs), strict=False))
    return {
        "type": kind,
        "port_directions": {**dict.fromkeys(ports, "input"), "Y": "output"},
        "connections": {**ports, "Y": [output]},
    }


def test_combinational_loop_is_named():
    cells = {"one": cell("AND", [2, 4], 3), "two": cell("AND", [3, 2], 4)}
    module = {"cells": cells, "ports": {"a": {"direction": "input", "bits": [2]}}}
    with pytest.raises(ToolError, match=r"^Unit has a combinational loop through cell 'one'$"):
        logic_depth(module, levels={"AND": 1}, registers=frozenset())
    cells["one"]["type"] = "FF"
    assert logic_depth(module, levels={"AND": 1}, registers=frozenset(["FF"])) == 1


def test_unknown_technology_and_missing_multipliers_are_named():
    assert technology_names() == ("gates", "ecp5", "ice40", "xc7")
    text = "^Technology must be one of gates, ecp5, ice40, xc7, nangate45, .*, not 'virtex'$"
    with pytest.raises(ValueError, match=text):
        find_technology("virtex")
    assert find_technology("ecp5").mappable
    assert not find_technology("asap7").mappable
    text = "^Technology with DSP blocks must be one of ecp5, ice40 or xc7, not 'gates'$"
    with pytest.raises(ValueError, match=text):
        find_technology("gates").flow(dsp=True)
