"""Damaged files of every reader: answered, or refused in one sentence."""

import contextlib
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from helpers.readers import READERS, environment, limited_memory, prepare, try_reader, verdict

#: Files in each run; fewer of those whose commands start programs.
COUNT = 200
FEWER = {"library": 15, "allocation": 40, "machine": 40, "unit": 6}
FEWER |= {"network": 100, "sensitivities": 100, "run to export": 100}
#: In the slow run, 22,000 of all readers together.
MANY = 2000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder of the test, the working directory, with a cache of its own."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fell(found):
    return {what: n for what, n in found.items() if what not in ("answered", "refused")}


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files(reader, folder):
    prepare(folder, [reader])
    count = FEWER.get(reader, COUNT)
    with limited_memory():
        found: Counter[str] = try_reader(reader, range(count), 1)
    assert found.total() == count
    assert not fell(found), (found, list(Path().glob("fell-*")))


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_many_damaged_files(reader, folder):
    prepare(folder, [reader])
    count = MANY * FEWER.get(reader, COUNT) // COUNT
    with limited_memory():
        found: Counter[str] = try_reader(reader, range(count), 2)
    assert not fell(found), (found, list(Path().glob("fell-*")))


@pytest.mark.parametrize("reader", READERS)
def test_mutators_change_what_is_read_and_depend_on_the_seed_alone(reader, folder):
    prepare(folder, [reader])
    entry = READERS[reader]
    good = entry.places()[0].read_bytes()
    made = [entry.mutator(good, Random(seed)) for seed in range(20)]
    assert made == [entry.mutator(good, Random(seed)) for seed in range(20)]
    assert len({*made, good}) > 10


def test_the_judge_sees_what_falls(folder, monkeypatch):
    from macwright.dse.cli import formats

    def ends(error):
        def run(args):
            raise error

        monkeypatch.setattr(formats, "run", run)
        return verdict(["formats"])[0]

    from macwright.hw.errors import RefusedInput

    assert ends(KeyError("QN")).startswith("traceback: KeyError")
    assert ends(RefusedInput("Rows must be at least 1, not 0")) == "refused"
    assert ends(RefusedInput("min() arg is an empty sequence")).startswith("says nothing")
    assert ends(RefusedInput("'x'")).startswith("says nothing")
    assert ends(RefusedInput("far too much " * 60)).endswith("characters")
    assert ends(MemoryError()).startswith("says nothing")

    def leaves(args):
        Path("left").write_text("")
        raise RefusedInput("Rows must be at least 1, not 0")

    monkeypatch.setattr(formats, "run", leaves)
    assert verdict(["formats"])[0] == "left left"

    def warns(args):
        import warnings

        warnings.warn("overflow in what nobody sees", stacklevel=1)

    monkeypatch.setattr(formats, "run", warns)
    assert verdict(["formats"])[0].startswith("warning: overflow")


def test_memory_is_limited():
    import numpy as np

    with limited_memory(), contextlib.suppress(MemoryError):
        np.zeros(4 << 30, np.uint8)
        pytest.fail("4 GiB were given")
