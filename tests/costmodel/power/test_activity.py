"""Simulation of mapped netlists: against plain Python, and with delays against Icarus."""

import random
import re
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest
from helpers.paths import SMALL_LIBERTY

from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.timing import Timing
from macwright.costmodel.netlist.verilog import from_verilog
from macwright.costmodel.power.activity import pack_codes, simulate, unpack_lanes
from macwright.costmodel.power.glitch import GlitchSimulator


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MACWRIGHT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return read_liberty([SMALL_LIBERTY])


def random_netlist(library, seed, n_gates=120, n_inputs=6, n_flops=5):
    """Verilog and netlist of random gates between flip-flops that feed back."""
    rng = random.Random(seed)
    nets = [f"a[{i}]" for i in range(n_inputs)] + [f"s{i}" for i in range(n_flops)]
    lines = []
    for index in range(n_gates):
        kind = rng.choice(["INV", "AND2", "XOR2", "XOR2"])
        pins = {"A": rng.choice(nets[-20:])}
        if kind != "INV":
            pins["B"] = rng.choice([net for net in nets if net != pins["A"]])
        links = ", ".join(f".{pin}({net})" for pin, net in pins.items())
        lines.append(f" {kind} g{index} ({links}, .Y(n{index}));")
        nets.append(f"n{index}")
    for index in range(n_flops):
        data = f"n{n_gates - 1 - index}"
        lines.append(f" DFF f{index} (.CK(clk), .D({data}), .Q(s{index}), .QN(t{index}));")
    wires = "".join(f" wire n{i};\n" for i in range(n_gates))
    wires += "".join(f" wire s{i}; wire t{i};\n" for i in range(n_flops))
    text = (
        f"module top(clk, a, q);\n input clk; input [{n_inputs - 1}:0] a; output q;\n{wires}"
        f" assign q = n{n_gates - 1};\n" + "\n".join(lines) + "\nendmodule\n"
    )
    return text, from_verilog(text, library)


def reference_history(netlist, codes):
    """Settled value of every net in each cycle of one lane, in plain Python."""
    history = []
    state = {id(flop): 0 for flop in netlist.flops}
    for code in codes:
        values = {0: 0, 1: 1, netlist.clock: 0}
        for bit, net in enumerate(netlist.ports["a"].nets):
            values[net] = code >> bit & 1
        for flop in netlist.flops:
            for _, net, inverted in flop.outputs:
                values[net] = state[id(flop)] ^ inverted
        for gate in netlist.gates:
            cell = netlist.instances[gate.instance].cell.name
            pins = [values[net] for net in gate.inputs]
            values[gate.output] = {
                "INV": lambda a: 1 - a,
                "AND2": lambda a, b: a & b,
                "XOR2": lambda a, b: a ^ b,
            }[cell](*pins)
        history.append(values)
        for flop in netlist.flops:
            state[id(flop)] = values[flop.inputs[0]]
    return history


@pytest.mark.parametrize("seed", range(3))
def test_counts_without_delays(library, seed):
    _, netlist = random_netlist(library, seed)
    codes = np.random.default_rng(seed).integers(64, size=(20, 13))
    seen = []
    activity = simulate(netlist, {"a": codes}, first=4, observe=lambda _, v: seen.append(v))
    toggles, ones = np.zeros((2, len(netlist.net_names)), dtype=int)
    both = np.zeros(len(netlist.flops), dtype=int)
    for lane in range(13):
        history = reference_history(netlist, codes[:, lane].tolist())
        for cycle, values in enumerate(history):
            assert {n: seen[cycle][n] >> lane & 1 for n in values} == values, (cycle, lane)
        for before, now in pairwise(history[3:]):
            for net, value in now.items():
                toggles[net] += value != before[net]
                ones[net] += value
            for index, flop in enumerate(netlist.flops):
                both[index] += now[flop.inputs[0]] & now[flop.outputs[0][1]]
    assert activity.transitions == 16 * 13
    assert activity.toggles.tolist() == toggles.tolist()
    assert activity.ones.tolist() == ones.tolist()
    assert [counts[3] for counts in activity.flop_ones] == both.tolist()
    for counts, flop in zip(activity.flop_ones, netlist.flops, strict=True):
        assert counts[:3].tolist() == [16 * 13, ones[flop.inputs[0]], ones[flop.outputs[0][1]]]


def test_packing_keeps_wide_codes():
    codes = np.array([[1 << 70, 5], [0, (1 << 71) - 1]], dtype=object)
    packed = pack_codes(codes, 71)
    for cycle in range(2):
        for lane in range(2):
            bits = [packed[cycle][bit] >> lane & 1 for bit in range(71)]
            assert sum(bit << i for i, bit in enumerate(bits)) == codes[cycle, lane]
    assert unpack_lanes([0b1000000001, 2], 10).tolist() == [[1, *[0] * 8, 1], [0, 1, *[0] * 8]]


@pytest.mark.parametrize(
    ("streams", "first", "message"),
    [
        ({}, 1, "Port a must have a stream, not none"),
        ({"a": np.zeros((4, 1), int), "b": np.zeros((4, 1), int)}, 1, "named after an input port"),
        ({"a": np.zeros(4, int)}, 1, r"must have the shape \(cycles, lanes\)"),
        ({"a": np.full((4, 1), 64)}, 1, "Codes of port a must be unsigned and fit 6 bits"),
        ({"a": np.full((4, 1), -1)}, 1, "Codes of port a must be unsigned and fit 6 bits"),
        ({"a": np.zeros((4, 1), int)}, 4, "First counted cycle must be from 1 to 3"),
    ],
)
def test_streams_must_fit(library, streams, first, message):
    _, netlist = random_netlist(library, 0)
    with pytest.raises(ValueError, match=message):
        simulate(netlist, streams, first=first)


def hand_timing(netlist, delays):
    """Timing with given delays in ps, everything else empty."""
    size = len(netlist.net_names)
    table = {key: (rise / 1000, fall / 1000) for key, (rise, fall) in delays.items()}
    return Timing(float("nan"), float("nan"), np.zeros((size, 2)), table, np.zeros((size, 2)))


@pytest.mark.parametrize(
    ("inverter", "gate", "toggles"),
    [(60, 50, 2), (50, 50, 2), (40, 50, 0)],
    ids=["pulse longer than the delay", "as long", "shorter"],
)
def test_a_pulse_shorter_than_the_delay_is_suppressed(library, inverter, gate, toggles):
    # y = a & !a: a rising `a` makes a pulse as long as the inverter's delay.
    text = (
        "module top(a, y); input a; output y; assign y = n2;\n"
        " INV i (.A(a), .Y(n1));\n AND2 g (.A(a), .B(n1), .Y(n2));\nendmodule\n"
    )
    netlist = from_verilog(text, library)
    delays = {(0, "A", "Y"): (inverter, inverter)}
    delays |= {(1, pin, "Y"): (gate, gate) for pin in "AB"}
    simulator = GlitchSimulator(netlist, hand_timing(netlist, delays))
    names = {name: index for index, name in enumerate(netlist.net_names)}
    settled = np.zeros(len(names), dtype=np.uint8)
    settled[names["n1"]] = 1
    weights = np.zeros(len(names))
    weights[names["n2"]] = 2.5
    values = np.array([[1], [0], [1]], dtype=np.uint8)
    count = simulator.run(settled, values, np.array([True, True, False]), weights)
    # The falling edge makes no pulse: `a` goes to 0 first. The last vector is not counted.
    assert count.toggles[names["n2"]] == toggles
    assert count.toggles[names["a"]] == 2
    assert count.energy_fj.tolist() == [2.5 * toggles, 0, 0]
    assert count.transitions == 2


def icarus_toggles(text, netlist, delays, codes, folder):
    """Transitions of each net after the first cycle, by Icarus with specify delays."""
    models, body = [], text
    for index, instance in enumerate(netlist.instances):
        name = f"{instance.cell.name}_{index}"
        body = body.replace(f" {instance.cell.name} {instance.name} ", f" {name} {instance.name} ")
        pins = [*instance.cell.inputs, *instance.cell.outputs]
        logic = {
            "INV": "assign Y = ~A;",
            "AND2": "assign Y = A & B;",
            "XOR2": "assign Y = A ^ B;",
            "DFF": "reg s = 0; always @(posedge CK) s <= D; assign Q = s; assign QN = ~s;",
        }[instance.cell.name]
        paths = "".join(
            f"({source} => {target}) = ({rise}, {fall});\n"
            for (owner, source, target), (rise, fall) in delays.items()
            if owner == index
        )
        models.append(
            f"module {name}({', '.join(pins)}); input {', '.join(instance.cell.inputs)}; "
            f"output {', '.join(instance.cell.outputs)};\n{logic}\n"
            f"specify\n{paths}endspecify\nendmodule\n"
        )
    steps = "\n".join(f"#5000 a = {code}; clk = 1; #5000 clk = 0;" for code in codes[1:])
    bench = (
        f"`timescale 1ps/1ps\n{''.join(models)}{body}\n"
        "module bench; reg clk; reg [5:0] a; wire q;\n"
        f" top dut (.clk(clk), .a(a), .q(q));\n initial begin clk = 0; a = {codes[0]};\n"
        f' #20000 $dumpfile("dump.vcd"); $dumpvars(1, dut);\n{steps}\n'
        "#5000 $finish; end\nendmodule\n"
    )
    (folder / "bench.v").write_text(bench)
    compiler = ["iverilog", "-gspecify", "-Ttyp", "-o", "run.vvp", "bench.v"]
    subprocess.run(compiler, cwd=folder, check=True, capture_output=True)
    subprocess.run(["vvp", "run.vvp"], cwd=folder, check=True, capture_output=True)
    dump = (folder / "dump.vcd").read_text()
    names = dict(re.findall(r"\$var wire 1 (\S+) (\w+) \$end", dump))
    after = dump.split("$end", dump.split("$dumpvars")[0].count("$end") + 1)[-1]
    counts = dict.fromkeys(names.values(), 0)
    for symbol in re.findall(r"^[01](\S+)$", after, re.MULTILINE):
        if symbol in names:
            counts[names[symbol]] += 1
    return counts


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
@pytest.mark.parametrize("seed", range(3))
def test_transitions_with_delays_are_those_of_icarus(library, seed, tmp_path):
    text, netlist = random_netlist(library, seed)
    rng = random.Random(seed)
    delays = {}
    for index, instance in enumerate(netlist.instances):
        inputs = ["CK"] if instance.cell.flip_flop else instance.cell.inputs
        for source in inputs:
            for target in instance.cell.outputs:
                delays[index, source, target] = (rng.randint(20, 90), rng.randint(20, 90))
    codes = np.random.default_rng(seed).integers(64, size=(300, 1))
    history = []
    simulate(netlist, {"a": codes}, observe=lambda _, values: history.append(values))
    settled = np.array(history, dtype=np.uint8)
    simulator = GlitchSimulator(netlist, hand_timing(netlist, delays))
    nets = [net for net, _, _ in simulator.sources]
    count = simulator.run(
        settled[0], settled[1:, nets], np.ones(299, dtype=bool), np.ones(settled.shape[1])
    )
    expected = icarus_toggles(text, netlist, delays, codes[:, 0].tolist(), tmp_path)
    found = {name: int(n) for name, n in zip(netlist.net_names, count.toggles, strict=True)}
    shared = (set(expected) & set(found)) - {"clk"}
    assert len(shared) > 120
    wrong = {
        name: (found[name], expected[name]) for name in shared if found[name] != expected[name]
    }
    assert wrong == {}
    calm = np.abs(np.diff(settled.astype(int), axis=0)).sum()
    assert sum(found.values()) > 1.3 * calm, "the netlist must have glitches to compare"
