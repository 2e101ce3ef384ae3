"""Energy against figures worked out by hand from the small library."""

import numpy as np
import pytest
from helpers.paths import SMALL_LIBERTY

from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.timing import analyse
from macwright.costmodel.netlist.verilog import from_verilog
from macwright.costmodel.power.activity import simulate
from macwright.costmodel.power.measure import confidence, measure_energy
from macwright.costmodel.power.rollup import roll_up

#: A flip-flop that inverts itself in every clock cycle.
DIVIDER = """
module top(clk, a, q); input clk, a; output q; wire n1, n2;
 assign q = n1;
 INV i (.A(n1), .Y(n2));
 DFF f (.CK(clk), .D(n2), .Q(n1));
endmodule
"""
#: A port and its complement meet in a gate: a pulse whenever the port rises.
PULSE = """
module top(clk, a, q); input clk, a; output q; wire n1, n2, n3, n4;
 assign q = n4;
 INV i (.A(a), .Y(n1));
 AND2 g (.A(a), .B(n1), .Y(n2));
 DFF f (.CK(clk), .D(n2), .Q(n4));
endmodule
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MACWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return read_liberty([SMALL_LIBERTY])


def measure(library, text, codes, **options):
    netlist = from_verilog(text, library)
    wire = np.zeros(len(netlist.net_names))
    return measure_energy(netlist, library, {"a": np.array(codes)}, wire_ff=wire, **options)


@pytest.mark.parametrize(
    # D is the complement of Q: in truth the clock pin takes (2 + 3) / 2 an edge; with D, Q and QN
    # independent each of the four conditions has the probability 1/8.
    ("mode", "clock_pin"),
    [("joint", 2 * (2 + 3) / 2), ("opensta", 2 * (1 + 2 + 3 + 4) / 8)],
)
def test_energy_of_a_divider(library, mode, clock_pin):
    result = measure(library, DIVIDER, np.zeros((13, 2), int), clock_ns=10, mode=mode)
    assert result.transitions == 20
    assert result.clock_pin_fj == pytest.approx(clock_pin)
    # Nets n1 and n2 carry 1 fF at 1 V each; QN carries nothing but toggles.
    assert result.switching_fj == pytest.approx(0.5 + 0.5)
    assert result.internal_fj == pytest.approx((2 + 1) / 2 + (7 + 9) / 2 + clock_pin)
    assert result.flip_flop_fj == pytest.approx((7 + 9) / 2 + clock_pin + 0.5)
    assert result.leakage_nw == pytest.approx((3 + 1) / 2)
    assert result.leakage_fj == pytest.approx(2 * 10 * 1e-3)
    total = 1.0 + 1.5 + 8 + clock_pin + 0.02
    assert result.energy_fj_per_cycle == pytest.approx(total)
    assert result.zero_delay_fj == pytest.approx(total)
    assert (result.glitch_fj, result.glitch_factor) == pytest.approx((0, 1))
    assert result.ci95_fj == pytest.approx(0)
    assert (result.toggles_per_cycle, result.area) == (3, 5)
    # Q falls, the inverter rises: see the tests of timing.
    assert result.min_period_ns == pytest.approx(0.12 + 0.020 + 0.1 * 0.2 + 0.001 + 0.02)


def test_glitches_are_counted(library):
    # `a` alternates: every second edge rises. The inverter falls after 10 ps and a bit, but the
    # gate takes 40 ps or more, so the pulse is lost; behind a slow chain it is not.
    codes = np.tile([[0], [1]], (12, 3))
    lost = measure(library, PULSE, codes)
    assert lost.glitch_fj == pytest.approx(0)
    chain = " INV i1 (.A(a), .Y(n5)); INV i2 (.A(n5), .Y(n3)); INV i (.A(n3), .Y(n1));"
    slow = PULSE.replace(" INV i (.A(a), .Y(n1));", chain)
    found = measure(library, slow, codes)
    # A pulse is two transitions, in every second cycle; n2 loads 1 fF. Gate A: mean 3, gate B: 5;
    # A and B toggle alike and have the same duty.
    share = roll_share(library, slow, codes)
    per_toggle = share * 3 + (1 - share) * 5 + 0.5
    assert found.toggles_per_cycle == pytest.approx(
        found.zero_delay_toggles_per_cycle + 1, rel=0.06
    )
    assert found.glitch_fj == pytest.approx(per_toggle, rel=0.06)
    assert found.glitch_factor == pytest.approx(found.energy_fj_per_cycle / found.zero_delay_fj)
    assert measure(library, slow, codes, glitches=False).glitch_fj is None


def roll_share(library, text, codes):
    """Weight of pin A of the gate: (duty of B) · toggles of A over the sum for both."""
    netlist = from_verilog(text, library)
    activity = simulate(netlist, {"a": codes}, first=3)
    names = {name: index for index, name in enumerate(netlist.net_names)}
    a, b = names["a"], names["n1"]
    to_a = activity.ones[b] * activity.toggles[a]
    return to_a / (to_a + activity.ones[a] * activity.toggles[b])


def test_output_energy_is_weighed_over_related_pins(library):
    text = (
        "module top(a, q); input [1:0] a; output q; assign q = y;\n"
        " AND2 g (.A(a[0]), .B(a[1]), .Y(y));\nendmodule\n"
    )
    netlist = from_verilog(text, library)
    # A toggles in every cycle, B in every second: duties 1/2, dependence 1/2 each.
    codes = np.array([[0, 1, 2, 3][i % 4] for i in range(9)]).reshape(-1, 1)
    activity = simulate(netlist, {"a": codes})
    timing = analyse(netlist, wire_ff=np.zeros(len(netlist.net_names)))
    power = roll_up(netlist, timing, activity, mode="opensta")
    names = {name: index for index, name in enumerate(netlist.net_names)}
    assert activity.toggles[[names["a[0]"], names["a[1]"], names["y"]]].tolist() == [8, 4, 4]
    mean = (0.5 * 1.0 * 3 + 0.5 * 0.5 * 5) / 0.75
    assert power.weight_fj[names["y"]] == pytest.approx(mean)
    assert power.weight_fj[names["a[1]"]] == pytest.approx(0.3)  # passive; ports cost no switching
    assert power.weight_fj[names["a[0]"]] == 0
    assert power.internal_fj[0] == pytest.approx(mean * 0.5 + 0.3 * 0.5)
    assert power.leakage_nw.tolist() == [5, 0]
    assert power.total_fj(2.0) == pytest.approx(mean * 0.5 + 0.15 + 5 * 2e-3)


def test_reset_and_enable_are_driven(library):
    text = """
    module top(clk, rst, en, a, q); input clk, rst, en, a; output q;
     assign q = n3;
     INV i (.A(rst), .Y(n1)); AND2 g (.A(n1), .B(a), .Y(n2)); AND2 h (.A(n2), .B(en), .Y(n4));
     DFF f (.CK(clk), .D(n4), .Q(n3));
    endmodule
    """
    codes = np.random.default_rng(0).integers(2, size=(20, 4))
    result = measure(library, text, codes)
    assert result.zero_delay_toggles_per_cycle > 1  # en = 1 lets the operand through
    assert result.clock_ns == result.input_period_ns > 0


def test_json_and_liberty_paths_are_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    cells = {"f": {"type": "DFF", "connections": {"CK": [2], "D": [3], "Q": [4]}}}
    ports = {
        "clk": {"direction": "input", "bits": [2]},
        "a": {"direction": "input", "bits": [3]},
        "q": {"direction": "output", "bits": [4]},
    }
    module = {"attributes": {}, "ports": ports, "cells": cells, "netnames": {}}
    codes = np.tile([[0], [1]], (10, 1))
    result = measure_energy({"modules": {"top": module}}, [SMALL_LIBERTY], {"a": codes}, clock_ns=1)
    assert result.zero_delay_toggles_per_cycle == pytest.approx(2)


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        (np.zeros((20, 1), int), {"clock_ns": 0.1}, r"Clock period must be at least 0.1810 ns"),
        (np.zeros((20, 1), int), {"clock_ns": -1}, "Clock period must be a positive number"),
        (np.zeros((20, 1), int), {"mode": "best"}, "Mode must be 'joint' or 'opensta', not 'best'"),
        (np.zeros((4, 1), int), {}, r"with at least 5 cycles, not \(4, 1\)"),
    ],
)
def test_refusals(library, codes, options, message):
    with pytest.raises(ValueError, match=message):
        measure(library, DIVIDER, codes, **options)


def test_confidence_interval_covers_the_mean():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(400):
        energies = 100 + 30 * rng.normal(size=(50, 8))
        inside += abs(energies.mean() - 100) < confidence(energies)
    assert 0.92 < inside / 400 < 0.98
    half = confidence(100 + 30 * rng.normal(size=(50, 8)))
    assert half == pytest.approx(1.96 * 30 / 20, rel=0.3)


def test_confidence_interval_of_one_lane_uses_batches():
    slow = np.repeat(np.random.default_rng(1).normal(size=25), 40)  # cycles that resemble another
    assert confidence(slow[None]) > 3 * 1.96 * slow.std() / np.sqrt(len(slow))
    assert confidence(np.ones((1, 1))) == float("inf")
