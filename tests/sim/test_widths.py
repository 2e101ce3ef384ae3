# amaranth: UnusedElaboratable=no
"""Accumulators hold exactly what their spec claims: one term or one bit further, and they wrap."""

import itertools
import shutil
from fractions import Fraction

import pytest

from macwright.hw.formats import FloatFormat
from macwright.hw.pe import spec_from_fields
from macwright.hw.registry import registry
from macwright.hw.verilog import unit_verilog
from macwright.sim.families import golden_model
from macwright.sim.generate import describe, write_unit
from macwright.sim.golden import decode
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")
#: Units whose claim is a number of terms: all but floats, which round, and those without products.
CLAIMS = [
    spec
    for spec in registry()
    if not isinstance(spec.acc, FloatFormat)
    and spec.family not in ("requant", "hadamard", "serial_mac")
]


def _largest_sums(spec) -> tuple[int, int]:
    """Most negative and most positive number that a term adds, by the golden models' arithmetic."""
    model = golden_model(spec)
    if hasattr(model, "extremes"):
        sums = [model.cycle_sum(**vector) for vector in model.extremes()]
        return min(sums), max(sums)
    factors = []
    lane = spec.lane if spec.family == "dot" else spec
    for fmt in (lane.act, lane.weight):
        values = (decode(fmt, code) for code in range(2**fmt.width))
        numbers = [Fraction(v[0]) * Fraction(2) ** v[1] for v in values if not isinstance(v, str)]
        if str(fmt) == "ternary":
            numbers = [Fraction(-1), Fraction(1)]
        if getattr(fmt, "symmetric", False):
            numbers.remove(min(numbers))
        factors.append((min(numbers), max(numbers)))
    unit = Fraction(2) ** getattr(spec, "acc_exponent", 0)
    products = [int(x * y / unit) for x, y in itertools.product(*factors)]
    return min(0, *products), max(0, *products)


@pytest.mark.parametrize("spec", CLAIMS, ids=lambda spec: spec.name)
def test_claimed_terms_fit_and_one_more_does_not(spec):
    signed = getattr(spec.acc, "signed", True)
    most = 2 ** (spec.acc.width - signed) - 1
    least = -most - 1 if signed else 0
    low, high = _largest_sums(spec)
    count = spec.safe_terms
    assert least <= count * low
    assert count * high <= most
    assert (count + 1) * low < least or (count + 1) * high > most


EXACT = [
    ("int_mac", {"act": "int4", "weight": "int3", "terms": 7}),
    ("packed_mac", {"act": "int4", "weight": "int3", "terms": 7, "products": 1}),
    ("minifloat_mac", {"act": "e2m1fn", "weight": "int3", "terms": 7}),
    ("dot", {"act": "int3", "weight": "uint2", "lanes": 2, "terms": 14}),
    ("bitplane_dot", {"act": "int3", "weight": "int2", "lanes": 2, "terms": 7}),
    ("composable_mac", {"act": "int4", "weight": "int4", "terms": 7}),
    ("serial_mac", {"act": "int3", "weight": "int2", "lanes": 2, "terms": 7}),
    ("shift_add_mac", {"act": "int3", "weight": "int2", "group": 7, "scale": "none"}),
]
QUICK = ("int_mac", "dot")


@needs_icarus
@pytest.mark.parametrize(
    ("family", "fields"),
    [pytest.param(*e, marks=() if e[0] in QUICK else pytest.mark.slow, id=e[0]) for e in EXACT],
)
def test_one_bit_less_overflows_where_the_bench_goes_to_the_end(family, fields, tmp_path):
    """The register sees its top bit replaced by the sign of a register that is one bit shorter."""
    exact = {} if family == "shift_add_mac" else {"acc": "exact"}
    spec = spec_from_fields(family, {**fields, **exact})
    manifest = write_unit(spec, tmp_path)
    assert simulate(tmp_path, simulator="icarus", tests=["limits"]).failures == []
    ports = describe(spec)["ports"]
    top = spec.acc.width - 1
    pins = ", ".join(f".{p['name']}({p['name']})" for p in ports if p["name"] != "acc")
    header = "".join(f"  {p['direction']} [{p['width'] - 1}:0] {p['name']};\n" for p in ports)
    wide = unit_verilog(spec).replace(f"module {spec.name}(", "module whole(")
    text = (
        f"{wide}\nmodule {spec.name}({', '.join(p['name'] for p in ports)});\n{header}"
        f"  wire [{top}:0] exact;\n  whole unit({pins}, .acc(exact));\n"
        f"  assign acc = {{exact[{top - 1}], exact[{top - 1}:0]}};\nendmodule\n"
    )
    (tmp_path / manifest["verilog"]["file"]).write_text(text)
    failures = simulate(tmp_path, simulator="icarus", tests=["limits"]).failures
    assert [failure.split(":")[0] for failure in failures] == ["limits"]
    wanted = spec.safe_terms * max(map(abs, _largest_sums(spec)))
    assert wanted >= 2 ** (top - 1), "the claim does not need the last bit"
