"""Gradients from outside the walk: what starts it, and what a user's function returns to it."""

from __future__ import annotations

from typing import Any

from minitorch_rnn import backend
from minitorch_rnn.engine.primitive import mixed, raw
from minitorch_rnn.engine.tensor import Tensor
from minitorch_rnn.errors import BackendError, GraphError, ShapeError


def seed_of(output: Tensor, gradient: Any, create_graph: bool = False) -> Any:
    """The gradient that starts the walk at `output`; implied only for a scalar."""
    if not isinstance(output, Tensor) or not output._tracked:
        raise GraphError(
            "backward: the output does not require a gradient: nothing it was computed from has "
            "requires_grad=True, or it was computed under no_grad()."
        )
    data = output._data
    if isinstance(gradient, Tensor) and not create_graph:
        seed = gradient._data
        if type(seed) is type(data) and seed.shape == data.shape and seed.dtype == data.dtype:
            return seed
    if gradient is None:
        if data.size != 1:
            raise GraphError(
                f"backward: the output has shape {data.shape}, and a gradient is implied only for "
                f"one element. Pass gradient= of shape {data.shape}, or reduce: y.sum().backward()."
            )
        return backend.namespace(data).ones(data.shape, dtype=data.dtype)
    if create_graph and isinstance(gradient, Tensor):
        seed = gradient
    else:
        seed = backend.plain("backward", raw(gradient), data.dtype)
        if backend.backend_of(seed) is None:
            seed = backend.namespace(data).asarray(seed, dtype=data.dtype)
    if backend.backend_of(raw(seed)) is not backend.backend_of(data):
        raise BackendError(mixed("backward", (output, seed)))
    if seed.shape != data.shape:
        raise ShapeError(
            f"backward: gradient has shape {seed.shape}, but the output has shape {data.shape}."
        )
    return seed


def returned(who: str, gradient: Any, like: Any) -> Tensor:
    """A gradient that a user's function gave for the tensor or array `like`, as a Tensor.

    Raises:
        GraphError: if it has another shape.
        DTypeError: if it is complex, or is masked, and `like` is not.
        BackendError: if it lives elsewhere.
    """
    array = raw(like)
    owner = backend.backend_of(array)
    assert owner is not None
    given = backend.plain(who, raw(gradient), array.dtype)
    if not isinstance(gradient, Tensor):
        gradient = Tensor(given, backend=owner.name)
    if gradient.shape != array.shape:
        raise GraphError(
            f"{who}: returned a gradient of shape {gradient.shape} for a tensor of shape "
            f"{array.shape}."
        )
    if backend.backend_of(gradient._data) is not owner:
        raise BackendError(mixed(who, (like, gradient)))
    return gradient  # type: ignore[no-any-return]
