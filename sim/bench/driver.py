"""Driver of the benches: applies vectors and checks the outputs in every cycle."""

from typing import Any

from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, Timer

from macwright.sim.families import golden_model
from macwright.sim.golden import decode, lane_codes

__all__ = ["Driver"]

#: Length of a clock period in steps of the simulator, so that no `timescale is needed.
PERIOD = 10


class Driver:
    """Applies inputs on falling edges and compares the outputs with the golden model's.

    Parameters
    ----------
    dut : cocotb handle
        Unit under test.
    spec : UnitSpec
        What it must be.
    """

    def __init__(self, dut: Any, spec: Any) -> None:
        self.spec = spec
        self.model = golden_model(spec)
        self.inputs = {"a": 0, "w": 0, "clear": 1}
        self.inputs |= {name: 0 for name in ("a_scale", "w_scale") if hasattr(dut, name)}
        self.inputs |= {"en": 1} if spec.en else {}
        self.inputs |= {"rst": 0} if spec.rst else {}
        self.cycle = 0
        self._clk = dut.clk
        self._falling = FallingEdge(dut.clk)
        self._handles = {name: getattr(dut, name) for name in self.inputs}
        self._outputs = {"acc": [dut.acc]}
        if hasattr(dut, "acc_carry"):
            self._outputs["acc"].append(dut.acc_carry)
        if hasattr(dut, "invalid"):
            self._outputs["invalid"] = [dut.invalid]

    async def start(self) -> None:
        """Start the clock and a new sum, after a reset if the unit has one."""
        # Icarus forgets what is written before its first time step.
        await Timer(1, unit="step")
        for name, value in self.inputs.items():
            self._handles[name].set(Immediate(value))
        # "gpi": the simulator makes the edges; cocotb may default to a slower clock in Python.
        Clock(self._clk, PERIOD, unit="step", impl="gpi").start()
        await self._falling
        # The first edges have passed unseen, so that nothing is known yet, as after power-up.
        if self.spec.rst:
            await self.step(rst=1)
            await self.step(rst=0)

    async def step(self, **inputs: int) -> None:
        """Apply inputs, as unsigned codes, for one cycle and check; others stay as they are."""
        now = self.inputs
        for name, value in inputs.items():
            if now[name] != value:
                now[name] = value
                self._handles[name].set(Immediate(value))
        before = self.model.acc
        self.model.step(**now)
        self.cycle += 1
        await self._falling
        self._check(before)

    async def repeat(self, count: int) -> None:
        """Let so many cycles pass with the inputs as they are, then check."""
        before = self.model.acc
        for _ in range(count):
            before = self.model.acc
            self.model.step(**self.inputs)
        if count:
            self.cycle += count
            # A timer that ends on an edge may end before it: stop short and await the edge.
            if count > 1:
                await Timer(count * PERIOD - PERIOD // 2, unit="step")
            await self._falling
            self._check(before)

    def _check(self, before: int | None) -> None:
        """Compare the outputs; `before` is the accumulator one cycle ago, for the message."""
        for name, handles in self._outputs.items():
            want = getattr(self.model, name)
            if want is None:
                continue
            words = [str(handle.value) for handle in handles]
            try:
                # A carry-save accumulator is the sum of two ports.
                got = sum(int(word, 2) for word in words) % (1 << len(words[0]))
            except ValueError:
                raise AssertionError(
                    self._message(name, " and ".join(words), want, before)  # X or Z
                ) from None
            if got != want:
                raise AssertionError(self._message(name, f"{got:#x}", want, before))

    def _message(self, name: str, got: str, want: int, before: int | None) -> str:
        """What differs, and the first vector where it did."""
        a, w, clear = self.model.retired or (0, 0, 0)
        also = ("en", "rst", "a_scale", "w_scale", "first")
        controls = "".join(f" {k}={v}" for k, v in self.inputs.items() if k in also)
        acc = "unknown" if before is None else f"{before:#x}"
        first, second = self._values(self.spec.act, a), self._values(self.spec.weight, w)
        return (
            f"{name} is {got}, expected {want:#x}, for a={a:#x} ({first}) w={w:#x} ({second}) "
            f"clear={clear}{controls} after acc={acc}, "
            f"in cycle {self.cycle}"
        )

    def _values(self, fmt: Any, code: int) -> str:
        """Values of all lanes, lane 0 first."""
        fmt_of_lane = getattr(fmt, "element", fmt)
        fmt_of_lane = getattr(fmt_of_lane, "integer", fmt_of_lane)
        lanes = getattr(self.spec, "lanes", 1) * getattr(self.spec, "groups", 1)
        codes = lane_codes(code, fmt.width, lanes)
        return " ".join(_show(fmt_of_lane, lane_code) for lane_code in codes)


def _show(fmt: Any, code: int) -> str:
    """Value of a code for people."""
    value = decode(fmt, code)
    return value if isinstance(value, str) else f"{value[0] * 2.0 ** value[1]:g}"
