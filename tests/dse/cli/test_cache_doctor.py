"""What is kept between runs, and what is installed."""

import json

import pytest

from macwright.costmodel.cache import Cache, content_key
from macwright.dse.cli.main import main


def test_clear_deletes_our_files_and_no_others(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path))
    key = content_key(a=1)
    Cache("kind").put(key, {"b": 2})
    Cache("kind").put_bytes(key, b"12345")
    theirs = [tmp_path / "notes.txt", tmp_path / "kind" / "mine.json", tmp_path / "a" / "bb" / "c"]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")
    assert main(["cache", "show", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folder"] == str(tmp_path)
    assert shown["kinds"]["kind"]["files"] == 2
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out.startswith("2 files, ")
    assert Cache("kind").get(key) is None
    assert Cache("kind").get_bytes(key) is None
    assert [path.read_text() for path in theirs] == ["theirs"] * 3
    assert main(["cache", "show"]) == 0
    assert capsys.readouterr().out == f"0 files, 0.0 MB, in {tmp_path}\n"


def test_doctor_says_what_is_missing_and_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("MACWRIGHT_CACHE", "/dev/null/none")
    assert main(["doctor", "--json"]) == 1
    checks = {check["part"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["numpy"]["state"] == "ok"
    assert checks["icarus"]["state"] == "missing"
    assert "apt-get install iverilog" in checks["icarus"]["detail"]
    assert checks["cache"]["state"] == "optional"
    assert "set MACWRIGHT_CACHE" in checks["cache"]["detail"]


@pytest.mark.parametrize("words", [["cache", "empty"], ["cache"], ["doctor", "now"]])
def test_wrong_words_are_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
