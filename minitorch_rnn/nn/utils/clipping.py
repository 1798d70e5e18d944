"""Gradient clipping: by the norm of all gradients together, and by the value of each entry."""

import math
from collections.abc import Iterable

from minitorch_rnn import ops
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import NonFiniteError


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients together so that their joint norm is at most `max_norm`.

        N = (Σ |g|^q)^(1/q),   g ← g min(1, max_norm / (N + 1e-6))

    Args:
        parameters: whose `.grad` is to be clipped; those that have none are passed over.
        max_norm: the largest norm that stays.
        norm_type: q, above 0; 2 is the Euclidean norm, inf the largest |g|.
        error_if_nonfinite: look at the norm, for which a device is waited for.

    Returns:
        N before clipping, a 0-d tensor; reading it is the caller's synchronisation.

    Raises:
        ValueError: if `max_norm` is below 0, or `norm_type` not above 0.
        NonFiniteError: with `error_if_nonfinite`, if the norm is nan or infinite; nothing changes.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
    ICML 2013, algorithm 1.

    >>> import minitorch_rnn as mt
    >>> p = mt.nn.Parameter([0.0, 0.0])
    >>> p.grad = mt.tensor([3.0, 4.0])
    >>> mt.nn.utils.clip_grad_norm_([p], max_norm=1.0)
    tensor(5.)
    >>> p.grad.data.round(3)
    array([0.6, 0.8])
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is {max_norm}; at least 0 is needed.")
    q = float(norm_type)
    if not q > 0:
        raise ValueError(f"clip_grad_norm_: norm_type is {norm_type}; above 0 is needed, or inf.")
    owners = _with_gradients(parameters)
    norms = [_norm(g.detach(), q) for p in owners if (g := p.grad) is not None and g.size]
    if not norms:
        return Tensor(0.0)
    total = _norm(ops.stack(norms), q)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise NonFiniteError(f"clip_grad_norm_: the norm of the gradients is {total.item()}.")
    scale = ops.minimum(max_norm / (total + 1e-6), 1.0)
    for p in owners:
        assert p.grad is not None
        p.grad = p.grad * scale.astype(p.grad.dtype)
    return total


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every entry of every gradient: g ← min(max(g, -clip_value), clip_value).

    Args:
        parameters: whose `.grad` is to be clipped; those that have none are passed over.
        clip_value: the largest |g| that stays.

    Raises:
        ValueError: if `clip_value` is below 0.

    >>> import minitorch_rnn as mt
    >>> p = mt.nn.Parameter([0.0, 0.0])
    >>> p.grad = mt.tensor([0.5, -4.0])
    >>> mt.nn.utils.clip_grad_value_([p], 1.0)
    >>> p.grad
    tensor([ 0.5, -1. ])
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value is {clip_value}; at least 0 is needed.")
    for p in _with_gradients(parameters):
        p.grad = ops.clip(p.grad, -clip_value, clip_value)


def _with_gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    owners = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p for p in owners if p.grad is not None]


def _norm(x: Tensor, q: float) -> Tensor:
    if q == 2:
        return x.norm()
    if q == math.inf:
        return x.abs().max()
    return (x.abs() ** q).sum() ** (1 / q)
