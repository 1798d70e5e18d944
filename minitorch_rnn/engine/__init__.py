"""The engine: Tensor, `primitive`, the backward walk and whether anything is recorded."""

from minitorch_rnn.engine.anomaly import detect_anomaly, detects_anomalies
from minitorch_rnn.engine.given import returned, seed_of
from minitorch_rnn.engine.hooks import Handle
from minitorch_rnn.engine.places import Place, record_places, scope, time_steps
from minitorch_rnn.engine.primitive import (
    REGISTRY,
    Op,
    composite,
    joint,
    kept,
    primitive,
    raw,
    record,
    variadic,
)
from minitorch_rnn.engine.recording import (
    enable_grad,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from minitorch_rnn.engine.staying import staying
from minitorch_rnn.engine.stepping import Step, backward_steps
from minitorch_rnn.engine.tensor import Parameter, Tensor, constant, tensor
from minitorch_rnn.engine.walk import Contribution, Piece, backward, clone, walk

__all__ = [
    "Contribution", "Handle", "Op", "Parameter", "Piece", "Place", "REGISTRY", "Step", "Tensor",
    "backward_steps", "clone", "composite", "constant", "detect_anomaly", "detects_anomalies",
    "enable_grad", "is_grad_enabled", "joint", "kept", "no_grad", "primitive", "raw", "record",
    "record_places", "returned", "scope", "seed_of", "set_grad_enabled", "staying", "tensor",
    "time_steps", "variadic", "walk",
]  # fmt: skip

Tensor.backward = backward  # type: ignore[method-assign, assignment]
Tensor.backward_steps = backward_steps  # type: ignore[method-assign, assignment]
