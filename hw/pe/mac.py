"""Ports and registers that all multiply-accumulate units share."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from amaranth.hdl import Module, Shape, Signal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from macwright.hw.arith.accumulate import Control, accumulate, accumulate_carry_save
from macwright.hw.arith.bit_heap import BitHeap
from macwright.hw.arith.target import Target
from macwright.hw.pe.operand import operand_shape
from macwright.hw.pe.spec import UnitSpec

__all__ = ["Mac"]


class Mac(wiring.Component):
    """Base of the multiply-accumulate units: the ports, and registers that obey `en` and `rst`.

    Parameters
    ----------
    spec : UnitSpec
        Formats and options.
    acc : Shape
        Shape of the accumulator port.
    invalid : bool
        Whether there is a sticky flag for NaN and infinity.
    more : dict or None
        Further ports.

    Members
    -------
    a, w : :py:`In(operand_shape(act))`, :py:`In(operand_shape(weight))`
        Activation and weight: a number where the format is an integer, else the code.
    en : :py:`In(1)`, if ``spec.en``
        Clock enable of every register.
    clear : :py:`In(1)`
        Whether the product of this cycle starts a new sum.
    acc : :py:`Out(acc)`
        Accumulator, registered.
    acc_carry : :py:`Out(acc)`, if ``spec.adder`` is "carry_save"
        Second part of the accumulator, registered: the sum is ``acc + acc_carry``.
    invalid : :py:`Out(1)`, if `invalid`
        Whether an operand of this sum was NaN or infinity.
    """

    def __init__(
        self, spec: UnitSpec, *, acc: Shape, invalid: bool, more: dict[str, Any] | None = None
    ) -> None:
        self.spec: Any = spec
        ports = {
            "a": In(operand_shape(self.spec.act)),
            "w": In(operand_shape(self.spec.weight)),
            "clear": In(1),
            "acc": Out(acc),
        }
        ports |= {"en": In(1)} if spec.en else {}
        ports |= {"invalid": Out(1)} if invalid else {}
        ports |= {"acc_carry": Out(acc)} if getattr(spec, "adder", "") == "carry_save" else {}
        super().__init__(ports | (more or {}))

    @property
    def control(self) -> Control:
        """Enable and reset of its registers."""
        return Control(en=self.en if self.spec.en else None, rst=self.spec.rst)

    def enabled(self, m: Module) -> AbstractContextManager:
        """Context in which synchronous assignments happen only where `en` is 1."""
        return m.If(self.en) if self.spec.en else nullcontext()

    def state(self, m: Module, port: Signal) -> Signal:
        """Register behind an output port; reset by `rst` if the unit has one."""
        register = Signal(port.shape(), name=f"{port.name}_reg", reset_less=not self.spec.rst)
        m.d.comb += port.eq(register)
        return register

    def accumulate(
        self,
        m: Module,
        add: Callable[[BitHeap, bool], None],
        *,
        clear: Value,
        target: Target,
        invert: bool = False,
    ) -> None:
        """Accumulator in one heap with its terms, as the spec's adder says.

        Parameters are those of :func:`macwright.hw.arith.accumulate.accumulate`; an accumulator of
        two registers is never inverted.
        """
        if self.spec.adder == "carry_save":
            ports = (self.acc, self.acc_carry)
            accumulate_carry_save(m, *ports, add, clear=clear, target=target, control=self.control)
            return
        accumulate(
            m,
            self.acc,
            add,
            clear=clear,
            target=target,
            adder=self.spec.adder,
            invert=invert,
            control=self.control,
        )

    def delayed(self, m: Module, *values: ValueLike, stage: int) -> list[ValueLike]:
        """The values, after one more register if the pipeline has at least `stage` stages."""
        if stage == 2 and not self.spec.product_register:
            return list(values)
        if stage == 1 and not self.spec.operand_register:
            return list(values)
        if stage > max(2, self.spec.pipeline):
            return list(values)
        return self.registered(m, *values, suffix=f"p{stage}")

    def registered(self, m: Module, *values: ValueLike, suffix: str) -> list[ValueLike]:
        """The values after a register, which are named after them."""
        registers = []
        for value in values:
            name = f"{getattr(value, 'name', 'stage')}_{suffix}"
            registers.append(Signal(value.shape(), name=name, reset_less=True))
        with self.enabled(m):
            m.d.sync += [r.eq(v) for r, v in zip(registers, values, strict=True)]
        return registers
