"""Random stages of machines, with constants, for benches of shapes that nobody chose."""

import random
from typing import Any

from macwright.hw.accelerator.array import MacArraySpec, ReducerSpec
from macwright.hw.accelerator.drain import DrainSpec
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.requantiser import RequantiserSpec
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.hw.formats import parse_format
from macwright.hw.pe import IntMacSpec, spec_from_fields
from macwright.sim.accelerator.golden import to_words

#: Messages of specs for which a shape will not do; another one is drawn.
WRONG_SHAPES = ("must fit into its padded", "must divide", "must be a power of two", "must have")


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def random_window(
    chance: random.Random, *, channels: int, lanes: int, bits: int, folds: int, passes: int
) -> WindowSpec:
    """A window of least depth or a little more, as the random numbers have it."""
    height, width = chance.choice([1, chance.randrange(1, 7)]), chance.randrange(1, 7)
    fields: dict[str, Any] = {
        "bits": bits,
        "write_lanes": chance.choice(
            [d for d in divisors(channels) if d % lanes == 0 or lanes % d == 0]
        ),
        "read_lanes": lanes,
        "height": height,
        "width": width,
        "channels": channels,
        "kernel": (chance.randrange(1, min(height, 4) + 1), chance.randrange(1, min(width, 4) + 1)),
        "stride": (chance.randrange(1, 4), chance.randrange(1, 4)),
        "dilation": (chance.randrange(1, 3), chance.randrange(1, 3)),
        "pads": tuple(chance.randrange(0, 3) for _ in range(4)),
        "pad_code": chance.choice([0, 1]),
        "folds": folds,
        "passes": passes,
    }
    words = height * width * channels // fields["write_lanes"]
    fields["burst"] = chance.choice(divisors(words)[:4])
    least = WindowSpec(**fields, depth=1 << 30).least_depth
    return WindowSpec(**fields, depth=least + chance.choice([0, 0, 1, 7]))


def random_drain(
    chance: random.Random, *, results: int, rounds: int, sums: int, beats: int, outputs: int
) -> tuple[DrainSpec, dict[str, Any]]:
    """A drain with so many outputs, and its constants."""
    channels = results * rounds
    bias = chance.choice([0, 5, sums])
    specs, multipliers = [], []
    for _ in range(outputs):
        low, high, bits = chance.choice([(0, 15, 4), (-8, 7, 4), (0, 255, 8), (-100, 127, 8)])
        width = chance.choice([4, 8, 16])
        constant = chance.choice([None, None, chance.randrange(1 << width)])
        spec = RequantiserSpec(
            sums=sums,
            bias=bias,
            multiplier=width,
            shift=chance.choice([0, 1, 2, width, width + 2]),
            zero=chance.choice([0, 0, 3, -2]),
            low=low,
            high=high,
            bits=bits,
            constant=constant,
        )
        specs.append(spec)
        if constant is None:
            multipliers.append([chance.randrange(1 << width) for _ in range(channels)])
    lanes = chance.choice([d for d in divisors(results) if results // d <= beats])
    drain = DrainSpec(results=results, lanes=lanes, rounds=rounds, sums=sums, outputs=tuple(specs))
    constants: dict[str, Any] = {"multipliers": multipliers}
    if outputs and bias:
        half = 1 << (bias - 1)
        constants["bias"] = [chance.randrange(-half, half) for _ in range(channels)]
    return drain, constants


def random_engine(chance: random.Random, kind: str) -> tuple[EngineSpec, dict[str, Any]]:
    """An engine of a few hundred cycles: `kind` is "mac", "dot", "max" or "sum"."""
    while True:
        try:
            spec, constants = _drawn_engine(chance, kind)
        except ValueError as error:
            if not any(text in str(error) for text in WRONG_SHAPES):
                raise
            continue
        if spec.cycles <= 600:
            return spec, constants


def _drawn_engine(chance: random.Random, kind: str) -> tuple[EngineSpec, dict[str, Any]]:
    act = parse_format(chance.choice(["uint4", "int4", "uint8", "int3"]))
    if kind in ("max", "sum"):
        act = chance.choice([act, parse_format("e2m2fin")])
        channels = chance.choice([1, 2, 4, 6])
        lanes = chance.choice(divisors(channels))
        window = random_window(
            chance,
            channels=channels,
            lanes=lanes,
            bits=act.width,
            folds=channels // lanes,
            passes=1,
        )
        array: Any = ReducerSpec(
            operation=kind,
            lanes=lanes,
            format=act,
            sums=act.width if kind == "max" else 13,
        )
        weights = {}
    else:
        groups = chance.choice([1, 1, 2, 4])
        per_group, outs = chance.choice([1, 2, 4]), chance.choice([1, 2, 3, 4])
        at_once = chance.choice(divisors(groups))
        # Of several groups at once all channels go in, and all come out.
        simd = per_group if at_once > 1 else chance.choice(divisors(per_group))
        pe = outs if at_once > 1 else chance.choice(divisors(outs))
        window = random_window(
            chance,
            channels=groups * per_group,
            lanes=at_once * simd,
            bits=act.width,
            folds=groups // at_once,
            passes=outs // pe,
        )
        terms, stages = window.beats * simd, chance.choice([0, 1, 2])
        weight = parse_format(chance.choice(["int4", "ternary", "int8", "binary"]))
        fields = {"act": str(act), "weight": str(weight), "acc": "exact", "terms": terms}
        fields["pipeline"] = stages
        unit = (
            spec_from_fields("dot", fields | {"lanes": simd})
            if kind == "dot"
            else IntMacSpec.from_fields(fields)
        )
        steps = window.folds * window.passes * window.beats
        array = MacArraySpec(unit=unit, pe=pe, simd=simd, groups=at_once, steps=steps)
        codes = [0, 1, 3] if str(weight) == "ternary" else range(1 << weight.width)
        lanes = at_once * pe * simd
        drawn = [chance.choice(codes) for _ in range(steps * lanes)]
        weights = {"weights": to_words(drawn, lanes=lanes, bits=weight.width)}
    drain, constants = random_drain(
        chance,
        results=array.results,
        rounds=window.folds * window.passes,
        sums=array.sums,
        beats=window.beats,
        outputs=0 if kind == "max" else chance.choice([1, 1, 2]),
    )
    return EngineSpec(window=window, array=array, drain=drain), weights | constants


def random_words(chance: random.Random, *, count: int, width: int) -> list[int]:
    return [chance.getrandbits(width) for _ in range(count)]
