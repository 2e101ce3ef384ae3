"""Driver and vectors for the benches of the units with packed operands and modes."""

import itertools
import random
from typing import Any

from cocotb.triggers import FallingEdge

from macwright.hw.formats import FloatFormat
from macwright.sim.bench.driver import Driver
from macwright.sim.bench.mac import finite_corners
from macwright.sim.families import verification

__all__ = ["TESTS", "PortDriver", "controls", "corners", "limits", "sums"]

#: What a bench file runs, in this order.
TESTS = ("corners", "sums", "controls", "limits")
#: Cycles that `limits` may spend on one end of the accumulator.
LONGEST = 1 << 16
#: Corner vectors that are run; more are sampled.
MOST_CORNERS = 1_000


class PortDriver(Driver):
    """Driver for units whose ports the golden model names."""

    def __init__(self, dut: Any, spec: Any) -> None:
        self.spec = spec
        self.model: Any = verification(spec).model(spec)
        self.inputs = dict.fromkeys((*self.model.data, *self.model.controls), 0)
        self.inputs |= {"clear": 1} if hasattr(dut, "clear") else {}
        self.inputs |= {"en": 1} if spec.en else {}
        self.inputs |= {"rst": 0} if spec.rst else {}
        self.cycle = 0
        self._clk = dut.clk
        self._falling = FallingEdge(dut.clk)
        self._handles = {name: getattr(dut, name) for name in self.inputs}
        self._outputs = {name: [getattr(dut, name)] for name in self.model.outputs}
        self._patterns: dict[str, list[int]] = {}

    def _message(self, name: str, got: str, want: int, before: int | None) -> str:
        """What differs, and the first vector where it did."""
        given = " ".join(f"{k}={v:#x}" for k, v in (self.model.retired or {}).items())
        flags = "".join(f" {k}={v}" for k, v in self.inputs.items() if k in ("en", "rst"))
        acc = "unknown" if before is None else f"{before:#x}"
        return (
            f"{name} is {got}, expected {want:#x}, for {given}{flags} after acc={acc}, "
            f"in cycle {self.cycle}"
        )

    def patterns(self, name: str) -> list[int]:
        """Corners of a data port: every digit 0, all ones, its lowest, highest, all but highest.

        Of a float's port, the corners of its format.
        """
        if name not in self._patterns:
            self._patterns[name] = self._find_patterns(name)
        return self._patterns[name]

    def _find_patterns(self, name: str) -> list[int]:
        bits = self.model.data[name]
        if name == "a" and isinstance(self.spec.act, FloatFormat):
            return finite_corners(self.spec.act)
        legal = self.model.legal.get(name)
        if legal is not None and len(legal) <= 16:
            return list(legal)
        ones = 2**bits - 1
        patterns = {0, ones}
        for digit in {1, 2, 4, 8, self.spec.act.width, bits}:
            if digit <= bits and bits % digit == 0:
                low = ones // (2**digit - 1)
                patterns |= {low, low << (digit - 1), ones - (low << (digit - 1))}
        return sorted(code for code in patterns if legal is None or code in legal)

    def random_data(self) -> dict[str, int]:
        """Random code words for the data ports; one time in four, a corner."""
        return {
            name: self._any(name, bits)
            if random.random() < 0.75
            else random.choice(self.patterns(name))
            for name, bits in self.model.data.items()
        }

    def _any(self, name: str, bits: int) -> int:
        legal = self.model.legal.get(name)
        return random.getrandbits(bits) if legal is None else random.choice(legal)

    def random_controls(self) -> dict[str, int]:
        """Random values of the control ports."""
        return {name: random.choice(values) for name, values in self.model.controls.items()}


async def corners(dut: Any, spec: Any) -> None:
    """Corners of every port against each other, in every mode; up to a number, sampled."""
    driver = PortDriver(dut, spec)
    await driver.start()
    ports = {name: driver.patterns(name) for name in driver.model.data}
    ports |= {name: list(values) for name, values in driver.model.controls.items()}
    vectors = list(itertools.product(*ports.values()))
    for values in random.sample(vectors, k=min(len(vectors), MOST_CORNERS)):
        now = dict(zip(ports, values, strict=True))
        if spec.en:
            await driver.step(**now, clear=1, en=0)
            await driver.step(en=1)
        await driver.step(**now, clear=1)
        await driver.step(clear=0)


async def sums(dut: Any, spec: Any) -> None:
    """Long random sums with the controls held, then with the controls of each cycle random."""
    driver = PortDriver(dut, spec)
    await driver.start()
    for mode in itertools.product(*driver.model.controls.values()):
        await driver.step(**dict(zip(driver.model.controls, mode, strict=True)), clear=1)
        for _ in range(150):
            await driver.step(**driver.random_data(), clear=0)
    for _ in range(500):
        await driver.step(**driver.random_data(), **driver.random_controls(), clear=0)


async def controls(dut: Any, spec: Any) -> None:
    """Everything random: operands, modes, `clear`, `en` and `rst` in every order."""
    driver = PortDriver(dut, spec)
    await driver.start()
    chance = {"clear": 0.2, "en": 0.7, "rst": 0.1}
    chance = {k: p for k, p in chance.items() if k in driver.inputs}
    for _ in range(1_500):
        flags = {k: int(random.random() < p) for k, p in chance.items()}
        await driver.step(**driver.random_data(), **driver.random_controls(), **flags)


async def limits(dut: Any, spec: Any) -> None:
    """The largest and smallest sums of each mode, to the accumulator's end and one over it.

    An end that is more than `LONGEST` cycles away is left out and said so in the log.
    """
    driver = PortDriver(dut, spec)
    await driver.start()
    half = 2 ** (spec.acc.width - 1)
    for vector in driver.model.extremes():
        value = driver.model.cycle_sum(**vector)
        count = (half - 1) // value if value > 0 else half // -value if value < 0 else 0
        if not 0 < count <= LONGEST:
            dut._log.info("limits: %d cycles of %s are not run", count, value)
            continue
        await driver.step(**vector, clear=1)
        for again in (count - 1, 1 + spec.pipeline):
            if again:
                await driver.step(clear=0)
                await driver.repeat(again - 1)
