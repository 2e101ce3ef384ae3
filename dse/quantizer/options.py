"""What the quantiser is asked to do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from macwright.dse.workload.fixed_tensor import FixedTensor
from macwright.dse.workload.layer import Layer, Workload
from macwright.hw.errors import RefusedInput
from macwright.hw.formats import IntFormat, parse_format

__all__ = ["QuantOptions", "act_format", "fixed_allocation", "layer_formats", "weight_format"]

ROUNDINGS = ("nearest", "gptq", "adaround")
SCALES = ("mse", "max", "percentile", "output")


@dataclass(frozen=True, kw_only=True)
class QuantOptions:
    """Techniques of post-training quantisation; each works for integers and minifloats.

    Parameters
    ----------
    rounding : {"gptq", "adaround", "nearest"}
        How weights are rounded: column by column, each rounding error made up for by the other
        columns (GPTQ, then coordinate descent), towards the outputs of the float network, where
        formats have fewer than 7 bits; up or down as is learned by gradient descent towards the
        same outputs (AdaRound); or each to the nearest value.
    weight_scale : {"mse", "output", "max", "percentile"}
        What the scale of an output channel's weights minimises: the squared error of the weights,
        of the layer's output, or nothing (the largest value, or the 99.9th percentile, is put at
        the end of the range).
    act_scale : {"mse", "max", "percentile"}
        The same of a tensor of activations.
    power_of_two : bool
        Whether scales are powers of two.
    group_size : int or None
        Input channels that share a scale of the weights; None for all of them. Block formats have
        their own.
    asymmetric : bool
        Whether another level than 0 may stand for zero activations, where that is more precise.
        The hardware then adds a constant to each bias and pads with that level.
    dynamic : bool
        Whether scales of activations are found anew for each sample, or row of a matrix product.
    smooth : bool
        Whether input channels are divided by factors that bring activations and weights closer to
        equal ranges (SmoothQuant); what computes the activations multiplies by channel.
    rotate : bool
        Whether blocks of 16 to 128 input channels are transformed together (Hadamard), by layer, in
        linear layers whose error on calibration samples held out then falls by 5 % or more. The
        activations are transformed when the network runs; machines lack the unit for it.
    rotations : mapping of str to int
        Widths of such transforms by layer, in place of a choice; other layers have none.
    bias_correction : bool
        Whether biases make up for the mean error of the layer's outputs.
    equalise : bool
        Whether channels of neighbouring layers are scaled so that their ranges agree
        (cross-layer equalisation).
    images : int
        Calibration samples used; fewer are used where the data has fewer.

    Examples
    --------
    >>> QuantOptions().rounding, QuantOptions.plain().rounding
    ('gptq', 'nearest')
    """

    rounding: str = "gptq"
    weight_scale: str = "mse"
    act_scale: str = "mse"
    power_of_two: bool = False
    group_size: int | None = None
    asymmetric: bool = True
    dynamic: bool = False
    smooth: bool = False
    rotate: bool = False
    rotations: Mapping[str, int] = field(default_factory=dict)
    bias_correction: bool = True
    equalise: bool = True
    images: int = 512

    def __post_init__(self) -> None:
        for name, allowed in (
            ("rounding", ROUNDINGS),
            ("weight_scale", SCALES),
            ("act_scale", SCALES[:3]),
        ):
            if getattr(self, name) not in allowed:
                raise RefusedInput(
                    f"Option {name} must be one of {', '.join(allowed)}, "
                    f"not {getattr(self, name)!r}"
                )
        for name in ("images", "group_size"):
            value = getattr(self, name)
            if not (value is None and name == "group_size") and (
                type(value) is not int or value < 1
            ):
                raise RefusedInput(f"Option {name} must be a positive integer, not {value!r}")
        if self.rotate and self.rotations:
            raise RefusedInput("Option rotations must come without rotate, which chooses them")
        if self.weight_scale == "output" and self.group_size is not None:
            raise RefusedInput("Option weight_scale must not be 'output' with a group_size")

    @classmethod
    def plain(cls) -> "QuantOptions":
        """Nearest rounding with scales of least squared error, and bias correction."""
        return cls(rounding="nearest", equalise=False, asymmetric=False)

    @property
    def by_outputs(self) -> bool:
        """Whether weights are rounded, or scaled, by the layer's outputs."""
        return self.rounding != "nearest" or self.weight_scale == "output"

    @property
    def nearest_if_fine(self) -> bool:
        """Whether weights of fine formats may be rounded to nearest all the same.

        Not where something else than rounding by moments was asked for.
        """
        return (
            self.rounding == "gptq"
            and self.weight_scale == "mse"
            and not (self.smooth or self.dynamic)
        )

    def to_fields(self) -> dict[str, Any]:
        """All options, as JSON values."""
        return asdict(self)


def act_format(layer: Layer, name: str) -> str:
    """Name of the format that a layer's activations really get.

    Integers become unsigned where the activations are proved to be non-negative, and signed
    elsewhere, at the same width; other formats stay.

    Parameters
    ----------
    layer : Layer
        Layer whose activations are meant.
    name : str
        Format that was asked for.
    """
    return _fit(layer.act_signed, name)


def weight_format(layer: Layer, name: str) -> str:
    """Name of the format that a layer's second operand really gets; see `act_format`."""
    return _fit(layer.weight_signed, name)


def fixed_allocation(workload: Workload) -> dict[str, tuple[str, str]]:
    """Formats of the layers for which a quantised model prescribes both."""
    return {
        layer.name: (str(weight.format), str(act.format))
        for layer in workload.layers
        for weight, act in [workload.fixed.get(layer.name, (None, None))]
        if weight is not None and act is not None
    }


def layer_formats(
    layer: Layer,
    weights: Sequence[str],
    activations: Sequence[str],
    fixed: Mapping[str, tuple[FixedTensor | None, FixedTensor | None]],
) -> tuple[list[str], list[str]]:
    """Formats that the weights and the activations of a layer can have.

    Parameters
    ----------
    layer : Layer
        The layer.
    weights, activations : sequence of str
        Formats that are asked for; integers get the sign that the values need.
    fixed : mapping
        Of the workload: what the model prescribes, which is then the only format.
    """
    of_weight, of_act = fixed.get(layer.name, (None, None))
    plain = [weight_format(layer, x) if layer.dynamic else str(parse_format(x)) for x in weights]
    seconds = plain if of_weight is None else [str(of_weight.format)]
    firsts = [act_format(layer, x) for x in activations] if of_act is None else [str(of_act.format)]
    return list(dict.fromkeys(seconds)), list(dict.fromkeys(firsts))


def _fit(signed: bool, name: str) -> str:
    fmt = parse_format(name)
    if isinstance(fmt, IntFormat) and fmt.signed != signed:
        if fmt.width == 1 and signed:
            raise RefusedInput(f"Format of signed values must have more than one bit, not {name!r}")
        return str(IntFormat(fmt.width, signed=signed))
    return str(fmt)
