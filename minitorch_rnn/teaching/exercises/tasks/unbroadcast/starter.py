# minitorch-rnn exercise: unbroadcast
"""Undo broadcasting.

NumPy stretches a small array to fit a large one:

    z = x + b        x (4, 3),  b (3,):   row b is used 4 times
    z = x * s        x (4, 3),  s (4, 1): each s_i is used 3 times

A number that is used several times gets a gradient from every use, and they
add up. So a gradient of z's shape goes back to b by being summed over all axes
along which b was stretched:

    `gradient`    an array that came back, of the large shape
    `shape`       the shape of the small array, a tuple such as (3,) or (4, 1)
    result        the gradient at the small array: exactly of shape `shape`

NumPy's rule: shapes are lined up at their right ends; axes that are missing on
the left, and axes of length 1, are stretched. A number has shape ().

Fill in `unbroadcast`, then:

    minitorch-rnn exercise check unbroadcast.py
"""


def unbroadcast(gradient, shape):
    """Sum `gradient` over the axes along which an array of `shape` was stretched."""
    raise NotImplementedError
