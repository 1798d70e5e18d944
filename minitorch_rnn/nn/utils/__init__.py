"""What PyTorch keeps in `torch.nn.utils`."""

from minitorch_rnn.nn.utils import rnn
from minitorch_rnn.nn.utils.clipping import clip_grad_norm_, clip_grad_value_

__all__ = ["clip_grad_norm_", "clip_grad_value_", "rnn"]
