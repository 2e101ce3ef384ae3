"""The allocation document: what a point chose, with all that building it needs.

One JSON file for each reported point, ``allocations/N.json``, with a version: the reader takes
this one and refuses others in one sentence. Nothing but this module knows its keys.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from macwright.dse.csv_file import quoted
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.settings import WIDE_BITS
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import Format, parse_format
from macwright.hw.pe import UnitSpec, spec_from_fields
from macwright.sim.fields import from_document, shown

__all__ = ["KIND", "VERSION", "Allocation", "ArrayChoice", "LayerChoice", "read_allocation"]

#: What the document says that it is, and the version that is written and read.
KIND, VERSION = "macwright allocation", 2


@dataclass(frozen=True, kw_only=True)
class LayerChoice:
    """What one layer was given.

    Parameters
    ----------
    weight, activation : str
        Formats.
    unit : str
        Name of the unit, a key of :attr:`Allocation.units`.
    mode : str
        Mode of a unit that has several.
    pe, simd, groups : int or None
        Folding of the layer's own engine: outputs, inputs and, where the machine was searched as a
        whole, groups of channels at once.
    energy_fj_per_mac : float or None
        Energy of a product with the layer's own operands, if measured, fJ.

    Examples
    --------
    >>> choice = LayerChoice(weight="int4", activation="uint8", unit="mine")
    >>> [fmt.width for fmt in choice.formats]
    [4, 8]
    """

    weight: str
    activation: str
    unit: str
    mode: str = ""
    pe: int | None = None
    simd: int | None = None
    groups: int | None = None
    energy_fj_per_mac: float | None = None

    @property
    def formats(self) -> tuple[Format, Format]:
        """Formats of weight and activation."""
        return parse_format(self.weight), parse_format(self.activation)


@dataclass(frozen=True, kw_only=True)
class ArrayChoice:
    """The array that all layers share.

    Parameters
    ----------
    name : str
        As reports show it.
    rows, columns : int
        Processing elements.
    buffer_kib : float or None
        Capacity of each of the two buffers, KiB; None where buffers were not counted.
    wide_bits : int
        Bits of the operands of additions and average pools that were counted.
    split : int
        Most weights that a processing element uses in a cycle: 1, 2 or 4, each of its part of the
        bits.
    """

    name: str
    rows: int
    columns: int
    buffer_kib: float | None = None
    wide_bits: int = WIDE_BITS
    split: int = 1


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """A point of a front: formats, units and hardware, and what is known of it.

    Parameters
    ----------
    point : int
        Number of the point.
    model_sha256 : str
        Hash of the model file that it belongs to.
    technology : str
        What units are mapped to.
    layers : mapping of str to LayerChoice
        In network order.
    units : mapping of str to UnitSpec
        Spec of each unit by its name.
    architecture : {"", "temporal", "dataflow"}
        Hardware that was chosen with the formats, if any.
    array : ArrayChoice or None
        Of a temporal architecture.
    device : str
        FPGA that a dataflow architecture was searched for, if any.
    clock_mhz : float or None
        Clock that costs hold at; None where no architecture was chosen.
    clock_assumed : bool
        Whether nobody knows that units meet it, as in technologies without periods.
    quantiser : mapping
        Fields of :class:`~macwright.dse.quantizer.options.QuantOptions`: how scales are found.
    status : str
    gap, predicted_loss, predicted_accuracy, measured_accuracy : float or None
        Of the proof, the prediction and the measurement, as in ``front.csv``.
    measured_standard_error : float or None
        Of `measured_accuracy`, from so many samples.
    costs : mapping of str to float
        Totals by column.

    Examples
    --------
    >>> from macwright.hw.pe import IntMacSpec
    >>> spec = IntMacSpec()
    >>> choice = LayerChoice(weight="int8", activation="int8", unit=spec.name)
    >>> allocation = Allocation(
    ...     point=0,
    ...     model_sha256="",
    ...     technology="gates",
    ...     layers={"fc": choice},
    ...     units={spec.name: spec},
    ... )
    >>> Allocation.from_fields(allocation.to_fields()) == allocation
    True
    """

    point: int
    model_sha256: str
    technology: str
    layers: Mapping[str, LayerChoice]
    units: Mapping[str, UnitSpec]
    architecture: str = ""
    array: ArrayChoice | None = None
    device: str = ""
    clock_mhz: float | None = None
    clock_assumed: bool = False
    quantiser: Mapping[str, Any] = field(default_factory=dict)
    status: str | None = None
    gap: float | None = None
    predicted_loss: float | None = None
    predicted_accuracy: float | None = None
    measured_accuracy: float | None = None
    measured_standard_error: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.layers:
            raise RefusedInput("Allocation must have layers, not none")
        for name, choice in self.layers.items():
            if choice.unit not in self.units:
                raise RefusedInput(f"Unit of layer {name!r} must have a spec, not {choice.unit!r}")
        for name, spec in self.units.items():
            if spec.name != name:
                raise RefusedInput(f"Unit must have its own name, {spec.name}, not {name}")
        if self.architecture not in ("", "temporal", "dataflow"):
            raise RefusedInput(
                f"Architecture must be temporal, dataflow or empty, not {self.architecture!r}"
            )
        if (self.architecture == "temporal") != (self.array is not None):
            raise RefusedInput("An array must come with a temporal architecture, and with no other")

    def to_frame(self) -> pd.DataFrame:
        """Choice of each layer, one row each, by `layer`; columns that say nothing are left out."""
        rows = [{"layer": name, **_given(choice)} for name, choice in self.layers.items()]
        return pd.DataFrame(rows).set_index("layer", drop=True)

    def _repr_html_(self) -> str:
        costs = ", ".join(f"{name} {value:.6g}" for name, value in self.costs.items())
        words = f"Point {self.point} on {self.technology}: {self.status or 'no status'}; {costs}"
        return f"<p>{escape(words)}</p>" + self.to_frame().to_html(max_rows=40)

    def to_fields(self) -> dict[str, Any]:
        """The document as JSON values."""
        layers = {name: _given(choice) for name, choice in self.layers.items()}
        hardware: dict[str, Any] = {}
        if self.architecture:
            types = sorted({choice.unit for choice in self.layers.values()})
            hardware = {"architecture": self.architecture, "unit_types": types}
        if self.device:
            hardware["device"] = self.device
        if self.clock_assumed:
            hardware["clock_assumed"] = True
        if self.array is not None:
            hardware |= {"array": self.array.name, "rows": self.array.rows}
            hardware |= {"columns": self.array.columns, "buffer_kib": self.array.buffer_kib}
            hardware |= {"wide_bits": self.array.wide_bits}
        return {
            "kind": KIND,
            "version": VERSION,
            **{name: getattr(self, name) for name in ("point", "model_sha256", "technology")},
            **{name: getattr(self, name) for name in _KNOWN},
            "costs": dict(self.costs),
            "quantiser": dict(self.quantiser),
            "units": {
                name: {"family": spec.family, "fields": spec.to_fields()}
                for name, spec in self.units.items()
            },
            "layers": layers,
            **({"hardware": hardware} if hardware else {}),
        }

    @classmethod
    def from_fields(cls, data: Mapping[str, Any]) -> "Allocation":
        """The inverse of :meth:`to_fields`.

        Raises
        ------
        RefusedInput
            If it is no such document, of another version, or a value will not do.
        """
        if not isinstance(data, Mapping) or "layers" not in data:
            raise RefusedInput("Allocation must be an object with layers")
        version = data.get("version", 1)
        if data.get("kind", KIND) != KIND or version != VERSION:
            raise RefusedInput(
                f"Allocation must be of version {VERSION}, not {shown(version)}: "
                + ("make the run anew" if version == 1 else "this macwright is older than the file")
            )
        return cls._from(data)

    @classmethod
    def _from(cls, data: Mapping[str, Any]) -> "Allocation":
        needed = ("point", "model_sha256", "technology", *_KNOWN)
        needed += ("costs", "quantiser", "units", "layers")
        if missing := [name for name in needed if name not in data]:
            raise RefusedInput(f"Allocation must have a field {missing[0]}")
        fields = {name: data[name] for name in needed}
        # Checked here, so that whoever quantises can rely on it.
        from_document(QuantOptions, data["quantiser"], "quantiser")
        hardware = data.get("hardware", {})
        if not isinstance(hardware, Mapping):
            raise RefusedInput(f"Field hardware must be an object, not {quoted(hardware)}")
        known = ("architecture", "device", "clock_assumed")
        fields |= {name: hardware[name] for name in known if name in hardware}
        if "rows" in hardware:
            more = ("columns", "buffer_kib", "wide_bits")
            size = {name: hardware[name] for name in more if name in hardware}
            fields["array"] = {"name": hardware.get("array"), "rows": hardware["rows"], **size}
        return from_document(cls, fields, "allocation", readers={UnitSpec: _unit})


def _unit(value: Any, what: str) -> UnitSpec:
    """Spec of a unit from its family and its fields."""
    unit = from_document(_Unit, value, what)
    texts = {}
    for name, given in unit.fields.items():
        if not isinstance(given, str | int):
            raise RefusedInput(
                f"Field {what}.{name} must be a text, a whole number, true or false, "
                f"not {quoted(given)}"
            )
        texts[name] = given if isinstance(given, str) else str(given).lower()
    return _spec(unit.family, tuple(texts.items()))


@cache
def _spec(family: str, texts: tuple[tuple[str, str], ...]) -> UnitSpec:
    """Points of a run share their units."""
    return spec_from_fields(family, dict(texts))


@dataclass(frozen=True)
class _Unit:
    """A unit as the document has it."""

    family: str
    fields: Mapping[str, Any]


_KNOWN = (
    *("clock_mhz", "status", "gap", "predicted_loss", "predicted_accuracy"),
    *("measured_accuracy", "measured_standard_error"),
)


def _given(choice: LayerChoice) -> dict[str, Any]:
    """Fields of a choice that say something."""
    return {name: value for name, value in vars(choice).items() if value not in (None, "")}


def read_allocation(path: Path | str) -> Allocation:
    """Allocation of a file.

    Parameters
    ----------
    path : path
        ``allocations/N.json`` of a run.

    Returns
    -------
    Allocation

    Raises
    ------
    OSError
        If it cannot be read.
    RefusedInput
        If it is no allocation, or one of another version.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "0.json"
    >>> _ = file.write_text("{}")
    >>> read_allocation(file)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    macwright.hw.errors.RefusedInput: 0.json must be an allocation: ...
    """
    path = Path(path)
    try:
        return Allocation.from_fields(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise RefusedInput(f"{path.name} must be an allocation: {error}") from None
    except RecursionError:
        raise RefusedInput(f"{path.name} must be JSON that is nested less deeply") from None
