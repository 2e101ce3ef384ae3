# amaranth: UnusedElaboratable=no
"""Several units in one simulation: each is tested, and a broken one is named."""

import re

import pytest

from macwright.hw.errors import ToolError
from macwright.hw.pe import spec_from_fields
from macwright.sim.batch import write_batch
from macwright.sim.runner import simulate
from macwright.sim.simulators import find_simulator

UNITS = [
    spec_from_fields("int_mac", {"act": "int3", "weight": "uint2", "en": True, "rst": True}),
    spec_from_fields("int_mac", {"act": "int5", "weight": "int3"}).tuned("ecp5"),
    spec_from_fields("minifloat_mac", {"act": "e3m2", "weight": "e2m1fn", "acc": "e5m10"}),
    spec_from_fields("dot", {"act": "int4", "weight": "int2", "lanes": 4}),
]
TESTS = ("corners", "controls")


@pytest.fixture(params=["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def simulator(request):
    try:
        return find_simulator(request.param).name
    except ToolError as missing:
        pytest.skip(str(missing))


def test_every_unit_is_tested(simulator, tmp_path):
    write_batch(UNITS, tmp_path, tests=TESTS)
    result = simulate(tmp_path, simulator=simulator)
    assert result.failures == []
    assert result.tests == len(UNITS) * len(TESTS)


@pytest.mark.parametrize("broken", range(len(UNITS)))
def test_a_broken_unit_is_named_and_no_other(broken, simulator, tmp_path):
    write_batch(UNITS, tmp_path, tests=TESTS)
    path, name = tmp_path / "batch.v", UNITS[broken].name
    text, count = re.subn(rf"({name} unit\(.*\.clear\()clear\)", r"\1~clear)", path.read_text())
    assert count == 1
    path.write_text(text)
    failed = [failure.split(":")[0] for failure in simulate(tmp_path, simulator=simulator).failures]
    assert failed
    assert set(failed) <= {f"{name}_{test}" for test in TESTS}
