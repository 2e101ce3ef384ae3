"""Workloads for ZigZag against the layers, and as ZigZag itself reads them."""

import json
import math

import pytest
from helpers.export_run import POINT, exported, write_export_run

from macwright.dse.export.exporters import export_point
from macwright.hw.errors import RefusedInput


def test_loops_bits_and_sources_of_a_small_network(tmp_path):
    run = write_export_run(tmp_path, ("int4", "int8"), ("int3", "int6"))
    (path,) = export_point(run, POINT, "zigzag", tmp_path / "out")
    layers, own = json.loads(path.read_text()), run.workload.layers
    assert [layer["name"] for layer in layers] == [layer.name for layer in own]
    for layer, mine in zip(layers, own, strict=True):
        assert math.prod(layer["loop_sizes"]) == mine.macs
    first, second = (layer["operand_precision"] for layer in layers)
    assert (first["W"], first["I"], second["W"], second["I"]) == (4, 8, 3, 6)
    assert first["O_final"] == 6
    assert second["O_final"] == second["O"]
    assert layers[0]["operand_source"] == {"I": 0, "W": 0}
    assert layers[1]["operand_source"] == {"I": 0, "W": 1}


def test_blocks_are_refused(tmp_path):
    run = write_export_run(tmp_path, ("mxint8", "mxint8"))
    with pytest.raises(RefusedInput, match="must have whole bits for a value in ZigZag"):
        export_point(run, POINT, "zigzag", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dscnn_kws", "resnet8_cifar10", "minilm_l6_v2_stsb"])
def test_loops_of_real_networks(name, tmp_path):
    workload, path = exported("zigzag", name, tmp_path)
    layers = json.loads(path.read_text())
    for layer, mine in zip(layers, workload.layers, strict=True):
        assert math.prod(layer["loop_sizes"]) == mine.macs
        assert all(source <= layer["id"] for source in layer["operand_source"].values())
        assert (layer["operand_source"]["W"] == layer["id"]) is not mine.dynamic


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fashion_cnn", "dscnn_kws", "resnet8_cifar10"])
def test_zigzag_reads_it(name, tmp_path):
    """Products and bits are those that ZigZag finds in the file (pip install zigzag-dse six)."""
    factory = pytest.importorskip("zigzag.parser.workload_factory")
    validator = pytest.importorskip("zigzag.parser.workload_validator")
    operand = pytest.importorskip("zigzag.datatypes").LayerOperand
    workload, path = exported("zigzag", name, tmp_path)
    checked = validator.WorkloadValidator(json.loads(path.read_text()))
    assert checked.validate()
    everywhere = {"W": "I2", "I": "I1", "O": "O"}
    mapping = [{"name": "default", "memory_operand_links": everywhere, "spatial_mapping": {}}]
    for data, mine in zip(checked.normalized_data, workload.layers, strict=True):
        node = factory.LayerNodeFactory(data, mapping).create()
        assert node.total_mac_count == mine.macs
        bits = node.operand_precision.data
        assert bits[operand("W")] == 4
        assert bits[operand("I")] == 8
        # Elements without what padding adds.
        assert node.operand_size_elem[operand("W")] == mine.weights
        assert node.operand_size_elem[operand("O")] == mine.outputs
