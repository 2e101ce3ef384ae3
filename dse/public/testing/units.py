"""The laws of units: specification, ports, Verilog, golden model and simulation."""

import dataclasses
import json
import re
import tempfile
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from macwright.hw.errors import ToolError
from macwright.hw.pe import FAMILIES
from macwright.hw.pe.spec import UnitSpec
from macwright.hw.verilog import to_verilog, unit_verilog
from macwright.sim.families import golden_model
from macwright.sim.generate import describe, write_unit
from macwright.sim.runner import simulate
from macwright.testing.products import exact_products
from macwright.testing.report import Conformance, ConformanceError, require
from macwright.testing.rtl import compare_cycles
from macwright.testing.vectors import Vectors

__all__ = ["check_unit"]

Reference = Callable[..., Fraction | int | None]


def check_unit(
    spec: UnitSpec,
    *,
    golden: Any = None,
    reference: Reference | None = None,
    cycles: int = 500,
    bench: bool = True,
    seed: int = 0,
) -> Conformance:
    """Check that a unit keeps the contract: its text, its ports, its model and its hardware.

    Parameters
    ----------
    spec : UnitSpec
        Of any family, also of one of the user's own.
    golden : object, optional
        Golden model, fresh; by default that of the family. ``step(clear=…, **codes)`` is a clock
        edge; `acc` the accumulator as an unsigned code word, None where it is open.
    reference : callable, optional
        ``reference(**codes)`` gives the number that one cycle adds, in units of the accumulator's
        last place, or None for a NaN or infinity; an oracle for the golden model. By default
        products of what the formats decode, for units that add just these.
    cycles : int
        Random clock cycles of the simulation and of the comparison with the reference.
    bench : bool
        Whether to simulate the Verilog with the family's bench, where there is a simulator.
    seed : int
        Of the random vectors.

    Returns
    -------
    Conformance
        What was checked, and what was left out and why.

    Raises
    ------
    ConformanceError
        If a law is broken; the message names the first vector that does.

    Examples
    --------
    >>> import macwright
    >>> report = check_unit(macwright.IntMacSpec(), cycles=50, bench=False)
    >>> report.checked["simulation"], report.left_out
    (50, {'bench': 'not asked for'})
    """
    checked = {"specification": _spec_laws(spec), "ports": _port_laws(spec)}
    left_out: dict[str, str] = {}

    def model() -> Any:
        if golden is not None:
            return type(golden)(spec)
        if spec.family not in FAMILIES:
            raise ConformanceError(
                f"{spec.name}: a unit of a family of your own must come with golden=MyModel(spec)"
            )
        return golden_model(spec)

    vectors = Vectors(spec, model(), seed)
    reference = reference or exact_products(spec)
    if reference is None:
        left_out["reference"] = "what a cycle adds is no plain sum of products; give reference="
    else:
        checked["reference"] = _compare_reference(spec, model(), reference, vectors, cycles)
    if spec.target == "generic":
        checked["simulation"] = compare_cycles(spec, model(), vectors, cycles)
    else:
        left_out["simulation"] = f"cells of {spec.target} are simulated by the bench alone"
    _bench(spec, bench, checked, left_out)
    return Conformance(spec.name, checked, left_out)


def _spec_laws(spec: Any) -> int:
    """A specification is an immutable value that its fields make again."""
    name = getattr(spec, "name", spec)
    is_dataclass = dataclasses.is_dataclass(type(spec))
    require(
        is_dataclass and type(spec).__dataclass_params__.frozen,
        f"{name}: the specification must be a frozen dataclass",
    )
    require(isinstance(spec, UnitSpec), f"{name}: the specification must be a UnitSpec")
    require(
        re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", spec.name) is not None,
        f"{spec.name!r}: the name must be one of a Verilog module",
    )
    fields = spec.to_fields()
    require(
        json.loads(json.dumps(fields)) == fields, f"{name}: to_fields must be JSON, not {fields}"
    )
    for what, values in (("values", fields), ("texts", {k: str(v) for k, v in fields.items()})):
        again = type(spec).from_fields(values)
        require(again == spec, f"{name}: from_fields of {what} must give the same, not {again}")
        require(hash(again) == hash(spec), f"{name}: equal specifications must have equal hashes")
    require(
        type(spec.latency) is int and spec.latency >= 1,
        f"{name}: latency must be 1 clock cycle or more, not {spec.latency!r}",
    )
    require(
        spec.macs_per_cycle > 0,
        f"{name}: macs_per_cycle must be above 0, not {spec.macs_per_cycle}",
    )
    return 8


def _port_laws(spec: UnitSpec) -> int:
    """Ports of the Verilog are those of the component, and controls those of the fields."""
    text = unit_verilog(spec)
    again = to_verilog(spec.create(), name=spec.name, rst=spec.rst)
    require(text == again, f"{spec.name}: the same specification must give the same Verilog")
    head = re.search(rf"^module {spec.name}\((.*?)\);", text, re.MULTILINE | re.DOTALL)
    require(head is not None, f"{spec.name}: the Verilog must have a module of that name")
    ports = {name.strip() for name in head[1].split(",")} if head else set()
    require("clk" in ports, f"{spec.name}: ports must have clk, not only {sorted(ports)}")
    for control in ("en", "rst"):
        wanted = getattr(spec, control)
        require(
            (control in ports) == wanted,
            f"{spec.name}: port {control} must be there if and only if the field is true",
        )
    if spec.family in FAMILIES:
        listed = {port["name"] for port in describe(spec)["ports"]}
        require(listed == ports, f"{spec.name}: the manifest must list {sorted(ports)}")
    return len(ports)


def _compare_reference(
    spec: Any, model: Any, reference: Reference, vectors: Vectors, cycles: int
) -> int:
    """Sums of the golden model against sums of what the reference adds, until one is open."""
    size = 1 << spec.acc.width
    stages: deque[tuple[dict[str, int], int] | None] = deque([None] * spec.pipeline)
    known: Fraction | int | None = None
    for cycle in range(cycles):
        codes, clear = vectors.data(), int(cycle % 17 == 0)
        stages.append((codes, clear))
        model.step(**codes, clear=clear)
        retired = stages.popleft()
        if retired is None:
            continue
        value = reference(**retired[0])
        base = 0 if retired[1] else known
        known = None if value is None or base is None else base + value
        if known is None:
            continue  # a sum with a NaN or infinity in it is open, whatever the model says
        total = Fraction(known)
        where = f"after {retired[0]} clear={retired[1]}"
        require(
            total.denominator == 1,
            f"{spec.name}: acc must be a whole number of units, not {total}, {where}",
        )
        require(
            model.acc == total % size,
            f"{spec.name}: the golden model's acc must be {int(total % size):#x}, not "
            f"{model.acc if model.acc is None else hex(model.acc)}, {where}",
        )
    return cycles


def _bench(spec: UnitSpec, wanted: bool, checked: dict[str, int], left_out: dict[str, str]) -> None:
    """Simulate the Verilog with the bench that comes with it."""
    if not wanted:
        left_out["bench"] = "not asked for"
        return
    if spec.family not in FAMILIES:
        left_out["bench"] = f"family {spec.family} has none in macwright"
        return
    with tempfile.TemporaryDirectory() as folder:
        write_unit(spec, Path(folder))
        try:
            result = simulate(Path(folder))
        except ToolError as error:
            left_out["bench"] = str(error)
            return
        require(result.passed, f"{spec.name}: {'; '.join(result.failures)}")
        checked["bench"] = result.tests
