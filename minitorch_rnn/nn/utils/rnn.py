"""What PyTorch keeps in `torch.nn.utils.rnn`: batches of sequences of different lengths."""

from minitorch_rnn.nn.sequences import pad_sequence, unpad_sequence

__all__ = ["pad_sequence", "unpad_sequence"]
