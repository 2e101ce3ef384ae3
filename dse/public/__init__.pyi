from macwright.costmodel.characterize.many import characterize as characterize
from macwright.costmodel.technology.catalogue import find_technology as find_technology
from macwright.costmodel.technology.catalogue import technology_names as technology_names
from macwright.costmodel.technology.liberty import liberty_technology as liberty_technology
from macwright.costmodel.technology.technology import Technology as Technology
from macwright.dse.build.build import build as build
from macwright.dse.build.site import Site as Site
from macwright.dse.data.recipe import Dataset as Dataset
from macwright.dse.data.recipe import load_recipe as load_recipe
from macwright.dse.data.source import DataSource as DataSource
from macwright.dse.explore import Exploration as Exploration
from macwright.dse.explore import explore as explore
from macwright.dse.export.run import export as export
from macwright.dse.models import embedded_model as embedded_model
from macwright.dse.run.allocation import Allocation as Allocation
from macwright.dse.run.allocation import LayerChoice as LayerChoice
from macwright.dse.run.allocation import read_allocation as read_allocation
from macwright.dse.settings import Dataflow as Dataflow
from macwright.dse.settings import Settings as Settings
from macwright.dse.settings import Temporal as Temporal
from macwright.dse.solver import Budget as Budget
from macwright.dse.solver import Count as Count
from macwright.dse.solver import Effort as Effort
from macwright.dse.solver import Front as Front
from macwright.dse.solver import OptionTable as OptionTable
from macwright.dse.solver import Rules as Rules
from macwright.dse.solver import Solution as Solution
from macwright.dse.solver import front as front
from macwright.dse.solver import solve as solve
from macwright.dse.workload import Layer as Layer
from macwright.dse.workload import Workload as Workload
from macwright.dse.workload import load_workload as load_workload
from macwright.hw.errors import Infeasible as Infeasible
from macwright.hw.errors import MacwrightError as MacwrightError
from macwright.hw.errors import NotSupported as NotSupported
from macwright.hw.errors import RefusedInput as RefusedInput
from macwright.hw.errors import RefusedType as RefusedType
from macwright.hw.errors import ToolError as ToolError
from macwright.hw.formats import FORMAT_NAMES as FORMAT_NAMES
from macwright.hw.formats import ApotFormat as ApotFormat
from macwright.hw.formats import BinaryFormat as BinaryFormat
from macwright.hw.formats import BlockCodes as BlockCodes
from macwright.hw.formats import BlockFormat as BlockFormat
from macwright.hw.formats import E8M0Format as E8M0Format
from macwright.hw.formats import FixedFormat as FixedFormat
from macwright.hw.formats import FloatFormat as FloatFormat
from macwright.hw.formats import Format as Format
from macwright.hw.formats import IntFormat as IntFormat
from macwright.hw.formats import PotFormat as PotFormat
from macwright.hw.formats import TernaryFormat as TernaryFormat
from macwright.hw.formats import parse_format as parse_format
from macwright.hw.pe import FAMILIES as FAMILIES
from macwright.hw.pe import BitplaneDotSpec as BitplaneDotSpec
from macwright.hw.pe import ComposableMacSpec as ComposableMacSpec
from macwright.hw.pe import DotSpec as DotSpec
from macwright.hw.pe import FixedAcc as FixedAcc
from macwright.hw.pe import HadamardSpec as HadamardSpec
from macwright.hw.pe import IntMacSpec as IntMacSpec
from macwright.hw.pe import MinifloatMacSpec as MinifloatMacSpec
from macwright.hw.pe import PackedMacSpec as PackedMacSpec
from macwright.hw.pe import RequantSpec as RequantSpec
from macwright.hw.pe import SerialMacSpec as SerialMacSpec
from macwright.hw.pe import ShiftAddMacSpec as ShiftAddMacSpec
from macwright.hw.pe import UnitSpec as UnitSpec
from macwright.hw.pe import spec_from_fields as spec_from_fields
from macwright.hw.registry import registry as registry
from macwright.hw.verilog import unit_verilog as unit_verilog
from macwright.plotting import plot_front as plot_front
from macwright.runs import Run as Run
from macwright.runs import save_run as save_run
from macwright.sim.families import golden_model as golden_model
from macwright.sim.runner import SimResult as SimResult
from macwright.sim.runner import simulate as simulate
from macwright.units import generate as generate

__version__: str

__all__ = [
    "FAMILIES",
    "FORMAT_NAMES",
    "Allocation",
    "ApotFormat",
    "BinaryFormat",
    "BitplaneDotSpec",
    "BlockCodes",
    "BlockFormat",
    "Budget",
    "ComposableMacSpec",
    "Count",
    "DataSource",
    "Dataflow",
    "Dataset",
    "DotSpec",
    "E8M0Format",
    "Effort",
    "Exploration",
    "FixedAcc",
    "FixedFormat",
    "FloatFormat",
    "Format",
    "Front",
    "HadamardSpec",
    "Infeasible",
    "IntFormat",
    "IntMacSpec",
    "Layer",
    "LayerChoice",
    "MacwrightError",
    "MinifloatMacSpec",
    "NotSupported",
    "OptionTable",
    "PackedMacSpec",
    "PotFormat",
    "RefusedInput",
    "RefusedType",
    "RequantSpec",
    "Rules",
    "Run",
    "SerialMacSpec",
    "Settings",
    "ShiftAddMacSpec",
    "SimResult",
    "Site",
    "Solution",
    "Technology",
    "Temporal",
    "TernaryFormat",
    "ToolError",
    "UnitSpec",
    "Workload",
    "__version__",
    "build",
    "characterize",
    "embedded_model",
    "explore",
    "export",
    "find_technology",
    "front",
    "generate",
    "golden_model",
    "liberty_technology",
    "load_recipe",
    "load_workload",
    "parse_format",
    "plot_front",
    "read_allocation",
    "registry",
    "save_run",
    "simulate",
    "solve",
    "spec_from_fields",
    "technology_names",
    "unit_verilog",
]
