"""What is said of units is said of their Verilog."""

import json
import re

import pytest

from macwright.costmodel.tables.unit_names import unit_of_name
from macwright.hw.pe import spec_from_fields
from macwright.hw.registry import registry
from macwright.hw.verilog import unit_verilog, verilog_sha256
from macwright.sim.datasheet import datasheet, verilog_header
from macwright.sim.generate import describe, verilog_text, write_unit


@pytest.mark.parametrize("spec", registry(), ids=lambda spec: spec.name)
def test_every_unit_is_explained(spec):
    sheet = datasheet(spec)
    said = [sheet.function, *sheet.notes, *(port.meaning for port in sheet.ports)]
    assert all(said)
    assert len({port.name for port in sheet.ports}) == len(sheet.ports)
    assert not re.search(r"`|:class:|see |\bspec\.\w", " ".join(said))
    assert "rst sets" in " ".join(sheet.notes)
    header = verilog_header(spec)
    assert all(line.startswith("//") and len(line) <= 120 for line in header.splitlines())
    # The last line is the command that makes it again.
    assert unit_of_name(header.split()[-1]) == spec


@pytest.mark.parametrize("family", ["int_mac", "dot", "requant", "serial_mac", "shift_add_mac"])
def test_ports_are_those_of_the_text_clock_first(family):
    spec = spec_from_fields(family, {"rst": "true"})
    text = verilog_text(spec)
    head = re.search(rf"^module {spec.name}\((.*)\);$", text, re.MULTILINE)
    assert head is not None
    order = head[1].split(", ")
    assert order[:2] == ["clk", "rst"]
    assert order == [port.name for port in datasheet(spec).ports]
    assert order == re.findall(r"^//     \.(\w+)\(\w+\),?$", text, re.MULTILINE)
    body = text[head.end() :].partition("endmodule")[0]
    for port in datasheet(spec).ports:
        width = re.search(rf"^  {port.direction} (?:\[(\d+):0\] )?{port.name};", body, re.MULTILINE)
        assert width is not None, port
        assert int(width[1] or 0) + 1 == port.width
    # Nothing else differs from what is synthesised.
    bare = "".join(line for line in text.splitlines(True) if not line.startswith("//"))
    assert (
        bare.replace(head[1], "").strip()
        == re.sub(rf"(module {spec.name}\().*\);", r"\1);", unit_verilog(spec)).strip()
    )


def test_values_are_the_units_own():
    sheet = datasheet(spec_from_fields("minifloat_mac", {"act": "e4m3fn", "weight": "e2m1fn"}))
    # The smallest products of an E4M3 and an E2M1 number: 2**-9 and 2**-1.
    assert sheet.values["acc_exponent"] == -9 - 1
    most = 448 * 6 * 2**10
    terms = sheet.values["safe_terms"]
    half = 2 ** (datasheet_width(sheet) - 1)
    assert terms * most < half <= (terms + 1) * most
    # The docstring of dots speaks of both kinds of accumulators.
    for acc, there in (("exact", True), ("fp32", False)):
        dot = spec_from_fields("dot", {"act": "e4m3fn", "weight": "e4m3fn", "acc": acc})
        assert ("safe_terms" in datasheet(dot).values) == there
    names = {port.name: port.meaning for port in sheet.ports}
    assert names["clear"] == "Whether the product of this cycle starts a new sum."


def datasheet_width(sheet) -> int:
    """Bits of the accumulator's port."""
    (acc,) = (port for port in sheet.ports if port.name == "acc")
    return acc.width


def test_manifest_says_the_same(tmp_path):
    spec = spec_from_fields("dot", {"lanes": "4"})
    manifest = write_unit(spec, tmp_path)
    assert manifest == describe(spec) == json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["verilog"]["verilog_sha256"] == verilog_sha256(spec)
    assert manifest["function"] == datasheet(spec).function
    meanings = {port["name"]: port["meaning"] for port in manifest["ports"]}
    assert meanings["a"].endswith("lane 0 in the low bits.")
