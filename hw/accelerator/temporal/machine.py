"""The temporal machine: array, requantisers, memories and controller, AXI4-Stream at both ends."""

from importlib.metadata import version
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.accelerator.library import Library, Part, Style, Unit, automatic
from macwright.hw.accelerator.machine import whole_bytes
from macwright.hw.accelerator.ram import Ram
from macwright.hw.accelerator.rom import Rom
from macwright.hw.accelerator.temporal.array import TemporalArray
from macwright.hw.accelerator.temporal.ends import Intake, Outlet
from macwright.hw.accelerator.temporal.issue import Issue
from macwright.hw.accelerator.temporal.registers import (
    Registers,
    connect_outside,
    register_ports,
)
from macwright.hw.accelerator.temporal.row_weights import row_weights
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.accelerator.temporal.weight_stream import WeightStream, bus_ports

__all__ = ["TemporalMachine", "temporal_library"]


class TemporalMachine(wiring.Component):
    """A whole network on one array: a frame in, all passes one after the other, its results out.

    ``tlast`` of the input is not looked at: the machine counts. Words are filled up with zeros to
    whole bytes.

    Parameters
    ----------
    spec : TemporalSpec
        Program and units.

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tlast : In; s_axis_tready : Out
        Frames.
    m_axis_tdata, m_axis_tvalid, m_axis_tlast : Out; m_axis_tready : In
        Results; `tlast` marks the last word of a frame.
    m_axi_... : Out and In
        Where weights come from outside, over AXI4: see
        :func:`macwright.hw.accelerator.temporal.weight_stream.bus_ports`.
    s_axil_... : In and Out
        There too, registers over AXI4-Lite: see
        :class:`macwright.hw.accelerator.temporal.registers.Registers`.
    """

    def __init__(self, spec: TemporalSpec) -> None:
        self.spec: Any = spec
        stream = spec.program.weight_stream
        super().__init__(
            {
                "s_axis_tdata": In(whole_bytes(spec.source.width)),
                "s_axis_tvalid": In(1),
                "s_axis_tlast": In(1),
                "s_axis_tready": Out(1),
                "m_axis_tdata": Out(whole_bytes(spec.result.width)),
                "m_axis_tvalid": Out(1),
                "m_axis_tlast": Out(1),
                "m_axis_tready": In(1),
                **(bus_ports(stream.bus_bits) | register_ports() if stream else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        self._m, spec = m, self.spec
        self.word: Any = Signal(spec.code.pass_layout, name="pass_word")
        self.begin, self.final = Signal(name="begin"), Signal(name="final")
        self.pass_written = Signal(name="pass_written")
        # What a bench looks at: results of the passes, word by word.
        self.result_valid = Signal(name="result_valid")
        bits = spec.program.columns * spec.result_bits
        self.result_codes = Signal(bits, name="result_codes")
        self.issue: Any = Issue(spec.code, rows=spec.program.rows, name=spec.name)
        self._part("issue", self.issue, "controller: walks through the steps of a pass")
        m.d.comb += [
            self.issue.begin.eq(self.begin),
            self.issue.program.eq(self.word),
            self.issue.final.eq(self.final),
        ]
        memory = self._memory()
        outlet = self._ends(memory)
        self._results(memory, outlet)
        return m

    def _part(self, kind: str, component: Any, header: str) -> None:
        name = f"{self.spec.name}_{kind}"
        text = f"{header}.\nMade by macwright {version('macwright')}."
        self._m.submodules[kind] = Part(component, name=name, header=text)

    def _memory(self) -> Ram:
        """Activation memory, and the way from it into the array."""
        m, spec, program = self._m, self.spec, self.spec.program
        width = program.columns * program.lane_bits
        m.submodules.activations = memory = Ram(program.depth, width=width)
        m.d.comb += memory.addr.eq(self.issue.read)
        weights = self._weights()
        issue, bits = self.issue, program.lane_bits
        lanes = []
        for lane in range(program.columns):
            code = Signal(bits, name=f"code{lane}")
            m.d.comb += code.eq(
                Mux(issue.outside, self.word.pad, memory.data.word_select(lane, bits))
            )
            lanes.append(code)
        self.codes = Cat(lanes)
        self.array: Any = TemporalArray(spec.array)
        self._part("array", self.array, f"array of {program.rows} x {program.columns} units")
        array = self.array
        taken = Signal(program.columns * program.act_bits, name="array_word", reset_less=True)
        used = Signal(program.columns * program.weight_bits, name="array_weights", reset_less=True)
        summed = ~self.word.largest
        m.d.sync += [
            taken.eq(Cat(self._taken(code) for code in lanes)),
            used.eq(Mux(issue.tap & summed, weights, 0)),
        ]
        m.d.comb += [
            array.word.eq(taken),
            array.weights.eq(used),
            array.first.eq(issue.first),
            array.clear.eq(issue.clear),
            array.drain.eq(issue.drain & summed),
            array.broadcast.eq(self.word.depthwise),
            array.valid.eq(issue.valid),
        ]
        if program.split > 1:
            m.d.comb += array.mode.eq(self.word.mode)
        if spec.array.own:
            m.d.comb += [
                array.connected.eq(self.word.connected),
                array.own_weights.eq(Cat(row_weights(m, spec, issue))),
            ]
        return memory

    def _weights(self) -> Value:
        """Word of weights, one clock edge after its address."""
        m, spec, program = self._m, self.spec, self.spec.program
        self.may_begin: Value = Const(1)
        self.runs: Value = Const(1)
        if program.weight_stream is None:
            rom = Rom(
                spec.code.weight_words, width=program.columns * program.weight_bits,
                name=f"{spec.name}_weights",
            )  # fmt: skip
            m.submodules.weights = rom
            m.d.comb += rom.addr.eq(self.issue.weight)
            return rom.data
        stream: Any = WeightStream(program.weight_stream)
        self._part("weight_stream", stream, "weights from outside, over AXI4")
        registers: Any = Registers()
        self._part("registers", registers, "registers, over AXI4-Lite")
        connect_outside(m, self, stream, registers)
        m.d.comb += [
            stream.address.eq(self.issue.weight),
            stream.needed.eq(self.word.needed),
            stream.free.eq(self.issue.free),
            self.issue.following.eq(stream.following),
        ]
        self.may_begin, self.runs = stream.present, registers.run
        return stream.data

    def _taken(self, code: Value) -> Value:
        """What the array takes of a code."""
        program = self.spec.program
        whole = code[: program.act_bits]
        if not program.low_bits:
            return whole
        low = code[: program.low_bits]
        part = self.issue.part
        upper = code >> program.low_bits
        chosen = Mux(part == 1, upper, Mux(part == 2, low, whole))
        return chosen[: program.act_bits]

    def _ends(self, memory: Ram) -> Any:
        """Frames in, results out, and which pass it is."""
        m, spec, program = self._m, self.spec, self.spec.program
        intake: Any = Intake(program, address_bits=spec.code.address_bits, name=spec.name)
        self._part("intake", intake, "intake: a frame into the activation memory")
        outlet: Any = Outlet(program.result, bits=spec.result_bits)
        self._part("outlet", outlet, "outlet: results out of their memory")
        rom = Rom(
            spec.code.pass_words, width=Shape.cast(spec.code.pass_layout).width,
            name=f"{spec.name}_passes",
        )  # fmt: skip
        m.submodules.passes = rom
        number = Signal(len(rom.addr), name="pass_number")
        m.d.comb += [
            rom.addr.eq(number),
            self.word.as_value().eq(rom.data),
            self.final.eq(number == len(program.passes) - 1),
        ]
        fetched = "WEIGHTS" if program.weight_stream else "BEGIN"
        with m.FSM(name="state"):
            with m.State("INTAKE"):
                m.d.comb += intake.active.eq(self.runs)
                with m.If(intake.done):
                    m.next = fetched
            if program.weight_stream:
                with m.State("WEIGHTS"), m.If(self.may_begin):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += self.begin.eq(1)
                m.next = "PASS"
            with m.State("PASS"), m.If(self.pass_written):
                m.d.sync += number.eq(Mux(self.final, 0, number + 1))
                m.next = "FETCH"
                with m.If(self.final):
                    m.d.comb += outlet.begin.eq(1)
                    m.next = "OUTLET"
            with m.State("FETCH"):
                m.next = fetched
            with m.State("OUTLET"), m.If(outlet.done):
                m.next = "INTAKE"
        m.d.comb += [
            intake.data.eq(self.s_axis_tdata),
            intake.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(intake.ready),
            self.m_axis_tdata.eq(outlet.data),
            self.m_axis_tvalid.eq(outlet.valid),
            self.m_axis_tlast.eq(outlet.last),
            outlet.ready.eq(self.m_axis_tready),
        ]
        self.intake = intake
        return outlet

    def _results(self, memory: Ram, outlet: Any) -> None:
        """From sums and largest words to the memories."""
        m, spec, program = self._m, self.spec, self.spec.program
        valid, codes = self._requantised()
        largest = self._largest()
        done, data = self.result_valid, self.result_codes
        wide = [Cat(lane, Const(0, spec.result_bits - program.lane_bits)) for lane in largest]
        m.d.comb += [
            done.eq(Mux(self.word.largest, self.issue.drain, valid)),
            data.eq(Mux(self.word.largest, Cat(wide), codes)),
        ]
        bits = max(len(memory.write_addr), len(outlet.address))
        place = Signal(bits, name="result_place", reset_less=True)
        left = Signal(len(self.word.results), name="results_left", reset_less=True)
        with m.If(self.begin):
            m.d.sync += [place.eq(self.word.out), left.eq(self.word.results)]
        with m.Elif(done):
            m.d.sync += [place.eq(place + 1), left.eq(left - 1)]
        m.d.comb += self.pass_written.eq(done & (left == 0))
        lanes = [
            data.word_select(lane, spec.result_bits)[: program.lane_bits]
            for lane in range(program.columns)
        ]
        intake = self.intake
        m.d.comb += [
            memory.write.eq(intake.write | (done & ~self.word.result)),
            memory.write_addr.eq(Mux(intake.write, intake.address, place)),
            memory.write_data.eq(Mux(intake.write, intake.codes, Cat(lanes))),
            outlet.write.eq(done & self.word.result),
            outlet.address.eq(place),
            outlet.codes.eq(data),
        ]

    def _requantised(self) -> tuple[Value, Value]:
        """Codes of sums, and whether they are there."""
        m, spec, array = self._m, self.spec, self.array
        code = spec.code
        rom = Rom(
            code.parameter_words,
            width=spec.program.columns * (code.bias_bits + code.scale_bits),
            name=f"{spec.name}_parameters",
        )
        m.submodules.parameters = rom
        word = Signal(len(rom.addr), name="parameter_word")
        left = Signal(len(self.word.positions), name="positions_left", reset_less=True)
        m.d.comb += rom.addr.eq(word)
        with m.If(self.begin):
            m.d.sync += left.eq(self.word.positions)
        with m.Elif(array.leaves):
            m.d.sync += left.eq(Mux(left == 0, self.word.positions, left - 1))
            with m.If(left == 0):
                m.d.sync += word.eq(word + 1)
        with m.If(self.pass_written & self.final):
            m.d.sync += word.eq(0)
        valid: Value = array.leaves
        for stage in range(1 + spec.lane.latency):
            later = Signal(name=f"valid{stage}")
            m.d.sync += later.eq(valid)
            valid = later
        codes = []
        for column in range(spec.program.columns):
            lane = Unit(spec.lane)
            m.submodules[f"lane{column}"] = lane
            port = lane.component
            given = rom.data.word_select(column, code.bias_bits + code.scale_bits)
            m.d.comb += [
                port.x.eq(array.x.word_select(column, spec.program.sum_bits)),
                port.bias.eq(given[: code.bias_bits]),
                port.scale.eq(given[code.bias_bits :]),
                port.shift.eq(self.word.shift),
                port.zero.eq(self.word.zero),
                port.low.eq(self.word.low),
                port.high.eq(self.word.high),
            ]
            codes.append(port.y)
        return valid, Cat(codes)

    def _largest(self) -> list[Value]:
        """Largest code of each lane since the last clear."""
        m, bits = self._m, self.spec.program.lane_bits
        result = []
        if not any(part.mode == "largest" for part in self.spec.program.passes):
            return [Const(0, bits) for _ in range(self.spec.program.columns)]
        code = Signal(len(self.codes), name="largest_word", reset_less=True)
        tap = Signal(name="largest_tap")
        m.d.sync += [code.eq(self.codes), tap.eq(self.issue.tap)]
        for lane in range(self.spec.program.columns):
            largest = Signal(bits, name=f"largest{lane}", reset_less=True)
            now = code.word_select(lane, bits)
            with m.If(tap & (self.issue.clear | (now > largest))):
                m.d.sync += largest.eq(now)
            result.append(largest)
        return result


def temporal_library(spec: TemporalSpec, style: Style = automatic) -> Library:
    """All modules and memories of a machine as Verilog, the top module the last of them."""
    library, program = Library(spec.name, style), spec.program
    header = (
        f"{spec.name}: {program.rows} x {program.columns} units, {len(program.passes)} passes.\n"
        f"Made by macwright {version('macwright')}."
    )
    library.add(spec.name, TemporalMachine(spec), header)
    library.finish()
    if program.weight_stream:
        digits = program.weight_stream.bus_bits // 4
        beats = program.weight_stream.beats(spec.code.weight_words)
        library.images[f"{spec.name}_weights.hex"] = "".join(f"{b:0{digits}x}\n" for b in beats)
    return library
