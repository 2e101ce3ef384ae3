"""Area of every unit of the registry, synthesised anew, against the table that ships.

``python .ci/areas.py gates [NAME ...]``: status 1 and one line for each unit that differs. Names
limit it to some units.
"""

import sys

import macwright
from macwright.costmodel.tables.lookup import load_table


def main(technology: str, *names: str) -> int:
    """Compare, print what differs, and give the exit status."""
    specs = [spec for spec in macwright.registry() if not names or spec.name in names]
    unknown = set(names) - {spec.name for spec in specs}
    if unknown:
        print(f"Units must be of the registry, not {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    shipped = load_table(technology).set_index("unit")["area"]
    rows = macwright.characterize(specs, technology, stimulus=None).set_index("unit")["area"]
    compared = 0
    wrong = []
    for unit, area in rows.items():
        if unit not in shipped:
            wrong.append(f"{unit}: {area:g}, and no row ships")
            continue
        compared += 1
        if shipped[unit] != area:
            wrong.append(f"{unit}: {area:g}, and the table says {shipped[unit]:g}")
    print("\n".join([*wrong, f"{technology}: {compared} areas compared, {len(wrong)} differ"]))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
