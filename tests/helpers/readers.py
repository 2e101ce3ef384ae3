"""Commands that read files of strangers, good files for them, and a judge of how they end."""

import contextlib
import io
import re
import resource
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from helpers.damage import (
    Mutator,
    damaged_bytes,
    damaged_csv,
    damaged_json,
    damaged_liberty,
    damaged_npz,
    damaged_onnx,
    damaged_toml,
)
from helpers.paths import SMALL_LIBERTY
from helpers.tiny import write_tiny_model
from macwright.dse.data.npz import npz_bytes

__all__ = ["BYTES", "DSE", "LIBRARY", "READERS", "Reader", "environment", "limited_memory"]
__all__ += ["prepare", "run", "try_reader", "verdict"]

#: Processor time that a command may take, in seconds, and memory, in bytes.
SECONDS, BYTES = 10.0, 3 << 30
#: Most memory that one input may take, in bytes.
LIMIT = 100_000_000
DSE = ["--no-verify", "--measure", "0", "--points", "2", "--weights", "int4", "--jobs", "1"]
DSE += ["--activations", "int8", "-o", "out"]
LIBRARY = ["characterize", "int_mac", "--weight", "int2", "--activation", "int2", "--jobs", "1"]
LIBRARY += ["--liberty"]
STREAM = [*LIBRARY, "small.lib", "--stream", "stream.npz"]
#: Words of an interpreter or a library that tell a user nothing.
JARGON = re.compile(
    r"Traceback|Warning|could not convert|invalid literal|unhashable|must have no negative|object "
    r"is not|JSON compliant|empty sequence|not be broadcast|cannot reshape|unsized|has no attribute"
    r"|NoneType|embedded null|Unable to allocate|subscriptable|not supported between|list index"
    r"|out of range|fit into the memory there is|unexpected keyword|positional arg|int too large"
)


@dataclass(frozen=True)
class Reader:
    """A command and the file, or the files of a folder, that it reads.

    Parameters
    ----------
    file : str
        The good file, or a folder.
    command : sequence of str
        The command that reads it.
    mutator : callable
        Changes its structure.
    names : str
        Which files of a folder.
    """

    file: str
    command: tuple[str, ...]
    mutator: Mutator
    names: str = ""

    def places(self) -> list[Path]:
        """The good files."""
        if not self.names:
            return [Path(self.file)]
        return sorted(Path(self.file).glob(self.names))


def _reader(file: str, command: list[str], mutator: Mutator, names: str = "") -> Reader:
    return Reader(file, tuple(command), mutator, names)


_PAIRS = ["solve", "options.csv", "--pairs", "pairs.csv", "--front", "bops"]
_CONFIG = ["solve", "options.csv", "--config", "config.toml"]
_FLOW = ["--architecture", "dataflow", "--device", "device.toml", *DSE]
_EXPORT = ["export", "run", "--point", "0", "--to", "json", "--model", "tiny.onnx", "-o", "out"]
_BUILD = ["build", "flow/allocations/0.json", "--model", "tiny.onnx", "-o", "out"]
#: By name.
READERS = {
    "solver table": _reader(
        "options.csv", ["solve", "options.csv", "--front", "bops"], damaged_csv
    ),
    "pair table": _reader("pairs.csv", _PAIRS, damaged_csv),
    "sensitivities": _reader(
        "losses.csv", ["dse", "tiny.onnx", "--sensitivity", "losses.csv", *DSE], damaged_csv
    ),
    "network": _reader("tiny.onnx", ["dse", "tiny.onnx", "--data", "tiny.npz", *DSE], damaged_onnx),
    "data": _reader("tiny.npz", ["dse", "tiny.onnx", "--data", "tiny.npz", *DSE], damaged_npz),
    "operands": _reader("stream.npz", STREAM, damaged_npz),
    "recipe": _reader("tiny.toml", ["dse", "tiny.onnx", *DSE], damaged_toml),
    "options": _reader("config.toml", _CONFIG, damaged_toml),
    "device": _reader("device.toml", ["dse", "tiny.onnx", *_FLOW], damaged_toml),
    "library": _reader("small.lib", [*LIBRARY, "small.lib"], damaged_liberty),
    "tables of a run": _reader("run", ["report", "run"], damaged_csv, "*.csv"),
    "run and allocations": _reader("run", ["report", "run"], damaged_json, "**/*.json"),
    "run to export": _reader("run", _EXPORT, damaged_json, "**/*.json"),
    "allocation": _reader("flow/allocations/0.json", _BUILD, damaged_json),
    "machine": _reader(
        "chip",
        ["simulate", "chip", "--images", "1", "--simulator", "icarus"],
        damaged_json,
        "*.json",
    ),
    "unit": _reader(
        "unit", ["simulate", "unit", "--simulator", "icarus"], damaged_json, "manifest.json"
    ),
}


def prepare(folder: Path, readers: Iterable[str] | None = None) -> None:
    """Write good files of readers, all of them if none are named."""
    import numpy as np

    names = READERS if readers is None else readers
    needed = {READERS[name].file.split("/")[0] for name in names}
    write_tiny_model(folder)
    shutil.copy(SMALL_LIBERTY, folder / "small.lib")
    (folder / "options.csv").write_text(
        "layer,option,loss,bops\nl0,a,1,2\nl0,b,2,1\nl1,a,0.5,3\nl1,b,1.5,1\n"
    )
    (folder / "pairs.csv").write_text(
        "layer_a,option_a,layer_b,option_b,loss\nl0,a,l1,a,0.1\nl0,b,l1,b,-0.2\n"
    )
    (folder / "config.toml").write_text(
        'json = true\nbudget = ["bops<=4"]\nobjective = "loss"\nsolver = "cp-sat"\n'
        'tie = ["l0=l1"]\ncount = "a<=2"\ntime-limit = 5\n'
    )
    (folder / "device.toml").write_text('base = "lfe5u-25f"\nluts = 20000\n')
    rng = np.random.default_rng(2)
    activations, weights = (rng.integers(0, 4, shape, np.uint8) for shape in ((16, 8), (8, 4)))
    arrays = {"activations": activations, "weights": weights}
    (folder / "stream.npz").write_bytes(npz_bytes(arrays))
    with contextlib.chdir(folder):
        commands = {
            "run": ["dse", "tiny.onnx", *DSE[:-1], "run"],
            "losses.csv": ["dse", "tiny.onnx", *DSE[:-1], "run"],
            "flow": ["dse", "tiny.onnx", *_FLOW[:-1], "flow"],
            "chip": ["build", "flow/allocations/0.json", "--model", "tiny.onnx", "-o", "chip"],
            "unit": ["generate", "int_mac", "--weight", "int2", "-o", "unit"],
        }
        if "chip" in needed:
            needed.add("flow")
        for name, command in commands.items():
            if name in needed and not Path(command[-1]).exists():
                status, said, _ = run(command)
                if status:
                    raise SystemExit(f"The good run must succeed, not: {said}")
        if "losses.csv" in needed:
            shutil.copy("run/sensitivity.csv", "losses.csv")


def run(arguments: list[str]) -> tuple[int, str, list[str]]:
    """Status of a command, 0 where it answered, what it says on standard error, and its warnings.

    It runs in this process.
    """
    from macwright.dse.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                status = main(arguments)
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
    if status == 1 and "FAILED" in out.getvalue():
        status = 0  # a simulation that found a difference
    return status, err.getvalue(), [str(warning.message) for warning in caught]


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Let this process have :data:`BYTES` more memory and no more."""
    text = Path("/proc/self/status").read_text()
    used = 1024 * int(re.findall(r"VmData:\s*(\d+) kB", text)[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (used + BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def verdict(arguments: list[str]) -> tuple[str, str]:
    """How a command ended, ``answered``, ``refused`` or what is wrong, and what it said."""
    before = _listing()
    began = time.process_time()
    try:
        status, text, caught = run(arguments)
    except BaseException as error:
        return f"raised {type(error).__name__}", str(error)
    seconds = time.process_time() - began
    lines = [line for line in text.splitlines() if line.strip()]
    said = lines[-1] if lines else ""
    if "Traceback" in text or status == 70:
        return f"traceback: {lines[-2][:120]}", text
    if caught:
        return f"warning: {caught[0][:120]}", said
    if seconds > SECONDS:
        return f"{seconds:.0f} s", said
    if status == 0:
        return "answered", said
    if status == 2 and said:
        return "refused", said
    if status != 1:
        return f"status {status}", said
    reason = said.removeprefix("macwright: error: ")
    if reason == said or [line for line in lines[:-1] if not line.startswith("macwright: note:")]:
        return "not one sentence", text
    if JARGON.search(reason) or len(reason.split()) < 4:
        return f"says nothing: {reason[:200]}", said
    if len(reason) > 600:
        return f"{len(reason)} characters", said
    if left := sorted(_listing() - before):
        return f"left {left[0]}", said
    return "refused", said


def _listing() -> set[str]:
    """What is in the working folder, without caches and what simulators leave of a run."""
    own = ("cache", "icarus", "simulation")
    return {str(p) for p in Path().rglob("*") if not set(p.parts) & set(own)}


def try_reader(
    reader: str, numbers: range, seed: int, note: Callable[[int, str], None] | None = None
) -> Counter[str]:
    """Verdicts on damaged files of a reader, in the working folder.

    Parameters
    ----------
    reader : str
        Of :data:`READERS`; :func:`prepare` has written its good files.
    numbers : range
        Of the files; each depends on its number and the seed alone.
    seed : int
        Others give other files.
    note : callable or None
        Told the number of each file, before it is read with ``died``, afterwards with the verdict.

    Returns
    -------
    Counter of str
        What fell is kept in the folder, as ``fell-...``.
    """
    entry = READERS[reader]
    if (found := verdict(list(entry.command)))[0] != "answered":
        raise SystemExit(f"The good file of reader {reader} must be answered, not: {found}")
    _remove_out()
    verdicts: Counter[str] = Counter()
    for number in numbers:
        rng = Random(f"{reader} {seed} {number}")
        place = rng.choice(entry.places())
        good = place.read_bytes()
        damage = entry.mutator if rng.random() < 0.7 else damaged_bytes
        place.write_bytes(damage(good, rng))
        if note:
            note(number, "died")
        found, said = verdict(list(entry.command))
        if note:
            note(number, found)
        verdicts[found] += 1
        if found not in {"answered", "refused"}:
            kept = f"fell-{reader.replace(' ', '_')}-{seed}-{number}"
            shutil.copy(place, kept + place.suffix)
            Path(f"{kept}.said").write_text(f"{place}\n{found}\n{said}\n", errors="replace")
        place.write_bytes(good)
        _remove_out()
    return verdicts


def _remove_out() -> None:
    shutil.rmtree("out", ignore_errors=True)


def environment(folder: Path) -> dict[str, str]:
    """Variables with which files of strangers are read here."""
    return {"MACWRIGHT_CACHE": str(folder / "cache"), "MACWRIGHT_MEMORY": str(LIMIT)}
