"""What the quantiser is asked to do."""

from dataclasses import asdict, dataclass
from typing import Any

from macwright.dse.workload.layer import Layer
from macwright.hw.formats import IntFormat, parse_format

__all__ = ["QuantOptions", "act_format", "weight_format"]

ROUNDINGS = ("nearest", "gptq")
SCALES = ("mse", "max", "percentile", "output")


@dataclass(frozen=True, kw_only=True)
class QuantOptions:
    """Techniques of post-training quantisation; each works for integers and minifloats.

    Parameters
    ----------
    rounding : {"gptq", "nearest"}
        How weights are rounded: column by column, each rounding error made up for by the columns
        that follow (GPTQ), towards the outputs of the float network; or each to the nearest value.
    weight_scale : {"mse", "output", "max", "percentile"}
        What the scale of an output channel's weights minimises: the squared error of the weights,
        of the layer's output, or nothing (the largest value, or the 99.9th percentile, is put at
        the end of the range).
    act_scale : {"mse", "max", "percentile"}
        The same of a tensor of activations.
    power_of_two : bool
        Whether scales are powers of two.
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
    bias_correction: bool = True
    equalise: bool = True
    images: int = 512

    def __post_init__(self) -> None:
        for field, allowed in (
            ("rounding", ROUNDINGS),
            ("weight_scale", SCALES),
            ("act_scale", SCALES[:3]),
        ):
            if getattr(self, field) not in allowed:
                raise ValueError(
                    f"Option {field} must be one of {', '.join(allowed)}, "
                    f"not {getattr(self, field)!r}"
                )
        if type(self.images) is not int or self.images < 1:
            raise ValueError(f"Option images must be a positive integer, not {self.images!r}")

    @classmethod
    def plain(cls) -> "QuantOptions":
        """Nearest rounding with scales of least squared error, and bias correction."""
        return cls(rounding="nearest", equalise=False)

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


def _fit(signed: bool, name: str) -> str:
    fmt = parse_format(name)
    if isinstance(fmt, IntFormat) and fmt.signed != signed:
        if fmt.width == 1 and signed:
            raise ValueError(f"Format of signed values must have more than one bit, not {name!r}")
        return str(IntFormat(fmt.width, signed=signed))
    return str(fmt)
