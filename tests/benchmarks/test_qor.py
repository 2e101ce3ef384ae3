"""Quality-of-result benchmark: the naive Verilog does what our units do, and rows are judged."""

import importlib
import random
import shutil
import subprocess
import sys

import pytest
from helpers.paths import ROOT

from macwright.hw.formats import IntFormat, parse_format
from macwright.hw.pe import ComposableMacSpec, DotSpec, MinifloatMacSpec, RequantSpec
from macwright.hw.pe.accumulator import FixedAcc
from macwright.sim.families import golden_model

FOLDER = ROOT / "benchmarks"
needs_icarus = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs iverilog")


@pytest.fixture(scope="module")
def programs():
    sys.path.insert(0, str(FOLDER))
    try:
        return [importlib.import_module(name) for name in ("qor", "qor_naive", "qor_rows")]
    finally:
        sys.path.remove(str(FOLDER))


def simulate(verilog, folder, inputs, output, vectors):
    """Value of the output after the clock edge of each vector."""
    (folder / "naive.v").write_text(verilog)
    ports = "".join(f".{name}({name}), " for name, _ in inputs)
    regs = "".join(f"reg [{width - 1}:0] {name};\n" for name, width in inputs)
    steps = "".join(
        "".join(f"{name} = {v};" for (name, _), v in zip(inputs, vector, strict=True))
        + ' #1 clk = 1; #1 clk = 0; $display("%0d", y);\n'
        for vector in vectors
    )
    bench = (
        f"module bench; reg clk = 0;\n{regs}wire signed [{output[1] - 1}:0] y;\n"
        f"naive dut({ports}.{output[0]}(y), .clk(clk));\ninitial begin\n{steps}end\nendmodule\n"
    )
    (folder / "bench.v").write_text(bench)
    run = {"cwd": folder, "check": True, "capture_output": True, "text": True}
    subprocess.run(["iverilog", "-g2012", "-o", "bench", "bench.v", "naive.v"], **run)
    return [int(text) for text in subprocess.run(["vvp", "bench"], **run).stdout.split()]


def signed(value, width):
    return (value + (1 << (width - 1))) % (1 << width) - (1 << (width - 1))


@needs_icarus
def test_naive_macs_do_what_our_units_do(programs, tmp_path):
    _, naive, _ = programs
    rng = random.Random(1)
    e2m1 = parse_format("e2m1fn")
    e3m2 = parse_format("e3m2fn")
    lanes = {"act": IntFormat(4), "weight": IntFormat(3), "lanes": 3, "acc": IntFormat(14)}
    units = [
        (DotSpec(**lanes), naive.int_mac(4, 3, 14, 3)),
        (DotSpec(act=e2m1, weight=e2m1, lanes=2, acc=FixedAcc(20)), naive.float_mac(2, 1, 20, 2)),
        (MinifloatMacSpec(act=e3m2, weight=e3m2, acc=FixedAcc(24)), naive.float_mac(3, 2, 24)),
    ]
    for spec, texts in units:
        lanes = getattr(spec, "lanes", 1)
        width = spec.acc.width
        a, w = lanes * spec.act.width, lanes * spec.weight.width
        vectors = [
            (int(k == 0 or rng.random() < 0.1), rng.getrandbits(a), rng.getrandbits(w))
            for k in range(300)
        ]
        for text in texts:
            got = simulate(
                text, tmp_path, [("clear", 1), ("a", a), ("w", w)], ("acc", width), vectors
            )
            model = golden_model(spec)
            for k, (clear, x, y) in enumerate(vectors):
                model.step(clear=clear, a=x, w=y)
                assert got[k] == signed(model.acc, width), (spec.name, k)


@needs_icarus
def test_naive_units_with_modes_do_what_ours_do(programs, tmp_path):
    _, naive, _ = programs
    rng = random.Random(2)
    vectors = [
        (int(k == 0), rng.randrange(3), rng.getrandbits(8), rng.getrandbits(8)) for k in range(300)
    ]
    inputs = [("clear", 1), ("mode", 2), ("a", 8), ("w", 8)]
    got = simulate(naive.sum_together()[0], tmp_path, inputs, ("acc", 32), vectors)
    model = golden_model(ComposableMacSpec())
    for k, (clear, mode, a, w) in enumerate(vectors):
        model.step(clear=clear, mode=mode, a=a, w=w)
        assert got[k] == signed(model.acc, 32), k


@needs_icarus
def test_naive_requantisation_does_what_ours_does(programs, tmp_path):
    _, naive, _ = programs
    rng = random.Random(3)
    vectors = []
    for _ in range(300):
        size = rng.randrange(1, 32)
        x, bias = (signed(rng.getrandbits(size) * rng.choice((1, -1)), 32) for _ in range(2))
        vectors.append((x % 2**32, bias % 2**32, rng.getrandbits(16), rng.randrange(32)))
    vectors += [(5, 0, 1, 1), (7, 0, 1, 1), (2**32 - 5, 0, 1, 1), (3, 0, 1, 0)]
    inputs = [("x", 32), ("bias", 32), ("scale", 16), ("shift", 5)]
    got = simulate(naive.requant()[0], tmp_path, inputs, ("y", 8), vectors)
    model = golden_model(RequantSpec())
    for k, (x, bias, scale, shift) in enumerate(vectors):
        model.step(x=x, bias=bias, scale=scale, shift=shift)
        assert got[k] == signed(model.y, 8), (k, vectors[k])


def test_rows_are_distinct_and_their_units_can_be_made(programs):
    _, _, qor_rows = programs
    rows = list(qor_rows.rows())
    assert len({(row.name, row.technology) for row in rows}) == len(rows)
    families = {row.spec.family for row in rows}
    assert len(families) == 9
    assert {row.technology for row in rows} == set(programs[0].TECHNOLOGIES)


def test_row_is_judged_by_area_and_delay(programs, monkeypatch):
    qor, _, qor_rows = programs
    figures = [{"area": 90.0, "delay_ns": 2.0}, {"area": 100.0, "delay_ns": 1.0}]
    monkeypatch.setattr(qor, "flows", lambda *_, **__: [0, 1])
    monkeypatch.setattr(qor, "unit_costs", lambda _spec, flow, **_: figures[flow])
    row = {"section": "s", "name": "n", "technology": "nangate45", "spec": None}
    judge = lambda **more: qor.compare(qor_rows.Row(**row, **more), None)  # noqa: E731
    assert (judge(goal=90)["ours"], judge(goal=90)["met"]) == (90, "yes")
    assert judge(goal=89)["met"] == "NO"
    assert judge(goal=45, per=2)["met"] == "yes"
    fast = judge(goal=100, goal_ns=1.5)
    assert (fast["ours"], fast["met"], fast["goal"]) == (100, "yes", "100 at 1.5 ns")
    assert judge(goal=99, goal_ns=1.5)["met"] == judge(goal=100, goal_ns=0.9)["met"] == "NO"
    figures[0]["area"] = 0.0
    assert judge(public=7)["public/ours"] is None
    figures[0]["area"] = 90.0
    text = "\n".join(
        qor.tables([(qor_rows.Row(**row), judge(goal=89)), (qor_rows.Row(**row), judge())])
    )
    assert "0 of 1 goals are met." in text
    assert "- n, nangate45: 90 against 89." in text
