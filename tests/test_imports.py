"""Imports: no circle at any level, and rooms import only rooms before them."""

import ast

import networkx as nx
from helpers.paths import ROOT, module_name

PACKAGES = ("hw", "sim", "costmodel", "dse")
#: Rooms in order: one imports only rooms before it. Files beside the rooms count as rooms.
ROOMS = {
    "costmodel": (
        *(
            "progress",
            "npz",
            "system",
            "estimate",
            "cache",
            "stimulus",
            "liberty",
            "netlist",
            "power",
        ),
        *("placement", "technology", "characterize", "tables"),
    ),
    "dse": (
        *("csv_file", "models", "workload", "solver", "data", "recipe", "cost_columns"),
        *("studies", "settings", "quantizer"),
        *("accuracy", "bitexact", "sensitivity", "architecture", "search", "validation"),
        *("explore", "run", "report", "build", "export", "cli"),
    ),
}

MODULES = {module_name(p): p for name in PACKAGES for p in (ROOT / name).rglob("*.py")}


#: All but the modules of `dse/public`, whose names have no package of ours in them.
PRIVATE = {name for name in MODULES if name.split(".")[1:2] and name.split(".")[1] in PACKAGES}


def import_graph() -> nx.DiGraph:
    """Modules and what they import, wherever in the file the import stands."""
    graph = nx.DiGraph()
    graph.add_nodes_from(MODULES)
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [name if name in MODULES else node.module for name in inner]
            else:
                continue
            graph.add_edges_from((name, to) for to in targets if to in MODULES and to != name)
    return graph


def test_no_circle_of_imports():
    circles = {
        frozenset(part)
        for part in nx.strongly_connected_components(import_graph())
        if len(part) > 1
    }
    assert not circles


def test_nothing_but_the_public_face_imports_it():
    wrong = [(a, b) for a, b in import_graph().edges if a in PRIVATE and b not in PRIVATE]
    assert not wrong


def test_rooms_import_only_rooms_before_them():
    for importer, imported in import_graph().edges:
        if not {importer, imported} <= PRIVATE:
            continue  # the public face imports everything
        _, package, *inner = importer.split(".")
        _, other, *rest = imported.split(".")
        if package != other or package not in ROOMS or not inner or not rest:
            continue
        order = ROOMS[package]
        assert order.index(rest[0]) <= order.index(inner[0]), f"{importer} imports {imported}"
