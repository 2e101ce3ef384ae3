"""Cache: whole or absent, whatever happens to its files."""

import json
import subprocess
import sys

import pytest

from macwright.costmodel.cache import Cache, cache_dir, content_key

KEY = content_key(verilog="module m; endmodule", tool="x 1.0")
RESULT = {"area": 7, "depth": None, "names": ["a", "µ"], "ratio": 0.1}


def test_key_depends_on_every_part_and_not_on_their_order():
    keys = {
        content_key(a=1, b="2"),
        content_key(a=1, b=2),
        content_key(a="1", b="2"),
        content_key(a=1, c="2"),
        content_key(a=[1, "2"]),
        content_key(),
    }
    assert len(keys) == 6
    assert content_key(b="2", a=1) == content_key(a=1, b="2")


def test_result_comes_back_equal(tmp_path):
    cache = Cache("kind", folder=tmp_path)
    assert cache.get(KEY) is None
    cache.put(KEY, RESULT)
    assert cache.get(KEY) == RESULT
    assert Cache("other", folder=tmp_path).get(KEY) is None
    assert cache.get(content_key(other=1)) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[: len(raw) // 2],
        lambda raw: raw.replace(b'"area": 7', b'"area": 8'),
        lambda raw: raw.replace(KEY.encode(), b"0" * 64),
        lambda raw: b"\x80\x04\x95 pickle?",
        lambda raw: b"[1, 2]",
        lambda raw: b"[" * 100_000,
        lambda raw: b"null",
    ],
)
def test_damaged_file_counts_as_absent_and_is_replaced(tmp_path, damage):
    cache = Cache("kind", folder=tmp_path)
    cache.put(KEY, RESULT)
    raw = cache.path(KEY).read_bytes()
    assert damage(raw) != raw
    cache.path(KEY).write_bytes(damage(raw))
    assert cache.get(KEY) is None
    cache.put(KEY, RESULT)
    assert cache.get(KEY) == RESULT


def test_cache_that_cannot_be_written_is_only_slower(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cache = Cache("kind", folder=blocked)
    cache.put(KEY, RESULT)
    cache.put_bytes(KEY, b"bytes")
    assert (cache.get(KEY), cache.get_bytes(KEY)) == (None, None)
    assert blocked.read_text() == "not a folder"
    cache = Cache("kind", folder=tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        cache.put(KEY, {"area": float("nan")})
    assert not list((tmp_path / "kind").rglob("*"))
    assert cache.get(KEY) is None


def test_bytes_come_back_equal_and_under_their_own_key_alone(tmp_path):
    cache, other = Cache("kind", folder=tmp_path), content_key(other=1)
    cache.put_bytes(KEY, b"\x00some\xff")
    assert cache.get_bytes(KEY) == b"\x00some\xff"
    assert cache.get(KEY) is None
    cache.path(other, "bytes").parent.mkdir(parents=True, exist_ok=True)
    cache.path(KEY, "bytes").rename(cache.path(other, "bytes"))
    assert cache.get_bytes(other) is None


@pytest.mark.parametrize("kind", ["json", "bytes"])
def test_no_flipped_bit_gives_another_result(tmp_path, kind):
    cache = Cache("kind", folder=tmp_path)
    cache.put(KEY, RESULT)
    cache.put_bytes(KEY, bytes(range(40)))
    path = cache.path(KEY, kind)
    get = cache.get if kind == "json" else cache.get_bytes
    right, raw = get(KEY), path.read_bytes()
    for bit in range(0, 8 * len(raw), 3):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert get(KEY) in (None, right), f"bit {bit}"


def test_two_processes_at_once(tmp_path):
    # Both write the same 40 keys again and again, and read them all the while.
    code = """
import sys
from pathlib import Path
from macwright.costmodel.cache import Cache, content_key
cache = Cache("kind", folder=Path(sys.argv[1]))
for turn in range(5):
    for n in range(40):
        key = content_key(n=n)
        if turn:
            assert cache.get(key) == {"n": n, "pad": "x" * 5000}, "read a half-written file"
        cache.put(key, {"n": n, "pad": "x" * 5000})
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [(b"", 0)] * 2
    names = [p.name for p in (tmp_path / "kind").rglob("*") if p.is_file()]
    assert len(names) == 40
    assert all(name.endswith(".json") for name in names)
    assert all(json.loads(p.read_text()) for p in (tmp_path / "kind").rglob("*.json"))


def test_folder_is_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MACWRIGHT_CACHE", str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"
    monkeypatch.delenv("MACWRIGHT_CACHE")
    assert cache_dir().parts[-2:] == (".cache", "macwright")
