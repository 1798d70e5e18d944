# minitorch-rnn exercise: gradient-check
"""Check a gradient without knowing any derivative.

Move one number of x up by eps and down by eps, and see how f moves:

    d f/dx_i  ~  (f(x + eps e_i) - f(x - eps e_i)) / (2 eps)

e_i is 1 at component i and 0 elsewhere. This is a central difference: its error
shrinks with eps squared; that of (f(x + eps e_i) - f(x)) / eps only with eps.

    f       a function that takes an array of x's shape and returns a number
    x       an array of any shape, also (); do not change it, work on a copy
    eps     a small number
    result  all the differences, in the shape of x

Fill in `differences`, then:

    minitorch-rnn exercise check gradient_check.py
"""

import numpy as np


def differences(f, x, eps):
    """The central differences of f at x, in the shape of x."""
    raise NotImplementedError
