"""The ONNX operators that multiply and accumulate, one object for each."""

from macwright.dse.workload.convolution import Conv, ConvTranspose
from macwright.dse.workload.mac_operator import Gemm, MacOperator, MatMul

__all__ = ["MAC_OPERATORS"]

#: By name; a new one needs a class here, and nothing elsewhere.
MAC_OPERATORS: dict[str, MacOperator] = {
    "Conv": Conv(),
    "ConvTranspose": ConvTranspose(),
    "Gemm": Gemm(),
    "MatMul": MatMul(),
}
