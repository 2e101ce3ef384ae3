"""A memory that is written and read at every clock edge, a place each."""

from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.library import Library

__all__ = ["Ram"]

_TEXT = """// Memory: {depth} words of {width} bits, read one clock edge after the address. A word
// that is written at that edge reads as anything, so that block RAMs need no logic around them:
// `no_rw_check` says so to Yosys, and in simulation it is x.
module {name}(
  input clk,
  input write,
  input [{top_address}:0] write_addr,
  input [{top}:0] write_data,
  input [{top_address}:0] addr,
  output reg [{top}:0] data
);
  (* no_rw_check{style} *)
  reg [{top}:0] words [0:{last}];
  integer i;
  initial for (i = 0; i < {depth}; i = i + 1) words[i] = 0;
  always @(posedge clk) if (write) words[write_addr] <= write_data;
  always @(posedge clk)
`ifdef SYNTHESIS
    data <= words[addr];
`else
    data <= write && write_addr == addr ? {{{width}{{1'bx}}}} : words[addr];
`endif
endmodule
"""


class Ram(wiring.Component):
    """Memory: ``data <= words[addr]`` and ``if write: words[write_addr] <= write_data``.

    Latency is one cycle, throughput a word written and a word read a cycle. A word that is read
    where one is written is unspecified. In the Verilog, memories of the same size are a module
    that is written once.

    Parameters
    ----------
    depth : int
        Words; at first zero.
    width : int
        Bits of a word.
    style : {"", "block", "distributed", "registers"}
        What the synthesiser makes of it, or whatever it likes.

    Members
    -------
    write : :py:`In(1)`
        A word is written.
    write_addr, addr : :py:`In(address_bits)`
        Where a word is written, and where one is read.
    write_data : :py:`In(width)`
        Word that is written.
    data : :py:`Out(width)`
        Word that was read, registered.
    """

    def __init__(self, depth: int, *, width: int, style: str = "") -> None:
        self.depth, self.width, self.style = depth, width, style
        address = In(max(1, (depth - 1).bit_length()))
        super().__init__(
            {
                "write": In(1),
                "write_addr": address,
                "write_data": In(width),
                "addr": address,
                "data": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Any:
        if isinstance(platform, Library):
            kind = f"{self.style}_ram" if self.style else "ram"
            name = f"{platform.name}_{kind}_{self.depth}x{self.width}"
            platform.modules[name] = _TEXT.format(
                name=name,
                depth=self.depth,
                width=self.width,
                top=self.width - 1,
                last=self.depth - 1,
                top_address=len(self.addr) - 1,
                style=f', ram_style = "{self.style}"' if self.style else "",
            )
            ports = {
                "i_write": self.write,
                "i_write_addr": self.write_addr,
                "i_write_data": self.write_data,
                "i_addr": self.addr,
                "o_data": self.data,
            }
            return Instance(name, i_clk=ClockSignal(), **ports)
        m = Module()
        m.submodules.words = memory = Memory(shape=unsigned(self.width), depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_addr),
            write.data.eq(self.write_data),
            read.en.eq(1),
            read.addr.eq(self.addr),
            self.data.eq(read.data),
        ]
        return m
