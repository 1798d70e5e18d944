"""What one does with derivatives: take them, check them."""

from minitorch_rnn.autograd.functional import grad
from minitorch_rnn.autograd.gradcheck import Check, gradcheck

__all__ = ["Check", "grad", "gradcheck"]
