"""The second derivative of a Function is right or refused: a backward may have left the graph."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn.autograd import Function, grad, gradcheck
from minitorch_rnn.errors import GraphError


def leaf(values):
    return mt.tensor(np.array(values, float), requires_grad=True)


def function(forward, backward):
    """A Function of these two."""
    return type("Mine", (Function,), {"forward": forward, "backward": backward})


LEAVING = {  # ways out of the graph, of 3 x**2 g
    "x.data": lambda ctx, g, x: g * (3 * x.data**2),
    "x.detach()": lambda ctx, g, x: g * (3 * x.detach() ** 2),
    "x.numpy()": lambda ctx, g, x: g * (3 * x.numpy() ** 2),
    "np.asarray(x)": lambda ctx, g, x: g * (3 * np.asarray(x) ** 2),
    "x.tolist()": lambda ctx, g, x: g * mt.tensor([3 * v * v for v in x.tolist()]),
    "x.item()": lambda ctx, g, x: g * mt.tensor([3 * x[i].item() ** 2 for i in range(2)]),
    "float(x)": lambda ctx, g, x: g * mt.tensor([3 * float(v) ** 2 for v in x]),
    "g.data": lambda ctx, g, x: 3 * x * x * g.data,
    "g.detach()": lambda ctx, g, x: 3 * x * x * g.detach(),
    "all.data": lambda ctx, g, x: 3 * x.data**2 * g.data,
    "tensor of data": lambda ctx, g, x: mt.tensor(3 * x.data**2 * g.data),
    "no_grad": lambda ctx, g, x: mt.no_grad()(lambda: 3 * x * x * g)(),
    "no_grad for x": lambda ctx, g, x: g * mt.no_grad()(lambda: 3 * x * x)(),
    "an attribute": lambda ctx, g, x: g * (3 * ctx.x**2),
    "intermediate": lambda ctx, g, x: g * 3 * ctx.square,
}


@pytest.mark.parametrize("backward", LEAVING.values(), ids=LEAVING)
def test_a_backward_that_left_the_graph_has_a_right_first_derivative_and_no_wrong_second(backward):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.x, ctx.square = x, x * x
        return x**3

    mine = function(forward, lambda ctx, g: backward(ctx, g, *ctx.saved_tensors))
    x = leaf([0.5, 1.5])
    assert_allclose(grad((mine.apply(x) ** 2).sum(), x)[0].data, 6 * x.data**5, rtol=1e-14)
    try:
        (slope,) = grad((mine.apply(x) ** 2 + x**2).sum(), x, create_graph=True)
        (curvature,) = grad(slope.sum(), x)
    except (NotImplementedError, GraphError) as error:
        assert "second derivative of Mine" in str(error) or "detach()" in str(error)
    else:
        assert_allclose(curvature.data, 30 * x.data**4 + 2, rtol=1e-12)


def test_a_saved_intermediate_value_is_good_for_one_derivative_only():
    def forward(ctx, x):
        square = x * x
        ctx.save_for_backward(square)
        return square * x

    mine = function(forward, lambda ctx, g: 3 * ctx.saved_tensors[0] * g)
    x = leaf([0.5, 1.5])
    assert gradcheck(mine.apply, x)
    with pytest.raises(NotImplementedError, match="second derivative of Mine.*neither an input"):
        grad(mine.apply(x).sum(), x, create_graph=True)


def test_a_constant_gradient_has_a_second_derivative_of_zero():
    flat = function(lambda ctx, x: x.sign(), lambda ctx, g: g * 0)
    x = leaf([1.0, -2.0])
    (slope,) = grad(flat.apply(x).sum() + (x**3).sum(), x, create_graph=True)
    assert grad(slope.sum(), x)[0].tolist() == [6.0, -12.0]


OTHER_WAYS = {
    "a new tensor": lambda ctx, g, x: g * 3 * mt.tensor(x) ** 2,
    "a new parameter": lambda ctx, g, x: g * 3 * mt.nn.Parameter(x).detach() ** 2,
    "update_": lambda ctx, g, x: g * 3 * mt.zeros(2).update_(x) ** 2,
    "grad without create_graph": lambda ctx, g, x: mt.autograd.grad((x**3).sum(), x)[0] * g,
    "an array on ctx": lambda ctx, g, x: g * ctx.slope,
    "a number on ctx": lambda ctx, g, x: g * x * ctx.number,
}


@pytest.mark.parametrize("backward", OTHER_WAYS.values(), ids=OTHER_WAYS)
def test_no_other_way_out_of_the_graph_gives_a_second_derivative_of_zero(backward):
    class Mine(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.slope, ctx.number = 3 * x.numpy() ** 2, 3 * x[0].item()
            return x**3

        @staticmethod
        def backward(ctx, g):
            return backward(ctx, g, *ctx.saved_tensors)

    with pytest.raises(NotImplementedError, match="second derivative of Mine"):
        mt.autograd.hessian(lambda x: Mine.apply(x).sum(), mt.tensor([0.5, 0.5]))
    assert mt.is_grad_enabled()


def test_a_constant_that_is_marked_may_stay_on_ctx():
    class Masked(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mask = np.array([1.0, 0.0])
            ctx.mark_constant("mask")
            ctx.save_for_backward(x)
            return x**3 * ctx.mask

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g * ctx.mask

    found = mt.autograd.hessian(lambda x: Masked.apply(x).sum(), mt.tensor([0.5, 1.0]))
    assert found.tolist() == [[3.0, 0.0], [0.0, 0.0]]


def test_a_complex_gradient_is_refused_wherever_a_user_gives_it():
    class Mine(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g.numpy() * 1j

    x = mt.tensor([1.0], requires_grad=True)
    layer = mt.nn.Linear(1, 1)
    layer.register_full_backward_hook(lambda m, entered, left: (entered[0].numpy() * 1j,))
    for y in (Mine.apply(x), layer(x)):
        with pytest.raises(TypeError, match="complex128 values came for float64"):
            y.sum().backward()
