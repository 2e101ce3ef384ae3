# amaranth: UnusedElaboratable=no
"""Dot products of groups that share a float addition: golden model, NumPy twin, Verilog."""

import random
import re
import shutil
from fractions import Fraction

import numpy as np
import pytest

from macwright.hw.pe import spec_from_fields
from macwright.sim.bench.dot import _pack, _scales
from macwright.sim.generate import describe, write_unit
from macwright.sim.golden import legal_codes
from macwright.sim.golden.dot_numpy import dot_sums
from macwright.sim.golden.grouped_dot import GroupedDotModel
from macwright.sim.runner import simulate
from macwright.testing import check_unit

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])
MXFP4 = {"act": "mxfp4", "weight": "mxfp4", "lanes": 2, "acc": "fp32", "groups": 4}


def _spec(**fields):
    return spec_from_fields("dot", {**MXFP4, **fields})


def _float(code):
    return np.array(code, np.uint32).view(np.float32)


@pytest.mark.parametrize("more", [{}, {"en": True, "pipeline": 1}, {"pipeline": 2}])
@pytest.mark.parametrize("groups", [2, 3, 4])
def test_sums_of_cycles_are_exact_and_rounded_once(groups, more):
    """From the definition, in float32: with these scales one rounding is all of float64's."""
    formats = {"act": "mxfp4", "weight": "mxfp4"} if groups != 3 else {"weight": "e2m1fn"}
    formats = {"act": "e2m1fn", **formats} if groups == 3 else formats
    spec = _spec(**{**formats, "groups": groups, **more})
    rng, model = np.random.default_rng(groups), GroupedDotModel(spec)
    values, count = np.concatenate([E2M1, -E2M1]), spec.macs_per_cycle
    scaled = {"a_scale", "w_scale"} if spec.blocks else set()
    history, floats = [], []
    for step in range(600):
        enabled = int(not spec.en or rng.random() < 0.7)
        a, w = rng.integers(16, size=(2, count))
        scale, clear = int(rng.integers(117, 138)), int(rng.random() < 0.05)
        turn = len(history) % groups
        inputs = {"a": _pack(spec.lane.act, list(map(int, a)))}
        inputs |= {"w": _pack(spec.lane.weight, list(map(int, w)))}
        inputs |= {name: scale if name == "a_scale" else 127 for name in scaled}
        inputs |= {"en": enabled} if spec.en else {}
        model.step(**inputs, clear=clear, first=int(turn == 0))
        if enabled:
            history.append(values[a] * values[w])
            group = (turn + 1) % groups
            lanes = slice(group * spec.lanes, (group + 1) * spec.lanes)
            known = len(history) >= groups + group
            total = sum(cycle[lanes].sum() for cycle in history[-groups:])
            total *= 2.0 ** (scale - 127) if scaled else 1
            before = np.float32(0) if clear else floats[-groups] if step > groups * 2 else None
            known &= before is not None
            floats.append(np.float32(np.float64(before) + total) if known else None)
        shown = floats[-spec.latency] if len(floats) >= spec.latency else None
        assert (model.acc is None) == (shown is None)
        if shown is not None:
            assert _float(model.acc) == shown
    assert sum(each is not None for each in floats) > 200


def _one_sum(spec, cycles, **more):
    """`acc` of group 0 behind cycles of operands ``(a, w)``, whose lanes are all of group 0."""
    model = GroupedDotModel(spec)
    numbers = {"a_scale": 127, "w_scale": 127} if spec.blocks else {}
    for place in range(len(cycles) + spec.latency - 1):
        a, w = cycles[place] if place < len(cycles) else (0, 0)
        clear = int(place < spec.groups)
        first = int(place % spec.groups == 0)
        model.step(a=a, w=w, clear=clear, first=first, **{**numbers, **more})
    return model.acc


def test_special_values_count_wherever_they_come_in_a_sum():
    one, inf, minus, nan = 0x3C, 0x7C, 0xFC, 0x7E
    spec = _spec(act="e5m2", weight="e5m2", lanes=1)
    few = [(one, one)] * 3
    assert _one_sum(spec, [(inf, one), *few]) == 0x7F800000
    assert _one_sum(spec, [*few, (minus, one)]) == 0xFF800000
    assert _one_sum(spec, [few[0], (minus, minus), *few[:2]]) == 0x7F800000
    for cycles in ([(inf, one), *few[:2], (minus, one)], [few[0], (nan, one), *few[:2]]):
        assert _one_sum(spec, cycles) == 0x7FC00000
    assert _one_sum(spec, [*few[:2], (inf, 0), few[0]]) == 0x7FC00000
    assert _one_sum(spec, [(inf, one), *few, *few, (minus, one)]) == 0x7FC00000
    assert _one_sum(spec, [*few, few[0]]) == 0x40800000
    assert _one_sum(_spec(lanes=1), [(2, 2)] * 4, a_scale=255) == 0x7FC00000


def test_scales_at_their_ends_and_ties():
    spec = _spec(lanes=1)
    # 4 * 36 * 2**-254 is half of the smallest subnormal times 144 * 2**-104: nothing; with 144 *
    # 2**-154 (scales -127 and -27) it is 4.5 of them, a tie to even.
    for scales, code in (((0, 0), 0), ((0, 100), 4), ((0, 101), 9), ((254, 254), 0x7F800000)):
        got = _one_sum(spec, [(7, 7)] * 4, a_scale=scales[0], w_scale=scales[1])
        exact = Fraction(144) * Fraction(2) ** (sum(scales) - 254)
        assert got == code
        assert code == 0x7F800000 or abs(exact / Fraction(2) ** -149 - code) <= Fraction(1, 2)


UNITS = [
    {"act": "mxfp4", "weight": "mxint8", "lanes": 4, "groups": 4, "acc": "fp32"},
    {"act": "nvfp4", "weight": "nvfp4", "lanes": 4, "groups": 4, "acc": "fp32"},
    {"act": "mxfp8e5m2", "weight": "mxfp6e2m3", "lanes": 2, "groups": 2, "acc": "fp16"},
    {"act": "bfp6x16", "weight": "bfp6x16", "lanes": 4, "groups": 2, "acc": "bf16"},
    {"act": "e4m3fn", "weight": "e5m2", "lanes": 3, "groups": 3, "acc": "fp16"},
    {"act": "int8", "weight": "int4", "lanes": 2, "groups": 4, "acc": "fp32"},
]


@pytest.mark.parametrize("fields", UNITS, ids=lambda fields: f"{fields['act']}-{fields['weight']}")
@pytest.mark.parametrize("finite", [True, False])
def test_numpy_twin_agrees_with_the_integer_model(fields, finite):
    spec, rng = spec_from_fields("dot", fields), random.Random(5)
    random.seed(5)
    codes = []
    for fmt in (spec.lane.act, spec.lane.weight):
        legal = np.array(legal_codes(fmt))
        codes.append([int(c) for c in legal[np.isfinite(fmt.decode(legal)) | (not finite)]])
    cycles = 3 * spec.groups
    a, w = ([[rng.choice(c) for _ in range(spec.lanes)] for _ in range(cycles)] for c in codes)
    scales = [_scales(spec, special=0.0 if finite else 0.02) for _ in range(cycles)]
    model = GroupedDotModel(spec)
    for place in range(cycles + spec.latency - 1):
        k = min(place, cycles - 1)
        vectors = {"a": _pack(spec.lane.act, a[k]), "w": _pack(spec.lane.weight, w[k])}
        # The lanes of other groups are zero, and their sums are not looked at.
        first, clear = int(place % spec.groups == 0), int(place < spec.groups)
        model.step(clear=clear, first=first, **vectors, **scales[k])
    named = {name: [scale[name] for scale in scales] for name in scales[0]}
    assert int(dot_sums(spec, a, w, **named)) == model.acc


def test_twin_refuses_half_a_sum():
    with pytest.raises(ValueError, match=r"^Cycles must be a multiple of the 4 of a sum, not 6$"):
        dot_sums(_spec(), np.zeros((6, 2), int), np.zeros((6, 2), int))


SMALL = [
    {**MXFP4, "lanes": 1, "en": True, "pipeline": 1, "cut": "product"},
    {
        "act": "nvfp4",
        "weight": "nvfp4",
        "lanes": 1,
        "acc": "e5m6",
        "groups": 4,
        "adder": "sklansky",
    },
    {"act": "mxint8", "weight": "mxfp4", "lanes": 1, "acc": "fp32", "groups": 2, "pipeline": 2},
    {"act": "e5m2", "weight": "e4m3fn", "lanes": 2, "acc": "fp16", "groups": 3, "en": True},
]


@needs_icarus
@pytest.mark.parametrize("fields", SMALL, ids=lambda fields: f"{fields['act']}-{fields['weight']}")
def test_verilog_matches_the_golden_model(fields, tmp_path):
    write_unit(spec_from_fields("dot", fields), tmp_path)
    result = simulate(tmp_path, simulator="icarus", tests=["corners", "controls", "cancellation"])
    assert result.failures == []
    assert result.tests == 3


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize(
    ("name", "lanes"), [("mxfp4", 8), ("mxint8", 8), ("mxfp6e3m2", 4), ("mxfp8e5m2", 1)]
)
def test_bench_of_blocks(name, lanes, simulator, tmp_path):
    if not shutil.which("iverilog" if simulator == "icarus" else "verilator"):
        pytest.skip(f"needs {simulator}")
    fields = {"act": name, "weight": name, "lanes": lanes, "adder": "brent_kung"}
    write_unit(_spec(**fields), tmp_path)
    tests = ["corners", "sums", "controls", "cancellation"]
    assert simulate(tmp_path, simulator=simulator, tests=tests).failures == []


@needs_icarus
def test_a_sum_that_does_not_begin_anew_is_seen(tmp_path):
    manifest = write_unit(_spec(lanes=1), tmp_path)
    path = tmp_path / manifest["verilog"]["file"]
    # The begin of group 2, once in the sum and once where it is chosen.
    text, count = re.subn(r"(\bfirst_next\S* <= )first;", r"\1 1'h0;", path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["sums"]).failures
    assert re.search(r"acc is 0x\w+, expected 0x\w+, for a=", failures[0])


@pytest.mark.parametrize("en", [False, True])
def test_keeps_the_laws_of_units(en):
    report = check_unit(_spec(en=en), cycles=400, bench=False)
    assert report.checked["simulation"] == 400


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"groups": 5}, r"^dot groups must be an integer from 1 to 4 .*, not 5$"),
        ({"groups": 4, "sums": 2}, r"^dot sums must be 1 with 4 groups, whose sums .*, not 2$"),
        ({"window": 6}, r"^dot window must be none with groups, whose sums are exact, not 6$"),
        ({"lanes": 16}, r"^dot lanes times 4 groups must divide the 32 elements .*, not be 16$"),
        ({"rst": True}, r"^dot groups must be 1 with a reset: a sum starts with clear, not 4$"),
        (
            {"act": "int8", "weight": "int8", "acc": "exact"},
            r"^dot groups must be 1 with the accumulator int26, which is no float, not 4$",
        ),
        (
            {"weight": "e2m1fn", "acc": "e5m6fin"},
            r"^dot groups must be 1 where operands or scales may be NaN and e5m6fin may not",
        ),
        ({"adder": "carry_save"}, r"^dot adder must not be carry_save with a float accumulator$"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(ValueError, match=message):
        _spec(**fields)


def test_spec_says_what_the_unit_does():
    spec = _spec(lanes=8, adder="brent_kung", pipeline=1, cut="product")
    assert spec.name == "dot8x4_mxfp4_mxfp4_fp32_brent_kung_p1_product"
    assert (spec.macs_per_cycle, spec.turns, spec.latency) == (32, 4, 7)
    ports = {port["name"]: port["width"] for port in describe(spec)["ports"]}
    assert ports == {
        **{"clk": 1, "a": 128, "w": 128, "a_scale": 8, "w_scale": 8},
        **{"first": 1, "clear": 1, "acc": 32},
    }
