# minitorch-rnn exercise: gradient-clipping
"""Clip gradients by their norm.

A product of many Jacobians can explode. The usual remedy leaves the direction
of the step as it is and makes it shorter:

    norm  = sqrt(sum of the squares of ALL numbers of ALL gradients)
    every gradient is multiplied by  most / norm   if norm > most,
    and stays as it is otherwise

    gradients    a dictionary of arrays, such as {"W_r": .., "b": ..}
    most         the largest norm that is allowed
    result       a new dictionary with the same names and shapes

Do not change the arrays that you are given.

Fill in `clip`, then:

    minitorch-rnn exercise check gradient_clipping.py
"""

import numpy as np


def clip(gradients, most):
    """The gradients, scaled together so that their common norm is at most `most`."""
    raise NotImplementedError
