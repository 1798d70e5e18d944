"""The one dictionary between the slides' names and PyTorch's.

slide      PyTorch and nn                         shape
W_c(l)     rnn.weight_ih_l{l-1}                   (H, I or H)
W_r(l)     rnn.weight_hh_l{l-1}                   (H, H)
b(l)       rnn.bias_ih_l{l-1} + rnn.bias_hh_…     (H,)
h(-1,l)    rnn.h_0[l-1], where it is learned      (H,)
W_o, b_o   output.weight, output.bias             (O, H), (O,)
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

_SLIDE = {"weight_ih": "W_c", "weight_hh": "W_r", "bias_ih": "b", "bias_hh": "b"}
_WHOLE = {"output.weight": "W_o", "output.bias": "b_o", "rnn.h_0": "h_init", "h_0": "h_init"}


def slide_name(name: str) -> tuple[str, int | None]:
    """The slides' symbol and layer for a PyTorch parameter name.

    >>> slide_name("rnn.weight_hh_l0")
    ('W_r', 1)
    >>> slide_name("output.bias")
    ('b_o', None)
    """
    if name in _WHOLE:
        return _WHOLE[name], None
    match = re.fullmatch(r"(?:rnn\.)?(weight_ih|weight_hh|bias_ih|bias_hh)_l(\d+)", name)
    if match is None:
        known = "weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, …, output.weight, output.bias"
        raise KeyError(f"{name!r} has no counterpart on the slides; known are {known}")
    return _SLIDE[match[1]], int(match[2]) + 1


def from_torch(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The slides' parameters from arrays by PyTorch's names; the two biases of a layer are summed.

    A missing bias is zero; a missing output layer is the identity. A learned initial state becomes
    ``"h_init"``, which `slides.forward` takes as an argument of its own.

    >>> params = from_torch({"weight_ih_l0": np.ones((3, 2)), "weight_hh_l0": np.eye(3)})
    >>> params["W_c"][1].shape, params["b"][1]
    ((3, 2), array([0., 0., 0.]))
    """
    params: dict[str, Any] = {"W_c": {}, "W_r": {}, "b": {}}
    for name, array in arrays.items():
        symbol, l = slide_name(name)
        if symbol == "h_init":
            params[symbol] = {k + 1: h for k, h in enumerate(array)}
        elif l is None:
            params[symbol] = array
        else:
            params[symbol][l] = params[symbol].get(l, 0) + array
    for l, W in params["W_r"].items():
        params["b"].setdefault(l, np.zeros(len(W)))
    params.setdefault("W_o", np.eye(len(W)))
    params.setdefault("b_o", np.zeros(len(params["W_o"])))
    return params


def gradient(d: Mapping[str, Any], name: str) -> Any:
    """The slides' gradient `d` of the parameter that PyTorch calls `name`.

    >>> gradient({"W_r": {1: np.eye(2)}}, "rnn.weight_hh_l0")
    array([[1., 0.],
           [0., 1.]])
    """
    symbol, l = slide_name(name)
    if symbol == "h_init":
        return np.stack([d[symbol][k] for k in sorted(d[symbol])])
    return d[symbol] if l is None else d[symbol][l]
