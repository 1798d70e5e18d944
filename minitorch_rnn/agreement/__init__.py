"""The agreement certificate: every road to the gradient, run on one network and compared."""

from minitorch_rnn.agreement.networks import certificate
from minitorch_rnn.agreement.report import REQUIRED, Agreement
from minitorch_rnn.agreement.verification import verify

__all__ = ["Agreement", "REQUIRED", "certificate", "verify"]
