"""Function: the user's own backward, taken as written, and refused where it cannot be right."""

import gc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn.autograd import Function, grad, gradcheck
from minitorch_rnn.errors import GraphError


def leaf(values, dtype=float):
    return mt.tensor(np.array(values, dtype), requires_grad=True)


def function(forward, backward):
    """A Function of these two."""
    return type("Mine", (Function,), {"forward": forward, "backward": backward})


class Cube(Function):
    """x**3 of a saved input."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


class Exp(Function):
    """e**x of a saved output."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class Polar(Function):
    """(r, angle) of (x, y): two inputs, two outputs, all of them saved."""

    @staticmethod
    def forward(ctx, x, y):
        r = (x * x + y * y).sqrt()
        ctx.save_for_backward(x, y, r)
        return r, (y / x).arctan()

    @staticmethod
    def backward(ctx, g_r, g_angle):
        x, y, r = ctx.saved_tensors
        return g_r * x / r - g_angle * y / r**2, g_r * y / r + g_angle * x / r**2


class Scale(Function):
    """a x, where a is a number and `times` a name for it."""

    @staticmethod
    def forward(ctx, x, a, times="once"):
        ctx.a = a if times == "once" else 2 * a
        ctx.mark_constant("a")
        return x * ctx.a

    @staticmethod
    def backward(ctx, g):
        return g * ctx.a, None, None


class Largest(Function):
    """The largest element, where it is, and whether it is positive."""

    @staticmethod
    def forward(ctx, x):
        place = x.argmax()
        ctx.place, ctx.size = place.item(), x.size
        return x.max(), place, x.max() > 0

    @staticmethod
    def backward(ctx, g, g_place, g_positive):
        assert g_place is None and g_positive is None
        return g * mt.eye(ctx.size)[ctx.place]


RIGHT = {
    "input saved": (Cube.apply, [(2, 3)]),
    "output saved": (Exp.apply, [(4,)]),
    "several outputs": (Polar.apply, [(3,), (3,)]),
    "first output alone": (lambda x, y: Polar.apply(x, y)[0], [(3,), (3,)]),
    "second output alone": (lambda x, y: Polar.apply(x, y)[1], [(3,), (3,)]),
    "a number beside it": (lambda x: Scale.apply(x, 3.0, "twice"), [(2, 2)]),
    "a 0-d input": (Cube.apply, [()]),
    "an empty input": (Cube.apply, [(0, 3)]),
    "one after the other": (lambda x: Cube.apply(Exp.apply(Cube.apply(x))), [(2,)]),
    "an input twice": (lambda x: Polar.apply(x, x), [(3,)]),
    "a graph around it": (lambda x, w: Exp.apply(x @ w).tanh().sum() * x.sum(), [(2, 3), (3, 2)]),
    "with integer outputs": (lambda x: Largest.apply(x)[0] * 2, [(4,)]),
}


@pytest.mark.parametrize("f, shapes", RIGHT.values(), ids=RIGHT)
@pytest.mark.parametrize("order", [1, 2])
def test_what_backward_says_is_the_derivative(f, shapes, order, rng, backend):
    xs = [mt.tensor(rng.uniform(0.5, 1.5, size=s), requires_grad=True) for s in shapes]
    assert gradcheck(f, xs, order=order)


def test_gradcheck_finds_a_wrong_backward(rng):
    x = mt.tensor(rng.uniform(1, 2, size=(3, 2)), requires_grad=True)
    for wrong in (lambda ctx, g: 3.01 * ctx.saved_tensors[0] ** 2 * g, lambda ctx, g: g * 0):
        with pytest.raises(GraphError, match="DISAGREES"):
            gradcheck(function(Cube.forward, wrong).apply, x)


def test_values_are_those_of_forward_and_carry_its_name():
    x = leaf([1.0, 2.0])
    y = Cube.apply(x)
    assert y.tolist() == [1.0, 8.0] and not y.is_leaf and "op=Cube" in repr(y)
    several = Polar.apply(leaf(3.0), leaf(4.0))
    assert type(several) is tuple and all(y.requires_grad for y in several)
    assert several[0].item() == 5.0


def test_integer_outputs_are_plain_tensors():
    y, place, positive = Largest.apply(leaf([1.0, 5.0, 2.0]))
    assert y.requires_grad and not place.requires_grad and not positive.requires_grad
    assert (place.dtype, place.item(), positive.dtype, positive.item()) == (int, 1, bool, True)


def test_a_function_of_integer_outputs_only_records_nothing():
    rank = function(lambda ctx, x: x.argmax(), lambda ctx, g: None)
    y = rank.apply(leaf([1.0, 5.0]))
    assert y.item() == 1 and not y.requires_grad and y.is_leaf


@pytest.mark.parametrize("result", [None, {"y": 1.0}, "text"], ids=repr)
def test_what_forward_returns_is_tensors_or_the_error_names_the_function(result):
    with pytest.raises((TypeError, GraphError), match="Mine.*forward"):
        function(lambda ctx, x: result, lambda ctx, g: g).apply(leaf([1.0]))


def test_inputs_reach_forward_without_history():
    seen = []

    def forward(ctx, x, y, n):
        seen.extend([x.requires_grad, x.is_leaf, (x * y).requires_grad, type(n)])
        return x * y

    function(forward, lambda ctx, g: (g, g, None)).apply(leaf([1.0]) * 2, mt.ones(1), 3)
    assert seen == [False, True, False, int]


def test_needs_input_grad_says_whose_gradient_is_asked_for():
    seen = []

    def forward(ctx, *args):
        seen.append(ctx.needs_input_grad)
        return args[0] * args[1] * args[2]

    def backward(ctx, g):
        seen.append(ctx.needs_input_grad)
        return g, g, None, None

    x, y = leaf([1.0]), leaf([2.0])
    product = function(forward, backward)
    product.apply(x, y, mt.ones(1), None).sum().backward()
    grad(product.apply(x, y, mt.ones(1), None).sum(), y)
    everything = (True, True, False, False)
    assert seen == [everything, everything, everything, (False, True, False, False)]


def test_a_gradient_may_be_none_or_an_array():
    half = function(lambda ctx, x, y: x + y, lambda ctx, g: (np.array([1.0]), None))
    x, y = leaf([1.0]), leaf([1.0])
    half.apply(x, y).sum().backward()
    assert x.grad.item() == 1.0 and y.grad is None


def test_the_gradient_of_an_output_that_was_not_used_is_zeros():
    seen = []

    def backward(ctx, g, unused):
        seen.append((unused.shape, unused.tolist()))
        return g

    two = function(lambda ctx, x: (x * 1, x.reshape(2, 1) * 1), backward)
    two.apply(leaf([1.0, 2.0]))[0].sum().backward()
    assert seen == [((2, 1), [[0.0], [0.0]])]


@pytest.mark.parametrize("gradients", [(), (1.0,), (1.0, 1.0, 1.0)])
def test_another_number_of_gradients_is_an_error_with_both_numbers(gradients):
    y = function(lambda ctx, x, y: x * y, lambda ctx, g: gradients).apply(leaf(1.0), leaf(2.0))
    with pytest.raises(GraphError, match=rf"Mine: .*{len(gradients)} gradients.* 2 arguments"):
        y.backward()


@pytest.mark.parametrize("wrong", [lambda g: g.sum(), lambda g: g[None], lambda g: g[:1]])
def test_a_gradient_of_another_shape_is_an_error_with_both_shapes(wrong):
    y = function(lambda ctx, x: x * 2, lambda ctx, g: wrong(g)).apply(leaf([1.0, 2.0]))
    with pytest.raises(GraphError, match=r"Mine.backward: .*\(2,\)") as caught:
        y.sum().backward()
    assert str(wrong(np.ones(2)).shape) in str(caught.value)


def test_only_tensors_are_saved_and_the_error_says_what_else_to_do():
    wrong = function(lambda ctx, x: ctx.save_for_backward(np.ones(2)), None)
    with pytest.raises(TypeError, match=r"ndarray.*ctx\.n = n"):
        wrong.apply(leaf([1.0]))


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_what_is_not_defined_is_named(name):
    half = type("Half", (Function,), {"forward": staticmethod(lambda ctx, x: x * 2)})
    with pytest.raises(NotImplementedError, match=f"define {name}"):
        (Function if name == "forward" else half).apply(leaf(1.0)).backward()


def test_under_no_grad_nothing_is_recorded():
    x = leaf([1.0])
    with mt.no_grad():
        y = Cube.apply(x)
    assert not y.requires_grad and y.is_leaf
    assert not Cube.apply(mt.ones(2)).requires_grad


def test_an_input_that_is_handed_through_is_a_node_of_its_own():
    double_back = function(lambda ctx, x: x, lambda ctx, g: g * 2)
    x = leaf([1.0, 2.0])
    y = double_back.apply(x)
    assert y is not x and not y.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    x.update_([7.0, 7.0])
    assert y.tolist() == [1.0, 2.0]


def test_one_value_returned_twice_has_two_gradients():
    def forward(ctx, x):
        y = x * 2
        return y, y

    x = leaf([1.0])
    a, b = function(forward, lambda ctx, g, h: (g + h) * 2).apply(x)
    (a * 3 + b * 5).sum().backward()
    assert x.grad.item() == 16.0


def test_a_graph_that_is_kept_runs_backward_again():
    x = leaf([2.0])
    y = Cube.apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 24.0
    with pytest.raises(GraphError, match="second time.*'Cube'|second time.*retain_graph"):
        y.backward()


def test_float32_stays_float32():
    x = leaf([1.0, 2.0], "float32")
    for f in (Cube.apply, Exp.apply, lambda x: Polar.apply(x, x)[0]):
        y = f(x)
        (g,) = grad(y.sum(), x)
        assert y.dtype == g.dtype == np.float32
    wide = function(lambda ctx, x: x, lambda ctx, g: g.astype("float64"))
    wide.apply(x).sum().backward()
    assert x.grad.dtype == np.float32


def test_outputs_of_two_dtypes_keep_theirs_and_so_do_their_gradients():
    seen = []

    def backward(ctx, g, h):
        seen.extend([g.dtype, h.dtype])
        return g + 2 * h

    mixed = function(lambda ctx, x: (x, (2 * x).astype("float32")), backward)
    x = leaf([1.0])
    y, z = mixed.apply(x)
    (3 * y + 5 * z).sum().backward()
    assert [y.dtype, z.dtype, *seen] == [np.float64, np.float32] * 2
    assert x.grad.tolist() == [13.0]


# Memory ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [Cube.apply, Exp.apply, lambda x: Polar.apply(x, x)[0]])
def test_nothing_waits_for_the_cycle_collector(f):
    x = leaf([1.0, 2.0])
    gc.collect()
    gc.disable()
    try:
        for walk in (True, False, True):
            y = f(x)
            held = weakref.ref(y)
            if walk:
                (y * y).sum().backward()
            del y
            assert held() is None
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_walk_frees_what_was_saved():
    x, saved = leaf([1.0, 2.0]) * 1, []

    def forward(ctx, x):
        kept = x * x
        saved.append(weakref.ref(kept._data))
        ctx.save_for_backward(kept)
        return kept * x

    y = function(forward, lambda ctx, g: 3 * ctx.saved_tensors[0] * g).apply(x).sum()
    assert saved[0]() is not None
    y.backward()
    assert saved[0]() is None


@pytest.mark.torch
@pytest.mark.parametrize("order", [1, 2])
def test_one_definition_means_the_same_to_pytorch(order, rng):
    import torch

    def define(m):
        def forward(ctx, x, w, n):
            y = m.tanh(x * w)
            ctx.save_for_backward(x, w, y)
            ctx.n = n
            return y, n * y.sum()

        def backward(ctx, g, g_sum):
            x, w, y = ctx.saved_tensors
            dz = (g + ctx.n * g_sum) * (1 - y * y)
            return dz * w, (dz * x).sum(), None

        base = m.autograd.Function
        methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
        return type("TanhOf", (base,), methods).apply

    x, w, v = rng.normal(size=4), rng.normal(size=()), rng.normal(size=4)
    found = []
    for m in (mt, torch):
        xs = [m.tensor(a, requires_grad=True) for a in (x, w)]
        y, total = define(m)(*xs, 3.0)
        gradients = m.autograd.grad((y * m.tensor(v)).sum() + total**2, xs, create_graph=order > 1)
        if order > 1:
            gradients = m.autograd.grad(sum((g * g).sum() for g in gradients), xs)
        found.append([g.tolist() for g in gradients])
    for mine, theirs in zip(*found, strict=True):
        assert_allclose(mine, theirs, rtol=1e-12)
