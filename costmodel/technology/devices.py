"""FPGA devices: what a machine may use of each.

The numbers of logic cells, block RAMs and multipliers are those of the makers' data sheets: Lattice
FPGA-DS-02012 (ECP5), table 1.1; FPGA-DS-02008 (iCE40 UltraPlus) and FPGA-DS-02029 (iCE40 LP/HX),
tables of the families.
"""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from macwright.hw.errors import RefusedInput

__all__ = ["DEVICES", "RESOURCES", "Device", "find_device"]


@dataclass(frozen=True, kw_only=True)
class Device:
    """What there is on an FPGA.

    Parameters
    ----------
    name : str
        Name.
    base : str
        Name of the device of :data:`DEVICES` that the tools are told of.
    family : str
        Technology of its units.
    luts, ffs : int
        Look-up tables of four inputs, and flip-flops.
    block_rams : int
        Block RAMs.
    dsps : int
        Hard multipliers.

    Examples
    --------
    >>> find_device("lfe5u-25f").dsps
    28
    """

    name: str
    base: str
    family: str
    luts: int
    ffs: int
    block_rams: int
    dsps: int

    @property
    def resources(self) -> dict[str, int]:
        """Amount of each resource that a machine may count on, by the name of its cost column.

        That is a share of each, `RESOURCES`.
        """
        return {name: int(share * getattr(self, name)) for name, share in RESOURCES.items()}


#: Resources of a device that can be all there is of a machine's, and the share that it may count
#: on: the cost model errs by up to a tenth, and a placer needs room. Block RAMs are counted as
#: Yosys maps them, of some machines with an engine for each layer to within one.
RESOURCES = {"luts": 0.9, "ffs": 0.9, "block_rams": 0.97, "dsps": 0.9}


def _device(name: str, family: str, cells: int, block_rams: int, dsps: int) -> Device:
    return Device(
        name=name,
        base=name,
        family=family,
        luts=cells,
        ffs=cells,
        block_rams=block_rams,
        dsps=dsps,
    )


#: Devices by name.
DEVICES = {
    device.name: device
    for device in (
        _device("lfe5u-25f", "ecp5", 24288, 56, 28),
        _device("lfe5u-45f", "ecp5", 43848, 108, 72),
        _device("lfe5u-85f", "ecp5", 83640, 208, 156),
        _device("ice40-up5k", "ice40", 5280, 30, 8),
        _device("ice40-hx8k", "ice40", 7680, 32, 0),
    )
}


def find_device(name: str | Path) -> Device:
    """A device by its name, or by a file of the user's own.

    The file is TOML: ``base``, one of :data:`DEVICES`, and what is left of its ``luts``, ``ffs``,
    ``block_rams`` and ``dsps`` beside the user's other logic.

    Parameters
    ----------
    name : str or path
        Name of a device, or a file whose name ends in ``.toml``.

    Raises
    ------
    RefusedInput
        If there is no such device, or the file says what will not do.
    FileNotFoundError
        If the file is absent.
    """
    text = str(name)
    if not text.endswith(".toml"):
        if text not in DEVICES:
            raise RefusedInput(
                f"Device must be one of {', '.join(DEVICES)}, or a .toml file, not {text!r}"
            )
        return DEVICES[text]
    path = Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"Device must be a TOML file, and {path} is not a file")
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedInput(f"Device {path} must be a TOML file, not one where: {error}") from error
    base = fields.pop("base", None)
    if not isinstance(base, str) or base not in DEVICES:
        raise RefusedInput(
            f"Field base of device {path} must be one of {', '.join(DEVICES)}, not {base!r}"
        )
    whole = DEVICES[base]
    for key, value in fields.items():
        if key not in RESOURCES:
            raise RefusedInput(
                f"Fields of device {path} must be base, {', '.join(RESOURCES)}, not {key!r}"
            )
        most = getattr(whole, key)
        if type(value) is not int or not 0 <= value <= most:
            raise RefusedInput(
                f"Field {key} of device {path} must be a whole number from 0 to the {most} of "
                f"{base}, not {value!r}"
            )
    return replace(whole, name=path.stem, **fields)
