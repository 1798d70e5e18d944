# minitorch-rnn exercise: linear-backward
"""A linear layer, backward.

    forward    y = x W^T + b          b is added to every row

    x     (B, I)    a row for each of B examples
    W     (O, I)    b  (O,)
    y     (B, O)
    dy    (B, O)    gradient of the divergence at y

Return the gradients at x, W and b, each in the shape of what it belongs to:

    dx (B, I),  dW (O, I),  db (O,)

All examples use the same W and b, so their parts of dW and db add up (no mean:
the divergence decides about that).

Fill in `linear_backward`, then:

    minitorch-rnn exercise check linear_backward.py
"""


def linear_backward(dy, x, W):
    """The gradients dx, dW, db of y = x W^T + b."""
    raise NotImplementedError
