"""Constants in a memory that is read at every clock edge."""

import re
from collections.abc import Sequence
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.library import Library
from macwright.hw.errors import RefusedInput

__all__ = ["Rom"]

_TEXT = """// Constants: {depth} words of {width} bits, one clock edge after the address.
module {name}(
  input clk,
  input [{top_address}:0] addr,
  output reg [{top}:0] data
);
  (* rom_style = "{style}" *)
  reg [{top}:0] words [0:{last}];
  initial $readmemh("{name}.hex", words);
  always @(posedge clk) data <= words[addr];
endmodule
"""


class Rom(wiring.Component):
    """Constants: ``data <= words[addr]`` at every clock edge.

    Latency is one cycle, throughput one word a cycle. In the Verilog the words are a file of their
    own, ``<name>.hex``.

    Parameters
    ----------
    words : sequence of int
        Content; addresses beyond it are unspecified.
    width : int
        Bits of a word.
    name : str
        Name of the module.
    style : {"auto", "block", "distributed", "logic"}
        What the synthesiser makes of it.

    Members
    -------
    addr : :py:`In(address_bits)`
        Address.
    data : :py:`Out(width)`
        Word, registered.
    """

    def __init__(self, words: Sequence[int], *, width: int, name: str, style: str = "auto") -> None:
        if not words or not all(0 <= word < 1 << width for word in words):
            raise RefusedInput(f"Constants of {name} must be one or more words of {width} bits")
        if not re.fullmatch(r"[a-z]\w*", name):
            raise RefusedInput(f"Name of a memory must start with a small letter, not be {name!r}")
        self.words, self.width, self.name, self.style = tuple(words), width, name, style
        address_bits = max(1, (len(self.words) - 1).bit_length())
        super().__init__({"addr": In(address_bits), "data": Out(width)})

    def elaborate(self, platform: object) -> Any:
        if isinstance(platform, Library):
            style = self.style
            if style == "auto":
                style = platform.style(len(self.words), self.width)
            platform.modules[self.name] = _TEXT.format(
                name=self.name,
                depth=len(self.words),
                width=self.width,
                top=self.width - 1,
                last=len(self.words) - 1,
                top_address=len(self.addr) - 1,
                style=style,
            )
            digits = -(-self.width // 4)
            lines = [f"{word:0{digits}x}\n" for word in self.words]
            platform.images[f"{self.name}.hex"] = "".join(lines)
            return Instance(self.name, i_clk=ClockSignal(), i_addr=self.addr, o_data=self.data)
        m = Module()
        m.submodules.words = memory = Memory(
            shape=unsigned(self.width), depth=len(self.words), init=self.words
        )
        port = memory.read_port()
        m.d.comb += [port.en.eq(1), port.addr.eq(self.addr), self.data.eq(port.data)]
        return m
