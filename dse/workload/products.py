"""Matrix products in other forms, written as those that layers are made of."""

import math
from collections.abc import Mapping

import numpy as np
import onnx

from macwright.dse.workload.nodes import attribute
from macwright.dse.workload.rewriter import Rewriter
from macwright.hw.errors import RefusedInput

__all__ = ["einsum", "gemm", "matmul"]

_Shapes = Mapping[str, tuple[int, ...]]
#: Most matrices of weights that one product is split into.
MOST_PARTS = 256


def matmul(new: Rewriter, node: onnx.NodeProto, shapes: _Shapes) -> bool:
    """MatMul of vectors, by stacks of weights, or of weights by activations; False if plain."""
    left, right, result = node.input[0], node.input[1], node.output[0]
    ranks = len(shapes[left]), len(shapes[right])
    first = new.is_constant(left)
    if min(ranks) > 1 and not first and not (new.is_constant(right) and ranks[1] > 2):
        return False
    axes = []
    if ranks[0] == 1:
        left, axes = new.add("Unsqueeze", [left, new.constant([0])]), [-2]
    if ranks[1] == 1:
        right, axes = new.add("Unsqueeze", [right, new.constant([1])]), [*axes, -1]
    if axes:
        product = new.add("MatMul", [left, right])
        new.add("Squeeze", [product, new.constant(axes)], result)
    elif first:
        # (A B)^T = B^T A^T, so that the weights come second.
        act, weights = new.transposed(right, ranks[1]), new.transposed(left, ranks[0])
        if ranks[0] == 2:
            product = new.add("MatMul", [act, weights], name=node.name)
        else:
            product = _stack(new, act, weights, shapes[right])
        new.transposed(product, max(ranks), result)
    else:
        _stack(new, left, right, shapes[left], result)
    return True


def _stack(new: Rewriter, left: str, right: str, sizes: tuple[int, ...], result: str = "") -> str:
    """Product by weights of shape (..., k, n); `sizes` of the left, but for its last two axes."""
    weights = new.value(right)
    *stack, k, n = weights.shape
    missing = max(weights.ndim - len(sizes), 0)
    if missing:
        left = new.add("Unsqueeze", [left, new.constant(list(range(missing)))])
    axes = [i - len(stack) - 2 for i, size in enumerate(stack) if size > 1]
    for axis in list(axes):  # matrices that are all the same need to be there once
        same = len(sizes) >= -axis and sizes[axis] == weights.shape[axis]
        if same and (weights == weights.take([0], axis)).all():
            bounds = [new.constant([x]) for x in (0, 1, axis)]
            right = new.add("Slice", [right, *bounds])
            axes.remove(axis)
    if not axes:
        matrix = new.add("Reshape", [right, new.constant([k, n])])
        return new.add("MatMul", [left, matrix], result)
    count = math.prod(new.value(right).shape[:-2])
    if count > MOST_PARTS:
        raise RefusedInput(
            f"Node {new.node.name} must multiply by at most {MOST_PARTS} matrices of weights, not "
            f"by shape {weights.shape}; split the product when exporting"
        )
    axis = axes[0]
    parts = [left] * weights.shape[axis]
    if len(sizes) >= -axis and sizes[axis] == len(parts):
        parts = new.split(left, len(parts), axis)
    matrices = new.split(right, len(parts), axis)
    sizes = tuple(1 if i - len(sizes) == axis else size for i, size in enumerate(sizes))
    if len(axes) > 1:
        products = [_stack(new, *pair, sizes) for pair in zip(parts, matrices, strict=True)]
    else:
        matrices = [new.add("Reshape", [x, new.constant([k, n])]) for x in matrices]
        products = [new.add("MatMul", pair) for pair in zip(parts, matrices, strict=True)]
    return new.add("Concat", products, result, axis=axis)


def gemm(new: Rewriter, node: onnx.NodeProto, shapes: _Shapes) -> bool:
    """Gemm that is more than samples by weights plus biases; False if it is not."""
    left, right, *rest = node.input
    n = shapes[node.output[0]][-1]
    bias = rest[0] if rest else ""
    simple = not bias or (
        new.is_constant(bias) and shapes[bias] in ((), (1,), (n,), (1, 1), (1, n))
    )
    factors = [float(attribute(node, name, 1.0)) for name in ("alpha", "beta")]
    turned = [bool(attribute(node, name, 0)) for name in ("transA", "transB")]
    if new.is_constant(right) and simple and not turned[0] and factors == [1, 1]:
        return False
    if turned[0]:
        left = new.add("Transpose", [left], perm=[1, 0])
    if turned[1]:
        right = new.add("Transpose", [right], perm=[1, 0])
    last = not bias and factors[0] == 1
    product = new.add("MatMul", [left, right], node.output[0] if last else "")
    if factors[0] != 1:
        scaled = new.constant(np.float32(factors[0]))
        product = new.add("Mul", [product, scaled], "" if bias else node.output[0])
    if bias:
        if factors[1] != 1:
            bias = new.add("Mul", [bias, new.constant(np.float32(factors[1]))])
        new.add("Add", [product, bias], node.output[0])
    return True


def einsum(new: Rewriter, node: onnx.NodeProto, shapes: _Shapes) -> bool:
    """Einsum of two operands as MatMul, with axes moved; False if nothing is summed.

    Raises
    ------
    ValueError
        If it is no matrix product.
    """
    if len(node.input) == 1:
        return False
    equation = attribute(node, "equation")
    terms, out = _terms(equation, [len(shapes[name]) for name in node.input])
    if len(terms) != 2 or any(len(set(x)) != len(x) for x in (*terms, out)):
        raise RefusedInput(_not_a_product(node, equation))
    (left, right), (a, b) = list(node.input), terms
    if new.is_constant(left):
        (left, right), (a, b) = (right, left), (b, a)
    axis = new.axes.get(left)
    samples = a[axis] if axis is not None else ""
    if set(a + b) - set(out) - (set(a) & set(b)):
        raise RefusedInput(_not_a_product(node, equation))
    summed = [x for x in a if x in b and x not in out]
    if not summed:
        return False
    shared = [x for x in out if x in a and x in b]
    # Samples first, so that those of a run stand one after another.
    rows = sorted((x for x in out if x in a and x not in b), key=lambda x: x != samples)
    columns = [x for x in out if x in b and x not in a]
    size = dict(zip(a + b, [*shapes[left], *shapes[right]], strict=True))
    k = math.prod(size[x] for x in summed)
    left = _matrix(new, left, a, shared, [*rows], [*summed], last=k)
    right = _matrix(new, right, b, shared, [*summed], [*columns], first=k)
    product = new.add("MatMul", [left, right])
    order = shared + rows + columns
    if (len(rows), len(columns)) != (1, 1):
        sizes = [0] * len(shared) + [size[x] for x in rows + columns]
        if samples in rows:
            sizes[order.index(samples)] = -1
        product = new.add("Reshape", [product, new.constant(np.array(sizes, np.int64))])
    if not out:
        new.add("Reshape", [product, new.constant(np.zeros(0, np.int64))], node.output[0])
        return True
    new.add("Transpose", [product], node.output[0], perm=[order.index(x) for x in out])
    return True


def _matrix(
    new: Rewriter,
    tensor: str,
    term: str,
    shared: list[str],
    rows: list[str],
    columns: list[str],
    *,
    first: int = -1,
    last: int = -1,
) -> str:
    """A tensor as a stack of matrices, of which the size of one side is known."""
    order = [*shared, *rows, *columns]
    moved = new.add("Transpose", [tensor], perm=[term.index(x) for x in order])
    if len(rows) == len(columns) == 1:
        return moved
    sizes = np.array([0] * len(shared) + [first, last], np.int64)
    return new.add("Reshape", [moved, new.constant(sizes)])


def _terms(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """Letters of the operands and the result, with an ellipsis spelt out in capitals."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    letters = {x for term in terms for x in term if x.isalpha()}
    free = [chr(i) for i in range(0x3B1, 0x3B1 + 24) if chr(i) not in letters]
    widths = [
        rank - len(term.replace("...", "")) if "..." in term else 0
        for term, rank in zip(terms, ranks, strict=True)
    ]
    widest = max(widths)
    spelt = [
        term.replace("...", "".join(free[widest - width : widest]))
        for term, width in zip(terms, widths, strict=True)
    ]
    if arrow:
        out = right.replace("...", "".join(free[:widest]))
    else:
        joined = "".join(spelt)
        once = sorted(x for x in set(joined) if joined.count(x) == 1 and x not in free)
        out = "".join(free[:widest]) + "".join(once)
    return spelt, out


def _not_a_product(node: onnx.NodeProto, equation: str) -> str:
    return (
        f"Node {node.name} must be an Einsum that is a product of two matrices, not {equation!r}; "
        "write it as MatMul and Transpose"
    )
