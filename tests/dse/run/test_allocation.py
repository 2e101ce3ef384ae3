"""Allocations: what is written is read again, and nothing else is."""

import json
from dataclasses import replace

import pytest

from macwright.dse.run.allocation import (
    VERSION,
    Allocation,
    ArrayChoice,
    LayerChoice,
    read_allocation,
)
from macwright.hw.pe import FAMILIES
from macwright.hw.registry import registry

UNITS = {spec.name: spec for spec in registry()}
MAC = "int_mac_int8_int8_int32"


def allocation(**fields):
    layers = {"fc": LayerChoice(weight="int8", activation="int8", unit=MAC, mode="4x4")}
    given = {"point": 3, "model_sha256": "ab", "technology": "gates", "layers": layers}
    return Allocation(**{**given, "units": {MAC: UNITS[MAC]}, **fields})


def test_every_unit_of_the_registry_comes_back_from_its_fields(tmp_path):
    layers = {
        name: LayerChoice(weight="int4", activation="uint8", unit=name, pe=n + 1, simd=2)
        for n, name in enumerate(UNITS)
    }
    whole = allocation(layers=layers, units=UNITS, architecture="dataflow", clock_mhz=125.0)
    path = tmp_path / "0.json"
    path.write_text(json.dumps(whole.to_fields()))
    assert read_allocation(path) == whole
    assert {spec.family for spec in UNITS.values()} == set(FAMILIES)


def test_buffers_and_array_are_numbers():
    array = ArrayChoice(name="8x4, 2 x 16 KiB", rows=8, columns=4, buffer_kib=16.0)
    fields = allocation(architecture="temporal", array=array, gap=1e-9).to_fields()
    assert fields["hardware"] == {
        "architecture": "temporal",
        "unit_types": [MAC],
        "array": "8x4, 2 x 16 KiB",
        "rows": 8,
        "columns": 4,
        "buffer_kib": 16.0,
        "wide_bits": 10,
    }
    assert Allocation.from_fields(json.loads(json.dumps(fields))).array == array


def changed(**fields):
    return {**allocation().to_fields(), **fields}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layers": {}}, "must be of version 2, not 1: make the run anew"),
        (changed(version=VERSION + 1), "not 3: this macwright is older than the file"),
        (changed(kind="recipe"), "must be of version 2"),
        ([], "must be an object with layers"),
        ({k: v for k, v in changed().items() if k != "units"}, "must have a field units"),
        (changed(units={}), "Unit of layer 'fc' must have a spec"),
        (changed(units={MAC: {"family": "warp", "fields": {}}}), "Unit must be one of int_mac"),
        (changed(units={MAC: {"family": "int_mac", "fields": {"weight": "int4"}}}), "its own name"),
        (changed(layers={"fc": {"weight": "int8"}}), r"layers\.fc\.activation must be there"),
        (changed(hardware={"architecture": "temporal"}), "An array must come with a temporal"),
    ],
)
def test_documents_that_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Allocation.from_fields(fields)


def test_replacing_a_unit_by_another_is_refused():
    other = replace(UNITS[MAC], en=True)
    with pytest.raises(ValueError, match="must have its own name, int_mac_int8_int8_int32_en"):
        allocation(units={MAC: other})
