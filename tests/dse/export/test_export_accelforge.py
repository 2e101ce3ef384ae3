"""Workloads for AccelForge against the layers, and as AccelForge itself counts them."""

import json

import pytest
from helpers.export_run import POINT, exported, write_export_run

from macwright.dse.export.exporters import export_point
from macwright.hw.errors import RefusedInput


def test_einsums_of_a_small_network(tmp_path):
    run = write_export_run(tmp_path, ("int4", "int8"), ("int3", "int6"))
    (path,) = export_point(run, POINT, "accelforge", tmp_path / "out")
    einsums = json.loads(path.read_text())["workload"]["einsums"]
    assert len(einsums) == len(run.workload.layers)
    bits = [[access["bits_per_value"] for access in e["tensor_accesses"]] for e in einsums]
    assert [pair[:2] for pair in bits] == [[8, 4], [6, 3]]
    assert [a.get("output", False) for a in einsums[0]["tensor_accesses"]] == [False, False, True]
    for einsum, layer in zip(einsums, run.workload.layers, strict=True):
        product = 1
        for limits in einsum["iteration_space_shape"]:
            product *= int(limits.split("<")[-1])
        assert product == layer.macs


def test_blocks_are_refused(tmp_path):
    run = write_export_run(tmp_path, ("mxint8", "mxint8"))
    with pytest.raises(RefusedInput, match="must have whole bits for a value in AccelForge"):
        export_point(run, POINT, "accelforge", tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fashion_cnn", "dscnn_kws", "resnet8_cifar10"])
def test_accelforge_counts_it(name, tmp_path):
    """Products, weights and outputs as AccelForge counts them (pip install accelforge)."""
    accelforge = pytest.importorskip("accelforge")
    workload, path = exported("accelforge", name, tmp_path)
    read = accelforge.Spec.from_yaml(str(path)).workload
    for number, (einsum, layer) in enumerate(zip(read.einsums, workload.layers, strict=True)):
        assert read.n_computes(einsum.name) == layer.macs
        assert read.get_tensor_size(f"W{number}") == layer.weights
        assert read.get_tensor_size(f"S{number}") == layer.outputs
