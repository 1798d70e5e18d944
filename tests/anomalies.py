"""What the tests of anomaly mode share: leaves, the message of an error, and lines of tests."""

import inspect

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn.autograd import detect_anomaly
from minitorch_rnn.errors import NonFiniteError


def leaf(values, dtype=float):
    return mt.tensor(np.array(values, dtype), requires_grad=True)


def error_of(wrong):
    with pytest.raises(NonFiniteError) as caught, detect_anomaly():
        wrong()
    return str(caught.value)


def line_of(function, marked):
    """The number of the line of `function` that holds the text `marked`."""
    lines, first = inspect.getsourcelines(function)
    (found,) = [i for i, line in enumerate(lines) if marked in line]
    return first + found
