"""Static timing against figures worked out by hand from the small library."""

import math

import numpy as np
import pytest
from helpers.paths import SMALL_LIBERTY

from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.timing import analyse, min_period
from macwright.costmodel.netlist.verilog import from_verilog


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MACWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return read_liberty([SMALL_LIBERTY])


def circuit(library, body, ports="a"):
    text = f"module top(clk, {ports}, q); input clk; input {ports}; output q;\n{body}\nendmodule\n"
    netlist = from_verilog(text, library)
    return netlist, {name: index for index, name in enumerate(netlist.net_names)}


def test_register_to_register_path(library):
    body = """
    DFF f1 (.CK(clk), .D(a), .Q(n1));
    INV i1 (.A(n1), .Y(n2));
    INV i2 (.A(n2), .Y(n3));
    DFF f2 (.CK(clk), .D(n3), .Q(q));
    """
    netlist, nets = circuit(library, body)
    wire = np.zeros(len(netlist.net_names))
    wire[nets["n2"]] = 4.0
    timing = analyse(netlist, wire_ff=wire, input_slew_ns=0.1, clock_slew_ns=0.1)
    # Load of n1: 1 fF; of n2: 1 + 4 fF; of n3: 1 fF. Slews: Q 0.2; INV rise 0.5, fall 0.3.
    # Q rises: i1 falls, i2 rises. Q falls: i1 rises, i2 falls.
    rising = 0.10 + (0.010 + 0.02 + 0.005) + (0.020 + 0.03 + 0.001) + 0.02
    falling = 0.12 + (0.020 + 0.02 + 0.005) + (0.010 + 0.05 + 0.001) + 0.03
    assert timing.min_period_ns == pytest.approx(max(rising, falling), rel=1e-12)
    assert falling > rising
    assert timing.slew_ns[nets["n2"]].tolist() == pytest.approx([0.5, 0.3])
    assert timing.delays_ns[1, "A", "Y"] == pytest.approx((0.045, 0.035))
    assert timing.load_ff[nets["n2"]].tolist() == [5, 5]
    assert min_period(netlist, library, wire_ff=wire) == pytest.approx(falling)


def test_slowest_of_several_arcs_counts(library):
    body = """
    DFF f1 (.CK(clk), .D(a), .Q(n1), .QN(n2));
    XOR2 x (.A(n1), .B(n2), .Y(n3));
    DFF f2 (.CK(clk), .D(n3), .Q(q));
    """
    netlist, _ = circuit(library, body)
    timing = analyse(netlist)
    expected = max(
        0.13 + 0.08 + 0.02,  # n2 falls, output rises
        0.14 + 0.07 + 0.02,  # n2 rises, output rises
        0.14 + 0.055 + 0.03,  # n2 rises, output falls
        0.13 + 0.06 + 0.03,  # n2 falls, output falls
    )
    assert timing.min_period_ns == pytest.approx(expected, rel=1e-12)
    assert timing.delays_ns[1, "A", "Y"] == pytest.approx((0.08, 0.06))


def test_ports_count_only_where_asked(library):
    body = " INV i (.A(a), .Y(n1));\n DFF f (.CK(clk), .D(n1), .Q(q));"
    netlist, _ = circuit(library, body)
    timing = analyse(netlist, wire_ff=np.zeros(len(netlist.net_names)), input_slew_ns=0.2)
    assert math.isnan(timing.min_period_ns)
    # INV falls: 0.010 + 0.1 * 0.2 + 0.001 * 1 + 0.03; rises: 0.041 + 0.02.
    assert timing.input_period_ns == pytest.approx(0.061)


def test_paths_that_constants_block_do_not_count(library):
    body = """
    TIE1 t (.Y(one));
    INV z (.A(one), .Y(zero));
    DFF f1 (.CK(clk), .D(a), .Q(n1));
    INV i1 (.A(n1), .Y(n2));
    AND2 g (.A(n2), .B(zero), .Y(n3));
    XOR2 x (.A(n1), .B(n3), .Y(n4));
    DFF f2 (.CK(clk), .D(n4), .Q(q));
    """
    netlist, _ = circuit(library, body)
    timing = analyse(netlist)
    # Through x.A only, which with B = 0 keeps the direction of the edge (worst of both arcs).
    assert timing.min_period_ns == pytest.approx(max(0.10 + 0.07 + 0.02, 0.12 + 0.06 + 0.03))


def test_library_of_another_netlist_is_refused(library):
    netlist, _ = circuit(library, " DFF f (.CK(clk), .D(a), .Q(q));")
    with pytest.raises(ValueError, match="Library must be the one that the netlist was read with"):
        min_period(netlist, read_liberty([SMALL_LIBERTY]))
