"""What a Liberty file says of a cell, in ns, fF, fJ, nW and V."""

from dataclasses import dataclass

from macwright.costmodel.liberty.lookup import TableData

__all__ = ["Arc", "Cell", "FlipFlop", "Pin", "PowerArc"]


@dataclass(frozen=True)
class Arc:
    """A timing group: delay from `related` to the pin, or a set-up constraint.

    Parameters
    ----------
    related : str
        Input pin.
    kind : {"combinational", "combinational_rise", "combinational_fall", "rising_edge", "setup"}
    sense : str
        `positive_unate`, `negative_unate`, `non_unate` or empty.
    when : str
        Condition, empty if none.
    rise, fall : TableData or None
        Delay (or constraint) of the rising and the falling edge of the pin, ns.
    rise_slew, fall_slew : TableData or None
        Transition times, ns.
    """

    related: str
    kind: str
    sense: str
    when: str
    rise: TableData | None
    fall: TableData | None
    rise_slew: TableData | None = None
    fall_slew: TableData | None = None


@dataclass(frozen=True)
class PowerArc:
    """An internal_power group: energy of an edge of the pin, fJ.

    Parameters
    ----------
    related : str
        Input pin, empty for the pin's own (passive) power.
    when, supply : str
        Condition and `related_pg_pin`, empty if none.
    rise, fall : TableData or None
    """

    related: str
    when: str
    supply: str
    rise: TableData | None
    fall: TableData | None


@dataclass(frozen=True)
class Pin:
    """A signal pin.

    Parameters
    ----------
    name, direction : str
    capacitance_ff : tuple of float
        For rising and falling edges.
    function : str
        Liberty expression of an output, empty if it has none.
    three_state : bool
        Whether the output can be switched off.
    arcs : tuple of Arc
    power : tuple of PowerArc
    """

    name: str
    direction: str
    capacitance_ff: tuple[float, float]
    function: str
    three_state: bool
    arcs: tuple[Arc, ...]
    power: tuple[PowerArc, ...]


@dataclass(frozen=True)
class FlipFlop:
    """An ff group.

    Parameters
    ----------
    state, inverse : str
        Names that stand for the state and its complement in the pins' functions.
    next_state, clocked_on : str
        Expressions over pins.
    clear, preset : str
        Asynchronous conditions, empty if none.
    """

    state: str
    inverse: str
    next_state: str
    clocked_on: str
    clear: str = ""
    preset: str = ""


@dataclass(frozen=True)
class Cell:
    """A library cell.

    Parameters
    ----------
    name : str
    area : float
        In the library's unit, um2 by custom.
    pins : dict of str to Pin
    flip_flop : FlipFlop or None
    other_state : str
        `latch` or `statetable` if the cell keeps a state in a way that is not simulated, else "".
    leakage : tuple of (float, str)
        nW and condition of each leakage_power group of the supply (not the ground) pins.
    cell_leakage_nw : float or None
    dont_use : bool
        Whether the library forbids a synthesiser to pick it.
    """

    name: str
    area: float
    pins: dict[str, Pin]
    flip_flop: FlipFlop | None
    other_state: str
    leakage: tuple[tuple[float, str], ...]
    cell_leakage_nw: float | None
    dont_use: bool = False

    @property
    def inputs(self) -> list[str]:
        """Names of the input pins."""
        return [pin.name for pin in self.pins.values() if pin.direction == "input"]

    @property
    def outputs(self) -> list[str]:
        """Names of the output pins."""
        return [pin.name for pin in self.pins.values() if pin.direction == "output"]
