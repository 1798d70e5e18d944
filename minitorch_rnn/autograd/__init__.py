"""What one does with derivatives: take them, check them."""

from minitorch_rnn.autograd.checkpoint import checkpoint
from minitorch_rnn.autograd.checkpoint_sequence import checkpoint_sequence
from minitorch_rnn.autograd.function import Context, Function
from minitorch_rnn.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp
from minitorch_rnn.autograd.gradcheck import Check, gradcheck, gradgradcheck
from minitorch_rnn.autograd.gradients import grad
from minitorch_rnn.engine import (
    Contribution,
    Place,
    Step,
    detect_anomaly,
    record_places,
    time_steps,
)

__all__ = [
    "Check", "Context", "Contribution", "Function", "Place", "Step", "checkpoint",
    "checkpoint_sequence", "detect_anomaly", "grad", "gradcheck", "gradgradcheck", "hessian",
    "hvp", "jacobian", "jvp", "record_places", "time_steps", "vhp", "vjp",
]  # fmt: skip
