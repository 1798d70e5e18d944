# minitorch-rnn exercise: tanh-derivative
"""The derivative of tanh.

    forward     y = tanh(z)                       each component by itself
    backward    dz_i = dy_i * dy_i/dz_i           slide 79

`dy` is the gradient of the divergence at y: it came back from whatever uses y.
You get it and y, not z: the forward pass keeps y anyway, and y is enough.

    dy, y    arrays of any one shape
    dz       the gradient at z, of the same shape

Fill in `tanh_backward`, then:

    minitorch-rnn exercise check tanh_derivative.py
"""


def tanh_backward(dy, y):
    """The gradient at z, where y = tanh(z)."""
    raise NotImplementedError
