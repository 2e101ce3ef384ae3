"""Memories of machines: Verilog against a dictionary, and where a word may be anything."""

import random
import subprocess

import pytest
from helpers.hardware import Around

from macwright.hw.accelerator.library import Library
from macwright.hw.accelerator.ram import Ram
from macwright.sim.simulators import find_simulator

BENCH = """module bench;
  reg clk = 0, write;
  reg [{a}:0] write_addr, addr;
  reg [{w}:0] write_data;
  wire [{w}:0] data;
  top memory(.clk(clk), .rst(1'b0), .write(write), .write_addr(write_addr),
    .write_data(write_data), .addr(addr), .data(data));
  reg [{all}:0] steps [0:{last}];
  integer i;
  initial begin
    $readmemb("steps.txt", steps);
    for (i = 0; i <= {last}; i = i + 1) begin
      {{write, write_addr, write_data, addr}} = steps[i];
      #1 clk = 1; #1 clk = 0;
      $display("%b", data);
    end
  end
endmodule
"""


def steps(depth, width):
    """Writes and reads, a quarter of them at the same address, and what is read: None if any."""
    rng, words = random.Random(depth * width), dict.fromkeys(range(depth), 0)
    for _ in range(400):
        write, place = rng.random() < 0.6, rng.randrange(depth)
        value = rng.getrandbits(width)
        addr = place if rng.random() < 0.25 else rng.randrange(depth)
        yield write, place, value, addr, None if write and addr == place else words[addr]
        if write:
            words[place] = value


@pytest.mark.parametrize(("depth", "width"), [(1, 3), (2, 1), (37, 40), (64, 8)])
@pytest.mark.parametrize("style", ["", "distributed"])
def test_words_are_read_as_written_and_collisions_are_unknown(depth, width, style, tmp_path):
    find_simulator("icarus")
    memory = Ram(depth, width=width, style=style)
    library = Library("machine")
    library.add("top", Around(memory), "")
    library.finish()
    assert next(iter(library.modules)).startswith("machine_")
    bits = max(1, (depth - 1).bit_length())
    rows = list(steps(depth, width))
    (tmp_path / "steps.txt").write_text(
        "".join(f"{w:b}{p:0{bits}b}{v:0{width}b}{a:0{bits}b}\n" for w, p, v, a, _ in rows)
    )
    bench = BENCH.format(a=bits - 1, w=width - 1, all=2 * bits + width, last=len(rows) - 1)
    text = bench + "".join(library.modules.values())
    (tmp_path / "all.v").write_text(text)
    for command in (["iverilog", "-g2005", "-o", "b.vvp", "all.v"], ["vvp", "-n", "b.vvp"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    wanted = ["x" * width if v is None else f"{v:0{width}b}" for *_, v in rows]
    assert done.stdout.split() == wanted
