"""Wrong, cut and hostile inputs through the command line: status 1, one sentence, nothing left."""

import io
import json
import re
import struct
import warnings
import zipfile

import numpy as np
import pytest
from helpers.paths import SMALL_LIBERTY
from helpers.tiny import write_tiny_model

from macwright.costmodel.npz import Archive
from macwright.dse.cli import main as cli

FAST = ["--no-verify", "--measure", "0", "--points", "2", "--weights", "int4"]
FAST += ["--activations", "int8", "--jobs", "1", "-o", "out"]


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Folder with a network and its data, the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    return write_tiny_model(tmp_path)


def refused(arguments, capsys):
    """The sentence that a command is refused with."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli.main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("macwright: error: ")
    assert error.count("\n") == 1
    assert len(error) < 1100
    return error


def member(shape, *, descr="'<f4'", data=b""):
    """An .npy file that says it has a shape."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return path


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (member(f"({10**20},)"), "as large as its shape"),
        (member("(7, -1)", data=bytes(28)), "as large as its shape"),
        (member("(2, 3)", data=bytes(23)), r"24 bytes, not 23"),
        (member("(1,)", descr="'|O'", data=b"\x80\x04N."), "not damaged or pickled objects"),
        (member("(1,)", descr="__import__('os')", data=bytes(4)), "not damaged or pickled"),
        (member("(" * 200), "not damaged or pickled objects"),
        (b"\x93NUMPY\x09\x00", "not damaged or pickled objects"),
        (b"", "not damaged or pickled objects"),
    ],
)
def test_arrays_that_are_not_what_they_say(data, message, tmp_path):
    path = archive(tmp_path / "x.npz", x=data)
    with pytest.raises(ValueError, match=rf"^Array 'x' of x\.npz must be .*{message}"):
        Archive(path)["x"]


def test_arrays_beyond_memory_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    path = archive(tmp_path / "x.npz", x=member("(5000000,)", data=bytes(20_000_000)))
    assert path.stat().st_size < 100_000
    assert Archive(path)["x"].shape == (5_000_000,)
    monkeypatch.setenv("MACWRIGHT_MEMORY", "1000000")
    with pytest.raises(ValueError, match="must fit into 1000000 bytes"):
        Archive(path)["x"]
    monkeypatch.setenv("MACWRIGHT_MEMORY", "-1")
    with pytest.raises(ValueError, match="MACWRIGHT_MEMORY must be a positive whole number"):
        Archive(path)["x"]


@pytest.mark.parametrize("recipe", ["offset = 1e22", "scale = 1e30", "std = 1e-25"])
def test_data_far_from_float32(recipe, tiny, capsys):
    path = tiny.with_suffix(".toml")
    path.write_text(path.read_text() + f"\n{recipe}\n")
    sentence = refused(["dse", str(tiny), *FAST], capsys)
    assert re.search(r"must be within \+-1e\+15, not reach|must be finite numbers", sentence)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('calibration = "y_eval"', "must have samples along its first axis"),
        ("task = [1, 2]", "Recipe's task must be one of classification"),
        ("task = {a = 1}", "Recipe's task must be one of classification"),
        ("layout = [3]", "Recipe's layout must be NCHW"),
        ('scale = "much"', "Recipe's scale must be numbers"),
        ("labels = 4", "must hold an array 4"),
    ],
)
def test_recipes_of_another_kind(line, message, tiny, capsys):
    path = tiny.with_suffix(".toml")
    name = line.split()[0]
    lines = [text for text in path.read_text().splitlines() if not text.startswith(f"{name} ")]
    path.write_text("\n".join([*lines, line]) + "\n")
    assert message in refused(["dse", str(tiny), *FAST], capsys)


def test_run_folders(tiny, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli.main(["dse", str(tiny), *FAST]) == 0
    capsys.readouterr()
    out = tiny.parent / "out"
    layers = (out / "layers.csv").read_text()
    names = layers.splitlines()[0].split(",")
    for value in ("", "many", "nan", "9" * 4000):
        rows = [line.split(",") for line in layers.splitlines()]
        rows[1][names.index("macs")] = value
        (out / "layers.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
        sentence = refused(["report", "out"], capsys)
        assert "layers.csv, layer " in sentence
        assert "macs, must be a finite number" in sentence
    (out / "layers.csv").write_text(layers)
    path = next((out / "allocations").iterdir())
    text = path.read_text()
    path.write_text('{"layers":' * 100_000)
    assert f"{path.name} must be JSON that is nested less deeply" in refused(
        ["report", "out"], capsys
    )
    path.write_text(json.dumps([]))
    refused(["report", "out"], capsys)
    path.write_text(text)


def test_long_entries_are_cut(tmp_path, capsys):
    path = tmp_path / "o.csv"
    path.write_text(f"layer,option,loss,bops\nl,a,{'z' * 9000},1\nl,b,2,3\n")
    sentence = refused(["solve", str(path), "--front", "bops"], capsys)
    assert "z" * 40 in sentence
    assert len(sentence) < 400


def test_archive_reads_what_numpy_writes(tmp_path):
    arrays = {
        "a": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "b": np.float32(3.5),
        "c": np.asfortranarray(np.ones((3, 4))),
        "d": np.zeros((0, 5), np.int16),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", **arrays)
        read = Archive(tmp_path / "x.npz")
        assert sorted(read.names) == sorted(arrays)
        for name, value in arrays.items():
            assert np.array_equal(read[name], value)
            assert read[name].dtype == value.dtype
    buffer = io.BytesIO()
    np.save(buffer, arrays["a"])
    (tmp_path / "y.npz").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match=r"must be a NumPy \.npz archive"):
        Archive(tmp_path / "y.npz")


def test_power_under_a_condition_of_a_pin_that_the_cell_lacks(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    text = SMALL_LIBERTY.read_text()
    library = tmp_path / "x.lib"
    library.write_text(text.replace("pin (QN) {", "function (QN) {"))
    assert library.read_text() != text
    command = ["characterize", "int_mac", "--weight", "int2", "--activation", "int2", "--liberty"]
    assert cli.main([*command, str(library)]) == 1
    note, error = capsys.readouterr().err.splitlines()
    assert note.startswith("macwright: note: 1 cell of library small left out: DFFR")
    assert error.endswith("must be of pins that it has, not of QN")


def test_files_nested_too_deeply(tiny, capsys):
    deep = "[" * 5000
    tiny.with_suffix(".toml").write_text(f"task = {deep}")
    assert "must be a TOML file, nested less deeply" in refused(["dse", str(tiny), *FAST], capsys)
    (tiny.parent / "manifest.json").write_text(deep)
    assert "must be as `macwright generate` wrote it" in refused(["simulate", "."], capsys)
    (tiny.parent / "run.json").write_text(deep)
    command = ["export", ".", "--point", "0", "--to", "qdq"]
    assert "must be the JSON that a run writes" in refused(command, capsys)
