"""Write the trained network as ONNX, with data and recipe; measure what was written.

The graph is built node by node with ``onnx.helper``: one Conv, Add, Relu, … for each operation of
the network's forward pass, batch normalisations folded into the convolutions before them.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

RECIPE = """\
# Fashion-MNIST (Zalando, MIT licence): 1,000 training and 2,000 test images.
task = "classification"
data = "fashion_cnn.npz"
calibration = "x_calib"
calibration_labels = "y_calib"
evaluation = "x_eval"
labels = "y_eval"
layout = "NHW"        # of the arrays; the model takes NCHW
# model input = (array * scale + offset - mean) / std
scale = 0.00392156862745098
offset = 0.0
mean = [{mean:.4f}]
std = [{std:.4f}]
"""


def folded(block) -> tuple[np.ndarray, np.ndarray]:
    """Return weight (outputs, inputs / groups, kernel, kernel) and bias (outputs,) of a ConvBlock.

    Batch normalisation y = gamma (x - mean) / sqrt(var + eps) + beta is linear in x: its factor
    goes into the weight, the rest into the bias. Computed in double, returned as float32.
    """
    conv, norm = block
    weight = conv.weight.detach().double().numpy()
    gamma, beta = norm.weight.detach().double().numpy(), norm.bias.detach().double().numpy()
    mean, var = norm.running_mean.double().numpy(), norm.running_var.double().numpy()
    factor = gamma / np.sqrt(var + norm.eps)
    bias = beta - mean * factor
    return (weight * factor[:, None, None, None]).astype(np.float32), bias.astype(np.float32)


class _Graph:
    """Nodes and initialisers in the order they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def add(self, kind: str, name: str, inputs: list[str], **attributes: object) -> str:
        output = "logits" if name == "fc" else f"{name}_out"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def store(self, name: str, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def conv(self, name: str, block, source: str) -> str:
        weight, bias = folded(block)
        conv = block[0]
        inputs = [
            source,
            self.store(f"{name}.weight", weight),
            self.store(f"{name}.bias", bias),
        ]
        return self.add(
            "Conv",
            name,
            inputs,
            kernel_shape=list(conv.kernel_size),
            strides=list(conv.stride),
            pads=list(conv.padding) * 2,
            dilations=list(conv.dilation),
            group=conv.groups,
        )

    def relu(self, name: str, source: str) -> str:
        return self.add("Relu", f"{name}.relu", [source])


def write_onnx(model, path: Path) -> None:
    """Write a FashionCNN as ONNX, opset 17, IR 8: `input` (N, 1, 28, 28) to `logits` (N, 10)."""
    graph = _Graph()
    x = graph.relu("stem", graph.conv("stem", model.stem, "input"))
    for stage in "12":
        for name in (f"dw{stage}", f"pw{stage}"):
            x = graph.relu(name, graph.conv(name, getattr(model, name), x))
        name = f"res{stage}"
        y = graph.conv(name, getattr(model, name), x)
        x = graph.relu(name, graph.add("Add", f"{name}.add", [y, x]))
    x = graph.relu("head", graph.conv("head", model.head, x))
    x = graph.add("GlobalAveragePool", "gap", [x])
    x = graph.add("Flatten", "flatten", [x], axis=1)
    weight = graph.store("fc.weight", model.fc.weight.detach().numpy())
    bias = graph.store("fc.bias", model.fc.bias.detach().numpy())
    graph.add("Gemm", "fc", [x, weight, bias], transB=1)
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 1, 28, 28])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])]
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "fashion_cnn", inputs, outputs, graph.weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
        producer_name="macwright/examples/train_fashion_cnn",
    )
    helper.set_model_props(
        proto,
        {
            "source": "trained by the macwright project on the Fashion-MNIST training set",
            "license": "Apache-2.0 (weights); Fashion-MNIST: MIT, Zalando SE",
        },
    )
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))


def write_data(
    path: Path, x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray
) -> np.ndarray:
    """Write 1,000 training and 2,000 test images, as many of each class, and their labels.

    Returns
    -------
    ndarray of int64, shape (2000,)
        Where the shipped test images are in the test set, ascending.
    """
    rng = np.random.default_rng(0)

    def draw(labels: np.ndarray, each: int) -> np.ndarray:
        picked = [rng.choice(np.flatnonzero(labels == c), each, replace=False) for c in range(10)]
        return np.sort(np.concatenate(picked))

    calibration, evaluation = draw(y_train, 100), draw(y_test, 200)
    # In random order, so that the first 16, 32 or 64 images are a fair sample too.
    calibration = rng.permutation(calibration)
    np.savez_compressed(
        path,
        x_calib=x_train[calibration],
        y_calib=y_train[calibration],
        x_eval=x_test[evaluation],
        y_eval=y_test[evaluation],
    )
    return evaluation


def write_recipe(path: Path, *, mean: float, std: float) -> None:
    """Write the recipe that tells macwright how to feed the arrays to the model."""
    path.write_text(RECIPE.format(mean=mean, std=std))


def accuracy(
    path: Path, images: np.ndarray, labels: np.ndarray, *, mean: float, std: float
) -> np.ndarray:
    """Run the written model with onnxruntime; return whether each image is right, shape (N,)."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    x = ((images.astype(np.float32) / 255 - mean) / std).astype(np.float32)[:, None]
    logits = [session.run(None, {"input": part})[0] for part in np.split(x, len(x) // 500)]
    return np.concatenate(logits).argmax(axis=1) == labels
