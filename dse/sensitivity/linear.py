"""All losses from one pass: changes of layers' outputs, projected on vector-Jacobian products.

Where a tensor's change is small, that of the network's outputs is the Jacobian times the change of
its layer's output; one pass backward gives the products of as many directions of the outputs as
are wanted with the Jacobians of all layers, and no network is run again.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from macwright.dse.quantizer.activation import Operand
from macwright.dse.quantizer.batches import Batches
from macwright.dse.quantizer.partial_run import run_batches
from macwright.dse.quantizer.subgraph import cut
from macwright.dse.sensitivity.bias import kept_means
from macwright.dse.sensitivity.layer import Roundings
from macwright.dse.sensitivity.vjp import RULES, Call, differentiable
from macwright.dse.workload.layer import Layer, Workload
from macwright.dse.workload.session import session

__all__ = ["backward", "linear_losses", "linear_pays"]

#: Outputs up to which each is a direction of its own, and number of random directions of more.
MOST_OUTPUTS, RANDOM = 16, 8
#: Runs of the network that take as long as going backward from one direction.
BACKWARD = 12
#: Bytes of the rounded weights, of all formats, that there is room for.
MOST_WEIGHTS = 1 << 31
#: Bytes of the tensors that are held at once, and samples that run at once at least.
LARGEST, FEWEST = 1 << 27, 2
_Array = NDArray[np.float32]
#: Layer, "weight" or "activation", and format.
_Question = tuple[str, str, str]


def linear_pays(workload: Workload, questions: int) -> bool:
    """Whether losses can be had from one pass backward, in less time than by as many runs.

    A run goes through half of the network on average.
    """
    outputs = int(np.prod(workload.shapes[workload.output][1:]))
    pays = questions / 2 > BACKWARD * (outputs if outputs <= MOST_OUTPUTS else RANDOM)
    formats = questions / (2 * len(workload.layers))
    room = 4 * formats * sum(layer.weights for layer in workload.layers) <= MOST_WEIGHTS
    return pays and room and _can_be_linear(workload)


def _can_be_linear(workload: Workload) -> bool:
    """Whether gradients of all layers' outputs can be had, sample by sample."""
    axes = workload.batch_axes
    if workload.fixed_batch or any(
        axes.get(name) != 0 for name in (workload.output, *(x.out for x in workload.layers))
    ):
        return False
    reached = _reached(workload)
    return (
        all(
            differentiable(node)
            for node in workload.model.graph.node
            if reached & set(node.input) and reached & set(node.output)
        )
        and workload.output in reached
    )


def _reached(workload: Workload) -> set[str]:
    """Tensors that some layer's output goes into, and those outputs."""
    reached = {layer.out for layer in workload.layers}
    for node in workload.model.graph.node:
        if reached & set(node.input) and workload.dtypes[node.output[0]].kind == "f":
            reached.update(node.output)
    return reached


def linear_losses(
    workload: Workload,
    feeds: Mapping[str, np.ndarray],
    known: Mapping[str, Roundings],
    *,
    keep_means: bool,
) -> dict[_Question, float]:
    """Mean squared change of the outputs for each tensor rounded alone, to first order.

    Parameters
    ----------
    workload : Workload
        The float network, for which `linear_pays`.
    feeds : mapping from str to ndarray
        Samples.
    known : mapping
        Rounded weights, or how a computed operand is rounded, by layer, and by tensor and format.
    keep_means : bool
        Whether biases of the layer and of the last one keep the means of their outputs, as
        :func:`macwright.dse.sensitivity.bias.correct_later_biases` makes all later ones do.

    Returns
    -------
    dict
        In squared units of the outputs. Of networks with more than :data:`MOST_OUTPUTS` outputs it
        is estimated from random directions, the same ones for all samples.
    """
    probes = _probes(workload)
    means = dict(kept_means(workload)) if keep_means else {}
    alone = {
        layer.name: session(cut(workload, [layer.act, layer.weight], [layer.out]))
        for layer in workload.layers
    }
    roundings = {(name, *x): how for name, mine in known.items() for x, how in mine.items()}
    products: dict[_Question, list[np.ndarray]] = {question: [] for question in roundings}
    sums: dict[_Question, np.ndarray | float] = dict.fromkeys(roundings, 0.0)
    along: dict[str, list[np.ndarray]] = {layer.name: [] for layer in workload.layers}
    counts = dict.fromkeys(along, 0)
    values: dict[str, np.ndarray] = {}

    def visit(layer: Layer, grad: _Array) -> None:
        exact = values[layer.out]
        gradient = _by_channel(layer, grad, samples)
        along[layer.name].append(gradient.sum(axis=2))
        counts[layer.name] += samples * gradient.shape[2]
        flat = np.ascontiguousarray(gradient.transpose(1, 0, 2, 3)).reshape(samples, len(grad), -1)
        for question in ((layer.name, *x) for x in known[layer.name]):
            operands = {layer.act: values[layer.act]}
            operands[layer.weight] = (
                values[layer.weight] if layer.dynamic else workload.tensor(layer.weight)
            )
            rounding = roundings[question]
            which = layer.act if question[1] == "activation" else layer.weight
            operands[which] = (
                rounding.applied(operands[which]) if isinstance(rounding, Operand) else rounding
            )
            (out,) = alone[layer.name].run(None, operands)
            change = _by_channel(layer, (np.asarray(out) - exact)[None], samples)[0]
            products[question].append((flat @ change.reshape(samples, -1, 1))[..., 0])
            sums[question] = sums[question] + change.sum(axis=(0, 1), dtype=np.float64)

    names = [name for node in workload.model.graph.node for name in node.output if name]
    whole = session(workload.model, outputs=names)
    count = len(next(iter(feeds.values())))
    size = _at_once(workload, len(probes))
    for start in range(0, count, size):
        part = {name: feeds[name][start : start + size] for name in workload.inputs}
        samples = len(next(iter(part.values())))
        batches = Batches(workload, samples, at_once=True)
        by_batch = run_batches(batches, whole, names, part)
        values = {**part, **{name: batches.join(name, parts) for name, parts in by_batch.items()}}
        shape = (len(probes), samples, *probes.shape[1:])
        backward(workload, values, np.broadcast_to(probes[:, None], shape), visit)

    losses = {}
    each = int(np.prod(probes.shape[1:]))
    for question, parts in products.items():
        layer = workload.layer(question[0])
        product = np.concatenate(parts).astype(np.float64)
        if keep_means and not layer.dynamic:
            mean = sums[question] / counts[layer.name]
            gradient = np.concatenate(along[layer.name], axis=1)
            product -= np.einsum("vnc,c->nv", gradient, mean)
        if workload.output in means and probes.ndim == 2:
            product -= product.mean(axis=0)
        # Of random signs the mean square is the sum of squares of all outputs; of single outputs
        # each is one of them.
        share = each if len(probes) == each else each * len(probes)
        losses[question] = float(np.square(product).sum()) / (count * share)
    return losses


def _probes(workload: Workload) -> _Array:
    """Directions of the outputs of a sample, shape (n_probes, ...)."""
    shape = workload.shapes[workload.output][1:]
    each = int(np.prod(shape))
    if each <= MOST_OUTPUTS:
        return np.eye(each, dtype=np.float32).reshape(each, *shape)
    signs = np.random.default_rng(0).integers(0, 2, (RANDOM, *shape))
    return (2 * signs - 1).astype(np.float32)


def _at_once(workload: Workload, probes: int) -> int:
    """Samples whose tensors, and the gradients of the largest of them, there is room for."""
    sizes = [
        int(np.prod(workload.shapes[name])) / workload.batch
        for node in workload.model.graph.node
        for name in node.output
        if name
    ]
    return max(FEWEST, int(LARGEST / 4 / (sum(sizes) + 3 * probes * max(sizes))))


def _by_channel(layer: Layer, grad: _Array, samples: int) -> _Array:
    """Output of a layer, or its gradients, as (n_probes, n_samples, n_positions, n_channels)."""
    (axis,) = set(range(grad.ndim - 1)) - set(layer.operator.other_axes(grad.ndim - 1))
    moved = np.moveaxis(grad, axis + 1, -1)
    return moved.reshape(len(grad), samples, -1, moved.shape[-1])


def backward(
    workload: Workload,
    values: Mapping[str, np.ndarray],
    start: _Array,
    visit: Callable[[Layer, _Array], None],
) -> None:
    """Go through a network from its output, and give each layer the gradients of its output.

    Parameters
    ----------
    workload : Workload
        The network, of operators that have rules.
    values : mapping from str to ndarray
        What its nodes compute, and the inputs.
    start : ndarray of float32, shape (n_probes, *output)
        Gradients of the output.
    visit : callable
        Called with a layer and the gradients of its output, shape (n_probes, *output of the layer).
    """
    layers = {layer.name: layer for layer in workload.layers}
    constants = {item.name: item for item in workload.model.graph.initializer}
    reached = _reached(workload)
    grads = {workload.output: start}

    def value(name: str) -> np.ndarray | None:
        if not name:
            return None
        return numpy_helper.to_array(constants[name]) if name in constants else values[name]

    for node in reversed(workload.model.graph.node):
        grad = grads.pop(node.output[0], None)
        if grad is None:
            continue
        if node.name in layers:
            visit(layers[node.name], grad)
        wanted = frozenset(i for i, name in enumerate(node.input) if name in reached)
        if not wanted:
            continue
        call = Call(
            node=node,
            inputs=[value(name) for name in node.input],
            output=values[node.output[0]],
            wanted=wanted,
        )
        gradients = RULES[node.op_type](call, grad)
        for i in sorted(wanted):
            name, more = node.input[i], gradients[i]
            assert more is not None
            grads[name] = more if name not in grads else grads[name] + more
