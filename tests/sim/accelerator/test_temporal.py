"""Temporal machines: programs against the integer network, hardware against both, cycles too."""

import itertools
import os
import re
import subprocess

import numpy as np
import pytest
from helpers.machines import run_streams, small_network, stem_network
from helpers.paths import ROOT
from helpers.random_network import networks, random_levels
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from macwright.hw.accelerator.network import Network
from macwright.hw.accelerator.temporal.compile import compile_network
from macwright.hw.accelerator.temporal.machine import TemporalMachine, temporal_library
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.errors import RefusedInput, ToolError
from macwright.hw.pe import IntMacSpec
from macwright.sim.accelerator.golden import from_words, to_words
from macwright.sim.accelerator.integer_network import IntegerModel
from macwright.sim.accelerator.simulate import write_library
from macwright.sim.accelerator.temporal import interpret
from macwright.sim.simulators import find_simulator

ACTS = ("uint4", "int4", "int8", "uint8", "int3", "ternary", "int6q3", "uint10")
STEPS = (*("conv", "depthwise", "grouped", "residual", "max", "average", "concat", "pad", "slice"),)
SIZES = [(5, 1), (1, 4), (2, 3), (4, 4), (3, 5), (8, 6)]


def machine_of(
    network: Network, rows: int, columns: int, pipeline: int = 0, split: int = 1
) -> TemporalSpec:
    program = compile_network(network, rows=rows, columns=columns, split=split)
    return TemporalSpec(name="machine", program=program, unit=IntMacSpec(pipeline=pipeline))


def streams(network: Network, spec: TemporalSpec, levels):
    """Words of frames and of their results, and what the interpreter makes of each frame."""
    source, result = network.edge(network.input), network.edge(network.output)
    program = spec.program
    codes = np.moveaxis(source.codes(levels), 1, -1).reshape(len(levels), -1, program.source.lanes)
    results = IntegerModel(network).run(levels)
    interpreted = [interpret(program, frame) for frame in codes]
    for one, expected in zip(interpreted, results, strict=True):
        assert (one.results.reshape(expected.shape) == expected).all()
        assert one.cycles == [part.issue_cycles(program.rows) for part in program.passes]
    wanted = np.moveaxis(result.codes(results), 1, -1)
    return (
        to_words(codes, lanes=program.source.lanes, bits=program.source.bits),
        to_words(wanted, lanes=1, bits=program.result.bits),
        interpreted,
    )


@pytest.mark.parametrize(
    ("rows", "columns", "pipeline"), [(1, 4, 0), (2, 3, 2), (4, 4, 1), (3, 5, 0), (8, 6, 2)]
)
def test_every_word_that_is_computed_and_every_cycle(rows, columns, pipeline):
    network = small_network()
    spec = machine_of(network, rows, columns, pipeline)
    words, wanted, interpreted = streams(network, spec, random_levels(network, 2, seed=rows))
    machine, codes = TemporalMachine(spec), []

    def look(ctx):
        if ctx.get(machine.result_valid):
            codes.append(ctx.get(machine.result_codes))

    seen = run_streams(machine, words, len(wanted), look=look)
    assert seen.words == wanted
    each = len(wanted) // 2
    assert seen.lasts == [each - 1, 2 * each - 1]
    frame = spec.frame_cycles
    assert [seen.given[k] - seen.taken[0] for k in seen.lasts] == [frame - 1, 2 * frame - 1]
    written = [part for one in interpreted for part in one.written]
    expected = np.concatenate([part.reshape(-1, columns) for part in written])
    found = from_words(codes, lanes=columns, bits=spec.result_bits).reshape(-1, columns)
    assert (found == expected).all()


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "pads", "stacked"),
    [
        ((4, 4), (3, 2), (1, 1), ((0, 0), (1, 1)), 2),
        ((5, 6), (5, 2), (2, 1), ((2, 3), (0, 1)), 3),
        ((8, 9), (3, 3), (1, 2), ((1, 1), (1, 0)), 3),
        ((10, 10), (8, 3), (1, 1), ((4, 4), (1, 1)), 3),
        ((6, 8), (2, 4), (2, 2), ((0, 1), (2, 3)), 2),
    ],
)
def test_windows_of_rows_in_a_word_and_words_of_channels_in_rows(
    size, kernel, strides, pads, stacked
):
    network = stem_network(kernel, strides, pads)
    rows, columns = size
    spec = machine_of(network, rows, columns, 1)
    assert spec.program.source.stacked == stacked
    modes = [one.mode for one in spec.program.passes]
    assert modes == ["dense", "connected", "dense" if columns > 6 else "connected"]
    words, wanted, _ = streams(network, spec, random_levels(network, 2, seed=stacked))
    assert len(set(wanted)) > 7
    stalled = run_streams(TemporalMachine(spec), words, len(wanted), offer=0.5)
    seen = run_streams(TemporalMachine(spec), words, len(wanted))
    assert stalled.words == seen.words == wanted
    assert [seen.given[k] - seen.taken[0] for k in seen.lasts] == [
        spec.frame_cycles * k - 1 for k in (1, 2)
    ]


@pytest.mark.parametrize(
    ("size", "weights", "split", "splits"),
    [
        ((5, 4), ("int8", "int4", "int2"), 4, [1, 2, 4]),
        ((1, 4), ("int8", "int2", "int4"), 4, [1, 4, 2]),
        ((3, 4), ("int6", "int3", "int2"), 2, [1, 2, 2]),
        ((2, 4), ("int4", "int8", "ternary"), 4, [1, 1, 4]),
        ((4, 6), ("int8", "int4", "int2"), 4, [1, 1, 2]),
    ],
)
@pytest.mark.parametrize("pipeline", [0, 2])
def test_formats_of_weights_are_switched_by_layer(size, weights, split, splits, pipeline):
    network = stem_network((3, 2), (2, 1), ((0, 0), (1, 1)), weights)
    rows, columns = size
    spec = machine_of(network, rows, columns, pipeline, split)
    assert [one.split for one in spec.program.passes] == splits
    words, wanted, _ = streams(network, spec, random_levels(network, 1, seed=split))
    assert len(set(wanted)) > 3
    seen = run_streams(TemporalMachine(spec), words, len(wanted))
    assert seen.words == wanted
    assert [seen.given[k] - seen.taken[0] for k in seen.lasts] == [spec.frame_cycles - 1]
    plain = compile_network(network, rows=rows, columns=columns)
    assert spec.program.weight_words < plain.weight_words


@pytest.mark.parametrize(("offer", "accept"), [(0.3, 1.0), (0.6, 0.1)])
def test_bits_under_stalls(offer, accept):
    network = small_network(seed=2)
    spec = machine_of(network, 4, 6)
    words, wanted, _ = streams(network, spec, random_levels(network, 2, seed=5))
    machine = TemporalMachine(spec)
    assert run_streams(machine, words, len(wanted), offer=offer, accept=accept).words == wanted


@pytest.mark.parametrize("weights", ["pot4", "binary", "int2"])
def test_bits_of_weights_of_every_kind(weights):
    network = small_network(weights=weights, output="c")
    spec = machine_of(network, 4, 4)
    words, wanted, _ = streams(network, spec, random_levels(network, 1, seed=4))
    assert len(set(wanted)) > 5
    assert run_streams(TemporalMachine(spec), words, len(wanted)).words == wanted


@pytest.mark.parametrize(("rows", "columns", "split"), [(4, 4, 4), (4, 6, 1), (5, 1, 2)])
def test_verilator_warns_of_nothing_but_what_the_docs_waive(tmp_path, rows, columns, split):
    try:
        tool = find_simulator("verilator")
    except ToolError as error:
        pytest.skip(str(error))
    text = (ROOT / "docs" / "verilog.md").read_text()
    waivers = re.findall(r"^\| `(-Wno-[A-Z]+)` \|", text, re.MULTILINE)
    spec = machine_of(small_network(), rows, columns, 1, split)
    names = [path.name for path in write_library(temporal_library(spec), tmp_path)]
    command = ["verilator", "--lint-only", "-Wall", *waivers, "--top-module", spec.name, *names]
    env = {**os.environ, **tool.env}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


#: Why a machine cannot be had of a random network.
REASONS = "must join channels in a temporal machine|weight format must have 1 to 16 bits"


def check_random(network: Network, size, seed: int, pipeline: int, cycles: int, split: int) -> None:
    try:
        rows, columns = size
        spec = machine_of(network, rows, columns, pipeline, split)
        assert spec.array.unit  # refuses weights that are too wide
    except RefusedInput as error:
        if not re.search(REASONS, str(error)):
            raise
        assume(False)
        return
    assume(spec.frame_cycles < cycles)
    words, wanted, _ = streams(network, spec, random_levels(network, 2, seed))
    seen = run_streams(TemporalMachine(spec), words, len(wanted))
    assert seen.words == wanted
    frame = spec.frame_cycles
    assert [seen.given[k] - seen.taken[0] for k in seen.lasts] == [frame - 1, 2 * frame - 1]


QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much]


@given(
    network=networks(ACTS, STEPS),
    seed=st.integers(0, 1000),
    size=st.sampled_from(SIZES),
    pipeline=st.integers(0, 2),
    split=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=6, deadline=None, derandomize=True, database=None,
          suppress_health_check=QUIET)  # fmt: skip
def test_random_networks(network, seed, size, pipeline, split):
    check_random(network, size, seed, pipeline, 1500, split)


@pytest.mark.slow
@given(
    network=networks(ACTS, STEPS),
    seed=st.integers(0, 1000),
    size=st.sampled_from([*SIZES, (6, 8), (16, 16)]),
    pipeline=st.integers(0, 2),
    split=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=100, deadline=None, derandomize=True, database=None,
          suppress_health_check=QUIET)  # fmt: skip
def test_a_hundred_random_networks(network, seed, size, pipeline, split):
    check_random(network, size, seed, pipeline, 6000, split)


@given(
    network=networks(ACTS, STEPS),
    seed=st.integers(0, 1000),
    size=st.sampled_from(SIZES),
    split=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=60, deadline=None, derandomize=True, database=None,
          suppress_health_check=QUIET)  # fmt: skip
def test_programs_of_random_networks(network, seed, size, split):
    try:
        rows, columns = size
        spec = machine_of(network, rows, columns, 0, split)
        assert spec.array.unit
    except RefusedInput as error:
        if not re.search(REASONS, str(error)):
            raise
        assume(False)
        return
    streams(network, spec, random_levels(network, 2, seed))
    program = spec.program
    # No tensor is overwritten while it is needed.
    lives = {}
    for k, one in enumerate(program.passes):
        for name in {one.edge, *(step.tensor for step in one.steps)} & {*program.address}:
            lives.setdefault(name, []).append(k)
    ends = {name: (program.address[name], min(ks), max(ks)) for name, ks in lives.items()}
    for (a, (at, born, last)), (b, (to, other, end)) in itertools.combinations(ends.items(), 2):
        if born <= end and other <= last:
            assert at != to, (a, b)
