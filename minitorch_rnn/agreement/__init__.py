"""The agreement certificate: every road to the gradient, run on one network and compared."""

from minitorch_rnn.agreement.drawn import draw_column, random_agreements
from minitorch_rnn.agreement.networks import COLUMNS, columns, layers
from minitorch_rnn.agreement.report import REQUIRED, Agreement, matrix
from minitorch_rnn.agreement.verification import verify

__all__ = [
    "Agreement", "COLUMNS", "REQUIRED", "columns", "draw_column", "layers", "matrix",
    "random_agreements", "verify",
]  # fmt: skip
