"""Memories: the table at its points, monotonic between them, macros by hand."""

import csv

import numpy as np
import pytest
from helpers.paths import SHARED

from macwright.costmodel.system.memory import DRAM_PJ_PER_BIT, dram_energy_pj, ihp_sram, sram


def test_points_of_the_table_come_out_as_they_are():
    got = sram(kib=64, bits=64, node_nm=22)
    assert (got.read_pj, got.write_pj, got.leakage_mw) == (4.6885, 4.0126, 5.4297)
    assert got.source == "CACTI 7, itrs-hp, 22 nm"
    assert got.read_pj_per_bit == got.read_pj / 64
    assert sram(kib=1024, bits=256, node_nm=22).area_mm2 == pytest.approx(1.55724 * 0.564912, 1e-4)


@pytest.mark.slow
def test_shipped_table_is_what_cacti_gave():
    path = SHARED / "reference" / "cacti_sram.csv"
    if not path.is_file():
        pytest.skip("needs ../shared")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 176
    for row in rows:
        node = float(row["tech"]) * 1000
        got = sram(kib=int(row["kb"]), bits=int(row["bw"]), node_nm=node, cell=row["cell"])
        height, width = map(float, row["hw"].split(" x "))
        want = [1000 * float(row["read_nJ"]), 1000 * float(row["write_nJ"])]
        want += [height * width, float(row["leak_mW"]), float(row["acc_ns"])]
        found = [got.read_pj, got.write_pj, got.area_mm2, got.leakage_mw, got.access_ns]
        np.testing.assert_allclose(found, want, rtol=1e-4)


def test_between_points_the_logarithm_is_linear():
    low, mid, high = (sram(kib=k, bits=32).read_pj for k in (16, 16 * 2**0.5, 32))
    assert mid == pytest.approx((low * high) ** 0.5, rel=1e-5)
    low, mid, high = (sram(kib=8, bits=b).write_pj for b in (64, 96, 128))
    part = np.log(1.5) / np.log(2)
    assert mid == pytest.approx(low ** (1 - part) * high**part, rel=1e-5)
    middle = sram(kib=8, bits=32, node_nm=(22 * 45) ** 0.5)
    ends = [sram(kib=8, bits=32, node_nm=n).area_mm2 for n in (22, 45)]
    assert middle.area_mm2 == pytest.approx((ends[0] * ends[1]) ** 0.5, rel=1e-5)
    assert "assumed: a power of the node" in middle.source


def test_interpolation_meets_points_that_are_left_out():
    # Every second size left out: what its neighbours say is close to what CACTI says.
    errors = []
    for kib in (4, 16, 64, 256):
        for bits in (32, 64, 128, 256):
            ends = [sram(kib=k, bits=bits).read_pj for k in (kib / 2, kib * 2)]
            errors.append(abs((ends[0] * ends[1]) ** 0.5 / sram(kib=kib, bits=bits).read_pj - 1))
    assert np.mean(errors) < 0.15


@pytest.mark.parametrize(
    ("words", "bits", "macro", "beside", "stacked"),
    [(64, 64, "64x64_c2", 1, 1), (1024, 8, "1024x8_c2", 1, 1), (4000, 30, "4096x16_c3", 2, 1)],
)
def test_memory_of_macros(words, bits, macro, beside, stacked):
    figures = {
        "64x64_c2": (50489.1, 39.0507, 50.4983),
        "1024x8_c2": (49419.2, 15.5961, 19.9179),
        "4096x16_c3": (257608.5, 58.6440, 72.4898),
    }
    area, read, write = figures[macro]
    got = ihp_sram(words=words, bits=bits)
    assert got.source == f"IHP SG13G2, {beside * stacked} macros {macro}"
    assert got.area_mm2 == pytest.approx(beside * stacked * area * 1e-6)
    assert (got.read_pj, got.write_pj) == pytest.approx((beside * read, beside * write))


def test_stacked_macros_are_accessed_one_at_a_time():
    assert ihp_sram(words=8192, bits=64).read_pj == ihp_sram(words=2048, bits=64).read_pj
    assert ihp_sram(words=8192, bits=64).area_mm2 == 4 * ihp_sram(words=2048, bits=64).area_mm2


def test_dram_by_the_bit():
    assert dram_energy_pj(10, kind="ddr3") == 700
    assert sorted(DRAM_PJ_PER_BIT) == ["ddr3", "hbm2", "hbm3", "lpddr4"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: sram(kib=0.5, bits=32), r"^SRAM capacity in KiB must be from 1 to 1024, not 0.5$"),
        (lambda: sram(kib=8, bits=8), r"^SRAM width in bits must be from 32 to 256, not 8$"),
        (lambda: sram(kib=8, bits=32, node_nm=3), r"^Technology node in nm must be from 7 to 180"),
        (lambda: sram(kib=8, bits=32, cell="6t"), r"^SRAM cell must be one of itrs-hp, itrs-lop"),
        (lambda: ihp_sram(words=0, bits=8), r"^Memory must have at least one word of one bit"),
        (lambda: dram_energy_pj(1, kind="ddr9"), r"^DRAM must be one of lpddr4, .* not 'ddr9'$"),
        (lambda: dram_energy_pj(-1), r"^Number of bits must be at least 0, not -1$"),
    ],
)
def test_what_is_out_of_the_table_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
