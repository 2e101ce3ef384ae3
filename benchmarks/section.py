"""Files of results, one for each benchmark; `results/README.md` is their index."""

import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from macwright.hw.files import write_atomic

__all__ = ["write_section"]

RESULTS = Path(__file__).with_name("results")
#: Packages on which figures depend.
PACKAGES = ("amaranth", "pyosys", "ortools", "numpy", "onnxruntime")
LOAD = os.getloadavg()[0]


def write_section(name: str, title: str, body: str) -> None:
    """Write the results of a benchmark, in the place of those of the same name.

    Below the heading stand the command line of this process, the machine, its load when the
    process began, and versions.

    Parameters
    ----------
    name : str
        Of the file, with spaces for underscores; the index must have it.
    title : str
        Heading.
    body : str
        Markdown.

    Raises
    ------
    ValueError
        If the index has no such file.
    """
    file = f"{name.replace(' ', '_')}.md"
    if f"]({file})" not in (RESULTS / "README.md").read_text():
        raise ValueError(f"Results must be among those of benchmarks/results/README.md, not {file}")
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    text = f"# {title}\n\n`{command}`\n\n{machine()}\n\n{body.strip()}\n"
    write_atomic(RESULTS / file, text)


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
