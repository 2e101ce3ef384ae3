"""Layers with weights as nodes of an integer network."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from macwright.dse.bitexact.builder import Sums
from macwright.dse.quantizer.im2col import to_matrix
from macwright.dse.quantizer.plan import LayerPlan
from macwright.dse.workload import convolution
from macwright.hw.accelerator.network import Conv, Edge, Gemm, level_unit, levels_of
from macwright.hw.errors import RefusedInput

__all__ = ["mac_sums"]

#: Channels whose scale is a smaller share of the layer's largest are constants: with one shift for
#: the layer their products hardly count, and their multipliers would have no precision.
LEAST_SHARE = 2.0**-12


def mac_sums(plan: LayerPlan, source: Edge, extra: NDArray, shape: tuple[int, ...]) -> Sums:
    """Sums of a layer.

    Parameters
    ----------
    plan : LayerPlan
        The quantised layer.
    source : Edge
        What it reads.
    extra : ndarray, shape (channels,) or (1,)
        Added to its biases.
    shape : tuple of int
        Of its results.

    Raises
    ------
    ValueError
        If both operands are computed, or weights have a scale for each group of them.
    """
    layer = plan.layer
    if plan.weight is None or plan.weight_scale is None or plan.bias is None:
        raise RefusedInput(
            f"Layer {layer.name} must multiply by weights in an integer network, not two computed "
            "tensors"
        )
    if layer.op not in ("Conv", "Gemm", "MatMul"):
        raise RefusedInput(
            f"Layer {layer.name} must be a Conv, Gemm or MatMul in an integer network, not "
            f"{layer.op}"
        )
    if plan.weight_scale.ndim > 1:
        raise RefusedInput(
            f"Weights of layer {layer.name} must have one scale for each output channel in an "
            "integer network, not one for each group"
        )
    fmt, scale = plan.weight_format, plan.weight_scale.astype(np.float64)
    matrix = to_matrix(layer, plan.weight).astype(np.float64) / scale[:, None]
    factor = source.scale * scale * level_unit(fmt)
    codes = fmt.encode(matrix)
    wrong = np.abs(fmt.decode(codes) - matrix)
    if (wrong > 1e-5 * np.abs(matrix) + 1e-3 * fmt.smallest_positive).any():
        raise RefusedInput(f"Weights of layer {layer.name} must be values of {fmt}, not others")
    codes, factor = _without_constant_channels(plan, codes, factor)
    constant = -source.zero * levels_of(fmt, codes).sum(axis=1)
    fields: dict[str, Any] = {"name": layer.name, "input": source.name, "weight_format": fmt}
    cls: type[Conv] | type[Gemm] = Gemm
    if isinstance(layer.operator, convolution.Conv):
        strides, dilations, pads = layer.operator.geometry(layer, source.shape[1:])
        fields |= {"groups": layer.groups, "pads": tuple(pads)}
        fields |= {"strides": tuple(strides), "dilations": tuple(dilations)}
        cls, codes = Conv, codes.reshape(plan.weight.shape)
    return Sums(
        name=layer.name,
        factor=factor,
        shape=shape,
        make=lambda outputs, bias, fraction: cls(
            **fields, weights=codes, outputs=outputs, bias=bias, fraction=fraction
        ),
        bias=plan.bias.astype(np.float64) + extra,
        constant=constant,
    )


def _without_constant_channels(
    plan: LayerPlan, codes: NDArray[np.int64], factor: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Channels that hardly depend on the input get weights of 0 and the largest factor."""
    fmt = plan.weight_format
    used = (levels_of(fmt, codes) != 0).any(axis=1)
    top = factor[used].max() if used.any() else factor.max()
    constant = ~used | (factor < LEAST_SHARE * top)
    if not constant.any() or fmt.decode(fmt.encode(0.0)) != 0:
        return codes, factor
    zero = int(fmt.encode(0.0))
    return np.where(constant[:, None], zero, codes), np.where(constant, top, factor)
