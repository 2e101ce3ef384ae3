"""Arrays: cycles, utilisation and traffic of a layer, which the hardware keeps to the cycle.

A layer is `groups` products of an M-by-K matrix of activations and a K-by-N matrix of weights.
A PE takes u products of one sum in p cycles (u = p = 1 for a MAC, a larger u for a dot product,
p > 1 for bit-serial weights, for which all activations of a sum come p times), and its result is
there L cycles after its last operands (`latency`). ⌈x⌉ is x rounded up.

Output stationary, R by C PEs
    PE (r, c) makes one output; activations are broadcast along rows, weights along columns. A
    tile is R positions by C channels, T = groups ⌈M/R⌉ ⌈N/C⌉ of them, and takes D = p ⌈K/u⌉
    cycles of operands. Finished sums are moved to R rows of result registers, which leave one
    row a cycle while the next tile is computed, so that a tile begins max(D, R) cycles after the
    one before it: ``cycles = (T - 1) max(D, R) + D + L - 1 + R``. Elements read from the buffers:
    activations p groups M K ⌈N/C⌉, weights groups K N ⌈M/R⌉.

Weight stationary, R by C PEs, p = 1
    PE (r, c) keeps u weights of one channel; a column adds what its R PEs make. A tile is R u
    terms by C channels, T = groups ⌈K/(R u)⌉ ⌈N/C⌉ of them, and takes M cycles, one position
    each. The weights of the next tile are loaded, one row a cycle, behind those in use:
    ``cycles = R + (T - 1) max(M, R) + M + L - 1``. Elements read: activations
    groups M K ⌈N/C⌉, weights groups K N; partial sums are kept in a buffer of M by C words,
    written once for each tile they belong to and read once for each but the first.

Dataflow engine, P PEs of S products (its `SIMD`)
    A PE makes one channel, P channels and S terms at a time; P divides N and S divides K. A
    position takes F = (N/P) (K/S) cycles: ``cycles = groups M F + L - 1``. Each weight is read
    for each position; an activation enters once for each term of each position, is kept in a
    buffer of K, and is read again N/P - 1 times from there.
"""

from dataclasses import dataclass
from typing import Protocol

from macwright.hw.errors import RefusedInput

__all__ = ["Engine", "MatrixProduct", "Schedule", "TemporalArray", "roofline_cycles"]


class MatrixProduct(Protocol):
    """What is asked of a layer; `macwright.dse.workload` has such."""

    @property
    def m(self) -> int:
        """Output positions."""
        ...

    @property
    def k(self) -> int:
        """Products of a sum."""
        ...

    @property
    def n(self) -> int:
        """Output channels of a group."""
        ...

    @property
    def groups(self) -> int:
        """Matrix products of this shape."""
        ...


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What a layer takes on an array.

    Parameters
    ----------
    macs, cycles : int
        Products, and clock cycles from the first operands to the last result.
    utilisation : float
        Part of the array's products in `cycles` that the layer needs.
    act_reads, weight_reads : int
        Elements read from the buffers; one that is broadcast counts once.
    partial_writes, partial_reads : int
        Partial sums moved to and from their buffer, the last of each output included.
    out_writes : int
        Results.
    act_buffer, weight_buffer, partial_buffer : int
        Elements that buffers must hold: what is used now and, of weights and activations that are
        loaded meanwhile, what is used next.
    """

    macs: int
    cycles: int
    utilisation: float
    act_reads: int
    weight_reads: int
    partial_writes: int
    partial_reads: int
    out_writes: int
    act_buffer: int
    weight_buffer: int
    partial_buffer: int

    def energy_pj(
        self,
        *,
        mac_pj: float,
        act_pj: float = 0.0,
        weight_pj: float = 0.0,
        partial_pj: float = 0.0,
        out_pj: float = 0.0,
        cycle_pj: float = 0.0,
    ) -> float:
        """Energy of the layer, pJ: products, traffic, and what every cycle costs.

        Parameters
        ----------
        mac_pj : float
            Of a product and its addition.
        act_pj, weight_pj, partial_pj, out_pj : float
            Of moving one element; partial sums: of a read and of a write alike.
        cycle_pj : float
            Of the array in any cycle, whether it works or not: leakage and clock.
        """
        moved = self.act_reads * act_pj + self.weight_reads * weight_pj + self.out_writes * out_pj
        moved += (self.partial_writes + self.partial_reads) * partial_pj
        return self.macs * mac_pj + moved + self.cycles * cycle_pj


@dataclass(frozen=True, kw_only=True)
class TemporalArray:
    """R by C PEs that all layers share, one after the other.

    Parameters
    ----------
    rows, columns : int
        R and C.
    macs_per_pe : int
        Products that a PE works on together, u.
    passes : int
        Cycles that they take, p.
    stationary : {"output", "weight"}
        What stays in a PE.
    latency : int
        Cycles from operands to their sum, L.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> layer = SimpleNamespace(m=64, k=100, n=32, groups=1)
    >>> TemporalArray(rows=16, columns=16).schedule(layer).cycles
    816
    """

    rows: int
    columns: int
    macs_per_pe: int = 1
    passes: int = 1
    stationary: str = "output"
    latency: int = 1

    def __post_init__(self) -> None:
        _check("Array rows", self.rows)
        _check("Array columns", self.columns)
        _check("Products of a PE", self.macs_per_pe)
        _check("Array latency", self.latency)
        _check("Passes of a PE", self.passes)
        if self.stationary not in ("output", "weight"):
            raise RefusedInput(
                f"Array must be output or weight stationary, not {self.stationary!r}"
            )
        if self.passes > 1 and self.stationary == "weight":
            raise RefusedInput(
                f"Passes of a weight-stationary PE must be 1, not {self.passes}: it keeps whole "
                "weights"
            )

    @property
    def macs_per_cycle(self) -> float:
        """Products of the whole array in a cycle."""
        return self.rows * self.columns * self.macs_per_pe / self.passes

    def schedule(self, layer: MatrixProduct) -> Schedule:
        """What a layer takes; the module says by which formulas."""
        m, k, n, groups = _shape(layer)
        across = _ceil(n, self.columns)
        macs = groups * m * k * n
        if self.stationary == "output":
            depth = self.passes * _ceil(k, self.macs_per_pe)
            down = _ceil(m, self.rows)
            tiles = groups * down * across
            cycles = (tiles - 1) * max(depth, self.rows) + depth + self.latency - 1 + self.rows
            weight_reads, writes, reads = groups * k * n * down, 0, 0
            act_buffer, weight_buffer, partial_buffer = 2 * self.rows * k, 2 * self.columns * k, 0
        else:
            slots = self.rows * self.macs_per_pe
            deep = _ceil(k, slots)
            tiles = groups * deep * across
            cycles = self.rows + (tiles - 1) * max(m, self.rows) + m + self.latency - 1
            weight_reads = groups * k * n
            writes, reads = groups * m * n * deep, groups * m * n * (deep - 1)
            act_buffer, weight_buffer = m * slots, 2 * slots * self.columns
            partial_buffer = m * self.columns
        return Schedule(
            macs=macs,
            cycles=cycles,
            utilisation=macs / (cycles * self.macs_per_cycle),
            act_reads=self.passes * groups * m * k * across,
            weight_reads=weight_reads,
            partial_writes=writes,
            partial_reads=reads,
            out_writes=groups * m * n,
            act_buffer=act_buffer,
            weight_buffer=weight_buffer,
            partial_buffer=partial_buffer,
        )


@dataclass(frozen=True, kw_only=True)
class Engine:
    """P PEs of S products that work on one layer alone.

    Parameters
    ----------
    pe, simd : int
        P, which divides the layer's N, and S, which divides its K.
    latency : int
        Cycles from operands to their sum, L.
    """

    pe: int
    simd: int
    latency: int = 1

    def __post_init__(self) -> None:
        _check("Engine PEs", self.pe)
        _check("Engine SIMD", self.simd)
        _check("Engine latency", self.latency)

    @property
    def macs_per_cycle(self) -> int:
        """Products of the engine in a cycle."""
        return self.pe * self.simd

    def schedule(self, layer: MatrixProduct) -> Schedule:
        """What a layer takes; the module says by which formulas.

        The slowest of a chain of engines sets the frame rate; their cycles are not added.

        Raises
        ------
        ValueError
            If `pe` does not divide the layer's channels, or `simd` its sums.
        """
        m, k, n, groups = _shape(layer)
        for name, part, whole, size in (
            ("PEs", self.pe, "output channels", n),
            ("SIMD", self.simd, "products of a sum", k),
        ):
            if size % part:
                raise RefusedInput(f"Engine {name} must divide the {size} {whole}, not be {part}")
        folds = (n // self.pe) * (k // self.simd)
        cycles = groups * m * folds + self.latency - 1
        macs = groups * m * k * n
        return Schedule(
            macs=macs,
            cycles=cycles,
            utilisation=macs / (cycles * self.macs_per_cycle),
            act_reads=groups * m * k * (n // self.pe),
            weight_reads=macs,
            partial_writes=0,
            partial_reads=0,
            out_writes=groups * m * n,
            act_buffer=k,
            weight_buffer=groups * k * n,
            partial_buffer=0,
        )


def roofline_cycles(
    *, macs: int, macs_per_cycle: float, bits_moved: float, bits_per_cycle: float
) -> float:
    """Fewest cycles in which so many products and bits can be done, on any schedule.

    Parameters
    ----------
    macs, macs_per_cycle : number
        Products of the layer, and of the hardware in a cycle.
    bits_moved, bits_per_cycle : number
        Bits that cross the chip's border at least (weights, activations and results once each),
        and its bandwidth.

    Examples
    --------
    >>> roofline_cycles(macs=1000, macs_per_cycle=10, bits_moved=6400, bits_per_cycle=32)
    200.0
    """
    if not (macs_per_cycle > 0 and bits_per_cycle > 0):
        raise RefusedInput(
            f"Products and bits a cycle must be positive, not {macs_per_cycle} and {bits_per_cycle}"
        )
    return max(macs / macs_per_cycle, bits_moved / bits_per_cycle)


def _ceil(number: int, divisor: int) -> int:
    return -(-number // divisor)


def _check(name: str, value: int) -> None:
    if type(value) is not int or value < 1:
        raise RefusedInput(f"{name} must be an integer of at least 1, not {value!r}")


def _shape(layer: MatrixProduct) -> tuple[int, int, int, int]:
    shape = (layer.m, layer.k, layer.n, layer.groups)
    for name, size in zip(("m", "k", "n", "groups"), shape, strict=True):
        _check(f"Layer {name}", size)
    return shape
