"""Random vectors for any unit: legal code words, corners among them."""

import random
from typing import Any

from amaranth.hdl import Value
from amaranth.lib import wiring

from macwright.hw.pe.spec import UnitSpec
from macwright.sim.golden.decode import legal_codes

__all__ = ["CONTROLS", "Vectors", "input_widths"]

#: Inputs that are no data, and how often they are 1 in a simulation.
CONTROLS = {"clear": 0.15, "en": 0.8, "rst": 0.03}


def input_widths(component: wiring.Component) -> dict[str, int]:
    """Bits of each input of a component."""
    return {
        name: len(Value.cast(getattr(component, name)))
        for name, member in component.signature.members.items()
        if member.flow == wiring.In
    }


class Vectors:
    """Random inputs of a unit.

    Parameters
    ----------
    spec : UnitSpec
        Whose component has the ports.
    model : golden model
        `controls` and `legal` of it limit what ports may get.
    seed : int
        Of the random numbers.
    """

    def __init__(self, spec: UnitSpec, model: Any, seed: int) -> None:
        component = spec.create()
        component._MustUse__used = True  # it was made for its ports
        self.spec, self.random = spec, random.Random(seed)
        self.widths = input_widths(component)
        self.modes = {name: list(values) for name, values in getattr(model, "controls", {}).items()}
        self.legal = dict(getattr(model, "legal", {}))
        self._turn = 0  # of the groups of a dot product
        controls = {*CONTROLS, *self.modes, "first"}
        self.ports = [name for name in self.widths if name not in controls]

    def data(self) -> dict[str, int]:
        """Codes of the data ports and modes; one in four is a corner."""
        codes = {name: self._code(name) for name in self.ports}
        return codes | {name: self.random.choice(values) for name, values in self.modes.items()}

    def flags(self) -> dict[str, int]:
        """Random `clear`, and `en`, `rst` and (in its turn) `first` where the unit has them."""
        names = [name for name in ("clear", "en", "rst") if name in self.widths]
        names += ["rst"] if self.spec.rst and "rst" not in names else []
        flags = {name: int(self.random.random() < CONTROLS[name]) for name in names}
        if "first" in self.widths:
            flags["first"] = int(self._turn == 0)
            self._turn = (self._turn + flags.get("en", 1)) % getattr(self.spec, "groups", 1)
        return flags

    def _code(self, name: str) -> int:
        if name in self.legal:
            return self.random.choice(self.legal[name])
        width = self.widths[name]
        roles = {"a": "act", "w": "weight"}
        fmt = getattr(self.spec, roles.get(name, ""), None)
        element = getattr(fmt, "element", fmt)
        if element is None or element.width > 16 or width % element.width:
            return self.random.choice([0, (1 << width) - 1, *[self.random.getrandbits(width)] * 6])
        codes, lanes = legal_codes(element), width // element.width
        corner = self.random.random() < 0.25
        picks = self.random.choices(codes, k=1 if corner else lanes) * (lanes if corner else 1)
        return sum(code << (lane * element.width) for lane, code in enumerate(picks))
