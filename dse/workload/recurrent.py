"""LSTM, GRU and RNN as the matrix products that they are, step by step."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from macwright.dse.workload.nodes import attribute
from macwright.dse.workload.rewriter import Rewriter
from macwright.hw.errors import RefusedInput

__all__ = ["recurrent"]

#: Most steps of a sequence, of both directions, that are written out.
MOST_STEPS = 512
#: Gates, activation functions, and states of each operator.
_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_FUNCTIONS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
_State = tuple[str, str]
_Step = Callable[[Rewriter, str, _State, NDArray, NDArray | None, str], _State]


def recurrent(new: Rewriter, node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Write a recurrent layer as one product of all inputs by W, and one of each state by R.

    The copies of R are one tensor in memory: `Constants.copies` says so.

    Raises
    ------
    ValueError
        If it has options that are not written out here.
    """
    op = node.op_type
    names = [*node.input, *[""] * (8 - len(node.input))]
    x, weights, states, biases, lengths, first, cell, peepholes = names
    steps, _, _ = shapes[x]
    directions, hidden = shapes[states][0], shapes[states][2]
    _check(new, node, (lengths, peepholes), steps, directions)
    direction = attribute(node, "direction", "forward")
    results: list[list[str]] = []
    lasts: list[tuple[str, str]] = []
    for index in range(directions):
        back = direction == "reverse" or index == 1
        w = new.value(weights)[index].T
        r = new.value(states)[index].T
        b = np.zeros((2, r.shape[1]), np.float32)
        if biases:
            b = new.value(biases)[index].reshape(2, -1)
        # What is added to each gate without regard to the state.
        apart = op == "GRU" and bool(attribute(node, "linear_before_reset", 0))
        fixed = b.sum(axis=0)
        if apart:
            fixed = np.concatenate([fixed[: 2 * hidden], b[0, 2 * hidden :]])
        inputs = new.add("MatMul", [x, new.constant(np.ascontiguousarray(w))])
        inputs = new.add("Add", [inputs, new.constant(fixed.astype(np.float32))])
        parts = new.split(inputs, steps, 0) if steps > 1 else [inputs]
        h = _initial(new, first, index, parts[0], hidden)
        c = _initial(new, cell, index, parts[0], hidden) if op == "LSTM" else ""
        step = _STEPS[op]
        outputs = [""] * steps
        order = range(steps - 1, -1, -1) if back else range(steps)
        for t in order:
            h, c = step(new, parts[t], (h, c), r, b[1] if apart else None, f"{node.name} {index}")
            outputs[t] = h
        results.append(outputs)
        lasts.append((h, c))
    _outputs(new, node, results, lasts)
    return True


def _check(
    new: Rewriter,
    node: onnx.NodeProto,
    extras: tuple[str, str],
    steps: int,
    directions: int,
) -> None:
    lengths, peepholes = extras
    functions = attribute(node, "activations")
    names = [x.decode() if isinstance(x, bytes) else x for x in functions or []]
    problems = {
        "without sequence lengths": bool(lengths)
        and not (new.is_constant(lengths) and (new.value(lengths) == steps).all()),
        "without peepholes": bool(peepholes)
        and not (new.is_constant(peepholes) and not new.value(peepholes).any()),
        "with the usual activation functions": bool(names)
        and [x.lower() for x in names]
        != [x.lower() for x in _FUNCTIONS[node.op_type]] * directions,
        "without clip": bool(attribute(node, "clip")),
        "without input_forget": bool(attribute(node, "input_forget", 0)),
        "with constant weights": not all(new.is_constant(name) for name in node.input[1:4] if name),
        f"of at most {MOST_STEPS} steps": steps * directions > MOST_STEPS,
    }
    for problem, there in problems.items():
        if there:
            raise RefusedInput(
                f"Node {node.name} must be {'an' if node.op_type != 'GRU' else 'a'} {node.op_type} "
                f"{problem}, as macwright writes it as matrix products; export it so, or write it "
                "as MatMul, Add, Sigmoid and Tanh"
            )


def _initial(new: Rewriter, state: str, index: int, part: str, hidden: int) -> str:
    """First state, shape (1, batch, hidden); zeros that grow with the batch if none is given."""
    start, stop, axis = (new.constant(np.array([x])) for x in (index, index + 1, 0))
    if state:
        return new.add("Slice", [state, start, stop, axis])
    first, last, along = (new.constant(np.array([x])) for x in (0, hidden, -1))
    some = new.add("Slice", [part, first, last, along])
    return new.add("Sub", [some, some])


def _product(new: Rewriter, state: str, matrix: np.ndarray, tensor: str) -> str:
    """Product of a state by weights that all steps share; `tensor` is their name."""
    name = new.constant(np.ascontiguousarray(matrix))
    new.constants.copies[name] = tensor
    return new.add("MatMul", [state, name])


def _lstm(new, part, state, r, bias, tensor) -> tuple[str, str]:
    h, c = state
    gates = new.add("Add", [part, _product(new, h, r, tensor)])
    i, o, f, g = new.split(gates, 4, -1)
    i, o, f = (new.add("Sigmoid", [x]) for x in (i, o, f))
    remembered, fresh = new.add("Mul", [f, c]), new.add("Mul", [i, new.add("Tanh", [g])])
    c = new.add("Add", [remembered, fresh])
    return new.add("Mul", [o, new.add("Tanh", [c])]), c


def _gru(new, part, state, r, bias, tensor) -> tuple[str, str]:
    h, n = state[0], r.shape[0]
    xz, xr, xh = new.split(part, 3, -1)
    if bias is not None:
        hz, hr, hh = new.split(_product(new, h, r, tensor), 3, -1)
        hh = new.add("Add", [hh, new.constant(bias[2 * n :].astype(np.float32))])
    else:
        hz, hr = new.split(_product(new, h, r[:, : 2 * n], f"{tensor} gates"), 2, -1)
        hh = ""
    z = new.add("Sigmoid", [new.add("Add", [xz, hz])])
    reset = new.add("Sigmoid", [new.add("Add", [xr, hr])])
    if bias is not None:
        hh = new.add("Mul", [reset, hh])
    else:
        hh = _product(new, new.add("Mul", [reset, h]), r[:, 2 * n :], f"{tensor} new")
    fresh = new.add("Tanh", [new.add("Add", [xh, hh])])
    change = new.add("Mul", [z, new.add("Sub", [h, fresh])])
    return new.add("Add", [fresh, change]), ""


def _rnn(new, part, state, r, bias, tensor) -> tuple[str, str]:
    return new.add("Tanh", [new.add("Add", [part, _product(new, state[0], r, tensor)])]), ""


_STEPS: dict[str, _Step] = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}


def _outputs(
    new: Rewriter, node: onnx.NodeProto, results: list[list[str]], lasts: list[tuple[str, str]]
) -> None:
    """Y of shape (steps, directions, batch, hidden), and the last states."""
    names = [*node.output, *[""] * (3 - len(node.output))]
    if names[0]:
        axis = new.constant(np.array([1]))
        sides = [
            new.add("Unsqueeze", [new.add("Concat", steps, axis=0), axis]) for steps in results
        ]
        new.add("Concat", sides, names[0], axis=1)
    for i, name in enumerate(names[1:]):
        if name:
            new.add("Concat", [last[i] for last in lasts], name, axis=0)
