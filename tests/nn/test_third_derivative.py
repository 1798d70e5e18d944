"""Third derivatives through a recurrent layer, by the graph and by the complex step of the second.

The complex step takes no derivative of its own, df/dx = Im f(x + ih) / h, and loses nothing to
rounding; so it wants every tensor complex, also those that the second derivative is made of.
"""

import numpy as np
import pytest
from recurrent_layers import as_state, flat, layer

import minitorch_rnn as mt
from minitorch_rnn import numeric

T, B, I, H = 3, 1, 2, 2


def leaf(array):
    """A tensor that requires a gradient, also a complex one, which users are refused."""
    t = mt.tensor(array)
    t._tracked = True
    return t


class Second:
    """<u, d<w, d loss / d theta> / d theta> of a layer, theta being x, h_0 and the weights."""

    def __init__(self, net, rng):
        self.net, self.names = net, [name for name, _ in net.named_parameters()]
        self.states = [f"{name}_0" for name in net.cell.states]
        shapes = {"x": (T, B, I)} | dict.fromkeys(self.states, (net.num_states, B, H))
        self.theta = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        self.theta |= {name: np.array(p.data) for name, p in net.named_parameters()}
        self.v = [rng.normal(size=y.shape) for y in flat(net(self.theta["x"]))]
        self.w, self.u = (
            {name: rng.normal(size=a.shape) for name, a in self.theta.items()} for _ in "wu"
        )

    def __call__(self, theta):
        """The number, a tensor in the graph, and the leaves that it depends on, by name."""
        dtype = theta["x"].dtype
        leaves = {name: leaf(theta[name]) for name in ("x", *self.states)}
        for name in self.names:
            parameter = getattr(self.net, name)
            parameter._rebind(np.array(theta[name]))
            leaves[name] = parameter

        def along(outputs, cotangents):
            vs = [mt.tensor(np.asarray(v, dtype)) for v in cotangents]
            return sum((y * v).sum() for y, v in zip(outputs, vs, strict=True))

        state = as_state([leaves[name] for name in self.states])
        found = along(flat(self.net(leaves["x"], state)), self.v)
        for directions in (self.w, self.u):
            slopes = mt.autograd.grad(found, list(leaves.values()), create_graph=True)
            found = along(slopes, [directions[name] for name in leaves])
        return found, leaves


CASES = [
    pytest.param("tanh", {}, id="tanh"),
    pytest.param("tanh", {"num_layers": 2}, id="two-layers"),
    pytest.param("tanh", {"bidirectional": True}, id="both-ways"),
    pytest.param("LSTM", {}, id="LSTM"),
    pytest.param("GRU", {}, id="GRU"),
]


@pytest.mark.parametrize("kind, options", CASES)
def test_third_derivatives_agree_with_the_complex_step_of_the_second(kind, options, rng):
    second = Second(layer(kind, I, H, rng=rng, **options), rng)
    number, leaves = second(second.theta)
    third = mt.autograd.grad(number, list(leaves.values()))
    third = {name: g.numpy() for name, g in zip(leaves, third, strict=True)}
    expected = numeric.complex_step(lambda theta: second(theta)[0].item(), second.theta)
    assert list(expected) == list(third)
    for name, reference in expected.items():
        assert third[name].dtype == np.float64 and abs(reference).max() > 0.1
        atol = 1e-13 * abs(reference).max()  # what cancels keeps the error of its terms
        np.testing.assert_allclose(third[name], reference, rtol=1e-10, atol=atol, err_msg=name)
