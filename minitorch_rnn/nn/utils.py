"""What PyTorch keeps in `torch.nn.utils`: gradient clipping."""

from collections.abc import Iterable

from minitorch_rnn import ops
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import NonFiniteError


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale all gradients together so that their joint Euclidean norm is at most `max_norm`.

    Returns the norm before clipping, a 0-d tensor; reading it is the caller's synchronisation.

    Raises:
        NonFiniteError: with `error_if_nonfinite`, if the norm is nan or infinite.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is {max_norm}; at least 0 is needed.")
    owners = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    with_grad = [p for p in owners if p.grad is not None]
    if not with_grad:
        return Tensor(0.0)
    norms = ops.stack([p.grad.detach().norm() for p in with_grad])  # type: ignore[union-attr]
    total = norms.norm()
    if error_if_nonfinite and not abs(total.item()) < float("inf"):
        raise NonFiniteError(f"clip_grad_norm_: the norm of the gradients is {total.item()}.")
    scale = ops.minimum(max_norm / (total + 1e-6), 1.0)
    for p in with_grad:
        assert p.grad is not None
        p.grad = p.grad * scale.astype(p.dtype)
    return total  # type: ignore[no-any-return]
