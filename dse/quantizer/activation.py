"""How a layer's computed operand is rounded: in NumPy for calibration, in ONNX for speed."""

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from macwright.dse.quantizer.observers import HistogramObserver, act_range
from macwright.dse.quantizer.options import QuantOptions
from macwright.dse.quantizer.rotation import hadamard, rotated
from macwright.dse.quantizer.scales import on_grid
from macwright.dse.workload.layer import Layer
from macwright.dse.workload.onnx_builder import Chain
from macwright.dse.workload.onnx_rounding import block_rounding, rounding
from macwright.hw.formats import BlockFormat, FloatFormat, Format

__all__ = ["Operand", "fit_operand"]

_Array = NDArray[np.float32]
#: Rows whose largest value is smaller are zero for every purpose.
TINY = 1e-30


@dataclass(frozen=True, kw_only=True, eq=False)
class Operand:
    """Format of a tensor that is computed, and where its range lies.

    Parameters
    ----------
    format : Format
        Format of the codes.
    scale : float
        Value of one unit of the format; of a block format with scales other than powers of two,
        the tensor's own scale.
    zero : float
        Level of the format that stands for the value 0. One other than 0 costs the hardware a
        constant in each bias.
    axis : int
        Axis along which the products are summed, negative.
    dynamic : tuple of int
        Axes, negative, that share a scale which is found anew for each sample or each row of a
        matrix product; empty if the scale is fixed.
    channels : ndarray of float32, shape (n_channels,), optional
        What the values along `axis` are divided by beforehand; the weights are multiplied by it.
    rotation : int
        Neighbours along the last axis that are then transformed together, as
        :func:`macwright.dse.quantizer.rotation.rotated` does; 1 for none. So are the weights.
    """

    format: Format
    scale: float = 1.0
    zero: float = 0.0
    axis: int = -1
    dynamic: tuple[int, ...] = ()
    channels: _Array | None = None
    rotation: int = 1

    @property
    def unit(self) -> float:
        """What the rounded tensor of `nodes` is to be multiplied by."""
        return 1.0 if self.dynamic or isinstance(self.format, BlockFormat) else self.scale

    def round(self, values: _Array) -> _Array:
        """Round a tensor that `prepared` gave."""
        if self.dynamic:
            top = np.abs(values).max(axis=self.dynamic, keepdims=True)
            return on_grid(self.format, values, np.maximum(top, TINY) / np.float32(self.format.max))
        if isinstance(self.format, BlockFormat):
            return self._round_blocks(values)
        return on_grid(self.format, values, self.scale, zero=self.zero)

    def prepared(self, values: _Array) -> _Array:
        """Tensor with `channels` divided out, and transformed."""
        if self.channels is not None:
            along = (1 / self.channels).reshape(-1, *[1] * (-1 - self.axis))
            values = (values * along).astype(np.float32, copy=False)
        return values if self.rotation == 1 else rotated(values, self.rotation)

    def applied(self, values: _Array) -> _Array:
        """What a raw tensor is rounded to, with the transform taken back; `channels` are not."""
        rounded = self.round(self.prepared(values))
        if self.rotation == 1:
            return rounded
        return rotated(rounded, self.rotation) / np.float32(self.rotation)

    def prepare(self, build: Chain, shape: tuple[int, ...]) -> str:
        """Add the nodes that do what `prepared` does to a tensor; its new name."""
        if self.channels is not None:
            along = (1 / self.channels).reshape(-1, *[1] * (-1 - self.axis))
            build.node("Mul", [build.tensor, build.constant(along.astype(np.float32))])
        if self.rotation > 1:
            kept_axes = [0] * (len(shape) - 1)
            build.reshape([*kept_axes, -1, self.rotation])
            build.node("MatMul", [build.tensor, build.constant(hadamard(self.rotation))])
            build.reshape([*kept_axes, shape[-1]])
        return build.tensor

    @property
    def by_value(self) -> bool:
        """Whether each value is rounded without regard to the others."""
        return not self.dynamic and not isinstance(self.format, BlockFormat)

    def _round_blocks(self, values: _Array) -> _Array:
        fmt = self.format
        assert isinstance(fmt, BlockFormat)
        if not isinstance(fmt.scale, FloatFormat):
            return fmt.quantize(values, axis=self.axis).astype(np.float32, copy=False)
        moved = np.moveaxis(values, self.axis, -1)
        missing = -moved.shape[-1] % fmt.block
        padded = np.pad(moved, [(0, 0)] * (moved.ndim - 1) + [(0, missing)])
        blocks = padded.reshape(*padded.shape[:-1], -1, fmt.block)
        top = np.abs(blocks).max(axis=-1, keepdims=True)
        scale = fmt.scale.quantize(top / np.float32(fmt.element.max * self.scale))
        scale = scale * np.float32(self.scale)
        divided = blocks / np.where(scale > 0, scale, np.inf)
        result = (fmt.element.quantize(divided) * scale).reshape(padded.shape)
        return np.moveaxis(result[..., : moved.shape[-1]], -1, self.axis).astype(np.float32)

    def nodes(
        self, tensor: str, shape: tuple[int, ...], prefix: str
    ) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto], str]:
        """Nodes that round a tensor, in units of `unit`.

        Parameters
        ----------
        tensor : str
            Tensor that is rounded, float32.
        shape : tuple of int
            Its shape; the first size is not relied upon.
        prefix : str
            Start of the new names.

        Returns
        -------
        nodes : list of NodeProto
        constants : list of TensorProto
        result : str
            Name of the rounded tensor.
        """
        build = Chain(tensor, prefix)
        tensor = self.prepare(build, shape)
        if self.dynamic:
            build("Abs")
            for axis in self.dynamic:
                build.largest(axis)
            build("Max", TINY)
            scale = build("Mul", 1 / self.format.max)
            build.node("Div", [tensor, scale])
            rounding(build, self.format)
            build.node("Mul", [build.tensor, scale])
        elif isinstance(self.format, BlockFormat):
            block_rounding(build, self.format, self.scale, shape, self.axis)
        else:
            build("Mul", float(1 / np.float32(self.scale)))
            if self.zero:
                build("Add", self.zero)
            rounding(build, self.format)
            if self.zero:
                build("Sub", self.zero)
        return build.nodes, build.constants, build.tensor


def fit_operand(
    values: _Array | HistogramObserver,
    layer: Layer,
    fmt: Format,
    options: QuantOptions,
    rank: int,
    *,
    second: bool = False,
    channels: _Array | None = None,
    rotation: int = 1,
) -> Operand:
    """Choose the range of an operand from values that it takes.

    Parameters
    ----------
    values : ndarray of float32 or HistogramObserver
        Values seen.
    layer : Layer
        Layer that reads them.
    fmt : Format
        Format.
    options : QuantOptions
        Techniques.
    rank : int
        Axes of the tensor.
    second : bool
        Whether it is the second operand, of a layer whose operands are both computed.
    channels : ndarray, optional
        See `Operand`; `values` are what is left.
    rotation : int
        See `Operand`; `values` are transformed.
    """
    histogram = values if isinstance(values, HistogramObserver) else HistogramObserver(values)
    axis = -2 if second else layer.operator.sum_axis(rank)
    if isinstance(fmt, BlockFormat):
        scale = 1.0
        if isinstance(fmt.scale, FloatFormat):
            top = histogram.top / (fmt.element.max * fmt.scale.max)
            scale = float(np.float32(top)) if top > TINY else 1.0
        return Operand(format=fmt, scale=scale, axis=axis, channels=channels, rotation=rotation)
    if options.dynamic:
        axes = (axis,) if second else layer.operator.scale_axes(rank)
        return Operand(format=fmt, axis=axis, dynamic=axes, channels=channels, rotation=rotation)
    # The product of two offsets would not be a constant.
    scale, zero = act_range(
        histogram,
        fmt,
        method=options.act_scale,
        power_of_two=options.power_of_two,
        asymmetric=options.asymmetric and not layer.dynamic,
    )
    return Operand(
        format=fmt, scale=scale, zero=zero, axis=axis, channels=channels, rotation=rotation
    )
