# amaranth: UnusedElaboratable=no
"""Dot-product units: specs, golden model and its NumPy twin, Verilog."""

import random
import re
import shutil
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from macwright.hw.formats import FloatFormat, parse_format
from macwright.hw.pe import Dot, DotSpec, spec_from_fields
from macwright.hw.registry import registry
from macwright.sim.bench.dot import _pack, _scales
from macwright.sim.generate import describe, write_unit
from macwright.sim.golden import DotModel, lane_codes, legal_codes
from macwright.sim.golden.dot_numpy import dot_sums
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
UNITS = [spec for spec in registry() if spec.family == "dot"]

DTYPES = {
    "int8": np.int8,
    "e4m3fn": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
}


def _table(name):
    codes = np.arange(256, dtype=np.uint8)
    values = codes.view(DTYPES[name]).astype(np.float64)
    return [Fraction(float(v)) if np.isfinite(v) else Fraction(0) for v in values]


def _run(spec, cycles, rng, *, finite=True):
    """Random operands by cycle and lane, scales by cycle, and the model after them."""
    model = DotModel(spec_from_fields("dot", {**spec.to_fields(), "pipeline": 0, "sums": 1}))
    codes = []
    for fmt in (spec.lane.act, spec.lane.weight):
        legal = np.array(legal_codes(fmt))
        codes.append([int(c) for c in legal[np.isfinite(fmt.decode(legal)) | (not finite)]])
    a, w = ([[rng.choice(c) for _ in range(spec.lanes)] for _ in range(cycles)] for c in codes)
    random.seed(rng.random())
    scales = [_scales(spec, special=0.0 if finite else 0.02) for _ in range(cycles)]
    for k in range(cycles):
        vectors = {"a": _pack(spec.act, a[k]), "w": _pack(spec.weight, w[k])}
        model.step(clear=int(k == 0), **vectors, **scales[k])
    return a, w, scales, model


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"act": "int8", "weight": "int8", "lanes": 5}, Fraction(1)),
        ({"act": "e4m3fn", "weight": "e4m3fn", "lanes": 4}, Fraction(1, 2**18)),
        ({"act": "e5m2", "weight": "int8", "lanes": 3}, Fraction(1, 2**16)),
    ],
    ids=["int", "float", "mixed"],
)
def test_exact_sums_are_those_of_fractions(fields, unit):
    spec = spec_from_fields("dot", {**fields, "terms": 500})
    rng = random.Random(7)
    tables = [_table(fields["act"]), _table(fields["weight"])]
    a, w, _, model = _run(spec, 100, rng)
    total = sum(
        tables[0][x] * tables[1][y]
        for xs, ys in zip(a, w, strict=True)
        for x, y in zip(xs, ys, strict=True)
    )
    half = 2 ** (spec.acc.width - 1)
    assert -half <= total / unit < half
    assert model.acc == total / unit % (2 * half)


@pytest.mark.parametrize("window", [4, 8, 12, 20])
def test_window_cuts_each_product_toward_zero(window):
    """From the definition: e4m3fn products have 8 bits, the largest exponent is bit 7's."""
    fields = {"act": "e4m3fn", "weight": "e4m3fn", "lanes": 4, "window": window}
    spec, table, rng = spec_from_fields("dot", fields), _table("e4m3fn"), random.Random(window)
    for _ in range(300):
        codes = [rng.randrange(127) + rng.choice([0, 128]) for _ in range(8)]
        a, w = codes[:4], codes[4:]
        places = [max(x >> 3 & 15, 1) + max(y >> 3 & 15, 1) for x, y in zip(a, w, strict=True)]
        step = Fraction(2) ** (max(places) - 2 + 8 - window - 18)
        total = sum(int(table[x] * table[y] / step) * step for x, y in zip(a, w, strict=True))
        model = DotModel(spec)
        model.step(a=_pack(spec.act, a), w=_pack(spec.weight, w), clear=1)
        assert model.acc == total * 2**18 % 2**spec.acc.width


def test_block_scales_multiply_the_sum_and_the_result_is_rounded_once():
    spec = spec_from_fields("dot", {"act": "nvfp4", "weight": "mxfp4", "lanes": 2, "acc": "fp32"})
    assert [port["name"] for port in describe(spec)["ports"]] == [
        *("clk", "a", "w", "a_scale", "w_scale", "clear", "acc")
    ]
    model = DotModel(spec)
    # (3 * 6 + 0.5 * -1.5) * 1.875 * 2**-3, then 1 is added.
    model.step(a=0x15, w=0xB7, clear=1, a_scale=0x3F, w_scale=124)
    assert np.array(model.acc, np.uint32).view(np.float32) == np.float32(17.25 * 1.875 / 8)
    model.step(a=0x02, w=0x02, clear=0, a_scale=0x38, w_scale=127)
    assert np.array(model.acc, np.uint32).view(np.float32) == np.float32(17.25 * 1.875 / 8 + 1)
    model.step(a=0, w=0, clear=0, a_scale=0x38, w_scale=255)  # the scale NaN
    assert model.acc == 0x7FC00000


def _fits(spec):
    try:
        dot_sums(spec, np.zeros((1, spec.lanes), int), np.zeros((1, spec.lanes), int))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("spec", [s for s in UNITS if _fits(s)], ids=lambda spec: spec.name)
def test_numpy_twin_agrees_with_the_integer_model(spec):
    rng = random.Random(spec.name)
    for finite in (True, True, True, False):
        a, w, scales, model = _run(spec, 12, rng, finite=finite)
        named = {
            name: [scale[name] for scale in scales]
            for name in ("a_scale", "w_scale")
            if name in scales[0]
        }
        got = int(dot_sums(spec, a, w, **named))
        assert got == (-1 if model.acc is None else model.acc)


def test_twin_refuses_what_it_cannot_hold():
    spec = spec_from_fields("dot", {"act": "e5m2", "weight": "e5m2", "lanes": 2})
    with pytest.raises(ValueError, match=r"^Sum of lanes must fit the 53 bits .* not take \d+$"):
        dot_sums(spec, [[0, 0]], [[0, 0]])


SMALL = [
    {"act": "int3", "weight": "uint2", "lanes": 3, "acc": "int9", "en": True},
    {"act": "e3m2fn", "weight": "e2m1fn", "lanes": 2, "acc": "e4m3", "window": 6},
    {"act": "e5m2", "weight": "e2m1fn", "lanes": 2, "acc": "fp16", "sums": 4, "en": True},
    {"act": "nvfp4", "weight": "nvfp4", "lanes": 2, "acc": "e5m6", "sums": 3, "pipeline": 1},
    {"act": "mxint8", "weight": "mxfp4", "lanes": 1, "acc": "fp32", "sums": 2, "pipeline": 2},
]


@needs_icarus
@pytest.mark.parametrize("fields", SMALL, ids=["int", "window", "sums4", "sums3", "sums2"])
def test_verilog_matches_the_golden_model(fields, tmp_path):
    write_unit(spec_from_fields("dot", fields), tmp_path)
    result = simulate(tmp_path, simulator="icarus", tests=["corners", "lanes", "cancellation"])
    assert result.failures == []
    assert result.tests == 3


E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


@pytest.mark.parametrize("en", [False, True])
@pytest.mark.parametrize("pipeline", [0, 2])
@pytest.mark.parametrize("sums", [2, 3, 4])
def test_sums_take_turns(sums, pipeline, en):
    """From the definition, in float32: terms and scales are chosen so that one rounding is all."""
    fields = {"act": "mxfp4", "weight": "mxfp4", "lanes": 2, "acc": "fp32", "sums": sums}
    spec = spec_from_fields("dot", {**fields, "pipeline": pipeline, "en": en})
    rng, model = np.random.default_rng(sums), DotModel(spec)
    values = np.concatenate([E2M1, -E2M1])
    expected: list[np.float32 | None] = []
    for step in range(400):
        a, w = rng.integers(16, size=(2, 2))
        scale, clear = int(rng.integers(117, 138)), int(rng.random() < 0.05)
        moves = int(not en or rng.random() < 0.7)
        flat = {"a": int(a[0] | a[1] << 4), "w": int(w[0] | w[1] << 4)}
        enable = {"en": moves} if en else {}
        model.step(**flat, a_scale=scale, w_scale=127, clear=clear, **enable)
        if moves:
            before = expected[-sums] if step and len(expected) >= sums else None
            term = (values[a] * values[w]).sum() * 2.0 ** (scale - 127)
            before = np.float32(0) if clear else before
            expected.append(None if before is None else np.float32(np.float64(before) + term))
        shown = expected[-spec.latency] if len(expected) >= spec.latency else None
        assert (model.acc is None) == (shown is None)
        if shown is not None:
            assert np.array(model.acc, np.uint32).view(np.float32) == shown
    assert sum(each is not None for each in expected) > 200


@needs_icarus
def test_a_sum_that_comes_round_too_early_is_seen(tmp_path):
    """The Verilog of three sums with a register behind it has the latency of four, no more."""
    four, three = (spec_from_fields("dot", {**SMALL[2], "sums": n}) for n in (4, 3))
    manifest = write_unit(four, tmp_path / "four")
    other = write_unit(three, tmp_path / "three")["verilog"]["file"]
    text = (tmp_path / "three" / other).read_text()
    late = f"""
module {four.name}(input clk, input en, input clear, input [15:0] a, input [7:0] w,
    output reg [15:0] acc);
  wire [15:0] early;
  {three.name} unit(.clk(clk), .en(en), .clear(clear), .a(a), .w(w), .acc(early));
  always @(posedge clk) if (en) acc <= early;
endmodule
"""
    (tmp_path / "four" / manifest["verilog"]["file"]).write_text(text + late)
    failures = simulate(tmp_path / "four", simulator="icarus", tests=["sums"]).failures
    assert re.search(r"acc is 0x\w+, expected 0x\w+, for a=", failures[0])


@needs_icarus
def test_wrong_operator_is_caught_and_named(tmp_path):
    manifest = write_unit(spec_from_fields("dot", SMALL[0]), tmp_path)
    path = tmp_path / manifest["verilog"]["file"]
    old = r"assign (pp_\S+) = ([^&;]*) & "
    text, count = re.subn(old, r"assign \1 = \2 | ", path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["lanes"]).failures
    vector = r"acc is \S+, expected 0x[0-9a-f]+, for a=0x\w+ \((-?\d ?){3}\) w=0x\w+ \((\d ?){3}\)"
    assert re.search(vector, failures[0])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"lanes": 65}, ValueError, r"^dot lanes must be an integer from 1 to 64, not 65$"),
        ({"window": 8}, ValueError, r"^dot window must be none for integer lanes, not 8$"),
        ({"act": "e2m1fn", "window": 99}, ValueError, r"^dot window .* from 2 to 12, not 99$"),
        ({"act": "mxfp4", "weight": "mxfp4"}, ValueError, r"such as fp32 .* not exact$"),
        (
            {"act": "mxfp4", "lanes": 3, "acc": "fp32"},
            ValueError,
            r"^dot lanes must divide the 32 elements of a block of mxfp4, not be 3$",
        ),
        ({"acc": "fixed40"}, TypeError, r"exact, an integer or a float, not fixed40$"),
        ({"acc": "int17"}, ValueError, r"^dot accumulator must hold 16 products of int8 x int8"),
        ({"acc": "int40", "terms": 9}, ValueError, r"must come with accumulator exact, not int40$"),
        ({"target": "ecp5"}, ValueError, r"^dot target must be generic or asic, not ecp5$"),
        ({"acc": "fp32", "sums": 5}, ValueError, r"^dot sums .* from 1 to 4 .*, not 5$"),
        ({"acc": "fp32", "sums": 0}, ValueError, r"^dot sums .* from 1 to 4 .*, not 0$"),
        (
            {"sums": 2},
            ValueError,
            r"^dot sums must be 1 with the accumulator int26, which is no float, not 2$",
        ),
        (
            {"acc": "fp32", "sums": 4, "rst": True},
            ValueError,
            r"^dot sums must be 1 with a reset: a sum starts with clear, not 4$",
        ),
        (
            {"act": "mxfp4", "acc": "e5m6fin", "sums": 2},
            ValueError,
            r"^dot sums must be 1 where operands or scales may be NaN and e5m6fin may not, not 2$",
        ),
        ({"acc": "pot4"}, ValueError, r"^Unit acc must be exact, an integer, fixed<bits> or a f"),
    ],
)
def test_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        spec_from_fields("dot", fields)


def test_spec_says_what_the_unit_does():
    spec = DotSpec(lanes=4, act=parse_format("e4m3fn"), weight=parse_format("e4m3fn"), window=12)
    assert spec.name == "dot4_e4m3fn_e4m3fn_fixed47_window12"
    assert (spec.macs_per_cycle, spec.acc_exponent, spec.latency) == (4, -18, 1)
    turns = spec_from_fields("dot", {"acc": "fp32", "sums": 4, "pipeline": 1})
    assert (turns.name, turns.latency) == ("dot16_int8_int8_fp32_sums4_p1", 6)
    assert spec.tuned("asic").target == "asic"
    assert isinstance(spec_from_fields("dot", {"acc": "fp32"}).acc, FloatFormat)
    assert lane_codes(0x321, 4, 3) == [1, 2, 3]
    with pytest.raises(TypeError, match=r"^Dot takes a DotSpec, not 8$"):
        Dot(8)  # type: ignore[arg-type]
