"""Integer networks: what a document must be, and what is refused."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from macwright.hw.accelerator.network import (
    Add,
    Conv,
    Edge,
    Network,
    Requant,
    level_unit,
    levels_of,
    read_network,
    write_network,
)
from macwright.hw.formats import parse_format


def edge(name, fmt="int4", shape=(2, 3), **fields):
    fields = {"scale": 0.5, "zero": 0, **fields}
    return Edge(name=name, format=parse_format(fmt), shape=shape, **fields)


def requant(name, **fields):
    fields = {"multiplier": np.array([3]), "shift": 4, "low": -8, "high": 7, **fields}
    return Requant(edge=name, **fields)


def conv(**fields):
    fields = {
        "name": "conv", "input": "a", "outputs": (requant("b"),), "groups": 1, "strides": (1,),
        "weight_format": parse_format("int2"), "weights": np.array([[[1, 2], [3, 0]]] * 2),
        "bias": np.array([5, -5]), "pads": ((1, 0),), "dilations": (1,), **fields,
    }  # fmt: skip
    return Conv(**fields)


def network(**fields):
    fields = {
        "name": "n", "model_sha256": "ab", "input": "a", "output": "b",
        "edges": (edge("a"), edge("b")), "nodes": (conv(),), **fields,
    }  # fmt: skip
    return Network(**fields)


def test_levels_of_every_code_are_its_value():
    for name in ("int5", "uint3", "int6q9", "int4q-2", "e4m3fin", "e2m1fn", "ternary", "binary",
                 "pot4", "apot5", "e3m0fin"):  # fmt: skip
        fmt = parse_format(name)
        codes = np.arange(1 << fmt.width)
        assert (levels_of(fmt, codes) * level_unit(fmt) == fmt.decode(codes)).all()


@pytest.mark.parametrize("name", ["mxint8", "fp32", "e6m2fin", "bf16"])
def test_formats_that_are_no_integers_are_refused(name):
    with pytest.raises(ValueError, match=r"^Formats of an integer network must .*not "):
        edge("a", name)


def test_codes_that_are_not_numbers_are_refused():
    with pytest.raises(ValueError, match="Code words of e4m3 must be finite numbers"):
        levels_of(parse_format("e4m3"), [0x7F])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scale": 0.0}, r"Scale of edge a must be a positive number, not 0\.0"),
        ({"scale": float("nan")}, "Scale of edge a must be a positive number, not nan"),
        ({"zero": 8}, "Zero of edge a must be a level from -8 to 7, not 8"),
        ({"fmt": "e2m1fn", "zero": 5}, "Zero of edge a must be a level of e2m1fn, not 5"),
        ({"shape": ()}, r"Shape of edge a must be positive integers, not \(\)"),
    ],
)
def test_edges_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        edge("a", **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"edges": (edge("a"), edge("a"))}, "edges of different names, not two a"),
        ({"output": "c"}, "its input and output as edges, not 'c'"),
        ({"edges": (edge("a"), edge("b"), edge("c"))}, "Edge c must be produced by a node"),
        ({"edges": (edge("a"), edge("b", shape=(2, 4)))},
         r"Edge b must have the shape \(2, 3\) that node conv gives, not \(2, 4\)"),
        ({"edges": (edge("a", "binary"), edge("b"))},
         "conv must have no padding with binary activations"),
        ({"nodes": (conv(input="b"),)}, "conv must read the input or what nodes before it"),
        ({"nodes": (conv(outputs=(requant("a"),)),)}, "conv must produce edges .* not 'a'"),
        ({"nodes": (conv(outputs=()),)}, "conv must produce an edge, not none"),
        ({"nodes": (conv(groups=2),)}, r"conv \(conv\) must have 2 input channels in each of 2"),
        ({"nodes": (conv(bias=np.array([1])),)}, "conv must have 2 biases, not 1"),
        ({"nodes": (conv(strides=(0,)),)}, "must have positive kernels, strides"),
        ({"nodes": (conv(strides=(1, 1)),)}, "must have strides, pads and dilations for 1 axes"),
        ({"nodes": (conv(dilations=(4,)),)}, "must have a window inside its padded input of 4"),
        ({"nodes": (conv(weights=np.full((2, 2, 2), 9)),)}, "Code words of int2 must be from"),
        ({"nodes": (conv(outputs=(requant("b", shift=64),)),)}, "Shift of b must be from 0 to 63"),
        ({"nodes": (conv(outputs=(requant("b", high=8),)),)}, "Bounds of b must be ordered levels"),
        ({"nodes": (conv(outputs=(requant("b", multiplier=np.array([65536])),)),)},
         "Multipliers of b must be from 0 to 65535, not from 65536"),
        ({"nodes": (conv(outputs=(requant("b", multiplier=np.ones(3, int)),)),)},
         "Requantiser b of node conv must have 2 multipliers or one, not 3"),
    ],
)  # fmt: skip
def test_networks_that_cannot_be_computed_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        network(**fields)


def test_additions_need_one_scale():
    add = Add(name="add", input_a="a", input_b="b", outputs=(requant("c"),))
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"scale": 0.25}, "in one scale, not 0.5"),
        ({"zero": 1}, "of zero 0"),
    )
    for other, message in cases:
        edges = (edge("a"), edge("b", **other), edge("c"))
        with pytest.raises(ValueError, match=f"Node add must read edges {message}"):
            network(edges=edges, nodes=(conv(), add), output="c")


def test_sums_are_bounded_by_weights_and_ranges():
    small = network(edges=(edge("a", "uint2"), edge("b")))
    # Weight levels of both channels: 1, -2, -1, 0; activations from 0 to 3.
    low, high = small.products(small.nodes[0])
    assert (low.tolist(), high.tolist()) == ([-9, -9], [3, 3])
    assert [bound.tolist() for bound in small.sums(small.nodes[0])] == [[-4, -14], [8, -2]]
    assert small.ranges == {"a": (0, 3), "b": (-8, 7)}


def test_a_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "network.json"
    write_network(path, network())
    text = path.read_bytes()
    again = read_network(path)
    write_network(path, again)
    assert path.read_bytes() == text
    assert again.edges == network().edges
    assert vars(again.nodes[0])["pads"] == ((1, 0),)
    assert json.loads(text)["nodes"][0]["outputs"][0]["multiplier"] == [3]


def _with(fields, keys, value):
    *path, last = keys
    at = fields
    for key in path:
        at = at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["document"], "x", "must be a macwright integer network, not another document"),
        (["version"], 1, "must be of version 2, not 1; make it anew"),
        (["name"], None, "Network must have the fields name, .*, not model_sha256"),
        (["name"], 3, "Network's name must be a text, not 3"),
        (["edges"], 3, "Network's edges must be a list, not 3"),
        (["edges", 0, "scale"], "1", "Edge's scale must be a number, not '1'"),
        (["edges", 0, "scale"], True, "Edge's scale must be a number, not True"),
        (["edges", 0, "format"], "int0", "0"),
        (["edges", 0, "zero"], 0.5, r"Edge's zero must be integers, not \[0.5\]"),
        (["nodes", 0, "kind"], "lstm", "Node's kind must be one of add, .* not 'lstm'"),
        (["nodes", 0, "pads"], [1, 0], "network: "),
        (["nodes", 0, "pads"], [["a", 0]], "Conv's pads must be integers"),
        (["nodes", 0, "groups"], 10**30, "Conv's groups must be integers"),
        (["nodes", 0, "weights", "base64"], "AAAA", "must be an array of dtype, shape and base64"),
        (["nodes", 0, "weights", "base64"], "%", "must be an array of dtype, shape and base64"),
        (["nodes", 0, "weights", "dtype"], "object", "with uint8, uint16 or uint32, not 'object'"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(tmp_path, keys, value, message):
    path = tmp_path / "network.json"
    write_network(path, network())
    fields = json.loads(path.read_text())
    _with(fields, keys, value)
    path.write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=message) as caught:
        read_network(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_absent_or_no_json_are_refused(tmp_path):
    path = tmp_path / "network.json"
    with pytest.raises(FileNotFoundError, match="must be a JSON file"):
        read_network(path)
    path.write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="must be a JSON file, not one where"):
        read_network(path)
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="must be a JSON file, not one where"):
        read_network(path)


def test_every_field_of_a_node_is_written(tmp_path):
    write_network(tmp_path / "n.json", network())
    (node,) = json.loads((tmp_path / "n.json").read_text())["nodes"]
    assert set(node) == {"kind", *(field.name for field in dataclasses.fields(Conv))}
