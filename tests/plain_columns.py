"""Columns on plain arrays: what is drawn for them, and the complex step of any number of theirs."""

import numpy as np
from numpy.testing import assert_allclose

from minitorch_rnn import numeric


def drawn(column, rng, T, B):
    """Parameters, inputs, and a history for every node that has one."""
    params = {name: rng.normal(size=shape) for name, shape in column.shapes.items()}
    x = {name: rng.normal(size=(T, B, node.size)) for name, node in column.inputs.items()}
    reach = {n: sum(ends) for n, ends in column.reach.items() if any(ends)}
    past = {n: rng.normal(size=(k, B, column.node[n].size)) for n, k in reach.items()}
    return params, x, past


def same(found, expected, rtol=1e-10, atol=1e-12):
    assert set(found) == set(expected)
    for name in expected:
        assert_allclose(found[name], expected[name], rtol=rtol, atol=atol, err_msg=name)


def by_complex_step(number, column, params, x, past):
    """Of number(params, x, past, offsets), by kind and name; offsets are those of every z."""
    T, B = next(iter(x.values())).shape[:2]
    z = {n: np.zeros((T, B, node.size)) for n, node in column.node.items() if n not in x}
    groups = {"parameters": params, "inputs": x, "histories": past, "offsets": z}
    arrays = {f"{kind} {n}": a for kind, group in groups.items() for n, a in group.items()}

    def value(moved):  # the axis of copies comes first in parameters, and after time elsewhere
        by_kind = {kind: {} for kind in groups}
        for name, array in moved.items():
            kind, _, n = name.partition(" ")
            by_kind[kind][n] = array if kind == "parameters" else np.moveaxis(array, 1, 0)
        return number(*by_kind.values())

    return numeric.complex_step(value, arrays, together=128)
