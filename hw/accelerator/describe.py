"""What the parts of a machine are, in words: the comments above their modules."""

from macwright.hw.accelerator.array import MacArraySpec, ReducerSpec
from macwright.hw.accelerator.drain import DrainSpec
from macwright.hw.accelerator.storage import StorageSpec
from macwright.hw.accelerator.window_spec import WindowSpec

__all__ = ["describe_array", "describe_buffer", "describe_drain", "describe_window"]


def describe_buffer(spec: StorageSpec) -> str:
    """A buffer."""
    return (
        f"Buffer: {spec.depth} words of {spec.stored.lanes} x {spec.bits} bits; "
        f"{spec.write_lanes} lanes written, {spec.read_lanes} read."
    )


def describe_window(spec: WindowSpec) -> str:
    """A window."""
    rows, columns = spec.outputs
    return (
        f"Window: {spec.kernel[0]} x {spec.kernel[1]}, stride {spec.stride}, dilation "
        f"{spec.dilation}, over {spec.height} x {spec.width} x {spec.channels}\n"
        f"with pads {spec.pads} (top, left, bottom, right): {rows} x {columns} positions, "
        f"{spec.sums // (rows * columns)} sums of {spec.beats} beats each.\n"
        + describe_buffer(spec)
    )


def describe_array(spec: MacArraySpec | ReducerSpec) -> str:
    """An array of processing elements."""
    if isinstance(spec, ReducerSpec):
        return f"Array: {spec.operation} of {spec.lanes} channels of {spec.format}."
    return (
        f"Array: {spec.groups} group(s) x {spec.pe} sums x {spec.simd} products a cycle,\n"
        f"{spec.unit.act} x {spec.unit.weight} on {spec.unit.name}.\n"
        f"Sums are whole {spec.latency} cycles after their last beat."
    )


def describe_drain(spec: DrainSpec) -> str:
    """A drain."""
    outputs = [
        f"{o.low}..{o.high} in {o.minifloat or f'{o.bits} bits'} after a shift by {o.shift}"
        for o in spec.outputs
    ]
    return (
        f"Drain: {spec.results} sums of {spec.sums} bits, {spec.lanes} a cycle"
        + "".join(f";\noutput {k}: {text}" for k, text in enumerate(outputs))
        + f".\nThe first word comes {spec.latency} cycles after the sums."
    )
