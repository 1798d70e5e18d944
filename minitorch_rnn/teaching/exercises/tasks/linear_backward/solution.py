# minitorch-rnn exercise: linear-backward
"""A linear layer, backward: the products sum over the examples by themselves."""


def linear_backward(dy, x, W):
    """The gradients dx, dW, db of y = x W^T + b."""
    return dy @ W, dy.T @ x, dy.sum(axis=0)
