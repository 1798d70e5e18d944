# minitorch-rnn exercise: unbroadcast
"""Undo broadcasting: first the axes that were added on the left, then those of length 1."""


def unbroadcast(gradient, shape):
    """Sum `gradient` over the axes along which an array of `shape` was stretched."""
    added = gradient.ndim - len(shape)
    gradient = gradient.sum(axis=tuple(range(added)))
    stretched = tuple(axis for axis, n in enumerate(shape) if n == 1 and gradient.shape[axis] != 1)
    return gradient.sum(axis=stretched, keepdims=True)
