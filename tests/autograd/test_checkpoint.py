"""checkpoint: the gradients of the plain graph, of every order."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import checkpoint, grad, gradcheck


def leaf(values):
    return mt.tensor(np.array(values, float), requires_grad=True)


def plain(function, *args, **named):
    return function(*args, **named)


def normal(rng, *shape):
    return mt.tensor(rng.normal(size=shape), requires_grad=True)


# Networks that run their parts by `part`, which is `checkpoint` or `plain`: leaves and the loss. --


def mlp(part, rng):
    layers = [nn.Linear(3, 4, rng=rng), nn.Linear(4, 4, rng=rng), nn.Linear(4, 2, rng=rng)]
    x = h = normal(rng, 5, 3)
    for layer in layers:
        h = part(lambda layer, h: layer(h).tanh(), layer, h)
    return [x, *(p for layer in layers for p in layer.parameters())], (h * h).sum()


def rnn_in_segments(part, rng):
    rnn, T = nn.RNN(3, 4, 2, rng=rng), 16
    x, h = normal(rng, T, 2, 3), mt.zeros(2, 2, 4)
    loss = mt.tensor(0.0)
    for t in range(0, T, math.isqrt(T)):
        output, h = part(rnn, x[t : t + math.isqrt(T)], h)
        loss = loss + (output * output).sum()
    return [x, *rnn.parameters()], loss


def lstm_with_a_tuple(part, rng):
    cell, x = nn.LSTMCell(3, 4, rng=rng), normal(rng, 6, 2, 3)
    state = normal(rng, 2, 4), normal(rng, 2, 4)
    first = list(state)
    for t in range(6):
        state = part(cell, x[t], state)
    return [x, *first, *cell.parameters()], (state[0] * state[1]).sum()


def closures(part, rng):
    w, x = normal(rng, 3, 3), normal(rng, 4, 3)
    scale = w.exp().sum()  # a computed tensor, of the outer graph
    h = x
    for _ in range(3):
        h = part(lambda h: (h @ w).tanh() * scale.tanh(), h)
    return [w, x], (h * scale).sum()


def nested_arguments(part, rng):
    a, b, c = (normal(rng, 3) for _ in range(3))

    def f(pair, table, n, *, extra):
        return pair[0] * table["b"] + n * extra[0] * pair[1][0]

    y = part(f, (a, [a * 2]), {"b": b, "name": "b"}, 3, extra=[c])
    return [a, b, c], (y * y).sum()


def several_outputs(part, rng):
    x = normal(rng, 3, 2)

    def f(x):
        return [x.tanh(), x.sum(), x.argmax(), None, mt.ones(2), (x * x).sum(axis=0)]

    tanh, total, place, nothing, ones, squares = part(f, x)
    assert nothing is None and not place.requires_grad and not ones.requires_grad
    return [x], (tanh * 2).sum() + total * total + (squares * ones).sum()


def nested(part, rng):
    w, x = normal(rng, 3, 3), normal(rng, 3)

    def inner(h):
        return (w @ h).tanh()

    def outer(h):
        return part(inner, part(inner, h) + h)

    return [w, x], part(outer, part(outer, x)).sum()


def one_output_unused(part, rng):
    x, y = normal(rng, 3), normal(rng, 3)
    first, _ = part(lambda x, y: (x * x, x * y), x, y)
    return [x, y], first.sum() + y.sum()


def the_same_tensor_twice(part, rng):
    x = normal(rng, 3)
    return [x], part(lambda a, b: a * b + x, x, x).sum()


def the_input_itself(part, rng):
    x = normal(rng, 3)
    y, z = part(lambda x: (x, x * x), x)
    return [x], (y * z).sum()


NETWORKS = [
    mlp, rnn_in_segments, lstm_with_a_tuple, closures, nested_arguments, several_outputs, nested,
    one_output_unused, the_same_tensor_twice, the_input_itself,
]  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_are_those_of_the_plain_graph(network, backend):
    found = []
    for part in (plain, checkpoint):
        leaves, loss = network(part, np.random.default_rng(0))
        loss.backward()
        found.append([loss.detach().numpy(), *(x.grad.numpy() for x in leaves)])
    for mine, want in zip(found[1], found[0], strict=True):
        # The sums are the same; several outputs and closures are added up in another order.
        assert_allclose(mine, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("network", NETWORKS)
def test_second_derivatives_are_those_of_the_plain_graph(network):
    found = []
    for part in (plain, checkpoint):
        leaves, loss = network(part, np.random.default_rng(0))
        slopes = grad(loss, leaves, create_graph=True)
        total = sum((g * g * (i + 1)).sum() for i, g in enumerate(slopes))
        second = grad(total, leaves, allow_unused=True)
        found.append(
            [mt.zeros_like(x) if g is None else g for g, x in zip(second, leaves, strict=True)]
        )
    for mine, want in zip(found[1], found[0], strict=True):
        mine, want = mine.detach().numpy(), want.detach().numpy()
        assert_allclose(mine, want, rtol=1e-10, atol=1e-12)


def test_gradcheck_passes_in_both_orders(rng):
    w = normal(rng, 3, 3)

    def f(x):
        return checkpoint(lambda x: (w @ x).tanh() * w.sum(), x)

    assert gradcheck(f, normal(rng, 3)) and gradcheck(f, normal(rng, 3), order=2)


def test_of_nested_outputs_the_gradients_are_those_of_the_plain_graph():
    # (output, (h_n, c_n)) is what an LSTM returns
    found = []
    for part in (plain, checkpoint):
        rng = np.random.default_rng(0)
        lstm, x = nn.LSTM(3, 4, rng=rng), normal(rng, 5, 2, 3)
        output, (h_n, c_n) = part(lstm, x)
        ((output * output).sum() + (h_n * c_n).sum()).backward()
        found.append([p.grad.numpy() for p in (x, *lstm.parameters())])
    for mine, want in zip(*found, strict=True):
        assert_allclose(mine, want, rtol=1e-12)


@pytest.mark.parametrize("kind", [tuple, list])
def test_what_comes_back_has_the_form_that_the_function_gave_it(kind):
    y = checkpoint(lambda x: kind([x * 2, x * 3]), leaf([1.0]))
    assert type(y) is kind and [part.tolist() for part in y] == [[2.0], [3.0]]
    assert checkpoint(lambda x: "text", leaf([1.0])) == "text"  # without a gradient, as it is
