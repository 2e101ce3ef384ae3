"""Operands of units in each of their modes: what the golden models make of them."""

import itertools

import numpy as np
import pytest

from macwright.costmodel.power import unit as energy_module
from macwright.costmodel.stimulus.layer import LayerOperands
from macwright.costmodel.stimulus.modes import CYCLES, TERMS, mode_streams
from macwright.costmodel.stimulus.named import layer_streams, named_streams
from macwright.costmodel.tables.default_units import SWITCHED, switched_unit
from macwright.costmodel.tables.lookup import costs, load_table
from macwright.costmodel.technology.catalogue import LIBERTY_NAMES
from macwright.hw.pe import FAMILIES, SerialMacSpec, spec_from_fields
from macwright.sim.families import golden_model

UNITS = [
    *SWITCHED,
    "composable_mac act=int16 weight=int16 leaf=4",
    "composable_mac variant=fusion leaf=4",
    "bitplane_dot lanes=3 act=uint5 weight=int4",
    "serial_mac lanes=3 act=uint5 weight=int7",
    "serial_mac lanes=2 step=1 weight=int3",
]


def number(code, fmt):
    code = int(code) & (1 << fmt.width) - 1
    return code - (1 << fmt.width) if fmt.signed and code >> (fmt.width - 1) else code


def elements(code, fmt, count):
    return [number(int(code) >> n * fmt.width, fmt) for n in range(count)]


def operands(kind, mode, cycles):
    """Activations and weights of each lane and cycle, a list of so many as are taken at once."""
    fmts = {"a": mode.act, "w": mode.weight}
    if kind == "uniform":
        drawn = named_streams(
            "uniform", *fmts.values(), cycles=cycles, elements=(mode.lanes, mode.lanes)
        )
        return lambda port, cycle, lane: elements(drawn[port][cycle, lane], fmts[port], mode.lanes)
    steps = cycles * mode.lanes
    one = layer_streams(kind.acts, kind.weights, *fmts.values(), cycles=steps, lanes=kind.lanes)
    return lambda port, cycle, lane: [
        number(one[port][cycle * mode.lanes + n, lane], fmts[port]) for n in range(mode.lanes)
    ]


def kinds(mode):
    rng = np.random.default_rng(1)
    acts = rng.integers(0, 1 << mode.act.width, (7, 90))
    yield "uniform"
    yield LayerOperands("a", acts, rng.integers(0, 1 << mode.weight.width, (90, 5)), lanes=18)


@pytest.mark.parametrize("text", UNITS)
def test_each_mode_sums_the_products_drawn(text):
    spec = switched_unit(text)
    modes = spec.operating_modes()
    for mode, lane in itertools.product(modes, (0, 17)):
        assert mode.macs_per_cycle == spec.modes[mode.label]
        for kind in kinds(mode):
            streams = mode_streams(mode, kind)
            at = [
                {name: int(stream[c, lane]) for name, stream in streams.items()}
                for c in range(CYCLES)
            ]
            if isinstance(spec, SerialMacSpec):
                check_digits(spec, mode, at, kind, lane)
                continue
            drawn = operands(kind, mode, CYCLES)
            for cycle, ports in enumerate(at):
                ports.pop("clear")
                pairs = zip(drawn("a", cycle, lane), drawn("w", cycle, lane), strict=True)
                assert golden_model(spec).cycle_sum(**ports) == sum(a * w for a, w in pairs)


def check_digits(spec, mode, at, kind, lane):
    whole = mode.passes * TERMS
    drawn = operands(kind, mode, -(-CYCLES // whole) * TERMS)
    model = golden_model(spec)
    for cycle, ports in enumerate(at):
        model.step(**ports)
        if cycle % whole == whole - 1:
            terms = range(cycle // whole * TERMS, (cycle // whole + 1) * TERMS)
            products = (
                a * w
                for t in terms
                for a, w in zip(drawn("a", t, lane), drawn("w", t, lane), strict=True)
            )
            assert (model.acc - sum(products)) % 2**spec.acc.width == 0


def test_modes_are_from_wide_to_narrow_and_have_their_own_rows():
    for text in UNITS:
        modes = switched_unit(text).operating_modes()
        assert modes[0].row == modes[0].name
        assert modes[0].weight == modes[0].spec.weight
        for wide, narrow in itertools.pairwise(modes):
            assert wide.macs_per_cycle <= narrow.macs_per_cycle
            assert narrow.row == f"{narrow.name}@{narrow.label}"
            for role in ("act", "weight"):
                assert getattr(wide, role).max >= getattr(narrow, role).max
    (only,) = spec_from_fields("int_mac", {}).operating_modes()
    assert (only.label, only.macs_per_cycle, only.row) == ("", 1, only.spec.name)


def test_energy_of_a_unit_is_that_of_its_widest_mode(monkeypatch):
    asked = []
    monkeypatch.setattr(energy_module, "mode_streams", lambda mode, _: asked.append(mode) or {})
    modes = switched_unit("serial_mac").operating_modes()
    for spec in (modes[0].spec, modes[3]):
        energy_module.unit_streams(None, spec, "gauss")  # type: ignore[arg-type]
    assert asked == [modes[0], modes[3]]


@pytest.mark.parametrize(
    "technology", [name for name in LIBERTY_NAMES if not load_table(name).empty]
)
def test_modes_ship_with_less_energy_the_narrower(technology):
    for text in SWITCHED:
        modes = switched_unit(text).operating_modes()
        rows = costs(modes, technology).set_index("unit")
        assert set(rows.source) == {"shipped"}
        assert rows.area.nunique() == 1
        assert list(rows.macs_per_cycle) == [mode.macs_per_cycle for mode in modes]
        energy = rows.energy_fj_per_mac
        # Weights of 7 and of 8 bits take as many passes.
        assert (energy.to_numpy()[1:] <= energy.to_numpy()[:-1] * 1.01).all()
        assert energy.iloc[-1] < 0.25 * energy.iloc[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_other_units_are_refused(family):
    if hasattr(spec_from_fields(family, {}), "modes"):
        assert switched_unit(family).family == family
        return
    with pytest.raises(
        ValueError, match="must be a composable_mac, bitplane_dot or serial_mac, not"
    ):
        switched_unit(family)
