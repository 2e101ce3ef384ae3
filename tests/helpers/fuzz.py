"""Coverage-guided fuzzing of a reader: python fuzz.py library|network [libFuzzer's options] FOLDER.

Inputs that are answered, or refused in a sentence, are well; anything else ends the process with
libFuzzer's report, and the input in ``crash-...``.
"""

import contextlib
import random
import sys
import tempfile
import warnings
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue]
    include=["macwright.costmodel.liberty", "macwright.dse.workload"], enable_loader_override=False
):
    from macwright.costmodel.liberty.digest import digest_library
    from macwright.dse.workload import load_workload
    from macwright.hw.errors import RefusedInput

sys.path.insert(0, str(Path(__file__).parents[1]))
from helpers.damage import damaged_onnx

PLACE = Path(tempfile.mkdtemp()) / "net.onnx"


def library(data: bytes) -> None:
    """Read a Liberty file."""
    digest_library("fuzzed.lib", data.decode("utf-8", "replace"))


def network(data: bytes) -> None:
    """Read a network, with the samples that it is tried with."""
    PLACE.write_bytes(data)
    load_workload(PLACE)


def judged(data: bytes) -> None:
    """Try an input with the reader that the command line names."""
    try:
        READER(data)
    except (RefusedInput, FileNotFoundError) as error:
        if len(str(error).split()) < 4:  # the command line makes one short line of it
            raise AssertionError(f"says nothing: {error}") from error


def mutated(data: bytes, longest: int, seed: int) -> bytes:
    """A network with its structure changed if it has one, or its bytes."""
    rng = random.Random(seed)
    if rng.random() < 0.5:
        with contextlib.suppress(Exception):  # it has none
            return damaged_onnx(data, rng)[:longest]
    return atheris.Mutate(data, longest)


warnings.simplefilter("error")
READER = {"library": library, "network": network}[sys.argv.pop(1)]
# Of a library, bytes are enough, and damage to its structure takes long.
changes = {"custom_mutator": mutated} if READER is network else {}
atheris.Setup(sys.argv, judged, **changes)
atheris.Fuzz()
