"""The picture of the rooms in docs/architecture.md, from the import graph that grimp builds.

``python .ci/rooms.py`` says whether the picture is true (status 1 if not), ``--write`` draws it.
An arrow means *imports*; arrows that follow from others are left out.
"""

import re
import sys
import tempfile
from pathlib import Path

import grimp
import networkx as nx

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("hw", "sim", "costmodel", "dse")
_PICTURE = re.compile(r"(?<=<!-- rooms: begin -->\n).*?(?=<!-- rooms: end -->)", re.DOTALL)


def import_graph() -> grimp.ImportGraph:
    """Imports of all modules; links spell the import names as folders, as grimp reads folders."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "macwright"
        package.mkdir()
        for path in (*(ROOT / name for name in PACKAGES), *(ROOT / "dse" / "public").iterdir()):
            (package / path.name).symlink_to(path)
        sys.path.insert(0, folder)
        try:
            return grimp.build_graph("macwright", cache_dir=None)
        finally:
            sys.path.remove(folder)


def room_of(module: str) -> tuple[str, str] | None:
    """Package and room of a module; None for the packages' own files."""
    parts = module.split(".")[1:]
    if not parts or parts[0] not in PACKAGES:
        return "dse", "public"
    return (parts[0], parts[1]) if len(parts) > 1 else None


def rooms(graph: grimp.ImportGraph) -> nx.DiGraph:
    """Rooms and the rooms that they import, without what follows from other arrows.

    Folders that import each other, as no two modules do, are one node.
    """
    whole = nx.DiGraph()
    for module in sorted(graph.modules):
        room = room_of(module)
        if room is None or module.startswith("macwright.dse.public"):
            continue  # the latter is `macwright` itself, seen a second time
        whole.add_node(room)
        for target in graph.find_modules_directly_imported_by(module):
            other = room_of(target)
            if other is not None and other != room:
                whole.add_edge(room, other)
    joined = nx.condensation(whole)
    names = {}
    for node, data in joined.nodes(data=True):
        members = sorted(data["members"])
        names[node] = members[0][0], "_".join(room for _, room in members)
    return nx.relabel_nodes(nx.transitive_reduction(joined), names)


def picture(graph: nx.DiGraph) -> str:
    """Mermaid text, the same for the same graph."""
    lines = ["```mermaid", "flowchart LR"]
    for package in reversed(PACKAGES):
        lines.append(f"  subgraph {package}")
        names = sorted(room for owner, room in graph if owner == package)
        lines += [f"    {package}.{room}[{room}]" for room in names]
        lines.append("  end")
    lines += [f"  {'.'.join(a)} --> {'.'.join(b)}" for a, b in sorted(graph.edges)]
    return "\n".join([*lines, "```", ""])


def main(*arguments: str) -> int:
    """Compare or write the page of that name, and give the exit status."""
    pages = [Path(name) for name in arguments if name != "--write"] or [PAGE]
    drawn = picture(rooms(import_graph()))
    for page in pages:
        text = page.read_text()
        fresh = _PICTURE.sub(lambda _: drawn, text)
        if "--write" in arguments:
            page.write_text(fresh)
        elif fresh != text:
            print(f"{page.name} is not what is imported: python .ci/rooms.py --write")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
