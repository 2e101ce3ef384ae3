"""AXI4-Stream wrapper of a unit: Verilog that people read, and what the manifest says of it.

A packet is a sum: its beats are operands, and one word comes out for it. The wrapper stops the
unit by its clock enable wherever nothing moves, so that no operand needs a code that adds nothing.
"""

from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from macwright.hw.errors import RefusedInput
from macwright.hw.pe.spec import UnitSpec
from macwright.sim.datasheet import Port, comment, datasheet, port_lines

__all__ = ["AXIS_FAMILIES", "Axis", "Field", "axis_of"]

#: Families that have a wrapper.
AXIS_FAMILIES = ("int_mac", "minifloat_mac", "dot", "shift_add_mac")
_CONTROLS = ("clk", "rst", "en", "clear", "take", "start")
#: Of a group: they are held until it is taken, with the beat that follows.
_OF_GROUP = ("scale", "zero")


@dataclass(frozen=True)
class Field:
    """Port of the unit in a word of operands, from bit `low` on."""

    name: str
    low: int
    width: int

    @property
    def bits(self) -> str:
        """Bits in the word, as Verilog selects them."""
        return f"[{self.low + self.width - 1}:{self.low}]"


@dataclass(frozen=True)
class Axis:
    """Wrapper of a unit.

    Parameters
    ----------
    name : str
        Of its module.
    fields : tuple of Field
        What a word of operands is made of.
    operand_width, result_width : int
        Bits of the words, whole bytes.
    result : Port
        Output of the unit that is the result.
    flag : str
        Output that says that a NaN or infinity was among the operands; empty where there is none.
    drain : int
        Clock edges from that of a packet's last beat to the one that ends its sum.
    groups : bool
        Whether packets are made of groups, each with a scale.
    ports : tuple of Port
        Of the wrapper.
    notes : tuple of str
        Contract, a paragraph each.
    text : str
        Verilog of the wrapper, without the unit.
    """

    name: str
    fields: tuple[Field, ...]
    operand_width: int
    result_width: int
    result: Port
    flag: str
    drain: int
    groups: bool
    ports: tuple[Port, ...] = ()
    notes: tuple[str, ...] = ()
    text: str = ""

    def to_manifest(self) -> dict[str, Any]:
        """What manifests say of it, beside ports and Verilog."""
        return {
            "notes": list(self.notes),
            "fields": [asdict(field) for field in self.fields],
            "result": self.result.name,
            "cycles_between_packets": max(0, self.drain - 1),
        }


def axis_of(spec: UnitSpec) -> Axis:
    """Wrapper of a unit that has a clock enable.

    Parameters
    ----------
    spec : UnitSpec
        Of one of `AXIS_FAMILIES`, with ``en``.

    Raises
    ------
    RefusedInput
        If the unit is of another family, or has no clock enable.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> axis = axis_of(IntMacSpec(en=True))
    >>> axis.name, axis.operand_width, axis.result_width, axis.drain
    ('int_mac_int8_int8_int32_en_axis', 16, 32, 0)
    >>> [(field.name, field.bits) for field in axis.fields]
    [('a', '[7:0]'), ('w', '[15:8]')]
    """
    if spec.family not in AXIS_FAMILIES:
        raise RefusedInput(
            f"Unit must be of family {', '.join(AXIS_FAMILIES)} with an AXI4-Stream wrapper, not "
            f"{spec.family}, whose modes or several results have none"
        )
    if getattr(spec, "turns", 1) > 1:
        raise RefusedInput(
            f"Unit must have one sum with an AXI4-Stream wrapper, whose packets are sums, not "
            f"{spec.turns} that take turns"  # type: ignore[attr-defined]
        )
    if not spec.en:
        raise RefusedInput(f"Unit must have a clock enable, en, with a wrapper, not be {spec.name}")
    ports = {port.name: port for port in datasheet(spec).ports}
    fields, low = [], 0
    for port in ports.values():
        if port.direction == "input" and port.name not in _CONTROLS:
            fields.append(Field(port.name, low, port.width))
            low += _bytes(port.width)
    groups = "take" in ports
    result = ports["total" if groups else "acc"]
    flag = "total_invalid" if groups else "invalid"
    made_of: dict[str, Any] = {
        "name": f"{spec.name}_axis",
        "fields": tuple(fields),
        "operand_width": low,
        "result_width": _bytes(result.width),
        "result": result,
        "flag": flag if flag in ports else "",
        "drain": spec.pipeline + groups,
        "groups": groups,
    }
    bare = Axis(**made_of)
    made_of |= {"ports": _ports(bare), "notes": _notes(bare)}
    return Axis(**made_of, text=_verilog(Axis(**made_of), spec, ports))


def _bytes(width: int) -> int:
    """Bits of the whole bytes that hold so many."""
    return -(-width // 8) * 8


def _ports(axis: Axis) -> tuple[Port, ...]:
    layout = ", ".join(f"{field.name} in bits {field.bits}" for field in axis.fields)
    ports = [
        Port("aclk", "input", 1, False, "Clock, rising edge."),
        Port("aresetn", "input", 1, False, "Synchronous reset, active low."),
        Port("s_axis_tdata", "input", axis.operand_width, False, f"Operands: {layout}."),
        Port("s_axis_tvalid", "input", 1, False, "Whether there is a beat of operands."),
        Port("s_axis_tready", "output", 1, False, "Whether it is taken."),
        Port("s_axis_tlast", "input", 1, False, "Whether it is the last of its sum."),
    ]
    if axis.groups:
        meaning = "Whether it is the last of its group; the last of a sum is."
        ports.append(Port("s_axis_tuser", "input", 1, False, meaning))
    meaning = f"The unit's {axis.result.name}, extended to whole bytes."
    ports += [
        Port("m_axis_tdata", "output", axis.result_width, axis.result.signed, meaning),
        Port("m_axis_tvalid", "output", 1, False, "Whether there is a result."),
        Port("m_axis_tready", "input", 1, False, "Whether it is taken."),
        Port("m_axis_tlast", "output", 1, False, "Always 1: a result is a packet."),
    ]
    if axis.flag:
        meaning = "Whether an operand was NaN or infinity: the result is then unspecified."
        ports.append(Port("m_axis_tuser", "output", 1, False, meaning))
    return tuple(ports)


def _notes(axis: Axis) -> tuple[str, ...]:
    wait = max(0, axis.drain - 1)
    pause = f"{wait} cycle{'s' if wait != 1 else ''}" if wait else "no pause"
    notes = [
        "A packet of operands is a sum, of one beat or more; its result is offered "
        f"{axis.drain + 1} cycle{'s' if axis.drain else ''} after its last beat is taken, and "
        "stays until it is taken. A beat is taken in every cycle if nothing stalls; between two "
        f"packets there is {pause}.",
        "While a result waits nothing is taken. Operands that stop within a packet stop the unit, "
        "and never the result of the packet before. s_axis_tready depends on m_axis_tready in the "
        "same cycle, and on no tvalid.",
        "aresetn = 0 drops what is in the wrapper; the first beat after it begins a sum.",
    ]
    if axis.groups:
        names = " and ".join(f.name for f in axis.fields if f.name in _OF_GROUP)
        notes.append(
            f"The last beat of a group, by s_axis_tuser or s_axis_tlast, brings its {names}; those "
            "of other beats are not read."
        )
    return tuple(notes)


def _verilog(axis: Axis, spec: UnitSpec, ports: dict[str, Port]) -> str:
    inner = dict(ports)
    wires = {"clk": "aclk", "rst": "!aresetn", "en": "advance", "clear": "first"}
    if axis.groups:
        wires |= {"clear": "first || ended", "take": "ended", "start": "ended_first"}
    for field in axis.fields:
        held = axis.groups and field.name in _OF_GROUP
        wires[field.name] = f"{field.name}_held" if held else f"s_axis_tdata{field.bits}"
    # Outputs that nobody reads stay open.
    read = {axis.result.name, axis.flag, "acc_carry"}
    wires |= {name: name for name in inner if name in read}
    connections = ",\n".join(f"    .{name}({wires.get(name, '')})" for name in inner)
    outputs = [p for p in inner.values() if p.direction == "output" and p.name in read]
    declared = "".join(f"  wire {_range(port.width)}{port.name};\n" for port in outputs)
    header = comment(
        [
            axis.name,
            f"AXI4-Stream wrapper of {spec.name}: {datasheet(spec).function}",
            *axis.notes,
        ],
        [*port_lines(axis.ports), "", f"macwright {version('macwright')}"],
    )
    listed = ",\n".join(f"  {p.direction} {_range(p.width)}{p.name}" for p in axis.ports)
    flag = f"  assign m_axis_tuser = {axis.flag};\n" if axis.flag else ""
    return f"""{header}
module {axis.name}(
{listed}
);
  // Whether the next beat begins a sum.
  reg first = 1'b1;
  // Whether a result is offered.
  reg done = 1'b0;
{_registers(axis)}{declared}
  // The unit moves unless that would overwrite a result that waits.
  wire free = !done || m_axis_tready;
{_moves(axis)}
  assign m_axis_tvalid = done;
  assign m_axis_tlast = 1'b1;
{_result(axis, "acc_carry" in inner)}{flag}
  always @(posedge aclk) begin
    if (!aresetn) begin
      first <= 1'b1;
      done <= 1'b0;
{_reset(axis)}    end else begin
      if (m_axis_tready) done <= 1'b0;
      if (beat) first <= s_axis_tlast;
{_updates(axis)}    end
  end

  {spec.name} unit (
{connections}
  );
endmodule
"""


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _registers(axis: Axis) -> str:
    text = ""
    if axis.drain:
        size = axis.drain.bit_length()
        text += "  // Clock edges until the sum of a packet that has ended is complete.\n"
        text += f"  reg {_range(size)}left = {size}'d0;\n"
    if axis.groups:
        text += "  // Whether the beat before ended a group, and whether that was a sum's first.\n"
        text += "  reg ended = 1'b0;\n  reg ended_first = 1'b0;\n  reg group_first = 1'b1;\n"
        for field in axis.fields:
            if field.name in _OF_GROUP:
                text += f"  reg {_range(field.width)}{field.name}_held = {field.width}'d0;\n"
    return text


def _moves(axis: Axis) -> str:
    ready = "free" if axis.drain < 2 else "free && left < 2"
    advance = "free && (beat || left != 0)" if axis.drain else "beat"
    note = ""
    if axis.drain > 1:
        note = "  // A packet begins only where the one before no longer needs this one's beats.\n"
    return f"""{note}  assign s_axis_tready = {ready};
  wire beat = s_axis_tvalid && s_axis_tready;
  wire advance = {advance};
"""


def _result(axis: Axis, carry_save: bool) -> str:
    name, width = axis.result.name, axis.result.width
    text = ""
    if carry_save:
        text = f"  wire {_range(width)}sum = {name} + acc_carry;\n"
        name = "sum"
    if more := axis.result_width - width:
        fill = f"{{{more}{{{name}[{width - 1}]}}}}" if axis.result.signed else f"{more}'d0"
        return f"{text}  assign m_axis_tdata = {{{fill}, {name}}};\n"
    return f"{text}  assign m_axis_tdata = {name};\n"


def _reset(axis: Axis) -> str:
    text = f"      left <= {axis.drain.bit_length()}'d0;\n" if axis.drain else ""
    return text + ("      ended <= 1'b0;\n      group_first <= 1'b1;\n" if axis.groups else "")


def _updates(axis: Axis) -> str:
    if not axis.drain:
        return "      if (beat && s_axis_tlast) done <= 1'b1;\n"
    size = axis.drain.bit_length()
    text = f"""      if (advance) begin
        if (left == 1) done <= 1'b1;
        if (beat && s_axis_tlast) left <= {size}'d{axis.drain};
        else if (left != 0) left <= left - {size}'d1;
"""
    if axis.groups:
        text += "        ended <= beat && (s_axis_tuser || s_axis_tlast);\n"
    text += "      end\n"
    if axis.groups:
        text += """      if (beat && (s_axis_tuser || s_axis_tlast)) begin
        ended_first <= group_first;
        group_first <= s_axis_tlast;
"""
        for field in axis.fields:
            if field.name in _OF_GROUP:
                text += f"        {field.name}_held <= s_axis_tdata{field.bits};\n"
        text += "      end\n"
    return text
