"""Names of strangers reach no shell and no script; one place starts programs."""

import ast
import shutil
import tempfile

from helpers.paths import ROOT, SMALL_LIBERTY

from macwright.costmodel.characterize import unit
from macwright.costmodel.characterize.yosys import run_yosys
from macwright.dse.cli.main import main

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
