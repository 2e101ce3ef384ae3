"""Whole machines: bits against the integer network, cycles against the control twin."""

import os
import re
import subprocess
from functools import cache
from typing import Any

import numpy as np
import pytest
from helpers.machines import frames_of, run_machine, small_network
from helpers.paths import ROOT
from helpers.random_network import networks
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from macwright.hw.accelerator.compose import compose
from macwright.hw.accelerator.folding import Folding
from macwright.hw.accelerator.machine import machine_library
from macwright.hw.accelerator.network import Add, Concat, Conv, Gemm, Pad, Slice, Table, Transpose
from macwright.hw.accelerator.plan import layer_shapes
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.formats import FloatFormat, PotFormat, TernaryFormat
from macwright.sim.accelerator.control import Control, buffer_names
from macwright.sim.accelerator.simulate import MachineBench, write_library
from macwright.sim.accelerator.sizing import size_buffers, with_depths
from macwright.sim.simulators import find_simulator

FRAMES = 4
FOLDINGS = {
    "small": {},
    "wide": {
        "c1": Folding(pe=4, simd=2), "c2": Folding(pe=2, simd=4), "dw": Folding(groups=2),
        "fc": Folding(pe=3, simd=2), "max": Folding(groups=4),
    },
}  # fmt: skip


@cache
def sized(foldings):
    network = small_network()
    shapes = layer_shapes(network)
    given = {"c1": Folding(pe=2), "c2": Folding(pe=4, simd=2)} | FOLDINGS[foldings]
    interval = max(given.get(n, Folding()).cycles(shape) for n, shape in shapes.items())
    spec = compose(network, interval=interval, foldings=given)
    sizing = size_buffers(spec)
    return network, with_depths(spec, sizing.depths), sizing


@pytest.mark.parametrize("foldings", FOLDINGS)
def test_bits_and_cycles_of_a_machine_with_least_buffers(foldings):
    network, spec, sizing = sized(foldings)
    words, want = frames_of(network, spec, FRAMES, seed=1)
    seen = run_machine(spec, words, len(want))
    assert seen.words == want
    assert seen.lasts == [spec.out_words * (k + 1) - 1 for k in range(FRAMES)]
    control = Control(spec, frames=FRAMES)
    timing = control.timing()
    ends = [seen.given[k] - seen.taken[0] for k in seen.lasts]
    assert ends == timing.ends.tolist()
    assert [cycle - seen.taken[0] for cycle in seen.taken] == control.times["input"].tolist()
    # The slowest layer of the formula, to the cycle; no buffer deeper than what it would hold.
    assert np.diff(ends).tolist()[-2:] == [spec.interval] * 2
    assert spec.interval == max(stage.spec.cycles for stage in spec.stages)
    for name, buffer in buffer_names(spec).items():
        least = getattr(buffer, "least_depth", 1)
        assert least <= sizing.depths[name] <= max(least, sizing.unbounded.peaks[name])


@pytest.mark.parametrize(("offer", "accept"), [(0.3, 1.0), (1.0, 0.05), (0.6, 0.2)])
def test_bits_under_stalls(offer, accept):
    network, spec, _ = sized("wide")
    words, want = frames_of(network, spec, 3, seed=2)
    assert run_machine(spec, words, len(want), offer=offer, accept=accept).words == want


@pytest.mark.parametrize("weights", ["pot4", "apot4", "e2m1fn", "e3m2fn", "binary", "int3q2"])
def test_bits_of_weights_of_every_kind(weights):
    network = small_network(weights=weights, output="c")
    spec = compose(network, interval=1600)
    words, want = frames_of(network, spec, 1, seed=4)
    assert len(set(want)) > 8
    assert run_machine(spec, words, len(want)).words == want


def test_one_word_less_in_a_buffer_costs_cycles_or_is_not_possible():
    _, spec, sizing = sized("small")
    for name, buffer in buffer_names(spec).items():
        if sizing.depths[name] * buffer.stored.width <= 256:
            continue
        least = getattr(buffer, "least_depth", 1)
        if sizing.depths[name] > least:
            control = Control(spec, frames=4)
            control.set_depths({name: sizing.depths[name] - 1})
            done = control.run(limit=40 * spec.interval)
            assert not done or control.timing().interval > spec.interval, name


def test_its_verilog_in_a_simulator(tmp_path):
    network, spec, _ = sized("small")
    words, want = frames_of(network, spec, 2, seed=3)
    bench = MachineBench(spec, machine_library(spec), tmp_path, simulator="icarus")
    full = bench.run(words, len(want))
    assert full.words == want
    ends = [full.given[k] - full.taken[0] for k in full.lasts]
    assert ends == Control(spec, frames=2).timing().ends.tolist()
    assert bench.run(words, len(want), offer=0.4, accept=0.1, seed=5).words == want


def test_verilator_warns_of_nothing_but_what_the_docs_waive(tmp_path):
    try:
        tool = find_simulator("verilator")
    except ToolError as error:
        pytest.skip(str(error))
    text = (ROOT / "docs" / "verilog.md").read_text()
    waivers = re.findall(r"^\| `(-Wno-[A-Z]+)` \|", text, re.MULTILINE)
    _, spec, _ = sized("small")
    names = [path.name for path in write_library(machine_library(spec), tmp_path)]
    command = ["verilator", "--lint-only", "-Wall", *waivers, "--top-module", spec.name, *names]
    env = {**os.environ, **tool.env}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def kinds(network, kind):
    return [node for node in network.nodes if isinstance(node, kind)]


def has_floats(network):
    return any(isinstance(edge.format, FloatFormat) for edge in network.edges)


def has_weights(network, *formats):
    return any(isinstance(node.weight_format, formats) for node in kinds(network, Conv | Gemm))


#: What may be refused: a message, and whether a network, in so small a share of the cycles of a
#: machine of single units, has what it speaks of.
REFUSED = {
    r"\(transpose\) cannot be built yet$": lambda net, _: kinds(net, Transpose),
    r"must keep channels in a row to be built$": lambda net, _: any(
        node.steps[0] > 1 for node in kinds(net, Slice)
    ),
    r"must join channels to be built$": lambda net, _: any(
        node.axis for node in kinds(net, Concat)
    ),
    r"must be codes of ternary to be built$": lambda net, _: has_weights(net, TernaryFormat),
    r"^minifloat_mac weight format must be .* not pot4$": lambda net, _: (
        has_floats(net) and has_weights(net, PotFormat)
    ),
    r"^shift_add_mac act format must be a full-range integer, not ternary": lambda net, _: (
        has_weights(net, PotFormat)
        and any(isinstance(edge.format, TernaryFormat) for edge in net.edges)
    ),
    r"^Interval must be .* cycles or more for layer": lambda _, share: share > 1,
    r": choose other foldings$": lambda net, share: (
        share > 1 or kinds(net, Slice | Pad | Concat | Add | Table)
    ),
}


@st.composite
def random_machines(draw):
    """A network with its machine; what is refused must be among what may be."""
    network, share = draw(networks()), draw(st.sampled_from([1, 3, 8]))
    refusal: str | None = None
    spec: Any = None
    try:
        shapes = layer_shapes(network).values()
        cycles = [max(shape.positions, Folding().cycles(shape)) for shape in shapes]
        interval = max(max(cycles, default=1) // share, network.edge(network.input).size)
        spec = compose(network, interval=interval)
    except RefusedInput as error:
        refusal = str(error)
    if refusal is not None:
        reasons = [has for text, has in REFUSED.items() if re.search(text, refusal)]
        assert any(has(network, share) for has in reasons), refusal
        reject()
    assume(sum(stage.spec.cycles for stage in spec.stages) < 3000)
    return network, spec


def check_machine(machine, seed):
    network, spec = machine
    words, want = frames_of(network, spec, 3, seed)
    seen = run_machine(spec, words, len(want))
    assert seen.words == want
    ends = [seen.given[k] - seen.taken[0] for k in seen.lasts]
    assert ends == Control(spec, frames=3).timing().ends.tolist()
    assert run_machine(spec, words, len(want), offer=0.5, accept=0.3, seed=seed).words == want


ANY_NUMBER = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@given(machine=random_machines(), seed=st.integers(0, 1000))
@settings(ANY_NUMBER, max_examples=8)
def test_random_networks(machine, seed):
    check_machine(machine, seed)


@pytest.mark.slow
@given(machine=random_machines(), seed=st.integers(0, 1000))
@settings(ANY_NUMBER, max_examples=100)
def test_a_hundred_random_networks(machine, seed):
    check_machine(machine, seed)
