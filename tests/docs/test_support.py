"""The tables of docs/support.md name what the code has."""

import re

from helpers.paths import ROOT

from macwright.costmodel.technology.catalogue import RECORDS
from macwright.costmodel.technology.devices import DEVICES
from macwright.sim.simulators import OLDEST

TEXT = (ROOT / "docs" / "support.md").read_text()


def test_every_technology_has_a_row():
    rows = re.findall(r"^\| (`[^|]+`) \|", TEXT, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(RECORDS)


def test_every_device_is_named():
    named = set(re.findall(r"`((?:lfe5u|ice40)-\w+)`", TEXT))
    assert named == set(DEVICES)


def test_the_oldest_verilator_is_that_of_the_code():
    (oldest,) = re.findall(r"Verilator from ([\d.]+)", TEXT)
    assert tuple(map(int, oldest.split("."))) == OLDEST


def test_pythons_are_those_of_ci():
    matrix = re.search(r"python: \[(.+)\]", (ROOT / ".github/workflows/ci.yml").read_text())
    assert matrix is not None
    (row,) = re.findall(r"^\| Python \|.*$", TEXT, re.MULTILINE)
    assert set(re.findall(r"3\.\d+", row)) == set(re.findall(r"3\.\d+", matrix[1]))
