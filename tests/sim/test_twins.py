# amaranth: UnusedElaboratable=no
"""Vectorised twins against the golden models in Python integers, one sum at a time."""

import itertools
import random
from typing import Any

import numpy as np
import pytest

from macwright.hw.formats import FloatFormat, parse_format
from macwright.hw.pe import spec_from_fields
from macwright.hw.registry import registry
from macwright.sim.families import golden_model
from macwright.sim.golden import Special, decode, legal_codes
from macwright.sim.golden.float_mac import add_special
from macwright.sim.golden.float_sums import rounded_sums
from macwright.sim.golden.layer_numpy import acc_values, layer_sums
from macwright.sim.golden.matmul import wrapping_matmul
from macwright.sim.golden.requant_numpy import requant_results
from macwright.sim.golden.shift_add_numpy import group_sums, group_totals

M, N = 3, 2


def _units(*families):
    """Specs of the registry whose accumulators fit, each without pipeline."""
    return [
        spec_from_fields(spec.family, {**spec.to_fields(), "pipeline": 0})
        for spec in registry()
        if spec.family in families and (isinstance(spec.acc, FloatFormat) or spec.acc.width <= 63)
    ]


def _finite(fmt):
    return [code for code in legal_codes(fmt) if not isinstance(decode(fmt, code), Special)]


def _codes(rng, fmt, shape, *, special):
    """Random codes, small and large; NaN and infinity with one code in 50, if asked for."""
    finite, everything = _finite(fmt), legal_codes(fmt)
    sizes = np.abs(fmt.decode(np.array(finite)))
    small = np.array(finite)[np.argsort(sizes)][: max(4, len(finite) // 8)].tolist()
    count = int(np.prod(shape))
    picks = [rng.choice(small if rng.random() < 0.3 else finite) for _ in range(count)]
    if special:
        picks = [rng.choice(everything) if rng.random() < 0.02 else code for code in picks]
    return np.array(picks).reshape(shape)


def _fed(spec, a, w):
    """Accumulator of the golden model after the products of a row and a column."""
    model = golden_model(spec)
    for k, (x, y) in enumerate(zip(a.tolist(), w.tolist(), strict=True)):
        model.step(a=x, w=y, clear=int(k == 0))
    return -1 if model.acc is None else model.acc


@pytest.mark.parametrize("special", [False, True], ids=["numbers", "specials"])
@pytest.mark.parametrize("spec", _units("int_mac", "minifloat_mac"), ids=lambda spec: spec.name)
def test_layers_are_sums_of_the_golden_model(spec, special):
    rng = random.Random(spec.name)
    a = _codes(rng, spec.act, (M, 40), special=special)
    w = _codes(rng, spec.weight, (40, N), special=special)
    got = layer_sums(spec, a, w)
    want = [[_fed(spec, a[i], w[:, j]) for j in range(N)] for i in range(M)]
    assert got.tolist() == want
    numbers = acc_values(spec, got)
    for code, number in zip(got.flat, numbers.flat, strict=True):
        if code >= 0 and isinstance(spec.acc, FloatFormat):
            value = decode(spec.acc, int(code))
            assert isinstance(value, str) or int(value[0]) * 2.0 ** int(value[1]) == number
        elif code >= 0:
            units = number * 2.0 ** -getattr(spec, "acc_exponent", 0)
            assert units % 2.0**spec.acc.width == code or spec.acc.width > 53
        else:
            assert np.isnan(number)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"act": "e4m3fn", "weight": "e4m3fn", "lanes": 4, "acc": "fp32", "window": 12},
        {"act": "mxfp8e4m3", "weight": "mxfp4", "lanes": 16, "acc": "fp32", "window": 16},
        {"act": "int8", "weight": "nvfp4", "lanes": 8, "acc": "fp16"},
    ],
    ids=["int", "window", "blocks", "block"],
)
def test_layers_of_dot_units(fields, monkeypatch):
    monkeypatch.setattr("macwright.sim.golden.layer_numpy.CHUNK", 64 * N)  # a row at a time
    spec, rng, k = spec_from_fields("dot", fields), random.Random(2), 64
    a = _codes(rng, spec.lane.act, (M, k), special=False)
    w = _codes(rng, spec.lane.weight, (k, N), special=False)
    scales = {}
    if "mxfp8e4m3" in fields.values():
        scales["a_scale"] = np.array([[rng.randint(120, 130) for _ in range(k // 32)]] * M)
    if spec.weight in spec.blocks:
        blocks = k // spec.weight.block
        scales["w_scale"] = np.array([[rng.randint(50, 70)] * N for _ in range(blocks)])
    got = layer_sums(spec, a, w, **scales)
    for i, j in itertools.product(range(M), range(N)):
        model = golden_model(spec)
        for first in range(0, k, spec.lanes):
            part = slice(first, first + spec.lanes)
            now = {}
            if "a_scale" in scales:
                now["a_scale"] = int(scales["a_scale"][i, first // spec.act.block])
            if "w_scale" in scales:
                now["w_scale"] = int(scales["w_scale"][first // spec.weight.block, j])
            vectors = [
                _pack(codes, spec_width)
                for codes, spec_width in (
                    (a[i, part], spec.act.width),
                    (w[part, j], spec.weight.width),
                )
            ]
            model.step(a=vectors[0], w=vectors[1], clear=int(first == 0), **now)
        assert got[i, j] == model.acc
    if spec.lanes > 1 and isinstance(spec.acc, FloatFormat):
        with pytest.raises(ValueError, match=r"^Length of the sums must be a multiple of \d+ lane"):
            layer_sums(spec, a[:, 1:], w[1:])


def _pack(codes, width):
    return sum(int(code) << (k * width) for k, code in enumerate(codes))


def _bitplane_cycle(spec, bits, a, w):
    """Operands of one cycle of `bitplane_dot`: every plane has its weight's activation."""
    acts = np.repeat(a, bits)
    return {"a": _pack(acts, spec.act.width), "w": _pack(w, bits)}


def _together_cycle(spec, bits, a, w):
    return {"a": _pack(a, bits), "w": _pack(w, bits)}


@pytest.mark.parametrize(
    ("family", "fields", "cycle"),
    [
        ("bitplane_dot", {"lanes": 2}, _bitplane_cycle),
        ("composable_mac", {}, _together_cycle),
    ],
)
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_layers_of_units_with_modes(family, fields, cycle, mode):
    spec, rng = spec_from_fields(family, fields), random.Random(mode)
    bits, count = 8 >> mode, list(spec.modes.values())[mode]
    weight = parse_format(f"int{bits}")
    act = weight if family == "composable_mac" else spec.act
    a = _codes(rng, act, (M, 3 * count), special=False)
    w = _codes(rng, weight, (3 * count, N), special=False)
    got = layer_sums(spec, a, w, act=act, weight=weight)
    for i, j in itertools.product(range(M), range(N)):
        model = golden_model(spec)
        for k in range(3):
            part = slice(k * count, (k + 1) * count)
            operands = cycle(spec, bits, a[i, part], w[part, j])
            model.step(clear=int(k == 0), mode=mode, **operands)
        assert got[i, j] == model.acc


def test_layers_of_serial_units():
    spec, rng, bits = spec_from_fields("serial_mac", {"lanes": 4}), random.Random(3), 6
    weight = parse_format("int6")
    a = _codes(rng, spec.act, (M, 12), special=False)
    w = _codes(rng, weight, (12, N), special=False)
    got = layer_sums(spec, a, w, weight=weight)
    for i, j in itertools.product(range(M), range(N)):
        model = golden_model(spec)
        for step in range(bits // 2):
            digits = w[:, j] >> (bits - 2 * (step + 1)) & 3
            for k in range(0, 12, 4):
                model.step(
                    a=_pack(a[i, k : k + 4], 8),
                    w=_pack(digits[k : k + 4], 2),
                    sign=int(step == 0),
                    shift=int(k == 0 and step > 0),
                    clear=int(k == 0 and step == 0),
                )
        assert got[i, j] == model.acc


def _group_units():
    """Units with groups, their totals short enough."""
    for spec in _units("shift_add_mac"):
        total = f"int{min(63, spec.total.width)}"
        yield spec_from_fields(spec.family, {**spec.to_fields(), "total": total})


@pytest.mark.parametrize("special", [False, True], ids=["numbers", "specials"])
@pytest.mark.parametrize("spec", list(_group_units()), ids=lambda spec: spec.name)
def test_groups_are_those_of_the_golden_model(spec, special):
    groups, rng = 2, random.Random(spec.name)
    k = groups * spec.group
    a = _codes(rng, spec.act, (M, k), special=special)
    w = np.array([rng.choice(legal_codes(spec.weight)) for _ in range(k * N)]).reshape(k, N)
    sums = group_sums(spec, a, w)
    given = {}
    for name in ("scale", "zero"):
        if fmt := getattr(spec, name):
            codes = [rng.randrange(2**fmt.width) for _ in range(groups * N)]
            given[name] = np.array(codes).reshape(groups, N)
    totals = group_totals(spec, a, w, **given) if given else None
    for i, j in itertools.product(range(M), range(N)):
        model = golden_model(spec)
        for cycle in range(k + 1):
            before, at = (cycle - 1) // spec.group, cycle % k
            new = cycle % spec.group == 0
            if new and cycle:
                assert sums[before, i, j] == (-1 if model.acc is None else model.acc)
            flags = {"clear": int(new)}
            if given:
                flags |= {"take": int(new and cycle > 0), "start": int(before == 0)}
                flags |= {name: int(codes[before, j]) for name, codes in given.items()}
            model.step(a=int(a[i, at]), w=int(w[at, j]), **flags)
        if totals is not None:
            assert totals[i, j] == (-1 if model.total is None else model.total)


@pytest.mark.parametrize("spec", _units("requant"), ids=lambda spec: spec.name)
def test_requantised_numbers_are_those_of_the_golden_model(spec):
    rng, model, fmt = random.Random(spec.name), golden_model(spec), spec.weight
    names = ["x", "scale", *(name for name in ("bias", "shift", "zero") if name in model.data)]
    rows = []
    for _ in range(3_000):
        x = rng.choice([-1, 1]) * rng.getrandbits(rng.randint(1, spec.act.width - 1))
        scale = rng.getrandbits(fmt.width)
        if isinstance(fmt, FloatFormat):
            exponent = min(max(0, fmt.bias + rng.randint(-30, 3)), 2**fmt.exp_bits - 2)
            scale = exponent * 2**fmt.man_bits + rng.getrandbits(fmt.man_bits)
        others = {
            "bias": rng.choice([0, rng.getrandbits(spec.act.width - 1), -x]),
            "shift": rng.getrandbits(spec.shift_bits),
            "zero": rng.randint(int(spec.acc.min), int(spec.acc.max)),
        }
        rows.append([{"x": x, "scale": scale, **others}[name] for name in names])
    columns = dict(zip(names, np.array(rows).T, strict=True))
    got = requant_results(spec, columns.pop("x"), columns.pop("scale"), **columns)
    widths = {name: 2 ** model.data[name] for name in names}
    want = [
        model.result(**{n: v % widths[n] for n, v in zip(names, row, strict=True)}) for row in rows
    ]
    assert got.tolist() == want


def test_matrix_product_is_right_modulo_two_to_the_64():
    rng = np.random.default_rng(4)
    for bits in ((3, 4), (20, 30), (40, 9), (50, 45), (62, 62)):
        a, w = (
            rng.integers(-(2**b), 2**b, s) for b, s in zip(bits, ((3, 70), (70, 2)), strict=True)
        )
        want = a.astype(object) @ w.astype(object)
        assert ((wrapping_matmul(a, w) - want) % 2**64 == 0).all()


@pytest.mark.parametrize("name", ["fp32", "e5m2", "e4m3fn", "e5m6fin"])
def test_float_sums_are_rounded_once(name):
    """Terms a little off the middle of two numbers: float64 alone would lose on which side."""
    fmt: Any = parse_format(name)
    rng, model_sum, terms, codes = random.Random(6), 0, [], []
    for _ in range(400):
        number, power = rng.choice([-1, 1]) * (2**52 + rng.choice([0, 1, -1])), -rng.randint(50, 80)
        terms.append(np.array(number * 2.0**power))
        model_sum = add_special(fmt, model_sum, (number, power), number < 0)
        codes.append(model_sum)
        if isinstance(decode(fmt, model_sum), Special):
            break
    for count in (1, 2, 3, *range(4, len(terms), 40), len(terms)):
        assert int(rounded_sums(fmt, terms[:count], ())) == codes[count - 1]


def test_wide_accumulators_are_refused():
    spec = spec_from_fields("minifloat_mac", {"act": "e5m2", "weight": "e5m2"})
    with pytest.raises(ValueError, match=r"^Accumulator must have at most 63 bits, not 75$"):
        layer_sums(spec, [[0]], [[0]])
    shift_add = spec_from_fields("shift_add_mac", {"act": "fp16"})
    with pytest.raises(ValueError, match=r"^Total must have at most 63 bits, not 64$"):
        group_totals(shift_add, [[0]], [[0]], scale=1)
    requant = spec_from_fields("requant", {"act": "int48"})
    with pytest.raises(ValueError, match=r"^Product .* must have at most 62 bits, not 64$"):
        requant_results(requant, 1, 1)
