"""Units made of a technology's adder primitives: every operand pair, in Icarus, on cell models."""

import itertools
import random
import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction

import pytest
from helpers.paths import ROOT

from macwright.costmodel.technology.catalogue import target_of_technology
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import parse_format
from macwright.hw.pe.dot_spec import DotSpec
from macwright.hw.pe.int_mac import IntMacSpec
from macwright.hw.pe.minifloat_mac import MinifloatMacSpec
from macwright.hw.verilog import unit_verilog

CELLS = sorted((ROOT / "sim" / "cells").glob("*.v"))
BENCH = """\
module bench;
  reg clk = 0, clear;
  reg [{a}-1:0] a; reg [{w}-1:0] w; wire [{acc}-1:0] acc;
  reg [{a}+{w}:0] vectors [0:{n}-1]; reg [{acc}-1:0] sums [0:{n}-1];
  integer i;
{carry}
  {name} unit (.clk(clk), .clear(clear), .a(a), .w(w), .acc(acc){port});
  initial begin
    $readmemb("vectors.txt", vectors);
    $readmemb("sums.txt", sums);
    for (i = 0; i < {n}; i = i + 1) begin
      {{clear, a, w}} = vectors[i];
      #1 clk = 1; #1 clk = 0; #1;
      if (i >= {pipeline} && got !== sums[i - {pipeline}]) begin
        $display("vector %0d: clear=%b a=%b w=%b gave %b, not %b", i, clear, a, w, got, sums[i]);
        $finish;
      end
    end
    $display("passed");
    $finish;
  end
endmodule
"""

INTS = [
    ("int4", "int4"),
    ("uint4", "int5"),
    ("int5", "uint3"),
    ("uint3", "uint5"),
    ("int6", "int2"),
    ("int5", "ternary"),
    ("uint3", "ternary"),
    ("int5", "binary"),
    ("binary", "binary"),
    ("int1", "int4"),
    ("uint1", "uint3"),
]


def run(spec, values, folder, grid):
    """Clock every pair of codes through the unit; `values` maps codes to exact values."""
    rng = random.Random(5)
    acts, weights = values(spec.act), values(spec.weight)
    pairs = list(itertools.product(sorted(acts), sorted(weights)))
    rng.shuffle(pairs)
    widths = (spec.act.width, spec.weight.width, spec.acc.width)
    acc, vectors, sums = 0, [], []
    for k, (a, w) in enumerate(pairs):
        clear = k == 0 or rng.random() < 0.1
        product = acts[a] * weights[w] / grid
        whole = abs(product.numerator) // product.denominator
        acc = (0 if clear else acc) + (whole if product >= 0 else -whole)
        vectors.append(f"{clear:b}{a:0{widths[0]}b}{w:0{widths[1]}b}")
        sums.append(f"{acc % (1 << widths[2]):0{widths[2]}b}")
    split = getattr(spec, "adder", "") == "carry_save"
    wires = f"  wire [{widths[2]}-1:0]"
    carry = f"{wires} carry;\n{wires} got = acc + carry;" if split else ""
    carry = carry or f"{wires} got = acc;"
    text = BENCH.format(
        a=widths[0],
        w=widths[1],
        acc=widths[2],
        n=len(pairs),
        name=spec.name,
        carry=carry,
        pipeline=spec.pipeline,
        port=", .acc_carry(carry)" if split else "",
    )
    (folder / "vectors.txt").write_text("\n".join(vectors))
    (folder / "sums.txt").write_text("\n".join(sums))
    (folder / "bench.v").write_text(text)
    (folder / "unit.v").write_text(unit_verilog(spec))
    command = ["iverilog", "-g2012", "-o", "bench", "bench.v", "unit.v", *map(str, CELLS)]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run(["vvp", "bench"], cwd=folder, check=True, capture_output=True, text=True)
    assert done.stdout.strip().endswith("passed"), done.stdout


def int_values(fmt):
    name = str(fmt)
    if name == "binary":
        return {0: Fraction(-1), 1: Fraction(1)}
    if name == "ternary":
        return {0: Fraction(0), 1: Fraction(1), 3: Fraction(-1)}
    wrap = 1 << fmt.width
    half = wrap // 2 if fmt.signed else wrap
    return {code: Fraction(code - wrap if code >= half else code) for code in range(wrap)}


def float_values(fmt):
    """Values from the fields of the code, in the words of the format's definition."""
    man, exp = fmt.man_bits, fmt.exp_bits
    out = {}
    for code in range(1 << fmt.width):
        m, e, s = code % (1 << man), (code >> man) % (1 << exp), code >> (man + exp)
        if fmt.specials == "ieee" and e == (1 << exp) - 1:
            continue
        significand = Fraction(m, 1 << man) + (e > 0)
        out[code] = (-1) ** s * significand * Fraction(2) ** (max(e, 1) - fmt.bias)
    return out


needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus not installed")


@needs_icarus
@pytest.mark.parametrize("target", ["ecp5", "ice40", "xc7"])
@pytest.mark.parametrize(("act", "weight"), INTS)
def test_int_rows(act, weight, target, tmp_path):
    spec = IntMacSpec.from_fields({"act": act, "weight": weight, "acc": "int13"})
    run(spec.tuned(target), int_values, tmp_path, 1)


@needs_icarus
@pytest.mark.parametrize(
    ("target", "act", "weight", "pipeline"),
    [
        ("ecp5", "int5", "int4", 3),
        ("ecp5", "int5", "int4", 4),
        ("ice40", "uint4", "int5", 4),
        ("xc7", "int5", "int5", 4),
        ("xc7", "uint4", "uint4", 3),
    ],
)
def test_int_rows_with_registers_between_them(target, act, weight, pipeline, tmp_path):
    fields = {"act": act, "weight": weight, "acc": "int13"}
    spec = replace(IntMacSpec.from_fields(fields).tuned(target), pipeline=pipeline)
    assert spec.latency == 1 + pipeline
    run(spec, int_values, tmp_path, 1)


def test_no_more_registers_than_rows():
    for target, most in (("ecp5", 8), ("ice40", 8), ("xc7", 5)):
        spec = IntMacSpec().tuned(target)
        assert replace(spec, pipeline=most).pipeline == most
        with pytest.raises(ValueError, match=rf"must be an integer from 0 to {most} \(register"):
            replace(spec, pipeline=most + 1)
    one_row = IntMacSpec.from_fields({"weight": "int2"}).tuned("ecp5")
    with pytest.raises(ValueError, match=r"must be an integer from 0 to 2 \(register"):
        replace(one_row, pipeline=3)


@needs_icarus
@pytest.mark.parametrize(
    ("multiplier", "adder", "target"),
    [
        ("baugh_wooley", "ripple", "asic"),
        ("booth4", "ripple", "asic"),
        ("baugh_wooley", "ripple", "asic_inverting"),
        ("booth4", "kogge_stone", "asic_inverting"),
        ("baugh_wooley", "carry_save", "asic"),
        ("booth4", "carry_save", "asic_inverting"),
    ],
)
def test_int_heaps(multiplier, adder, target, tmp_path):
    fields = {"act": "int5", "weight": "int4", "acc": "int13"}
    options = {"multiplier": multiplier, "adder": adder, "target": target}
    run(IntMacSpec.from_fields(fields | options), int_values, tmp_path, 1)


@needs_icarus
@pytest.mark.parametrize("target", ["asic", "asic_inverting"])
@pytest.mark.parametrize(
    "options",
    [
        {"adder": "brent_kung"},
        {"adder": "sklansky", "pipeline": 1, "cut": "product"},
        {"adder": "kogge_stone", "pipeline": 2},
        {"adder": "carry_save"},
        {"adder": "carry_save", "pipeline": 1, "cut": "product"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_fast_minifloats_and_integers(options, target, tmp_path):
    float_spec = MinifloatMacSpec.from_fields({"act": "e3m2fn", "weight": "e2m1fn"})
    floats = replace(float_spec.tuned(target), **options)
    run(floats, float_values, tmp_path, Fraction(2) ** floats.acc_exponent)
    fields = {"act": "int5", "weight": "int4", "acc": "int13", "multiplier": "baugh_wooley"}
    integers = IntMacSpec.from_fields({**fields, **options, "target": target})
    run(integers, int_values, tmp_path, 1)


@needs_icarus
@pytest.mark.parametrize(
    ("multiplier", "target"),
    [("infer", "generic"), ("array", "generic"), ("array", "asic"), ("array", "ecp5")],
)
def test_minifloats_with_registers_before_and_after_the_aligner(multiplier, target, tmp_path):
    fields = {"act": "e4m3fn", "weight": "e3m2fn", "drop": 2}
    spec = MinifloatMacSpec.from_fields({**fields, "multiplier": multiplier, "target": target})
    cut = replace(spec, pipeline=2, cut="product")
    assert cut.latency == 3
    run(cut, float_values, tmp_path, Fraction(2) ** cut.acc_exponent)


def test_what_a_cut_and_an_adder_go_with():
    with pytest.raises(RefusedInput, match=r"^int_mac cut must be operands with 0 register stages"):
        IntMacSpec(cut="product")
    with pytest.raises(RefusedInput, match=r"^int_mac cut must be operands or product, not 'x'"):
        IntMacSpec(cut="x")
    with pytest.raises(RefusedInput, match=r"stages, not product, which is of one$"):
        MinifloatMacSpec.from_fields({"acc": "fp16", "pipeline": 2, "cut": "product"})
    with pytest.raises(RefusedInput, match=r"stages, not product, which is of 1 to 2$"):
        MinifloatMacSpec(cut="product")
    asic = MinifloatMacSpec().tuned("asic")
    assert replace(asic, pipeline=1, cut="product").latency == 2
    for spec, why in (
        (MinifloatMacSpec(), "with multiplier infer"),
        (MinifloatMacSpec().tuned("ecp5"), "with target ecp5, which has carry chains"),
        (MinifloatMacSpec.from_fields({"acc": "fp16"}).tuned("asic"), "with a float accumulator"),
    ):
        with pytest.raises(RefusedInput, match=f"^minifloat_mac adder must be ripple {why}, not"):
            replace(spec, adder="brent_kung")
    with pytest.raises(RefusedInput, match=r"^dot adder must not be carry_save with a float"):
        DotSpec.from_fields({"acc": "fp32", "adder": "carry_save"})
    with pytest.raises(RefusedInput, match=r"^dot adder must be one of ripple, .*, not 'plus'"):
        DotSpec.from_fields({"adder": "plus"})


@needs_icarus
@pytest.mark.parametrize("technology", ["gates", "nangate45", "asap7", "ecp5", "ice40", "xc7"])
@pytest.mark.parametrize(("name", "drop"), [("e2m1fn", 0), ("e3m2fn", 2), ("e4m2", 0)])
def test_minifloat_arrays(name, drop, technology, tmp_path):
    fmt = parse_format(name)
    spec = MinifloatMacSpec(act=fmt, weight=fmt, drop=drop).tuned(target_of_technology(technology))
    run(spec, float_values, tmp_path, Fraction(2) ** spec.acc_exponent)
