"""autograd.grad and gradcheck."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn.autograd import grad, gradcheck, gradgradcheck
from minitorch_rnn.engine import primitive
from minitorch_rnn.errors import DTypeError, GraphError


def leaf(*values):
    return mt.tensor(np.array(values), requires_grad=True)


def test_grad_returns_gradients_and_touches_no_leaf():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = grad((x * y).sum(), [x, y])
    assert gx.item() == 3.0 and gy.item() == 2.0
    assert x.grad is None and y.grad is None


def test_grad_of_several_outputs_adds_them():
    x = leaf(2.0)
    (g,) = grad([x * 3, x * x], x, [[1.0], [10.0]])
    assert g.item() == 43.0


def test_grad_reaches_computed_tensors():
    x = leaf(2.0)
    h = x * x
    g_h, g_x = grad((h * 3).sum(), [h, x])
    assert (g_h.item(), g_x.item()) == (3.0, 12.0)


def test_the_gradient_of_a_tensor_by_itself_is_the_seed():
    x = leaf(2.0)
    (g,) = grad(x, x, [[5.0]])
    assert g.item() == 5.0


def test_an_unused_input_is_named_or_given_none():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match=r"inputs \[1\].*allow_unused=True"):
        grad((x * 2).sum(), [x, y])
    assert grad((x * 2).sum(), [x, y], allow_unused=True)[1] is None


def test_grad_of_something_without_a_graph_says_so():
    with pytest.raises(GraphError, match="does not require a gradient"):
        grad(mt.tensor(1.0), leaf(1.0))
    with pytest.raises(GraphError, match="input 0"):
        grad(leaf(1.0), mt.tensor(1.0))


def test_gradcheck_passes_what_is_right_in_both_orders(rng):
    x, w = mt.tensor(rng.normal(size=(3, 4)), requires_grad=True), leaf(*rng.normal(size=4))

    def f(x, w):
        return (x @ w).tanh(), (x * x).sum()

    for order in (1, 2):
        check = gradcheck(f, [x, w], order=order)
        assert check and check.digits > 9


def wrong_in_one_entry(where):
    """y = x*x with a derivative that is 1 % off in one of its elements."""

    def rule(g, y, x):
        factor = np.full(x.shape, 2.0)
        factor[where] *= 1.01
        return g * factor * x

    @primitive(rule)
    def nearly_square(x):
        return x * x

    return nearly_square


@pytest.fixture
def registry(monkeypatch):
    from minitorch_rnn.engine import primitive as module

    monkeypatch.setattr(__import__("sys").modules[module.__module__], "REGISTRY", {})


def test_gradcheck_finds_one_wrong_entry_of_forty_and_names_it(rng, registry):
    x = mt.tensor(rng.uniform(1, 2, size=(10, 4)), requires_grad=True)
    with pytest.raises(GraphError, match=r"DISAGREES.*input 0, index \(7, 2\), time step 7"):
        gradcheck(wrong_in_one_entry((7, 2)), [x])
    check = gradcheck(wrong_in_one_entry((7, 2)), [x], raise_exception=False)
    assert not check and check.index == (7, 2) and 1.5 < check.digits < 3


def test_gradcheck_of_order_two_finds_a_wrong_second_derivative(registry):
    @primitive(
        lambda g, y, x: g * 3 * (x * x).detach() if isinstance(x, mt.Tensor) else g * 3 * x * x
    )
    def cube(x):  # the first derivative is right, the second is cut off
        return x * x * x

    x = leaf(0.5, 1.5)
    assert gradcheck(cube, [x])
    with pytest.raises(GraphError, match="order 2: DISAGREES"):
        gradcheck(cube, [x], order=2)


def test_gradcheck_does_not_forget_a_failure_of_an_input_without_axes(registry):
    @primitive(lambda g, y, a, b: g * b * 5, lambda g, y, a, b: g * a)
    def product(a, b):
        return a * b

    a, b = mt.tensor(0.7, requires_grad=True), mt.tensor(0.3, requires_grad=True)
    with pytest.raises(GraphError, match="input 0"):
        gradcheck(product, [a, b])


def test_gradcheck_takes_tuples_in_tuples_and_leaves_integers_out(rng):
    x = mt.tensor(rng.normal(size=4), requires_grad=True)

    def states(x):
        return x.tanh(), (x.exp(), [x * x]), x.argmax(), x > 0

    assert all(gradcheck(states, x, order=order).digits > 9 for order in (1, 2))


@pytest.mark.parametrize("place", range(3))
def test_gradcheck_finds_a_wrong_entry_in_any_of_several_outputs(place, registry):
    wrong = wrong_in_one_entry(1)

    def several(x):
        outputs = [x.tanh(), x.exp(), x * x]
        outputs[place] = wrong(x)
        return outputs[0], (outputs[1], outputs[2])

    with pytest.raises(GraphError, match=r"DISAGREES.*input 0, index \(1,\)"):
        gradcheck(several, leaf(0.5, 1.5, 0.7))


def test_gradcheck_refuses_what_has_no_derivative():
    x = leaf(1.0, 2.0)
    with pytest.raises(DTypeError, match="no floating-point tensor"):
        gradcheck(lambda x: (x.argmax(), x > 0), x)
    with pytest.raises(DTypeError, match="returned a float"):
        gradcheck(lambda x: x.sum().item(), x)


def test_gradgradcheck_is_gradcheck_of_order_two():
    assert gradgradcheck(mt.exp, leaf(1.0)).order == 2
    assert not gradgradcheck(mt.exp, leaf(1.0), min_digits=17, raise_exception=False)


def test_gradcheck_knows_two_orders():
    with pytest.raises(ValueError, match="order is 3"):
        gradcheck(mt.exp, [leaf(1.0)], order=3)


def test_powers_have_right_second_derivatives_where_the_exponent_is_zero():
    a, b = leaf(2.0, 0.5), leaf(0.0, 0.0)
    assert gradcheck(mt.power, [a, b], order=2)


def test_gradcheck_wants_float64_and_something_to_check():
    with pytest.raises(DTypeError, match="float32"):
        gradcheck(mt.exp, [mt.tensor([1.0], "float32", requires_grad=True)])
    with pytest.raises(GraphError, match="nothing to check"):
        gradcheck(mt.exp, [mt.tensor([1.0])])


def test_gradcheck_runs_on_every_backend(backend, rng):
    x = mt.tensor(rng.normal(size=(2, 3)), requires_grad=True)
    assert gradcheck(lambda x: x.tanh() @ x.T, [x], order=2)
    assert gradgradcheck(lambda x: x.tanh() * x, [x])
    assert not gradcheck(lambda x: x.detach() * x, [x], raise_exception=False)


def test_second_derivatives_flow_through_a_whole_network(rng):
    network = mt.nn.RecurrentNetwork(2, 3, 2, num_layers=2, rng=rng)
    x = mt.tensor(rng.normal(size=(3, 1, 2)), requires_grad=True)
    assert gradcheck(lambda x: network(x)[0], [x], order=2, min_digits=7)


def test_third_derivatives_of_an_rnn_agree_with_the_complex_step_of_the_second():
    w, x = 0.7, np.array([0.3, -0.5, 0.9])

    def slope_of_slope(w):  # d²h(3)/dw² of h(t) = tanh(w h(t-1) + x(t)), by the chain rule by hand
        h, d, dd = 0.0, 0.0, 0.0
        for x_t in x:
            z, dz, ddz = w * h + x_t, h + w * d, 2 * d + w * dd
            h = np.tanh(z)
            slope = 1 - h * h
            d, dd = slope * dz, slope * ddz - 2 * h * slope * dz * dz
        return dd

    W = mt.tensor(w, requires_grad=True)
    y = mt.tensor(0.0)
    for x_t in x:
        y = (W * y + x_t).tanh()
    for _ in range(3):
        (y,) = grad(y, W, create_graph=True)
    third = slope_of_slope(w + 1e-30j).imag / 1e-30
    assert_allclose(y.item(), third, rtol=1e-10)


def test_a_path_through_a_freed_part_of_the_graph_is_never_passed_over():
    x = mt.tensor(2.0, requires_grad=True)
    h = x * x
    h.backward()
    for y in (h * 5 + x, mt.autograd.checkpoint(lambda q: h * q, x)):
        with pytest.raises(GraphError, match="second time.*'multiply'"):
            mt.autograd.grad(y, x)


def test_a_state_that_is_carried_without_detach_is_refused_also_after_a_step_of_the_optimizer():
    cell = mt.nn.RNNCell(1, 2)
    optimizer, h = mt.optim.SGD(cell.parameters(), lr=0.1), mt.zeros(1, 2)
    h = cell(mt.ones(1, 1), h)
    h.sum().backward()
    optimizer.step()
    h = cell(mt.ones(1, 1), h)
    with pytest.raises(GraphError):
        mt.autograd.grad(h.sum(), list(cell.parameters()))
