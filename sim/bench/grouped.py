"""Driver of dot-product units whose groups begin their sums one after the other."""

from collections import deque
from typing import Any

from macwright.sim.bench.driver import Driver

__all__ = ["GroupedDriver", "driver_of"]


class GroupedDriver(Driver):
    """Driver that is given the operands of all groups at once.

    Those of group g are applied g enabled cycles later, as its sums begin so much later; `first`
    is made here, unless it is given, which begins the order anew.
    """

    def __init__(self, dut: Any, spec: Any) -> None:
        super().__init__(dut, spec)
        self.inputs["first"], self._handles["first"] = 0, dut.first
        self._turn = 0
        self._given: deque[dict[str, int]] = deque([{"a": 0, "w": 0}] * spec.groups, spec.groups)

    async def step(self, **inputs: int) -> None:
        """Apply inputs for one cycle and check."""
        en = inputs.get("en", self.inputs.get("en", 1))
        self._given.appendleft({**self._given[0], **_operands(inputs)})
        if inputs.get("first"):
            self._turn = 0
        skewed = {name: self._skewed(name, fmt) for name, fmt in self._formats.items()}
        await super().step(**{**inputs, **skewed, "first": int(self._turn == 0)})
        if en:
            self._turn = (self._turn + 1) % self.spec.groups
        else:
            self._given.popleft()

    async def repeat(self, count: int) -> None:
        """Let so many cycles pass with the operands as they are."""
        for _ in range(count):
            await self.step()

    @property
    def _formats(self) -> dict[str, Any]:
        return {"a": self.spec.act, "w": self.spec.weight}

    def _skewed(self, name: str, fmt: Any) -> int:
        width = self.spec.lanes * fmt.width
        parts = [given[name] >> (g * width) & (2**width - 1) for g, given in enumerate(self._given)]
        return sum(part << (g * width) for g, part in enumerate(parts))


def driver_of(dut: Any, spec: Any) -> Driver:
    """Driver of a dot-product unit."""
    return (GroupedDriver if spec.groups > 1 else Driver)(dut, spec)


def _operands(inputs: dict[str, int]) -> dict[str, int]:
    return {name: inputs[name] for name in ("a", "w") if name in inputs}
