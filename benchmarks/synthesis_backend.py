"""Which Yosys to use: seconds for each synthesis with every backend that is installed.

Run ``python benchmarks/synthesis_backend.py``. The native wheel is the default because of what
this prints: the portable one compiles itself on its first call and is slower ever after.
"""

import argparse
import time
from pathlib import Path

from macwright.costmodel.characterize.unit import synthesize
from macwright.costmodel.characterize.yosys import BACKENDS, find_yosys
from macwright.costmodel.technology.catalogue import find_technology, technology_names
from macwright.hw.errors import ToolError

#: An 8 x 8 multiply-accumulate that needs no generator.
MAC = """\
module mac(input clk, clear, input signed [7:0] a, w, output reg signed [31:0] acc);
  wire signed [15:0] p = a * w;
  always @(posedge clk) acc <= (clear ? 0 : acc) + p;
endmodule
"""


def main() -> int:
    """Print one line for each backend and technology; 1 if their figures differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verilog", nargs="?", type=Path, help="Verilog file instead of our MAC")
    parser.add_argument("--top", default="mac", help="its top module")
    args = parser.parse_args()
    verilog = MAC if args.verilog is None else args.verilog.read_text()
    figures: dict[str, set[str]] = {}
    print(f"{'backend':34} {'technology':10} {'first s':>8} {'second s':>8}  figures")
    for backend in BACKENDS:
        try:
            yosys = find_yosys(backend)
        except ToolError as error:
            print(f"{backend:34} {error}")
            continue
        for name in technology_names():
            seconds = []
            for _ in range(2):
                start = time.perf_counter()
                got = synthesize(
                    verilog, top=args.top, technology=find_technology(name), yosys=yosys
                )
                seconds.append(time.perf_counter() - start)
            text = ", ".join(f"{key} {value}" for key, value in got.items())
            figures.setdefault(name, set()).add(text)
            print(f"{yosys!s:34} {name:10} {seconds[0]:8.2f} {seconds[1]:8.2f}  {text}")
    return int(any(len(texts) > 1 for texts in figures.values()))


if __name__ == "__main__":
    raise SystemExit(main())
