"""What the parts of machines are made of: the numbers that their resources follow.

A part is a window, a buffer, an array, a drain and so on, of :mod:`macwright.hw.accelerator`. Its
*features* count what its generator writes: bits of counters, of registers, of adders, words of
memories. Look-up tables and registers are linear in them, with coefficients that were fitted to
synthesised machines (:mod:`macwright.costmodel.system.machine_resources`); block RAMs and
multipliers follow from the devices' own sizes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from macwright.costmodel.system.part import Part, bits_of
from macwright.costmodel.system.temporal_parts import temporal_parts
from macwright.hw.accelerator.array import MacArraySpec, ReducerSpec
from macwright.hw.accelerator.drain import DrainSpec
from macwright.hw.accelerator.elementwise import ConcatSpec, LookupSpec
from macwright.hw.accelerator.engine import EngineSpec
from macwright.hw.accelerator.levels import level_shape
from macwright.hw.accelerator.rearrange import PadSpec, SliceSpec
from macwright.hw.accelerator.requantiser import HALF, RequantiserSpec
from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.accelerator.sums import AddSpec, GlobalPoolSpec
from macwright.hw.accelerator.temporal.spec import TemporalSpec
from macwright.hw.accelerator.window_spec import WindowSpec
from macwright.hw.errors import RefusedType
from macwright.hw.formats import FloatFormat

__all__ = ["level_part", "parts", "requantiser_part"]


def parts(spec: Any) -> Iterator[Part]:
    """Parts of a stage, of a buffer, of a requantiser, or of a machine of one array.

    Raises
    ------
    RefusedType
        If it is nothing that a machine has.
    """
    match spec:
        case EngineSpec():
            yield _window(spec.window)
            yield from _array(spec.array)
            yield from _drain(spec.drain)
        case AddSpec() | GlobalPoolSpec():
            for fifo in spec.fifos:
                yield _fifo(fifo)
            yield _sum(spec)
            formats = spec.formats if isinstance(spec, AddSpec) else (spec.format,)
            yield from (level_part(fmt, spec.lanes) for fmt in formats if _is_minifloat(fmt))
            yield from _drain(spec.drain)
        case LookupSpec() | ConcatSpec() | PadSpec() | SliceSpec():
            for fifo in spec.fifos:
                yield _fifo(fifo)
            yield _passing(spec)
        case StorageSpec():
            yield _fifo(spec)
        case RequantiserSpec():
            yield requantiser_part(spec)
        case TemporalSpec():
            yield from temporal_parts(spec)
        case _:
            raise RefusedType(f"Stage must be one that a machine has, not {type(spec).__name__}")


def _storage(spec: StorageSpec) -> dict[str, float]:
    """Both sides of a buffer: packing, credits, the write address, parts."""
    return {
        "packed": (spec.pack - 1) * spec.written.width,
        "credits": bits_of(spec.capacity + 1),
        "address": bits_of(spec.depth),
        "counters": bits_of(spec.pack) + bits_of(spec.parts),
        "choice": (spec.parts - 1) * spec.read.width,
    }


def _memory(spec: StorageSpec) -> tuple[int, int, bool]:
    return spec.depth, spec.stored.width, False


def _fifo(spec: StorageSpec) -> Part:
    return Part("fifo", {"one": 1, **_storage(spec)}, (_memory(spec),))


def _window(spec: WindowSpec) -> Part:
    loops = (*spec.kernel, *spec.outputs, spec.chunks, spec.passes, spec.folds)
    turning = [count for count in loops if count > 1]
    size = spec.depth * spec.parts
    padded = any(spec.pads)
    features = {
        "one": 1,
        **_storage(spec),
        "loops": sum(bits_of(count) for count in turning),
        "nest": len(turning),
        "read": bits_of(size),
        "wraps": bits_of(size) if size & (size - 1) else 0,
        "spare": bits_of(spec.depth + spec.ahead + 1),
        "outside": (bits_of(spec.height) + bits_of(spec.width)) if padded else 0,
        "masked": spec.read.width if padded else 0,
    }
    return Part("window", features, (_memory(spec),))


def _array(spec: MacArraySpec | ReducerSpec) -> Iterator[Part]:
    if isinstance(spec, ReducerSpec):
        width = spec.lanes * spec.words.bits
        features = {"one": 1, "lanes": width, "results": spec.lanes * spec.sums}
        yield Part(f"reducer_{spec.operation}", features)
        if spec.operation == "sum" and _is_minifloat(spec.format):
            yield level_part(spec.format, spec.lanes)
        return
    units = spec.results * spec.simd // spec.lanes
    yield Part("array", {"one": 1, "address": bits_of(spec.steps)}, (_weights(spec),))
    yield Part("unit", {}, count=units, unit=spec.unit)
    joins = units - spec.results
    if joins:
        yield Part("adder", {"sum": spec.sums}, count=joins)


def _is_minifloat(fmt: Any) -> bool:
    return isinstance(fmt, FloatFormat)


def level_part(fmt: FloatFormat, count: int = 1) -> Part:
    """What makes levels of codes of a minifloat, so often."""
    width = level_shape(fmt).width
    return Part("level", {"level": width, "moved": width * (fmt.man_bits + 1)}, count=count)


def _weights(spec: MacArraySpec) -> tuple[int, int, bool]:
    return spec.steps, spec.results * spec.simd * spec.unit.weight.width, True


def _drain(spec: DrainSpec) -> Iterator[Part]:
    held = spec.results * spec.sums if spec.words > 1 else 0
    features = {"held": held, "left": bits_of(spec.words + 1) if held else 0}
    memories: Sequence[tuple[int, int, bool]] = ()
    if spec.constant_bits:
        words = spec.channels // spec.lanes
        features["index"] = bits_of(words)
        memories = ((words, spec.lanes * spec.constant_bits, True),)
    yield Part("drain", features, tuple(memories))
    for output in spec.outputs:
        yield requantiser_part(output, spec.lanes)


def requantiser_part(spec: RequantiserSpec, count: int = 1) -> Part:
    """Requantisers, so many."""
    width = max(spec.total + spec.multiplier, spec.shift + 1)
    features = {
        "one": 1,
        "total": spec.total,
        "biased": spec.total if spec.bias else 0,
        "scale": spec.multiplier if spec.constant is None else 0,
        "product": width,
        "floor": max(1, width - spec.shift),
        "bits": spec.bits,
        "wide": max(0, spec.total - HALF),
        "soft": spec.multiplier if spec.total - HALF == 1 else 0,
    }
    halves = [min(spec.total, HALF + 1), *([spec.total - HALF] if spec.total > HALF else [])]
    products = tuple((half, spec.multiplier + 1) for half in halves)
    kind = "requantiser"
    if (fmt := spec.minifloat) is not None:
        kind = "requantiser_minifloat"
        # Places of the level that may be set, moved by as many as there are behind the significand.
        most = max(abs(spec.low), abs(spec.high)).bit_length()
        places = max(fmt.man_bits + 1, min(most, width - spec.shift))
        exact = ("biased", "product", "bits", "wide")
        features = {name: features[name] for name in exact} | {
            "places": places,
            "moved": places * bits_of(places - fmt.man_bits),
        }
    return Part(kind, features, (), products, count)


def _sum(spec: Any) -> Part:
    """The adders, or accumulators, in front of a drain."""
    width = spec.lanes * spec.drain.sums
    if isinstance(spec, AddSpec):
        return Part("add", {"one": 1, "sums": width})
    channels = spec.words // spec.positions
    features = {"one": 1, "sums": width, "counters": bits_of(channels) + bits_of(spec.positions)}
    return Part("global_pool", features, ((channels, width, False),) if channels > 1 else ())


def _passing(spec: Any) -> Part:
    width = spec.lanes * spec.fifos[0].bits
    features: dict[str, float] = {"one": 1, "width": width}
    if isinstance(spec, LookupSpec):
        words = spec.channels << spec.fifos[0].bits
        memories = tuple((words, bits, True) for bits in spec.outputs for _ in range(spec.lanes))
        return Part("lookup", features, memories)
    features["counters"] = bits_of(spec.words)
    kind = {ConcatSpec: "concat", PadSpec: "pad", SliceSpec: "slice"}[type(spec)]
    return Part(kind, features)
