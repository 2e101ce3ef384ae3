"""Mapped netlists: from Yosys JSON and from Verilog, and what is refused."""

import pytest
from helpers.paths import SMALL_LIBERTY

from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.build import from_yosys_json
from macwright.costmodel.netlist.netlist import ONE
from macwright.costmodel.netlist.verilog import from_verilog

TOGGLE = """
module top(clk, a, q);
 input clk; input [1:0] a; output [1:0] q;
 wire n1; wire n2, \\odd[name] ;
 assign q[0] = n2;  // a comment; with a semicolon
 assign q[1] = 1'b1;
 XOR2 x (.A(a[0]), .B(n2), .Y(n1));
 AND2 g (.A(n1), .B(a[1]), .Y(\\odd[name] ));
 DFF f (.CK(clk), .D(\\odd[name] ), .Q(n2), .QN());
endmodule
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MACWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return read_liberty([SMALL_LIBERTY])


def json_of(cells, ports=None, **extra):
    """Yosys JSON of a module `top` with one-bit pins."""
    ports = ports or {"clk": ("input", [2]), "a": ("input", [3]), "q": ("output", [9])}
    return {
        "modules": {
            "top": {
                "attributes": {"top": "00000000000000000000000000000001"},
                "ports": {n: {"direction": d, "bits": b} for n, (d, b) in ports.items()},
                "cells": {
                    name: {"type": kind, "connections": {p: [b] for p, b in pins.items()}}
                    for name, (kind, pins) in cells.items()
                },
                "netnames": {"wire": {"bits": [8, 9]}},
                **extra,
            }
        }
    }


def test_verilog_and_json_give_the_same_netlist(library):
    one = from_verilog(TOGGLE, library)
    cells = {
        "x": ("XOR2", {"A": 3, "B": 9, "Y": 5}),
        "g": ("AND2", {"A": 5, "B": 4, "Y": 6}),
        "f": ("DFF", {"CK": 2, "D": 6, "Q": 9}),
    }
    ports = {"clk": ("input", [2]), "a": ("input", [3, 4]), "q": ("output", [9, "1"])}
    two = from_yosys_json(json_of(cells, ports), library)
    for netlist in (one, two):
        assert [g.pin for g in netlist.gates] == ["Y", "Y"]
        assert netlist.area == 3 + 2 + 4
        assert [i.name for i in netlist.instances] == ["x", "g", "f"]
        assert netlist.level.tolist() == [1, 2, 0]
        assert netlist.clock == netlist.ports["clk"].nets[0]
        (flop,) = netlist.flops
        assert netlist.ports["q"].nets == (flop.outputs[0][1], ONE)
        assert [inverted for _, _, inverted in flop.outputs] == [False, True]
        loads = netlist.pin_load_ff[:, 0]
        assert sorted(loads[loads > 0]) == [0.5, 1, 2, 2, 2, 2]
    assert two.net_names[two.ports["q"].nets[0]] == "wire[1]"


def test_loads_and_wires_of_a_net(library):
    netlist = from_verilog(TOGGLE, library)
    q = netlist.ports["q"].nets[0]
    assert netlist.pin_load_ff[q].tolist() == [2, 2]
    wires = netlist.wire_load_ff()
    assert wires[q] == 6  # XOR2 and the port: two sinks
    assert not wires[list(netlist.ports["a"].nets)].any()


def test_gates_follow_their_drivers(library):
    text = "module top(a, y); input a; output y; wire n0;\n"
    chain = [f" INV i{k} (.A(n{k - 1}), .Y(n{k}));" for k in range(30, 0, -1)]
    text += " assign n0 = a;\n assign y = n30;\n" + "\n".join(chain) + "\nendmodule\n"
    netlist = from_verilog(text, library)
    known = set(netlist.ports["a"].nets)
    for gate in netlist.gates:
        assert set(gate.inputs) <= known
        known.add(gate.output)
    assert netlist.level.tolist() == list(range(30, 0, -1))


def test_constants_spread_through_gates(library):
    cells = {
        "t": ("TIE1", {"Y": 5}),
        "n": ("INV", {"A": 5, "Y": 6}),
        "g": ("AND2", {"A": 3, "B": 6, "Y": 9}),
    }
    netlist = from_yosys_json(json_of(cells), library)
    assert netlist.constants[netlist.ports["q"].nets[0]] is False
    assert netlist.ports["a"].nets[0] not in netlist.constants


def flop(**pins):
    return ("DFF", {"CK": 2, "D": 3, "Q": 9} | pins)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"g": ("NAND9", {"A": 3})}, "Cell NAND9 of instance g must be in library small"),
        (
            {"g": ("AND2", {"A": 3, "B": 6, "Y": 9}), "h": ("INV", {"A": 9, "Y": 6})},
            "must not have a combinational loop, such as the one through instances [gh], [gh]",
        ),
        ({"g": ("MACRO", {"A": 3, "Y": 9})}, "Pin Y of cell MACRO must have a two-state function"),
        ({"g": ("LATCH", {"D": 3, "G": 2, "Q": 9})}, "Cell LATCH must be combinational or one fli"),
        ({"g": ("INV", {"Y": 9})}, r"Input pin A of instance g \(INV\) must be connected"),
        ({"g": ("INV", {"A": 3, "Y": 9, "Z": 3})}, "Pin Z of instance g must be a pin of cell INV"),
        ({"g": ("INV", {"A": 7, "Y": 9})}, "Net 7 must have a driver, not none"),
        (
            {"g": ("INV", {"A": 3, "Y": 9}), "h": ("INV", {"A": 3, "Y": 9})},
            r"Net wire\[1\] must have one driver, not instance g and instance h",
        ),
        ({"g": ("INV", {"A": 3, "Y": 2})}, "Net 2 must have one driver, not port clk and instance"),
        (
            {"g": ("INV", {"A": 2, "Y": 5}), "f": flop(CK=5)},
            "Flip-flop f must be clocked by an input port, not by net 5",
        ),
        (
            {"f": flop(), "e": ("DFF", {"CK": 3, "D": 3})},
            "Flip-flops must share one clock, not 2 and 3",
        ),
        ({"f": ("DFFN", {"CK": 2, "D": 3, "Q": 9})}, "DFFN must be clocked by the rising edge"),
        (
            {"f": ("DFFR", {"CK": 2, "D": 3, "RN": 3, "Q": 9})},
            "Asynchronous clear of flip-flop f must be tied off, not used",
        ),
        (
            {"f": ("DFFR", {"CK": 2, "D": 3, "RN": "0", "Q": 9})},
            "Asynchronous clear of flip-flop f must be tied inactive",
        ),
    ],
)
def test_refusals(library, cells, message):
    with pytest.raises(ValueError, match=message):
        from_yosys_json(json_of(cells), library)


def test_asynchronous_pins_may_be_tied_inactive(library):
    cells = {"t": ("TIE1", {"Y": 5}), "f": ("DFFR", {"CK": 2, "D": 3, "RN": 5, "Q": 9})}
    assert len(from_yosys_json(json_of(cells), library).flops) == 1


def test_modules_and_ports_are_checked(library):
    with pytest.raises(ValueError, match=r"Top module must be one of \['top'\], not 'mac'"):
        from_yosys_json(json_of({}), library, top="mac")
    data = json_of({})
    data["modules"]["other"] = data["modules"]["top"]
    with pytest.raises(ValueError, match="Top module must be named, as there are"):
        from_yosys_json(data, library)
    with pytest.raises(ValueError, match="Port p must be an input or output, not 'inout'"):
        from_yosys_json(json_of({}, {"p": ("inout", [2])}), library)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("module top", "primitive top", "n.v:1: the file must begin with a module"),
        (" assign q[0] = n2;", " assign q[0] = n2 & n1;", "n.v:5: the statement must be a declar"),
        (".A(a[0])", "a[0]", "n.v:7: the statement must be a declaration, an assignment"),
        ("assign q[0] = n2", "assign n2 = q[0]; assign q[0] = n2", "assignments must not form a l"),
    ],
)
def test_verilog_refusals_name_file_and_line(library, old, new, message):
    assert old in TOGGLE
    with pytest.raises(ValueError, match=message):
        from_verilog(TOGGLE.replace(old, new), library, name="n.v")
