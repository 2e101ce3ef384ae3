"""Damaged files: good ones with bytes, numbers and words changed, or with their structure changed.

Each mutator takes the bytes of a good file and a random generator, and gives those of another; what
it changes depends on the generator alone.
"""

import copy
import csv
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import onnx

__all__ = [
    "Mutator",
    "damaged_bytes",
    "damaged_csv",
    "damaged_json",
    "damaged_liberty",
    "damaged_npz",
    "damaged_onnx",
    "damaged_toml",
]

Mutator = Callable[[bytes, Random], bytes]

#: Numbers and signs, as bytes of a text.
_NUMBERS = (b"7", b"0.25", b"3", b"-1", b"0", b"1e400", b"nan", b"1e-320", b"9" * 400, b"")
_NUMBERS += (b"0x1p3", b"'", b"1,5", b"1e38", b"inf", b"3000000", b"2147483648")
_WORDS = (b"(", b")", b"{", b"}", b'"', b"\\", b"\0", b"\xff", b",", b"\n", b"=", b"[" * 3000)
#: Values that a field may hold and should not, or seldom does.
_INTS = (0, -1, 1, 2, 3, 7, 99, 65536, 3_000_000, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 10**400)
_FLOATS = (0.0, -1.0, 0.5, float("nan"), float("inf"), -float("inf"), 1e38, 1e300, 1e-45, -1e-320)
_TEXTS = ("", "x", " ", "a b", "é", "\0", "a/b", "../../etc", '"', "x" * 5000, "N", "=1+1", "\n")
_TEXTS += ("\u200b", "0", "1e9", "int4", "conv", "{}", "%s%n", "9" * 5000, "C" * 200_000)
_OTHER = (None, True, False, [], {}, [[]], {"a": 1}, ["a", 1], [1] * 20)


def damaged_bytes(raw: bytes, rng: Random) -> bytes:
    """One to three things changed that any file has: bits, pieces, numbers, words, lines."""
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(raw) + 1)
        kind = rng.randrange(7)
        if kind == 0 and raw:
            bit = rng.randrange(8 * len(raw))
            raw = raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :]
        elif kind == 1:
            raw = raw[:at] + raw[at + rng.randint(1, 40) :]
        elif kind == 2:
            raw = raw[:at] + rng.choice(_WORDS) + raw[at:]
        elif kind == 3 and (found := list(re.finditer(rb"\d+(\.\d+)?", raw))):
            match = rng.choice(found)
            raw = raw[: match.start()] + rng.choice(_NUMBERS) + raw[match.end() :]
        elif kind == 4 and (lines := raw.split(b"\n")):
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            raw = b"\n".join(lines)
        elif kind == 5 and (found := list(re.finditer(rb"[A-Za-z_]{3,}", raw))):
            old, new = rng.choice(found), rng.choice(found)
            raw = raw[: old.start()] + new[0] + raw[old.end() :]
        elif kind == 6:
            raw = raw[:at]
    return raw


def _value(rng: Random) -> Any:
    # A copy: what is put into a document may be changed there.
    return copy.deepcopy(rng.choice(rng.choice((_INTS, _FLOATS, _TEXTS, _OTHER))))


def damaged_json(raw: bytes, rng: Random) -> bytes:
    """One or two values of a JSON document replaced, removed, repeated, swapped or renamed."""
    data = json.loads(raw)
    for _ in range(rng.randint(1, 2)):
        places = list(_containers(data))
        if not places:
            break
        box = rng.choice(places)
        key = rng.choice(list(box) if isinstance(box, dict) else range(len(box)))
        kind = rng.randrange(6)
        if kind < 3:
            box[key] = _value(rng)
        elif kind == 3:
            del box[key]
        elif kind == 4:
            # Something of elsewhere in the document.
            other = rng.choice(places)
            found = rng.choice(list(other.values()) if isinstance(other, dict) else other)
            box[key] = json.loads(json.dumps(found))
        elif isinstance(box, dict):
            box[rng.choice((*box, *_TEXTS))] = box.pop(key)
        else:
            box.insert(rng.randrange(len(box)), box[key])
    return json.dumps(data).encode()


def _containers(data: Any) -> Iterator[Any]:
    """Objects and lists of a document that hold something."""
    if isinstance(data, dict | list) and data:
        yield data
        for item in data.values() if isinstance(data, dict) else data:
            yield from _containers(item)


def damaged_csv(raw: bytes, rng: Random) -> bytes:
    """One to three cells, rows or columns of a table changed."""
    rows = list(csv.reader(io.StringIO(raw.decode(), newline="")))
    for _ in range(rng.randint(1, 3)):
        row = rng.choice(rows)
        at = rng.randrange(len(row)) if row else 0
        kind = rng.randrange(8)
        if kind < 3 and row:
            row[at] = str(_value(rng))
        elif kind == 3 and row:
            row[at] = rng.choice(rng.choice([r for r in rows if r] or [[""]]))
        elif kind == 4 and row:
            del row[at]
        elif kind == 5:
            row.insert(at, str(_value(rng)))
        elif kind == 6:
            rows.insert(rng.randrange(len(rows) + 1), list(row))
        elif kind == 7:
            if rng.random() < 0.5 and len(rows) > 1:
                rows.remove(row)
            else:  # a column goes or is doubled
                double = rng.random() < 0.5
                for line in rows:
                    line[at : at + 1] = line[at : at + 1] * (2 if double else 0)
    out = io.StringIO()
    csv.writer(out, lineterminator=rng.choice(("\n", "\r\n"))).writerows(rows)
    return out.getvalue().encode()


def damaged_toml(raw: bytes, rng: Random) -> bytes:
    """One or two values of a TOML file of simple lines replaced, removed or renamed."""
    lines = raw.decode().splitlines()
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(lines))
        name, equals, _ = lines[at].partition("=")
        kind = rng.randrange(6)
        if kind < 4:
            lines[at] = f"{name}{equals or '='} {_toml(_value(rng))}"
        elif kind == 4:
            lines[at] = lines[at].replace(name.strip(), rng.choice(("x", "a.b", "task", '""')), 1)
        else:
            lines[at] = rng.choice((f"[{name.strip()}]", f"[[{name.strip()}]]", ""))
    return "\n".join(lines).encode() + b"\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if value is None:
        return "1979-05-27T07:32:00Z"
    return str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


_DTYPES = ("<f4", "<f8", ">f4", "<f2", "|i1", "|u1", "<i8", "<u8", "<c8", "|b1", "|O", "<U3", "|S4")
_DTYPES += ("<M8[s]", "|V4", "<f16", "x", "[('a', '<f4')]")
_WORDS32 = tuple(struct.pack("<f", value) for value in (*_FLOATS[:7], _FLOATS[8]))


def damaged_npz(raw: bytes, rng: Random) -> bytes:
    """An array of an archive with another header, other values, another name, or none."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    data = members[name]
    head, body = data[:128], data[128:]
    kind = rng.randrange(7)
    if kind == 0:
        head = re.sub(rb"'<[fi]\d'", repr(rng.choice(_DTYPES)).encode(), head)
    elif kind == 1:
        size = rng.choice(_INTS)
        head = re.sub(rb"\((\d+)", b"(" + str(size).encode(), head)
    elif kind == 2:
        head = re.sub(rb"\(.*\)", rng.choice((b"()", b"(0,)", b"(1, 1)", b"(48, 4, 4)")), head)
    elif kind == 3:
        for _ in range(rng.randint(1, 40)):
            at = 4 * rng.randrange(max(1, len(body) // 4))
            body = body[:at] + rng.choice(_WORDS32) + body[at + 4 :]
    elif kind == 4:
        body = rng.choice(_WORDS32) * (len(body) // 4)
    elif kind == 5:
        del members[name]
    else:
        name = rng.choice(("../x.npy", "x", "x_calib.npy", "y_eval.npy", "é.npy", ".npy"))
    if kind != 5:
        members[name] = head + body
    out = io.BytesIO()
    packed = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(out, "w", packed) as archive:
        for key, content in members.items():
            # ZipInfo has the first time that there is: a name alone would take the time of day.
            archive.writestr(zipfile.ZipInfo(key), content, packed)
    return out.getvalue() if rng.random() < 0.8 else damaged_bytes(out.getvalue(), rng)


def damaged_onnx(raw: bytes, rng: Random) -> bytes:
    """One to three fields of the messages of a model changed, removed or repeated."""
    model = onnx.load_from_string(raw)
    for _ in range(rng.randint(1, 3)):
        # Few messages hold most of the bytes: depth is drawn before the message.
        levels = list(_messages(model))
        message = rng.choice(levels[rng.randrange(len(levels))])
        fields = [field for field, _ in message.ListFields()]
        if not fields or rng.random() < 0.15:
            fields = list(message.DESCRIPTOR.fields)
        _change(message, rng.choice(fields), rng)
    return model.SerializeToString()


def _messages(top: Any) -> Iterator[list[Any]]:
    """Messages in a message, by depth."""
    level = [top]
    while level:
        yield level
        below = []
        for message in level:
            for field, value in message.ListFields():
                if field.message_type is not None:
                    below += list(value) if _is_repeated(field) else [value]
        level = below


def _is_repeated(field: Any) -> bool:
    # Older packages have labels alone, and newer ones warn of them.
    known = getattr(field, "is_repeated", None)
    return field.label == field.LABEL_REPEATED if known is None else known


def _change(message: Any, field: Any, rng: Random) -> None:
    """Give a field another value, as far as its type takes it."""
    value = getattr(message, field.name)
    if field.message_type is not None:
        if _is_repeated(field) and value:
            at = rng.randrange(len(value))
            if rng.random() < 0.5:
                del value[at]
            else:
                value.add().CopyFrom(value[rng.randrange(len(value))])
        elif _is_repeated(field):
            value.add()
        elif rng.random() < 0.5:
            message.ClearField(field.name)
        else:
            value.SetInParent()
        return
    new = _scalar(field, value, rng)
    try:
        if not _is_repeated(field):
            setattr(message, field.name, new)
        elif value and rng.random() < 0.7:
            value[rng.randrange(len(value))] = new
        else:
            value.append(new)
    except (ValueError, TypeError):  # a number beyond the field's type
        message.ClearField(field.name)


def _scalar(field: Any, value: Any, rng: Random) -> Any:
    if field.cpp_type in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return rng.choice(_FLOATS)
    if field.type == field.TYPE_BYTES:
        if _is_repeated(field) or not value:
            return rng.choice(_TEXTS).encode()
        if rng.random() < 0.5:
            return rng.choice(_WORDS32) * (len(value) // 4)
        return damaged_bytes(value, rng)
    if field.type == field.TYPE_STRING:
        return rng.choice(_TEXTS)
    return rng.choice(_INTS)


def damaged_liberty(raw: bytes, rng: Random) -> bytes:
    """Groups of a library removed, repeated or moved, values of attributes exchanged."""
    for _ in range(rng.randint(1, 2)):
        kind = rng.randrange(4)
        groups = list(_groups(raw))
        first, last = rng.choice(groups)
        if kind == 0:
            raw = raw[:first] + raw[last:]
        elif kind == 1:
            raw = raw[:first] + raw[first:last] + raw[first:last] + raw[last:]
        elif kind == 2:
            other, _ = rng.choice(groups)
            raw = raw[:other] + raw[first:last] + raw[other:]
        elif found := list(re.finditer(rb":\s*([^;\n]+);", raw)):
            match = rng.choice(found)
            new = rng.choice((rng.choice(found)[1], str(_value(rng)).encode(), b"", b'""'))
            raw = raw[: match.start(1)] + new + raw[match.end(1) :]
    return raw


def _groups(raw: bytes) -> Iterator[tuple[int, int]]:
    """Where groups ``name (...) { ... }`` begin and end."""
    starts: list[int] = []
    for match in re.finditer(rb"[\w]+\s*\([^(){}]*\)\s*\{|\}", raw):
        if match[0] != b"}":
            starts.append(match.start())
        elif starts:
            yield starts.pop(), match.end()
    yield 0, len(raw)
