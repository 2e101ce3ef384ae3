"""Sections of RESULTS.md, each between markers of its own."""

import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from macwright.hw.files import write_atomic

__all__ = ["write_section"]

RESULTS = Path(__file__).with_name("RESULTS.md")
#: Packages on which figures depend.
PACKAGES = ("amaranth", "pyosys", "ortools", "numpy", "onnxruntime")
LOAD = os.getloadavg()[0]


def write_section(name: str, title: str, body: str) -> None:
    """Put a section into RESULTS.md, in the place of the one of the same name.

    Below the heading stand the command line of this process, the machine, its load when the
    process began, and versions.

    Parameters
    ----------
    name : str
        Of the markers.
    title : str
        Heading.
    body : str
        Markdown.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = (RESULTS.read_text() if RESULTS.exists() else "").partition(begin)
    after = rest.partition(end)[2]
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    text = f"## {title}\n\n`{command}`\n\n{machine()}\n\n{body.strip()}"
    text = f"{before.rstrip()}\n\n{begin}\n{text}\n{end}\n\n{after.lstrip()}"
    write_atomic(RESULTS, text.strip() + "\n")


def machine() -> str:
    """Processor, cores, load and versions, one line."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((x.split(": ")[1] for x in lines if "model name" in x), platform.machine())
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{model}, {len(os.sched_getaffinity(0))} cores, load average {LOAD:.1f} at the start; "
        f"Python {platform.python_version()}, {versions}."
    )
