"""Plain Verilog of the functions that `qor.py` measures, as one writes it without a generator."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from macwright.costmodel.cache import Cache, content_key
from macwright.costmodel.characterize.unit import synthesize
from macwright.costmodel.characterize.yosys import find_yosys
from macwright.costmodel.technology.technology import Technology

__all__ = ["best_naive", "float_mac", "int_mac", "requant", "sum_together"]

HEAD = """\
module naive (input clk, input clear, input [{a}:0] a, input [{w}:0] w,
              output reg signed [{acc}:0] acc);
"""
SUM = "  always @(posedge clk) acc <= (clear ? {n}'sd0 : acc) + {terms};\nendmodule\n"

FLOAT = """\
  function signed [{p}:0] product(input [{t}:0] x, input [{t}:0] y);
    reg [{man}:0] sx, sy;
    reg [{exp}:0] shift;
    reg [{p}:0] whole;
    begin
      sx = {{|x[{e1}:{man}], x[{m1}:0]}};
      sy = {{|y[{e1}:{man}], y[{m1}:0]}};
      shift = (sx[{man}] ? x[{e1}:{man}] - 1 : 0) + (sy[{man}] ? y[{e1}:{man}] - 1 : 0);
      whole = (sx * sy) << shift;
      product = x[{t}] ^ y[{t}] ? -whole : whole;
    end
  endfunction
"""

TOGETHER = """\
module naive (input clk, input clear, input [1:0] mode, input [7:0] a, input [7:0] w,
              output reg signed [31:0] acc);
  wire signed [15:0] p8 = $signed(a) * $signed(w);
  wire signed [8:0] p4 = $signed(a[3:0]) * $signed(w[3:0]) + $signed(a[7:4]) * $signed(w[7:4]);
  wire signed [5:0] p2 = $signed(a[1:0]) * $signed(w[1:0]) + $signed(a[3:2]) * $signed(w[3:2])
                       + $signed(a[5:4]) * $signed(w[5:4]) + $signed(a[7:6]) * $signed(w[7:6]);
  wire signed [15:0] p = mode == 0 ? p8 : mode == 1 ? p4 : p2;
  always @(posedge clk) acc <= (clear ? 32'sd0 : acc) + p;
endmodule
"""

REQUANT = """\
module naive (input clk, input signed [31:0] x, input signed [31:0] bias, input [15:0] scale,
              input [4:0] shift, output reg signed [7:0] y);
  wire signed [49:0] product = ($signed({x[31], x}) + bias) * $signed({1'b0, scale});
  wire signed [49:0] floor = product >>> shift;
  wire signed [49:0] rest = product - (floor <<< shift);
  wire signed [49:0] half = (50'sd1 <<< shift) >>> 1;
  wire up = shift != 0 && (rest > half || (rest == half && floor[0]));
  wire signed [49:0] whole = floor + $signed({1'b0, up});
  always @(posedge clk) y <= whole > 127 ? 127 : whole < -128 ? -128 : whole[7:0];
endmodule
"""


def int_mac(act: int, weight: int, acc: int, lanes: int = 1) -> tuple[str, ...]:
    """Signed integers, in two codings: one expression, and each product in a kept wire."""
    head = HEAD.format(a=lanes * act - 1, w=lanes * weight - 1, acc=acc - 1)
    products = [
        f"$signed(a[{(k + 1) * act - 1}:{k * act}]) * "
        f"$signed(w[{(k + 1) * weight - 1}:{k * weight}])"
        for k in range(lanes)
    ]
    wires = "".join(
        f"  (* keep *) wire signed [{act + weight - 1}:0] p{k} = {text};\n"
        for k, text in enumerate(products)
    )
    names = " + ".join(f"p{k}" for k in range(lanes))
    return (
        head + SUM.format(n=acc, terms=" + ".join(products)),
        head + wires + SUM.format(n=acc, terms=names),
    )


def float_mac(exp_bits: int, man_bits: int, acc: int, lanes: int = 1) -> tuple[str, ...]:
    """Minifloats whose codes are all numbers, the exact products in fixed point."""
    width = 1 + exp_bits + man_bits
    product = 2 * (man_bits + 1) + 2 * ((1 << exp_bits) - 2)
    function = FLOAT.format(
        p=product,
        t=width - 1,
        e1=width - 2,
        man=man_bits,
        m1=man_bits - 1,
        exp=exp_bits,
    )
    terms = [
        f"product(a[{(k + 1) * width - 1}:{k * width}], w[{(k + 1) * width - 1}:{k * width}])"
        for k in range(lanes)
    ]
    head = HEAD.format(a=lanes * width - 1, w=lanes * width - 1, acc=acc - 1)
    return (head + function + SUM.format(n=acc, terms=" + ".join(terms)),)


def sum_together() -> tuple[str, ...]:
    """One 8 x 8, two 4 x 4 or four 2 x 2 products, chosen behind multipliers of their own."""
    return (TOGETHER,)


def requant() -> tuple[str, ...]:
    """Bias, multiply, shift with ties to even, saturate: 32 bits to 8."""
    return (REQUANT,)


def best_naive(
    texts: Sequence[str], technologies: Sequence[Technology], *, dsp: bool
) -> dict[str, Any]:
    """Figures of the smallest of some codings, with and without Yosys' `booth`, all flows."""
    return min(
        (
            _figures(text, technology, first, dsp=dsp)
            for text in texts
            for technology in technologies
            for first in ("", "hierarchy -top {top}\nproc\nopt\nwreduce\nbooth\n")
        ),
        key=lambda figures: figures["area"],
    )


def _figures(text: str, technology: Technology, first: str, *, dsp: bool) -> dict[str, Any]:
    yosys = find_yosys()
    name = "dsp_synthesis" if dsp else "synthesis"
    flow: Technology = replace(technology, **{name: first + getattr(technology, name)})
    cache = Cache("qor")
    key = content_key(text=text, technology=flow.key(dsp=dsp), yosys=str(yosys))
    figures: Any = cache.get(key)
    if figures is None:
        figures = synthesize(text, top="naive", technology=flow, yosys=yosys, dsp=dsp)
        cache.put(key, figures)
    return figures
