"""Number formats, units and proved Pareto fronts of quantised networks, as a library.

Every name of `__all__` is imported when it is first used: ``import macwright`` itself loads
nothing but the standard library.

Examples
--------
>>> import macwright
>>> str(macwright.parse_format("float8_e4m3fn"))
'e4m3fn'
"""

import importlib
from typing import Any

#: Where each public name lives; `__init__.pyi` says the same to type checkers.
_HOMES = {
    "macwright.hw.errors": (
        *("Infeasible", "MacwrightError", "NotSupported", "RefusedInput", "RefusedType"),
        "ToolError",
    ),
    "macwright.hw.formats": (
        *("FORMAT_NAMES", "ApotFormat", "BinaryFormat", "BlockCodes", "BlockFormat"),
        *("E8M0Format", "FixedFormat", "FloatFormat", "Format", "IntFormat", "PotFormat"),
        *("TernaryFormat", "parse_format"),
    ),
    "macwright.hw.pe": (
        *("FAMILIES", "BitplaneDotSpec", "ComposableMacSpec", "DotSpec", "FixedAcc"),
        *(
            "HadamardSpec",
            "IntMacSpec",
            "MinifloatMacSpec",
            "PackedMacSpec",
            "RequantSpec",
            "SerialMacSpec",
        ),
        *("ShiftAddMacSpec", "UnitSpec", "spec_from_fields"),
    ),
    "macwright.hw.registry": ("registry",),
    "macwright.hw.verilog": ("unit_verilog",),
    "macwright.sim.families": ("golden_model",),
    "macwright.sim.runner": ("SimResult", "simulate"),
    "macwright.costmodel.characterize.many": ("characterize",),
    "macwright.costmodel.technology.catalogue": ("find_technology", "technology_names"),
    "macwright.costmodel.technology.liberty": ("liberty_technology",),
    "macwright.costmodel.technology.technology": ("Technology",),
    "macwright.dse.build.build": ("build",),
    "macwright.dse.build.site": ("Site",),
    "macwright.dse.data.recipe": ("Dataset", "load_recipe"),
    "macwright.dse.data.source": ("DataSource",),
    "macwright.dse.explore": ("Exploration", "explore"),
    "macwright.dse.export.run": ("export",),
    "macwright.dse.models": ("embedded_model",),
    "macwright.dse.run.allocation": ("Allocation", "LayerChoice", "read_allocation"),
    "macwright.dse.settings": ("Dataflow", "Settings", "Temporal"),
    "macwright.dse.solver": (
        *("Budget", "Count", "Effort", "Front", "OptionTable", "Rules", "Solution"),
        *("front", "solve"),
    ),
    "macwright.dse.workload": ("Layer", "Workload", "load_workload"),
    "macwright.plotting": ("plot_front",),
    "macwright.runs": ("Run", "save_run"),
    "macwright.units": ("generate",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value = version("macwright")
    elif name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module 'macwright' has no attribute {name!r}")
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
