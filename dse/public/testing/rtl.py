"""Hardware against its golden model in Amaranth's simulator, which every install has."""

from typing import Any

from amaranth.hdl import ClockDomain, Module, Value
from amaranth.sim import Simulator

from macwright.hw.pe.spec import UnitSpec
from macwright.testing.report import require
from macwright.testing.vectors import Vectors

__all__ = ["compare_cycles"]


def compare_cycles(spec: UnitSpec, model: Any, vectors: Vectors, cycles: int) -> int:
    """Random cycles, all outputs compared in each; gives the number of cycles.

    Raises
    ------
    ConformanceError
        At the first difference.
    """
    dut, domain, top = spec.create(), ClockDomain("sync", reset_less=not spec.rst), Module()
    top.domains += domain
    top.submodules.dut = dut
    outputs = getattr(model, "outputs", None) or tuple(
        name for name in ("acc", "invalid") if name in dut.signature.members
    )

    async def bench(ctx: Any) -> None:
        for cycle in range(cycles):
            codes, flags = vectors.data(), vectors.flags()
            if cycle == 0:
                flags = {name: int(name in ("clear", "en")) for name in flags}
            for name, value in {**codes, **flags}.items():
                ctx.set(domain.rst if name == "rst" else Value.cast(getattr(dut, name)), value)
            before = model.acc
            model.step(**codes, **flags)
            await ctx.tick()
            for name in outputs:
                wanted = getattr(model, name)
                got = _read(ctx, dut, name)
                require(
                    wanted is None or got == wanted,
                    f"{spec.name}: {name} must be {wanted if wanted is None else hex(wanted)}, not "
                    f"{got:#x}, in cycle {cycle} for {codes} {flags} after acc={before}",
                )

    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return cycles


def _read(ctx: Any, dut: Any, name: str) -> int:
    """Output as an unsigned code word; a carry-save accumulator is the sum of two ports."""
    port = Value.cast(getattr(dut, name))
    value = ctx.get(port)
    if name == "acc" and "acc_carry" in dut.signature.members:
        value += ctx.get(Value.cast(dut.acc_carry))
    return value % (1 << len(port))
