"""Verilog is written where neither the home folder nor its cache can be."""

import os
import subprocess
import sys

import pytest

from macwright.hw import verilog

CODE = """
import os
from macwright.hw.verilog import _give_cache_folder
_give_cache_folder()
print(os.environ.get("XDG_CACHE_HOME", ""))
"""


def cache_folder(**changes):
    """Where Amaranth's Yosys would keep what it compiles, in a process of that environment."""
    names = ("HOME", "XDG_CACHE_HOME", "MACWRIGHT_CACHE")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, env={**environment, **changes}, capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.strip()


def test_writable_home_is_used_as_it_is(tmp_path):
    assert cache_folder(HOME=str(tmp_path)) == ""


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME"])
def test_where_nothing_can_be_written_another_folder_is_found(tmp_path, name):
    (tmp_path / "file").write_text("")
    blocked = {name: str(tmp_path / "file")}
    folder = cache_folder(**blocked)
    assert "macwright-cache-" in folder
    assert not os.path.exists(folder), "a temporary folder was left"  # noqa: PTH110
    own = tmp_path / "own"
    assert cache_folder(**blocked, MACWRIGHT_CACHE=str(own)) == str(own)


def test_failure_of_yosys_is_one_sentence(monkeypatch):
    class YosysError(Exception):
        pass

    def fail(*args, **kwargs):
        raise YosysError("Traceback (most recent call last):\n  File x\nError: no room")

    monkeypatch.setattr(verilog.verilog, "convert", fail)
    with pytest.raises(verilog.ToolError, match=r"could not write the Verilog of u: Error: no roo"):
        verilog.to_verilog(None, name="u")  # type: ignore[arg-type]
