"""`network.json`: an integer network as one file."""

import base64
import binascii
import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.hw.accelerator.network import mac_nodes, wiring_nodes
from macwright.hw.accelerator.network.edge import Edge
from macwright.hw.accelerator.network.graph import Network
from macwright.hw.accelerator.network.node import Node, Requant, TableOutput
from macwright.hw.errors import RefusedInput
from macwright.hw.files import write_atomic
from macwright.hw.formats import Format, parse_format

__all__ = ["network_sha256", "network_text", "read_network", "write_network"]

#: First field of every file, and the version of its layout.
KIND, VERSION = "macwright integer network", 2
_KINDS: dict[str, type[Node]] = {
    cls.kind: cls
    for module in (mac_nodes, wiring_nodes)
    for cls in (getattr(module, name) for name in module.__all__)
}
#: Arrays that are packed; others are lists.
_PACKED = ("weights", "codes")


def network_text(network: Network) -> str:
    """Content of the file; the same for the same network."""
    fields = {
        "document": KIND,
        "version": VERSION,
        "name": network.name,
        "model_sha256": network.model_sha256,
        "input": network.input,
        "output": network.output,
        "edges": [_plain(edge) for edge in network.edges],
        "nodes": [{"kind": node.kind, **_plain(node)} for node in network.nodes],
    }
    return json.dumps(fields, indent=1) + "\n"


def network_sha256(network: Network) -> str:
    """Digest of a network, hexadecimal."""
    return hashlib.sha256(network_text(network).encode()).hexdigest()


def write_network(path: Path, network: Network) -> None:
    """Write a network as JSON; the file is whole or absent."""
    write_atomic(path, network_text(network))


def read_network(path: Path) -> Network:
    """Read a network.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not one that `write_network` wrote, or was damaged since.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Integer network must be a JSON file, and {path} is not a file")
    try:
        fields = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RefusedInput(f"{path} must be a JSON file, not one where {error}") from error
    if not isinstance(fields, dict) or fields.get("document") != KIND:
        raise RefusedInput(f"{path} must be a {KIND}, not another document")
    if fields.get("version") != VERSION:
        raise RefusedInput(
            f"{path} must be of version {VERSION}, not {repr(fields.get('version'))[:60]}; "
            "make it anew"
        )
    try:
        del fields["document"], fields["version"]
        return _object(Network, fields)
    except RefusedInput as error:
        raise RefusedInput(f"{path} must be a whole {KIND}: {error}") from error
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise RefusedInput(
            f"{path} must be a whole {KIND}, whose nodes and edges fit each other; build it anew"
        ) from error


def _plain(value: Any, name: str = "") -> Any:
    """JSON of a value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Format)):
        return {
            field.name: _plain(getattr(value, field.name), field.name)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Format):
        return str(value)
    if isinstance(value, np.ndarray):
        return _packed(value) if name in _PACKED else [int(item) for item in value]
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _packed(codes: NDArray[np.int64]) -> dict[str, Any]:
    dtype = np.min_scalar_type(int(codes.max(initial=0))).newbyteorder("<")
    data = base64.b64encode(codes.astype(dtype).tobytes()).decode()
    return {"dtype": dtype.name, "shape": list(codes.shape), "base64": data}


def _object(cls: type, fields: Any) -> Any:
    """Object of a dataclass from its JSON."""
    names = [field.name for field in dataclasses.fields(cls)]
    if not isinstance(fields, dict) or sorted(fields) != sorted(names):
        given = ", ".join(fields) if isinstance(fields, dict) else repr(fields)[:40]
        raise RefusedInput(f"{cls.__name__} must have the fields {', '.join(names)}, not {given}")
    return cls(**{name: _field(cls, name, fields[name]) for name in names})


#: What the fields of the document are; all others are integers or tuples of them.
_TEXTS = (
    "name", "model_sha256", "input", "output", "input_a", "input_b", "edge",
)  # fmt: skip


def _field(cls: type, name: str, value: Any) -> Any:
    if name in _TEXTS or name in ("format", "weight_format"):
        if not isinstance(value, str):
            raise RefusedInput(f"{cls.__name__}'s {name} must be a text, not {value!r}")
        return value if name in _TEXTS else parse_format(value)
    if name == "scale":
        if type(value) not in (int, float):
            raise RefusedInput(f"{cls.__name__}'s scale must be a number, not {value!r}")
        return float(value)
    if name in _PACKED:
        return _unpacked(cls, name, value)
    if name in ("bias", "multiplier"):
        return np.array(_integers(cls, name, value), np.int64)
    if name in ("edges", "nodes", "outputs", "sources"):
        if not isinstance(value, list):
            raise RefusedInput(f"{cls.__name__}'s {name} must be a list, not {value!r}")
        return tuple(_item(cls, name, item) for item in value)
    if isinstance(value, list):
        pairs = [
            tuple(_integers(cls, name, item)) if isinstance(item, list) else item for item in value
        ]
        return tuple(pairs) if name == "pads" else tuple(_integers(cls, name, value))
    return _integers(cls, name, [value])[0]


def _item(cls: type, name: str, item: Any) -> Any:
    if name == "edges":
        return _object(Edge, item)
    if name == "outputs":
        return _object(TableOutput if cls is wiring_nodes.Table else Requant, item)
    if name == "sources":
        return _field(cls, "edge", item)
    kind = item.get("kind") if isinstance(item, dict) else None
    if kind not in _KINDS:
        raise RefusedInput(f"Node's kind must be one of {', '.join(_KINDS)}, not {kind!r}")
    return _object(_KINDS[kind], {key: value for key, value in item.items() if key != "kind"})


def _integers(cls: type, name: str, values: Any) -> list[int]:
    if not isinstance(values, list) or any(
        type(value) is not int or abs(value) >> 62 for value in values
    ):
        raise RefusedInput(f"{cls.__name__}'s {name} must be integers, not {repr(values)[:60]}")
    return values


def _unpacked(cls: type, name: str, value: Any) -> NDArray[np.int64]:
    what = f"{cls.__name__}'s {name} must be an array of dtype, shape and base64"
    if not isinstance(value, dict) or sorted(value) != ["base64", "dtype", "shape"]:
        raise RefusedInput(f"{what}, not {repr(value)[:60]}")
    if value["dtype"] not in ("uint8", "uint16", "uint32"):
        raise RefusedInput(f"{what} with uint8, uint16 or uint32, not {value['dtype']!r}")
    shape = _integers(cls, "shape", value["shape"])
    dtype = np.dtype(value["dtype"]).newbyteorder("<")
    try:
        raw = base64.b64decode(value["base64"], validate=True)
        if min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != len(raw):
            raise RefusedInput(f"{what}, not {len(raw)} bytes for the shape {shape}")
        return np.frombuffer(raw, dtype).reshape(shape).astype(np.int64)
    except RefusedInput:
        raise
    except (binascii.Error, TypeError, ValueError) as error:
        raise RefusedInput(f"{what}, not one where {error}") from error
