"""Netlists of look-up tables: they compute what the unit does, and their activity is counted."""

import numpy as np
import pytest

from macwright.costmodel.characterize.unit import unit_netlist
from macwright.costmodel.liberty.logic import parse_expression, truth_table
from macwright.costmodel.netlist.lut_cells import cell_parts, table_function
from macwright.costmodel.power.activity import Simulator, pack_codes, unpack_lanes
from macwright.costmodel.power.lut_activity import activity_index, lut_netlist
from macwright.costmodel.technology.catalogue import find_technology, target_of_technology
from macwright.hw.pe import spec_from_fields

FIELDS = {"act": "int4", "weight": "int4", "acc": "int12", "en": True, "rst": True}


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("family", ["ecp5", "ice40", "xc7"])
def test_mapped_unit_multiplies_and_accumulates(family):
    spec = spec_from_fields("int_mac", FIELDS).tuned(target_of_technology(family))
    found = unit_netlist(spec, find_technology(family))[1]
    mapped = lut_netlist(found, spec.name)
    simulator, lanes = Simulator(mapped), 64
    rng = np.random.default_rng(1)
    streams = {name: rng.integers(0, 16, (40, lanes)) for name in ("a", "w")}
    streams |= {name: (rng.random((40, lanes)) < 0.1) * 1 for name in ("clear", "rst")}
    streams["en"] = (rng.random((40, lanes)) < 0.8) * 1
    streams["rst"][0] = 1
    packed = {name: pack_codes(v, len(mapped.ports[name].nets)) for name, v in streams.items()}
    state, acc = [0] * len(mapped.flops), np.zeros(lanes, dtype=int)
    for cycle in range(40):
        bits = {
            net: packed[name][cycle][n]
            for name in packed
            for n, net in enumerate(mapped.ports[name].nets)
        }
        inputs = [bits.get(net, 0) for net in simulator.inputs]
        values, state = simulator.step((1 << lanes) - 1, inputs, state)
        if cycle:
            got = unpack_lanes([values[net] for net in mapped.ports["acc"].nets], lanes)
            assert (got.T @ (1 << np.arange(12)) == acc % 4096).all()
        a, w = ((streams[name][cycle] ^ 8) - 8 for name in ("a", "w"))
        now = np.where(streams["clear"][cycle] == 1, 0, acc) + a * w
        acc = np.where(streams["en"][cycle] == 1, now, acc)
        acc[streams["rst"][cycle] == 1] = 0


def test_index_weighs_what_moves_by_what_it_drives():
    cells = {
        # y follows the exclusive-or of both operands; its inverse is stored.
        "t": {
            "type": "SB_LUT4",
            "parameters": {"LUT_INIT": f"{0b0110:016b}"},
            "connections": {"I0": [2], "I1": [3], "I2": ["0"], "I3": ["0"], "O": [5]},
        },
        "f": {"type": "SB_DFF", "connections": {"C": [4], "D": [5], "Q": [6]}},
    }
    ports = {"a": [2], "w": [3], "clk": [4], "clear": [7]}
    ports_json = {n: {"direction": "input", "bits": bits} for n, bits in ports.items()}
    ports_json["acc"] = {"direction": "output", "bits": [6]}
    netlist = {"modules": {"unit": {"ports": ports_json, "cells": cells}}}

    class Spec:
        name = "unit"
        act = weight = spec_from_fields("int_mac", {"act": "uint1", "weight": "uint1"}).act
        macs_per_cycle = 1

    index = activity_index(netlist, Spec, "uniform")
    # Two nets, each driving one pin (or port), that move every second cycle.
    assert index["stimulus"] == "uniform"
    assert index["activity_index"] == pytest.approx(2 * 2 / 2, rel=0.05)
    netlist["modules"]["unit"]["cells"]["m"] = {"type": "SB_MAC16", "connections": {}}
    assert activity_index(netlist, Spec, "uniform") == {}


def test_function_of_a_table_has_that_table():
    rng = np.random.default_rng(3)
    pins = ("I0", "I1", "I2", "I3", "I4", "I5")
    for _ in range(30):
        table = rng.random(64) < rng.random()
        text = "".join(str(int(bit)) for bit in table)
        tree = parse_expression(table_function(text, pins))
        assert (truth_table(tree, pins) == table).all()


@pytest.mark.parametrize(
    "cell",
    [
        {"type": "SB_MAC16", "connections": {}},
        {"type": "SB_DFFR", "connections": {"C": [1], "D": [2], "R": [3], "Q": [4]}},
        {"type": "FDCE", "connections": {"C": [1], "D": [2], "CLR": [3], "CE": [5], "Q": [4]}},
        {"type": "TRELLIS_FF", "parameters": {"SRMODE": "ASYNC"}, "connections": {"CLK": [1]}},
        {"type": "TRELLIS_FF", "parameters": {"CLKMUX": "INV"}, "connections": {"CLK": [1]}},
    ],
)
def test_cells_that_are_not_simulated_are_refused(cell):
    with pytest.raises(KeyError):
        list(cell_parts(cell))
