"""The agreement certificate: every road to the gradient, run on one network and compared."""

from minitorch_rnn.agreement.networks import certificate
from minitorch_rnn.agreement.verification import REQUIRED, Agreement, verify

__all__ = ["Agreement", "REQUIRED", "certificate", "verify"]
