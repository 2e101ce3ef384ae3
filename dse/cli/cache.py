"""``macwright cache``: results that are kept between runs."""

import argparse
import contextlib
import json
from pathlib import Path

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = "Show or clear the results that are kept between runs."
EXAMPLE = "macwright cache show"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("action", choices=("show", "clear"), help="what to do")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> None:
    """Show what is kept, or delete it: the caches' own files, and no others."""
    from macwright.costmodel.cache import cache_dir, cached_files

    kinds = {kind: (len(paths), _bytes(paths)) for kind, paths in cached_files().items()}
    if args.action == "clear":
        for paths in cached_files().values():
            for path in paths:
                path.unlink(missing_ok=True)
                # Folders that are empty now; another process may fill or remove them.
                with contextlib.suppress(OSError):
                    path.parent.rmdir()
                    path.parents[1].rmdir()
    if args.json:
        fields = {kind: {"files": count, "bytes": size} for kind, (count, size) in kinds.items()}
        print(json.dumps({"folder": str(cache_dir()), "kinds": fields}, indent=1))
        return
    if args.action == "show":
        for kind, (count, size) in kinds.items():
            print(f"{kind:12} {count:7} files {size / 1e6:9.1f} MB")
    count, size = (sum(part) for part in zip(*kinds.values(), strict=True)) if kinds else (0, 0)
    done = "deleted from" if args.action == "clear" else "in"
    print(f"{count} files, {size / 1e6:.1f} MB, {done} {cache_dir()}")


def _bytes(paths: list[Path]) -> int:
    """Size of files, of which another process may remove some meanwhile."""
    total = 0
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total
