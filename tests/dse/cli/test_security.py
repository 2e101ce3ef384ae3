"""Names of strangers reach no shell and no script; one place starts programs."""

import ast
import csv
import io
import json
import shutil
import tempfile

import onnx
from helpers.paths import ROOT, SMALL_LIBERTY
from helpers.tiny import write_tiny_model

from macwright.costmodel.characterize import unit
from macwright.costmodel.characterize.yosys import run_yosys
from macwright.dse.cli.main import main
from macwright.runs import Run

#: What ends a word, a line or a string in Yosys, Tcl, make and a shell.
HOSTILE = "a\"\n!touch PWNED\n#'$(touch PWNED)`touch PWNED`; ü b"
SOURCES = [p for name in ("hw", "sim", "costmodel", "dse") for p in (ROOT / name).rglob("*.py")]


def test_hostile_places_work_and_stay_out_of_scripts(tmp_path, monkeypatch):
    folder = tmp_path / HOSTILE
    for name in ("cache", "tmp"):
        (folder / name).mkdir(parents=True)
    library = folder / "$(touch PWNED)`touch PWNED` ü b.lib"
    shutil.copy(SMALL_LIBERTY, library)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MACWRIGHT_CACHE", str(folder / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))
    texts = []

    def spy(yosys, script, files, **options):
        texts.extend([script, *files])
        return run_yosys(yosys, script, files, **options)

    monkeypatch.setattr(unit, "run_yosys", spy)
    command = ["characterize", "int_mac", "--weight", "int2", "--activation", "int2", "--jobs", "1"]
    assert main([*command, "--liberty", str(library)]) == 0
    assert texts
    assert not [text for text in texts if "PWNED" in text]
    assert not list(tmp_path.rglob("PWNED"))
    assert not list((folder / "tmp").glob("macwright-own-*"))


def test_names_of_libraries_with_quotes_and_lines_are_refused(tmp_path, capsys):
    library = tmp_path / f"{HOSTILE}.lib"
    shutil.copy(SMALL_LIBERTY, library)
    assert main(["characterize", "int_mac", "--liberty", str(library)]) == 1
    assert "must have a name without quotes and control characters" in capsys.readouterr().err


FORMULA = '=HYPERLINK("http://x"&A1)'


def test_layers_that_are_formulas_are_texts_in_all_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    path = write_tiny_model(tmp_path)
    model = onnx.load(path)
    model.graph.node[0].name = FORMULA
    onnx.save(model, path)
    fast = ["--no-verify", "--measure", "0", "--points", "2", "--weights", "int4", "--jobs", "1"]
    fast += ["--activations", "int8"]
    assert main(["dse", "tiny.onnx", *fast, "-o", "run"]) == 0
    cells = [
        cell
        for table in (tmp_path / "run").glob("*.csv")
        for row in csv.reader(io.StringIO(table.read_text(), newline=""))
        for cell in row
    ]
    assert f"'{FORMULA}" in cells
    assert not [cell for cell in cells if cell[:1] in ("=", "@")]
    # All that reads them takes them for the layer that it is.
    again = ["--sensitivity", "run/sensitivity.csv", "-o", "again"]
    assert main(["dse", "tiny.onnx", *fast, *again]) == 0
    assert (tmp_path / "again" / "front.csv").read_bytes() == (
        tmp_path / "run" / "front.csv"
    ).read_bytes()
    assert Run("run").layers.index[0] == FORMULA
    assert main(["report", "run"]) == 0
    capsys.readouterr()
    assert main(["solve", "run/options.csv", "--json"]) == 0
    assert FORMULA in json.loads(capsys.readouterr().out)["allocation"]


def test_one_place_starts_programs_and_nothing_runs_input():
    starts = {"subprocess.run", "subprocess.Popen", "subprocess.check_output", "subprocess.call"}
    never = {"eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "yaml.load"}
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                shell = any(k.arg == "shell" for k in node.keywords) and "shtab" not in name
                if name in starts | never or shell:
                    found.add((path.relative_to(ROOT).as_posix(), name))
    # A netlist becomes Python of our own: numbers of nets and truth tables, no names.
    # The check of formats for extensions reads what it has pickled itself.
    assert found == {
        ("sim/owned.py", "subprocess.Popen"),
        ("costmodel/power/activity.py", "exec"),
        ("dse/public/testing/formats.py", "pickle.loads"),
    }
