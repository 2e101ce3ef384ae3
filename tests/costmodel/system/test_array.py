"""Arrays: the formulas beside machines that step through every cycle and compute the layer."""

from dataclasses import dataclass

import numpy as np
import pytest

from macwright.costmodel.system.array import Engine, TemporalArray, roofline_cycles


@dataclass
class Gemm:
    m: int
    k: int
    n: int
    groups: int = 1

    def operands(self):
        rng = np.random.default_rng(self.m + 31 * self.k + 1009 * self.n)
        acts = rng.integers(-9, 10, (self.groups, self.m, self.k))
        return acts, rng.integers(-9, 10, (self.groups, self.k, self.n))


def chunks(size, step):
    return [range(start, min(start + step, size)) for start in range(0, size, step)]


def output_stationary(layer, rows, columns, u, latency):
    """Cycles, activation reads and weight reads, after a check of what came out."""
    acts, weights = layer.operands()
    out = np.zeros((layer.groups, layer.m, layer.n), dtype=int)
    tiles = [
        (g, ms, ns)
        for g in range(layer.groups)
        for ms in chunks(layer.m, rows)
        for ns in chunks(layer.n, columns)
    ]
    cycle, reads = 0, [0, 0]
    registers_free = 0  # first cycle at whose start the result registers are empty
    for g, ms, ns in tiles:
        steps = chunks(layer.k, u)
        # Sums arrive at the end of cycle start + len(steps) - 1 + latency - 1: wait until the
        # rows before them have left.
        while cycle + len(steps) + latency - 1 < registers_free:
            cycle += 1
        for ks in steps:
            reads[0] += len(ms) * len(ks)
            reads[1] += len(ns) * len(ks)
            for m in ms:
                for n in ns:
                    out[g, m, n] += sum(acts[g, m, k] * weights[g, k, n] for k in ks)
            cycle += 1
        registers_free = cycle + latency - 1 + rows
    assert (out == acts @ weights).all()
    return registers_free, *reads


def digit_serial(layer, rows, columns, u, latency, passes, bits=6):
    """The same of PEs that take a digit of each weight at a time, for all terms of a sum."""
    acts, weights = layer.operands()
    out = np.zeros((layer.groups, layer.m, layer.n), dtype=int)
    width = -(-bits // passes)
    cycle, reads, free = 0, [0, 0], 0
    for g in range(layer.groups):
        for ms in chunks(layer.m, rows):
            for ns in chunks(layer.n, columns):
                steps = chunks(layer.k, u)
                cycle = max(cycle, free - passes * len(steps) - latency + 1)
                reads[1] += len(ns) * layer.k
                for digit in reversed(range(passes)):
                    out[g, ms.start : ms.stop, ns.start : ns.stop] <<= width
                    for ks in steps:
                        reads[0] += len(ms) * len(ks)
                        for m in ms:
                            for n in ns:
                                digits = weights[g, ks.start : ks.stop, n] >> digit * width
                                if digit < passes - 1:
                                    digits = digits & (1 << width) - 1
                                out[g, m, n] += acts[g, m, ks.start : ks.stop] @ digits
                        cycle += 1
                free = cycle + latency - 1 + rows
    assert (out == acts @ weights).all()
    return free, *reads


def weight_stationary(layer, rows, columns, u, latency):
    """Cycles, activation, weight and partial sum reads, and partial sum writes."""
    acts, weights = layer.operands()
    out = np.zeros((layer.groups, layer.m, layer.n), dtype=int)
    written = np.zeros_like(out)
    tiles = [
        (g, ks, ns)
        for g in range(layer.groups)
        for ns in chunks(layer.n, columns)
        for ks in chunks(layer.k, rows * u)
    ]
    reads = [0, 0, 0]
    cycle, loader = 0, 0
    for g, ks, ns in tiles:
        # The second set of weight registers is free once the tile before this one has begun.
        loader = max(loader, cycle - layer.m if cycle else 0) + rows
        reads[1] += len(ks) * len(ns)
        cycle = max(cycle, loader)
        for m in range(layer.m):
            reads[0] += len(ks)
            for n in ns:
                reads[2] += written[g, m, n] > 0
                out[g, m, n] += sum(acts[g, m, k] * weights[g, k, n] for k in ks)
                written[g, m, n] += 1
            cycle += 1
    assert (out == acts @ weights).all()
    return cycle + latency - 1, *reads, written.sum()


def engine(layer, pe, simd, latency):
    """Cycles, activation and weight reads."""
    acts, weights = layer.operands()
    out = np.zeros((layer.groups, layer.m, layer.n), dtype=int)
    cycle, reads = 0, [0, 0]
    for g in range(layer.groups):
        for m in range(layer.m):
            for ns in chunks(layer.n, pe):
                for ks in chunks(layer.k, simd):
                    reads[0] += len(ks)
                    reads[1] += len(ks) * len(ns)
                    for n in ns:
                        out[g, m, n] += sum(acts[g, m, k] * weights[g, k, n] for k in ks)
                    cycle += 1
    assert (out == acts @ weights).all()
    return cycle + latency - 1, *reads


LAYERS = [Gemm(1, 1, 1), Gemm(7, 5, 6), Gemm(4, 2, 9, 3), Gemm(2, 13, 3), Gemm(9, 1, 1, 4)]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (4, 3, 1, 1), (3, 2, 4, 3), (8, 8, 2, 2)], ids=str)
def test_formulas_are_those_of_the_machine(layer, shape):
    rows, columns, u, latency = shape
    sizes = {"rows": rows, "columns": columns, "macs_per_pe": u, "latency": latency}
    got = TemporalArray(**sizes).schedule(layer)
    assert (got.cycles, got.act_reads, got.weight_reads) == output_stationary(layer, *shape)
    assert (got.partial_writes, got.partial_reads) == (0, 0)
    got = TemporalArray(**sizes, stationary="weight").schedule(layer)
    moved = (got.cycles, got.act_reads, got.weight_reads, got.partial_reads, got.partial_writes)
    assert moved == weight_stationary(layer, *shape)
    assert got.out_writes == layer.groups * layer.m * layer.n


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("shape", [(4, 3, 1, 1, 3), (3, 2, 4, 3, 2), (8, 1, 2, 1, 6)], ids=str)
def test_bit_serial_elements_take_their_passes(layer, shape):
    rows, columns, u, latency, passes = shape
    array = TemporalArray(rows=rows, columns=columns, macs_per_pe=u, latency=latency, passes=passes)
    got = array.schedule(layer)
    assert (got.cycles, got.act_reads, got.weight_reads) == digit_serial(layer, *shape)
    assert got.utilisation == pytest.approx(got.macs * passes / (got.cycles * rows * columns * u))


@pytest.mark.parametrize("folding", [(1, 1, 1), (3, 1, 2), (2, 5, 1), (6, 5, 4)])
def test_engine_is_the_loop_nest(folding):
    layer = Gemm(7, 5, 6, 2)
    pe, simd, latency = folding
    got = Engine(pe=pe, simd=simd, latency=latency).schedule(layer)
    assert (got.cycles, got.act_reads, got.weight_reads) == engine(layer, *folding)
    assert got.utilisation == got.macs / (got.cycles * pe * simd)


def test_array_that_fits_is_all_but_fully_used():
    layer = Gemm(1024, 512, 256)
    for stationary in ("output", "weight"):
        got = TemporalArray(rows=16, columns=16, stationary=stationary).schedule(layer)
        assert 0.99 < got.utilisation < 1
        bound = roofline_cycles(macs=got.macs, macs_per_cycle=256, bits_moved=0, bits_per_cycle=1)
        assert bound == got.utilisation * got.cycles


def test_energy_is_products_and_traffic():
    got = TemporalArray(rows=4, columns=3, stationary="weight").schedule(Gemm(7, 5, 6))
    parts = {"act_pj": 2.0, "weight_pj": 3.0, "partial_pj": 5.0, "out_pj": 7.0, "cycle_pj": 0.5}
    # 7 x 5 activations for each of 2 tiles across, weights once, 2 tiles deep.
    want = 210 * 1.5 + 70 * 2 + 30 * 3 + (84 + 42) * 5 + 42 * 7 + got.cycles * 0.5
    assert got.energy_pj(mac_pj=1.5, **parts) == pytest.approx(want)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: TemporalArray(rows=0, columns=1), "^Array rows must be an integer of at least 1"),
        (
            lambda: TemporalArray(rows=1, columns=1, stationary="input"),
            "^Array must be output or weight stationary, not 'input'$",
        ),
        (
            lambda: TemporalArray(rows=1, columns=1, passes=2, stationary="weight"),
            "^Passes of a weight-stationary PE must be 1, not 2: it keeps whole weights$",
        ),
        (
            lambda: Engine(pe=4, simd=1).schedule(Gemm(7, 5, 6)),
            "^Engine PEs must divide the 6 output channels, not be 4$",
        ),
        (
            lambda: Engine(pe=1, simd=2).schedule(Gemm(7, 5, 6)),
            "^Engine SIMD must divide the 5 products of a sum, not be 2$",
        ),
        (lambda: Engine(pe=1, simd=1).schedule(Gemm(0, 5, 6)), "^Layer m must be an integer"),
        (
            lambda: roofline_cycles(macs=1, macs_per_cycle=0, bits_moved=1, bits_per_cycle=1),
            "^Products and bits a cycle must be positive, not 0 and 1$",
        ),
    ],
)
def test_what_will_not_do_is_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
