# amaranth: UnusedElaboratable=no
"""AXI4-Stream wrappers: every family that has one under random stalls, and what is caught."""

import re
import shutil
import subprocess
import sys

import pytest

from macwright.hw.errors import RefusedInput
from macwright.hw.pe import spec_from_fields
from macwright.sim.axis import AXIS_FAMILIES, axis_of
from macwright.sim.generate import core_text, write_unit
from macwright.sim.runner import simulate

needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")

UNITS = {
    "int": ("int_mac", {"weight": "int4", "acc": "int20"}),
    "unsigned": ("int_mac", {"act": "uint4", "weight": "uint3", "acc": "uint13", "rst": True}),
    # No code of either operand adds nothing.
    "binary": ("int_mac", {"act": "binary", "weight": "binary", "acc": "int8", "pipeline": 1}),
    "deep": (
        "int_mac",
        {"weight": "int4", "acc": "int20", "pipeline": 4}
        | {"multiplier": "rows", "target": "ecp5"},
    ),
    "carry_save": (
        "int_mac",
        {"acc": "int21", "multiplier": "booth4", "adder": "carry_save", "pipeline": 2},
    ),
    "minifloat": ("minifloat_mac", {}),
    "minifloat_p2": ("minifloat_mac", {"act": "e5m2", "weight": "e2m1fn", "pipeline": 2}),
    "float": ("minifloat_mac", {"acc": "fp16"}),
    "dot": ("dot", {"weight": "int4", "lanes": 3, "acc": "int32"}),
    "dot_blocks": ("dot", {"act": "nvfp4", "weight": "nvfp4", "lanes": 2, "acc": "fp32"}),
    "dot_p2": ("dot", {"act": "e2m1fn", "weight": "e2m1fn", "lanes": 4, "pipeline": 2}),
    "shift_add": ("shift_add_mac", {"zero": "uint4", "group": 4}),
    "shift_add_p1": (
        "shift_add_mac",
        {"act": "e4m3fn", "weight": "apot4", "group": 8, "zero": "int3", "pipeline": 1},
    ),
    "shift_add_plain": ("shift_add_mac", {"weight": "int2", "scale": "none", "group": 9}),
}


def _spec(case):
    family, fields = UNITS[case]
    return spec_from_fields(family, {**fields, "en": True})


def test_every_family_is_tried():
    assert {family for family, _ in UNITS.values()} == set(AXIS_FAMILIES)


@needs_icarus
@pytest.mark.parametrize("case", UNITS)
def test_packets_are_sums_whatever_stalls(case, tmp_path):
    manifest = write_unit(_spec(case), tmp_path, wrap="axis")
    result = simulate(tmp_path, simulator="icarus")
    assert result.failures == []
    assert result.tests == len(manifest["bench"]["tests"]) == 4
    assert result.changed == []


@needs_icarus
@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        ("int", "!done || m_axis_tready", "1'b1"),
        ("int", "first <= s_axis_tlast", "first <= 1'b0"),
        ("int", "{4{acc[19]}}", "4'd0"),
        ("int", r"s_axis_tdata[11:8]", "s_axis_tdata[10:7]"),
        ("binary", "free && (beat || left != 0)", "beat"),
        ("binary", "free && (beat || left != 0)", "free"),
        ("deep", "free && left < 2", "free"),
        ("deep", "free && left < 2", "free && left == 0"),
        ("shift_add", "ended_first <= group_first", "ended_first <= 1'b1"),
        ("shift_add", "group_first <= s_axis_tlast", "group_first <= 1'b0"),
        ("shift_add", "first || ended", "first"),
        ("shift_add", "(s_axis_tuser || s_axis_tlast);", "s_axis_tuser;"),
    ],
)
def test_a_changed_wrapper_is_caught(case, old, new, tmp_path):
    manifest = write_unit(_spec(case), tmp_path, wrap="axis")
    path = tmp_path / manifest["wrapper"]["file"]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    result = simulate(tmp_path, simulator="icarus")
    assert result.failures
    assert result.changed == [path.name]


@pytest.mark.parametrize("family", ["packed_mac", "serial_mac", "requant", "bitplane_dot"])
def test_other_families_are_refused_by_name(family, tmp_path):
    spec = spec_from_fields(family, {"en": True})
    with pytest.raises(RefusedInput, match=rf"^Unit must be of family int_mac, .*, not {family}, "):
        write_unit(spec, tmp_path, wrap="axis")
    assert list(tmp_path.iterdir()) == []


def test_sums_that_take_turns_are_refused():
    fields = {"act": "mxfp4", "weight": "mxfp4", "acc": "fp32", "sums": "4", "en": True}
    with pytest.raises(RefusedInput, match=r"whose packets are sums, not 4 that take turns$"):
        axis_of(spec_from_fields("dot", fields))


def test_a_unit_without_clock_enable_is_refused():
    spec = spec_from_fields("int_mac", {})
    with pytest.raises(RefusedInput, match=r"^Unit must have a clock enable, en, with"):
        axis_of(spec)


def test_manifest_and_core_say_what_is_there(tmp_path):
    spec = _spec("shift_add_p1")
    manifest = write_unit(spec, tmp_path, wrap="axis")
    text = (tmp_path / manifest["wrapper"]["file"]).read_text()
    assert manifest["top"] == f"{spec.name}_axis"
    head = text[text.index(f"module {manifest['top']}(") :].partition(");")[0]
    declared = re.findall(r"(input|output) (?:\[(\d+):0\] )?(\w+)", head)
    ports = [(p["direction"], p["width"], p["name"]) for p in manifest["ports"]]
    assert ports == [(way, int(top or 0) + 1, name) for way, top, name in declared]
    assert manifest["wrapper"]["cycles_between_packets"] == 1
    names = [field["name"] for field in manifest["wrapper"]["fields"]]
    assert names == ["a", "w", "scale", "zero"]
    core = core_text(spec, wrap="axis")
    assert (tmp_path / f"{spec.name}.core").read_text() == core
    assert f"files: [{spec.name}.v, {spec.name}_axis.v]" in core
    assert f"toplevel: {spec.name}_axis" in core
    assert all(len(line) <= 100 for line in text.splitlines() if line.startswith("//"))


@pytest.mark.parametrize("case", ["int", "dot_p2", "shift_add_p1"])
def test_yosys_connects_it_to_its_unit(case, tmp_path):
    manifest = write_unit(_spec(case), tmp_path, wrap="axis")
    files = manifest["verilog"]["file"], manifest["wrapper"]["file"]
    script = f"read_verilog {' '.join(files)}; hierarchy -check -top {manifest['top']}; "
    script += "synth -flatten; check -assert; select -assert-none t:$_DLATCH*"
    code = "import sys; from pyosys import libyosys as ys; d = ys.Design()\n"
    code += "for part in sys.argv[1].split('; '): ys.run_pass(part, d)"
    command = [sys.executable, "-c", code, script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
