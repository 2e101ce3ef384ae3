"""Energy with the operands of layers: the streams that they make, cached by their content."""

import numpy as np
import pytest
from helpers.paths import SMALL_LIBERTY

from macwright.costmodel.characterize.layer_energy import layer_energies, read_operands
from macwright.costmodel.characterize.many import characterize
from macwright.costmodel.characterize.unit import unit_netlist
from macwright.costmodel.liberty.library import read_liberty
from macwright.costmodel.netlist.build import from_yosys_json
from macwright.costmodel.power import unit as energy_module
from macwright.costmodel.power.measure import measure_energy
from macwright.costmodel.stimulus.named import layer_streams
from macwright.costmodel.technology.catalogue import find_technology
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.hw.formats import IntFormat
from macwright.hw.pe import IntMacSpec, spec_from_fields

FMT = IntFormat(2)
SPEC = IntMacSpec(act=FMT, weight=FMT, acc=IntFormat(6))
OTHER = IntMacSpec(act=FMT, weight=FMT, acc=IntFormat(5))


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))


def codes(layer, spec):
    """Operands of a layer, which is no option of unit `OTHER` if its name is "other"."""
    return None if layer == "other" and spec == OTHER else matrices(layer)


def matrices(layer):
    """No activations but zeros in layer "calm", wild ones in others."""
    rng = np.random.default_rng(len(layer))
    acts = rng.integers(0, 4, (20, 30)) * (layer != "calm")
    return acts, rng.integers(0, 4, (30, 10))


def test_each_unit_and_layer_has_the_energy_of_its_streams(monkeypatch):
    technology = liberty_technology([SMALL_LIBERTY])
    calls = []
    rows = layer_energies(
        [SPEC, OTHER],
        ["calm", "wild", "other"],
        codes,
        technology,
        jobs=2,
        progress=lambda *args: calls.append(args),
    )
    assert list(zip(rows.unit, rows.layer, strict=True)) == [
        *((SPEC.name, layer) for layer in ("calm", "wild", "other")),
        *((OTHER.name, layer) for layer in ("calm", "wild")),
    ]
    assert calls == [("energy of layers", done, 2) for done in range(3)]
    by = rows.set_index(["unit", "layer"]).energy_fj_per_mac
    assert by[SPEC.name, "wild"] > 1.5 * by[SPEC.name, "calm"]
    mapped = from_yosys_json(unit_netlist(SPEC, technology)[1], read_liberty([SMALL_LIBERTY]))
    acts, weights = matrices("wild")
    streams = layer_streams(acts, weights, FMT, FMT, lanes=16)
    want = measure_energy(mapped, mapped.library, streams)
    assert by[SPEC.name, "wild"] == pytest.approx(want.energy_fj_per_cycle, abs=1e-4)
    assert rows.ci95_fj_per_mac[1] == pytest.approx(want.ci95_fj, abs=1e-4)

    # Again: nothing is simulated; other operands are.
    def refuse(*args, **options):
        raise AssertionError("simulated again")

    monkeypatch.setattr(energy_module, "measure_energy", refuse)
    again = layer_energies([SPEC], ["calm", "wild"], codes, technology)
    assert list(again.energy_fj_per_mac) == list(rows.energy_fj_per_mac[:2])
    with pytest.raises(AssertionError, match="simulated again"):
        layer_energies([SPEC], ["wilder"], codes, technology)


def test_row_has_the_energy_of_recorded_operands(tmp_path):
    technology = liberty_technology([SMALL_LIBERTY])
    acts, weights = matrices("wild")
    np.savez(tmp_path / "conv1.npz", activations=acts, weights=weights)
    row = characterize([SPEC], technology, stimulus=read_operands(tmp_path / "conv1.npz")).iloc[0]
    mapped = from_yosys_json(unit_netlist(SPEC, technology)[1], read_liberty([SMALL_LIBERTY]))
    want = measure_energy(mapped, mapped.library, layer_streams(acts, weights, FMT, FMT))
    assert row.energy_fj_per_mac == pytest.approx(want.energy_fj_per_cycle, abs=1e-4)
    assert row.stimulus.startswith("conv1@")
    parts = row.zero_delay_fj_per_mac + row.glitch_fj_per_mac
    assert row.energy_fj_per_mac == pytest.approx(parts, abs=2e-4)
    # Values on the scale of the format are the same codes.
    values = FMT.decode(acts), FMT.decode(weights)
    np.savez(tmp_path / "values.npz", activations=values[0], weights=values[1])
    same = characterize([SPEC], technology, stimulus=read_operands(tmp_path / "values.npz"))
    assert same.energy_fj_per_mac[0] == row.energy_fj_per_mac


def test_operands_that_do_not_fit_are_refused(tmp_path):
    technology = liberty_technology([SMALL_LIBERTY])
    path = tmp_path / "layer.npz"
    np.savez(path, activations=np.full((3, 4), 9), weights=np.zeros((4, 2), dtype=int))
    with pytest.raises(ValueError, match=r"^Activation codes must be unsigned, fit 2 bits"):
        characterize([SPEC], technology, stimulus=read_operands(path))
    np.savez(path, activations=np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"must hold an array 'weights', not only activations"):
        read_operands(path)
    path.write_bytes(b"PK, but not for long")
    with pytest.raises(ValueError, match=r"must be a NumPy \.npz archive"):
        read_operands(path)
    np.savez(path, activations=np.zeros(3), weights=np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"^Arrays of .* must be matrices of numbers$"):
        read_operands(path)
    text = "^Technology must be given by Liberty files to have energies, not ecp5$"
    with pytest.raises(ValueError, match=text):
        layer_energies([SPEC], ["wild"], codes, find_technology("ecp5"))
    dot = spec_from_fields("dot", {"act": "int2", "weight": "int2", "lanes": 2})
    with pytest.raises(ValueError, match=r"must take one product a cycle, not 2$"):
        layer_energies([dot], ["wild"], codes, technology)
