"""Inputs that once ended in a traceback, a warning, a hang or words that tell a user nothing.

Those that are small are files in `files/`, named by their reader and by what is wrong; the others
are made here. Each takes the place of the reader's good file in a folder of good ones, and its
command must refuse it: status 1, one sentence, no warning, nothing left, in 10 s and 3 GB.
"""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.paths import ROOT, SHARED
from helpers.readers import READERS, environment, limited_memory, prepare, verdict
from onnx import TensorProto, numpy_helper

FILES = sorted((ROOT / "tests" / "corpus" / "files").iterdir())
MEGA = 1_000_000


def text(old, new):
    """Replace a pattern once."""

    def change(raw):
        changed = re.sub(old.encode(), lambda _: new.encode(), raw, count=1)
        assert changed != raw
        return changed

    return change


def always(content):
    return lambda raw: content


def member(name, data):
    """One array of an archive replaced by bytes."""

    def change(raw):
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w", 8) as new:
            for item in old.namelist():
                new.writestr(
                    item, data(old.read(item)) if item == f"{name}.npy" else old.read(item)
                )
        return out.getvalue()

    return change


def values(name, change):
    """The values of an array changed."""

    def data(raw):
        out = io.BytesIO()
        np.save(out, change(np.load(io.BytesIO(raw))))
        return out.getvalue()

    return member(name, data)


def model(change):
    """A network with something changed."""

    def changed(raw):
        loaded = onnx.load_from_string(raw)
        change(loaded)
        return loaded.SerializeToString()

    return changed


def external(key, value):
    def change(loaded):
        item = loaded.graph.initializer[0]
        item.ClearField("raw_data")
        item.data_location = TensorProto.EXTERNAL
        for name, entry in (("location", "tiny.npz"), (key, value)):
            item.external_data.add(key=name, value=entry)

    return model(change)


def huge_weights(loaded):
    item = loaded.graph.initializer[0]
    item.CopyFrom(numpy_helper.from_array(1e36 * numpy_helper.to_array(item), item.name))


def pads(loaded):
    loaded.graph.node[0].attribute[0].ints[1] = 3 * MEGA


def field(path, value):
    """A value of a JSON document replaced."""

    def change(raw):
        data = json.loads(raw)
        *parents, last = path
        place = data
        for key in parents:
            place = place[key if isinstance(place, list) else str(key)]
        place[last] = value
        return json.dumps(data).encode()

    return change


DEEP = b"[" * 5000
#: Reader, what is done to its good file, and the sentence.
MADE = {
    "solver table: no UTF-8": ("solver table", always(b"l,\xff\n"), r"Options must be a CSV file"),
    "solver table: long cell": ("solver table", text("a,1", f"a,{'z' * 10_000}"), "must be a"),
    "solver table: long integer": ("solver table", text("a,1", f"a,{'9' * 5000}"), "must be a"),
    "solver table: empty": ("solver table", always(b""), "it is empty"),
    "pair table: no UTF-8": ("pair table", always(b"\xfe\xfe,1\n"), "Pairs must be a CSV file"),
    "sensitivities: words": ("sensitivities", text(r"0\.\d+", "much"), "must have a loss"),
    "network: no model": ("network", always(b"not ONNX" * 9), "must be an ONNX model"),
    "network: no opset": (
        "network",
        model(lambda m: m.ClearField("opset_import")),
        "must say the opset of its ONNX operators",
    ),
    "network: opset of old": (
        "network",
        model(lambda m: setattr(m.opset_import[0], "version", -9)),
        "must say an opset of at least 1",
    ),
    "network: an attribute of nowhere": (
        "network",
        model(lambda m: setattr(m.graph.node[0].attribute[0], "ref_attr_name", "a")),
        "Attribute pads of node 'conv' of tiny.onnx must have a value",
    ),
    "network: type 99": (
        "network",
        model(lambda m: setattr(m.graph.initializer[0], "data_type", 99)),
        "Weights 'wc' of .* must be of a type that ONNX knows, not 99",
    ),
    "network: input of no type": (
        "network",
        model(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 0)),
        "Input 'x' of .* must be of a type that ONNX knows, not 0",
    ),
    "network: weights of another size": (
        "network",
        model(lambda m: m.graph.initializer[1].dims.__setitem__(0, 99)),
        r"must hold the 396 elements of their shape \[99, 4\]",
    ),
    "network: a node without outputs": (
        "network",
        model(lambda m: m.graph.node[2].ClearField("output")),
        "must have an output, not none",
    ),
    "network: weights of 1e36": ("network", model(huge_weights), r"must be within \+-1e\+15"),
    "network: pads of 3 million": ("network", model(pads), "elements a sample"),
    "network: length of external data": ("network", external("length", "x"), "external weights"),
    "network: offset of external data": ("network", external("offset", "x"), "external weights"),
    "data: shape beyond all memory": (
        "data",
        member("x_calib", lambda raw: raw.replace(b"(48,", b"(%d," % 10**20)),
        "as large as its shape",
    ),
    "data: negative shape": (
        "data",
        member("x_calib", lambda raw: raw.replace(b"(48,", b"(-1,")),
        "as large as its shape",
    ),
    "data: pickled": (
        "data",
        member("x_calib", lambda raw: raw.replace(b"<f4", b"|O ")),
        "not damaged or pickled objects",
    ),
    "data: bomb": (
        "data",
        values("x_calib", lambda x: np.zeros((2 * MEGA, 1, 4, 4), np.float32)),
        r"must fit into \d+ bytes of memory",
    ),
    "data: values of 1e38": ("data", values("x_calib", lambda x: x + 1e38), r"within \+-1e\+15"),
    "data: not a zip": ("data", always(b"PK\x03\x04"), "must be a NumPy .npz archive"),
    "operands: not a zip": ("operands", always(b"not a zip"), "must be a NumPy .npz archive"),
    "recipe: labels as data": ("recipe", text('"x_calib"', '"y_eval"'), "samples of shape|samples"),
    "recipe: task is a list": ("recipe", text('"classification"', "[1, 2]"), "Recipe's task must"),
    "recipe: offset of 1e23": (
        "recipe",
        lambda raw: raw + b"offset = 1e23\n",
        r"must be within \+-1e\+15",
    ),
    "recipe: nested": ("recipe", lambda raw: raw + b"x = " + DEEP, "nested less deeply"),
    "recipe: no UTF-8": ("recipe", lambda raw: raw + b"# \xff\n", "must be a TOML file"),
    "options: nested": ("options", always(b"x = " + DEEP), "must be TOML"),
    "device: base is a list": ("device", text('"lfe5u-25f"', "[[]]"), "Field base of device"),
    "device: nested": ("device", always(b"base = " + DEEP), "must be a TOML file"),
    "library: nested function": (
        "library",
        text(r'function : "[^"]*"', f'function : "{"(" * 5000}A{")" * 5000}"'),
        "nested less deeply",
    ),
    "library: comment of 110 MB": (
        "library",
        lambda raw: raw + b"/*" + b" " * (110 * MEGA) + b"*/",
        "must have at most .* MB of text",
    ),
    "library: gz bomb": (
        "library",
        lambda raw: gzip.compress(raw + b" " * (110 * MEGA), 1),
        "must have at most .* MB of text",
    ),
    "library: damaged gz": ("library", lambda raw: gzip.compress(raw)[:-9], "whole gzip data"),
    "run: deep allocation": (
        "run and allocations",
        always(b'{"layers":' * 50_000),
        "nested less deeply",
    ),
    "run: empty number": (
        "tables of a run",
        text("864,54", ",54"),
        "must be a finite number",
    ),
    "run: long number": (
        "tables of a run",
        text("864,54", f"{'9' * 5000},54"),
        "must be a finite number",
    ),
    "run: a name of an unseen end": (
        "tables of a run",
        text(r"0\.json", "0.json\0"),
        "front.csv must name allocation files of the run folder",
    ),
    "allocation: no layers": (
        "allocation",
        field(["layers"], {}),
        "Allocation must have layers, not none",
    ),
    "allocation: a unit of a list": (
        "allocation",
        field(["layers", "conv", "unit"], ["a"]),
        r"Field allocation\.layers\.conv\.unit must be a text, not \['a'\]",
    ),
    "allocation: cost of 400 digits": (
        "allocation",
        field(["costs", "frame_ms"], 10**400),
        r"frame_ms must be a finite number, not one of 1329 bits",
    ),
    "allocation: unknown technique": (
        "run to export",
        field(["quantiser", "roundin"], "gptq"),
        "Fields of quantiser must be among",
    ),
    "machine: lanes are a text": (
        "machine",
        field(["machine", "source", "lanes"], "1"),
        r"Field machine\.source\.lanes must be a whole number, not '1'",
    ),
    "machine: another result": (
        "machine",
        field(["machine", "result", "words"], 7),
        "must hold a machine and its own network",
    ),
    "machine: Verilog of elsewhere": (
        "machine",
        field(["machine", "verilog"], ["-oPWNED"]),
        "Files of a machine must be plain names",
    ),
    "unit: tests are a number": ("unit", field(["bench", "tests"], 3), "manifest.json must"),
}
#: Which file of a folder is replaced.
CHOSEN = {
    "run: deep allocation": "allocations/0.json",
    "run: empty number": "layers.csv",
    "run: long number": "layers.csv",
    "run: a name of an unseen end": "front.csv",
    "allocation: unknown technique": "allocations/0.json",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with good files of all readers, the working directory."""
    place = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(place):
        for name, value in environment(place).items():
            patch.setenv(name, value)
        prepare(place)
        yield place


def refused_in_place(reader, place, content):
    good = place.read_bytes()
    place.write_bytes(content)
    try:
        with limited_memory():
            found, said = verdict(list(READERS[reader].command))
    finally:
        place.write_bytes(good)
        shutil.rmtree("out", ignore_errors=True)
    return found, said


@pytest.mark.parametrize("case", MADE)
def test_inputs_that_are_made(case, folder):
    reader, change, sentence = MADE[case]
    entry = READERS[reader]
    place = entry.places()[0]
    if entry.names and case in CHOSEN:
        place = Path(entry.file) / CHOSEN[case]
    found, said = refused_in_place(reader, place, change(place.read_bytes()))
    assert found == "refused", said
    assert re.search(sentence, said), said
    assert not list(folder.rglob("PWNED"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_inputs_that_are_kept(path, folder):
    reader, _, place = path.stem.split("--")
    found, said = refused_in_place(
        reader.replace("_", " "), Path(place.replace("__", "/") + path.suffix), path.read_bytes()
    )
    assert found in ("refused", "answered"), (found, said)


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "cases" / "bad_input").is_dir(), reason="needs ../shared")
def test_inputs_of_others():
    place = SHARED / "cases" / "bad_input" / "_check.py"
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, str(place)], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
