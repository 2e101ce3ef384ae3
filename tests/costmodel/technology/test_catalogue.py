"""Records of technologies: complete, consistent with the generator, and the only place."""

import re

import pytest
from helpers.paths import ROOT, SMALL_LIBERTY

from macwright.costmodel.technology.catalogue import (
    LIBERTY_NAMES,
    RECORDS,
    find_technology,
    technology_help,
)
from macwright.costmodel.technology.liberty import liberty_technology
from macwright.hw.arith.hard_multipliers import MULTIPLIER_CELLS
from macwright.hw.arith.target import TARGETS


@pytest.mark.parametrize("name", RECORDS)
def test_records_are_complete(name):
    record = RECORDS[name]
    assert find_technology(name).record is record
    assert record.target in TARGETS
    assert name in technology_help()
    assert (record.kind == "fpga") == (record.primitives is not None)
    # Memories are scaled to a node, and energies are of cells.
    assert (record.kind == "cells") == (record.node_nm is not None) == record.energy
    assert bool(record.dont_use) == (record.kind == "cells")


@pytest.mark.parametrize("name", [name for name, r in RECORDS.items() if r.primitives])
def test_hard_blocks_are_those_of_the_generator_and_of_the_data_sheets(name):
    cells = RECORDS[name].primitives
    assert cells is not None
    assert MULTIPLIER_CELLS[name] == (cells.dsp.cell, *cells.dsp.widths)
    # Every configuration holds the same bits, but for parity, which is one bit in nine.
    capacity = {"DP16KD": 16384, "SB_RAM40_4K": 4096, "RAMB36E1": 32768}[cells.block_ram.cell]
    for words, bits in cells.block_ram.shapes:
        assert words * bits in (capacity, capacity * 9 // 8)


def test_no_other_file_compares_names_of_technologies():
    """Names of cell libraries stand in the catalogue and presets, but in help, docs and flows."""
    pattern = re.compile(rf'"({"|".join(LIBERTY_NAMES)})"')
    places = [
        path.relative_to(ROOT).as_posix()
        for package in ("hw", "sim", "costmodel", "dse")
        for path in (ROOT / package).rglob("*.py")
        if pattern.search(path.read_text())
    ]
    assert places == ["costmodel/technology/catalogue.py", "dse/cli/presets.py"]


def test_a_library_of_the_users_own_has_the_node_that_is_said():
    own = liberty_technology([SMALL_LIBERTY], name="mylib", node_nm=28)
    assert (own.record.kind, own.record.node_nm, own.record.energy) == ("cells", 28, True)
    assert liberty_technology([SMALL_LIBERTY], name="mylib").record.node_nm is None
    named = liberty_technology([SMALL_LIBERTY], name="nangate45", node_nm=45)
    assert named.record is RECORDS["nangate45"]


@pytest.mark.parametrize(
    ("name", "node_nm", "message"),
    [
        ("nangate45", 28, "node of nangate45 must be its own, 45 nm, not 28"),
        ("mylib", 0, "node must be above 0 nm, not 0"),
        ("mylib", float("nan"), "node must be above 0 nm, not nan"),
        ("ecp5", None, "Liberty files must come with a cell library, not ecp5"),
    ],
)
def test_nodes_and_names_that_are_refused(name, node_nm, message):
    with pytest.raises(ValueError, match=message):
        liberty_technology([SMALL_LIBERTY], name=name, node_nm=node_nm)
