"""The comparison of FP8 with INT8: integrals against quadrature, and the whole command."""

import re
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from helpers.paths import ROOT

from macwright.hw.formats import parse_format

FOLDER = ROOT / "examples" / "fp8_versus_int8"


@pytest.fixture(autouse=True)
def beside_the_example(monkeypatch):
    """The example's modules by their own names, which no other test sees."""
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in ("accuracy", "picture", "run"):
        sys.modules.pop(name, None)


DENSITIES = {
    "uniform": lambda x: np.where(np.abs(x) <= 1, 0.5, 0.0),
    "normal": lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    "Student-t(3)": lambda x: 2 / (np.pi * np.sqrt(3) * (1 + x**2 / 3) ** 2),
}


@pytest.mark.parametrize("name", DENSITIES)
@pytest.mark.parametrize("fmt", ["int8", "e4m3wp", "e2m5wp"])
def test_error_is_that_of_quadrature(name, fmt):
    from accuracy import DISTRIBUTIONS, mean_squared_error  # pyright: ignore

    (data,) = (d for d in DISTRIBUTIONS if d.name == name)
    levels = parse_format(fmt).levels()
    scale = 4.3 / levels[-1]
    edge = 3e5
    x = np.sinh(np.linspace(-np.arcsinh(edge), np.arcsinh(edge), 4_000_001))
    nearest = scale * levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, x / scale)]
    want = np.trapezoid((x - nearest) ** 2 * DENSITIES[name](x), x)
    assert mean_squared_error(levels, data, scale) == pytest.approx(want, rel=1e-4)


def test_bits_of_accuracy_are_the_published_ones_where_they_are_known():
    from accuracy import DISTRIBUTIONS, bits_of_accuracy  # pyright: ignore

    uniform, normal, student = DISTRIBUTIONS
    # A quantiser of 2**n levels that just fill the range has n bits.
    for bits in (3, 4):
        levels = np.arange(-(2**bits) + 1, 2**bits, 2) / 2**bits
        assert bits_of_accuracy(levels, uniform) == pytest.approx(bits, abs=1e-6)
    # Max (1960): the best uniform quantisers of a normal variable.
    for n_levels, error in ((4, 0.1188), (8, 0.03744), (16, 0.01154)):
        levels = np.arange(-n_levels + 1, n_levels, 2.0)
        assert 4 ** -bits_of_accuracy(levels, normal) == pytest.approx(error, rel=5e-3)
    # The whitepaper's conclusion: outliers are what exponent bits are good for.
    order = {
        data.name: sorted(
            (bits_of_accuracy(parse_format(name).levels(), data), name)
            for name in ("int8", "e2m5wp", "e4m3wp", "e5m2wp")
        )
        for data in (uniform, normal, student)
    }
    assert order["uniform"][-1][1] == "int8"
    assert order["normal"][-1][1] == "e2m5wp"
    assert [name for _, name in order["Student-t(3)"]] == ["int8", "e2m5wp", "e5m2wp", "e4m3wp"]


@pytest.mark.parametrize(
    ("fmt", "name", "bits"),
    # FP8 versus INT8 for efficient deep learning inference, arXiv 2303.17951, its table of bits.
    [
        ("e4m3wp", "uniform", 5.44),
        ("e4m3wp", "Student-t(3)", 5.16),
        ("e5m2wp", "Student-t(3)", 4.25),
    ],
)
def test_bits_of_accuracy_are_those_of_the_whitepaper(fmt, name, bits):
    from accuracy import DISTRIBUTIONS, bits_of_accuracy  # pyright: ignore

    (data,) = (d for d in DISTRIBUTIONS if d.name == name)
    assert bits_of_accuracy(parse_format(fmt).levels(), data) == pytest.approx(bits, abs=0.006)


@pytest.mark.parametrize("name", DENSITIES)
def test_no_scale_is_better_than_the_one_that_is_found(name):
    from accuracy import DISTRIBUTIONS, bits_of_accuracy, mean_squared_error  # pyright: ignore

    (data,) = (d for d in DISTRIBUTIONS if d.name == name)
    levels = parse_format("e5m2wp").levels()
    bits = bits_of_accuracy(levels, data)
    for scale in np.random.default_rng(0).uniform(-30, 8, 300):
        error = mean_squared_error(levels, data, 2.0**scale)
        assert np.log2(data.power / error) / 2 <= bits + 1e-9


def test_command_prints_tables_and_writes_them_with_a_picture(monkeypatch, capsys, tmp_path):
    import run  # pyright: ignore

    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["run.py", "-o", str(tmp_path)])
    run.main()
    out = capsys.readouterr().out
    for name in ("nangate45", "asap7"):
        assert f"{name}: ratios divide by int_mac_int8_int8_int27_" in out
    (correlation,) = re.findall(r"rank correlation (0\.\d+) over the 2\d units of the reg", out)
    assert float(correlation) > 0.9
    table = pd.read_csv(tmp_path / "costs.csv").set_index(["operands", "accumulator"])
    assert len(table) == 14
    formula = table["formula gates"].to_dict()
    assert formula["e4m3fin", "fixed"] == 1065
    assert int(np.asarray(table["formula gates"].notna()).sum()) == 5
    for column in ("nangate45 um2", "asap7 um2", "nangate45 fJ", "asap7 fJ"):
        ratio = table[f"{column} / INT8"].to_dict()
        assert ratio["int8", "fixed"] == 1
        assert 1 < ratio["e4m3fin", "fixed"] < ratio["e5m2fin", "fixed"] < 3
        assert ratio["e4m3fin", "fp32"] > ratio["e4m3fin", "fp16"]
    picture = ElementTree.parse(tmp_path / "costs.svg").getroot()
    tags = [element.tag.rpartition("}")[2] for element in picture.iter()]
    # A bar for each unit but the plain one, in two libraries, area and energy; five by formula.
    assert tags.count("title") == 13 * 4 + 5
