"""Gradients as values: `grad`."""

from collections.abc import Sequence
from typing import Any

from minitorch_rnn.engine import Tensor, seed_of, walk
from minitorch_rnn.errors import GraphError


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, returned; no leaf's `.grad` changes.

        dx_i = sum_k v_k ∂y_k / ∂x_i

    Args:
        outputs: tensor or tensors y_k, of any shapes.
        inputs: tensor or tensors x_i, leaves or computed ones; only paths to these are followed.
        grad_outputs: the v_k, one for each output in its shape; None is 1 for a single element.
        retain_graph: keep the graph for another walk; None means as `create_graph`.
        create_graph: make the gradients differentiable themselves.
        allow_unused: give None for an input that no output depends on, instead of raising.

    Raises:
        GraphError: if an input was not used, or as `Tensor.backward` does.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.autograd import grad
    >>> x = tensor(2.0, requires_grad=True)
    >>> (slope,) = grad(x**3, x, create_graph=True)
    >>> (curvature,) = grad(slope, x)
    >>> slope.item(), curvature.item()
    (12.0, 12.0)
    """
    ys = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    xs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    vs = [grad_outputs] if isinstance(outputs, Tensor) else grad_outputs
    if isinstance(outputs, Tensor) and isinstance(grad_outputs, list | tuple):
        vs = list(grad_outputs)
    vs = [None] * len(ys) if vs is None else list(vs)
    if len(vs) != len(ys):
        raise GraphError(f"grad: got {len(vs)} grad_outputs for {len(ys)} outputs.")
    for i, x in enumerate(xs):
        if not x.requires_grad:
            raise GraphError(f"grad: input {i} (shape {x.shape}) does not require a gradient.")
    seeds = [seed_of(y, v, create_graph) for y, v in zip(ys, vs, strict=True)]
    found = walk(ys, seeds, {x._index: x for x in xs}, retain_graph, create_graph)
    missing = [i for i, x in enumerate(xs) if x._index not in found]
    if missing and not allow_unused:
        raise GraphError(
            f"grad: inputs {missing} appear to not have been used in the graph. "
            "Set allow_unused=True to get None for them."
        )
    return tuple(found.get(x._index) for x in xs)
