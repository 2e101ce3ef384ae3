"""Builds and runs one simulation, in a process of its own whose output is the log.

cocotb's runner changes the environment, writes to the standard output and behaves otherwise under
pytest; here it can. :mod:`macwright.sim.runner` starts this module and reads the results file.
"""

import json
import sys
from pathlib import Path
from typing import Any

from cocotb_tools.runner import get_runner

__all__ = ["run"]


def run(job: dict[str, Any]) -> None:
    """Compile the Verilog and run the bench; see :func:`macwright.sim.runner.simulate`."""
    # Generated Verilog has no `timescale; with this one, waves are in nanoseconds.
    timescale = ("1ns", "1ps")
    work, top, waves = Path(str(job["work"])), str(job["top"]), bool(job["waves"])
    # The simulator's Python looks where this one does: the bench's folder must come first.
    sys.path.insert(0, str(job["folder"]))
    runner = get_runner(str(job["simulator"]))
    # Width mismatches are no errors: Amaranth's Verilog relies on the language's own extension.
    args = ["-Wno-fatal"] if job["simulator"] == "verilator" else []
    runner.build(
        sources=[str(source) for source in job["verilog"]],
        hdl_toplevel=top,
        build_dir=work,
        build_args=args,
        timescale=timescale,
        waves=waves,
        always=True,
    )
    runner.test(
        hdl_toplevel=top,
        test_module=str(job["bench"]),
        build_dir=work,
        test_dir=work,
        timescale=timescale,
        waves=waves,
        seed=int(job["seed"]),
        testcase=job["tests"],
        # Otherwise cocotb imports pytest, to rewrite assert statements that we do not have.
        extra_env={"COCOTB_REWRITE_ASSERTION_FILES": ""},
        results_xml=str(job["results"]),
    )


if __name__ == "__main__":
    run(json.loads(sys.argv[1]))
