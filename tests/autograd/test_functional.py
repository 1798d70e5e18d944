"""vjp, jvp, jacobian, hessian, hvp, vhp: every order, what they leave alone, and mistakes."""

from functools import partial

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn.autograd import functional, grad, hessian, hvp, jacobian, jvp, vhp, vjp
from minitorch_rnn.engine import REGISTRY, primitive
from minitorch_rnn.errors import DTypeError, GraphError, ShapeError


def parts(nested):
    """The tensors in nested tuples, in order."""
    return [t for part in nested for t in parts(part)] if isinstance(nested, tuple) else [nested]


# Every order ----------------------------------------------------------------------------------


def test_a_jacobian_of_a_jacobian_has_every_second_derivative(rng):
    x, a = rng.normal(size=3), rng.normal(size=(2, 3))
    second = jacobian(lambda x: jacobian(lambda x: mt.sin(x @ a.T), x, create_graph=True), x)
    want = -np.sin(a @ x)[:, None, None] * a[:, :, None] * a[:, None, :]  # -sin(z_i) a_ij a_ik
    assert second.shape == (2, 3, 3)
    assert_allclose(second.numpy(), want, rtol=1e-10)


def test_derivatives_nest_to_any_order():
    def derived(f):
        return partial(jacobian, f, create_graph=True)

    f, x = mt.sin, mt.tensor(0.3, requires_grad=True)
    for n in range(1, 8):
        f = derived(f)
        assert_allclose(f(x).item(), np.sin(0.3 + n * np.pi / 2), rtol=1e-12)


def test_mixed_nesting_agrees(rng):
    x, v = rng.normal(size=3), rng.normal(size=3)

    def f(x):
        return (x.tanh() * x.sum()).prod()

    third = jacobian(lambda x: hvp(f, x, v, create_graph=True)[1], x)
    whole = jacobian(lambda x: hessian(f, x, create_graph=True), x)
    slope = jvp(lambda x: hessian(f, x, create_graph=True), x, v)[1]
    assert_allclose(third.numpy(), np.einsum("ijk,j->ik", whole.numpy(), v), rtol=1e-12)
    assert_allclose(slope.numpy(), whole.numpy() @ v, rtol=1e-12)


def test_hvp_multiplies_from_the_right_and_vhp_from_the_left():
    def cut(g, y, a, b):  # to the second derivative this slope in b is a constant
        return g * (a.detach() if isinstance(a, mt.Tensor) else a)

    @primitive(lambda g, y, a, b: g * b, cut)
    def lopsided(a, b):
        return a * b

    REGISTRY.pop("lopsided")
    at, v = (2.0, 3.0), (5.0, 7.0)
    H = hessian(lopsided, at)
    assert [[block.item() for block in row] for row in H] == [[0.0, 1.0], [0.0, 0.0]]
    assert [t.item() for t in hvp(lopsided, at, v)[1]] == [7.0, 0.0]
    assert [t.item() for t in vhp(lopsided, at, v)[1]] == [0.0, 5.0]


def test_a_derivative_without_create_graph_is_a_constant_to_the_next():
    assert jacobian(lambda x: jacobian(mt.sin, x), 0.3).item() == 0.0
    with pytest.raises(GraphError, match=r"output 0 .*without create_graph=True"):
        jacobian(lambda x: jacobian(mt.sin, x), 0.3, strict=True)


# What they leave alone ---------------------------------------------------------------------------

EVERY = {
    "vjp": lambda f, x, **named: vjp(f, x, x, **named),
    "jvp": lambda f, x, **named: jvp(f, x, x, **named),
    "jacobian": jacobian,
    "hessian": lambda f, x, **named: hessian(lambda x: f(x).sum(), x, **named),
    "hvp": lambda f, x, **named: hvp(lambda x: f(x).sum(), x, x, **named),
    "vhp": lambda f, x, **named: vhp(lambda x: f(x).sum(), x, x, **named),
}
every = pytest.mark.parametrize("derivative", EVERY.values(), ids=EVERY)


@every
@pytest.mark.parametrize("create_graph", [False, True])
def test_the_callers_tensors_gradients_and_graphs_are_left_alone(derivative, create_graph):
    leaf = mt.tensor([1.0, 2.0], requires_grad=True)
    x, weight = leaf * leaf, mt.tensor([3.0, 4.0], requires_grad=True)
    kept = weight * weight
    before = leaf.tolist(), x.tolist()
    derivative(lambda x: x**3 * kept + weight, x, create_graph=create_graph)
    vjp(lambda x: (x, kept), x, (x, x))  # what it walks from is the caller's
    assert (leaf.tolist(), x.tolist()) == before
    assert leaf.grad is None and weight.grad is None
    (x * kept).sum().backward()
    assert leaf.grad.tolist() == [2.0 * 9, 4.0 * 16] and weight.grad.tolist() == [6.0, 32.0]


@every
def test_results_have_a_history_only_if_asked_for(derivative):
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    for t in parts(derivative(lambda x: x**3, x)):
        assert not t.requires_grad and t.is_leaf
    for t in parts(derivative(lambda x: x**3, x, create_graph=True)):
        assert grad(t.sum(), x, retain_graph=True)[0].shape == x.shape


@every
def test_inputs_need_no_gradient_and_may_be_arrays(derivative, rng):
    array = rng.normal(size=3)
    results = [
        parts(derivative(lambda x: x**3, x))
        for x in (mt.tensor(array), mt.tensor(array, requires_grad=True), array)
    ]
    results.append(parts(derivative(lambda x: x**3, array, create_graph=True)))
    values = [[t.tolist() for t in found] for found in results]
    assert values[0] == values[1] == values[2] == values[3]


def test_inputs_may_be_numbers_and_a_list_is_several():
    assert jacobian(lambda x: x * x, 3.0).item() == 6.0
    J = jacobian(lambda x, y: x * y, [3.0, 4.0])
    assert isinstance(J, tuple) and [t.item() for t in J] == [4.0, 3.0]
    assert vjp(lambda x, y: [x * y], [3.0, 4.0], [2.0])[1][0].item() == 8.0


@every
def test_they_record_under_no_grad_too(derivative):
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    expected = derivative(lambda x: x**3, x)
    with mt.no_grad():
        found = derivative(lambda x: x**3, x)
        connected = derivative(lambda x: x**3, x, create_graph=True)
        assert not mt.is_grad_enabled()
    assert [t.tolist() for t in parts(found)] == [t.tolist() for t in parts(expected)]
    assert all(t.requires_grad for t in parts(connected))


@every
def test_the_function_is_evaluated_once(derivative):
    calls = []
    derivative(lambda x: calls.append(1) or x**3, np.ones(4))
    assert len(calls) == 1


def test_an_error_in_the_function_leaves_recording_as_it_was():
    with mt.no_grad():
        with pytest.raises(ZeroDivisionError):
            jacobian(lambda x: x * (1 / 0), 1.0)
        assert not mt.is_grad_enabled()


def test_a_jacobian_takes_one_walk_for_each_element_of_the_outputs():
    walks = []

    @primitive(lambda g, y, x: walks.append(1) or g * 2)
    def doubled(x):
        return x * 2

    REGISTRY.pop("doubled")  # it is none of the library's
    for n in (1, 5, 20):
        walks.clear()
        jacobian(doubled, np.ones(n))
        assert len(walks) == n


@every
def test_they_stay_on_their_backend_and_do_not_wait(derivative, backend, rng):
    array = rng.normal(size=(2, 3))
    with mt.use("numpy"):
        expected = parts(derivative(lambda x: (x @ x.T).tanh() @ x, array))
    x = mt.tensor(array)
    strict_cupy.synchronisations.reset()
    found = parts(derivative(lambda x: (x @ x.T).tanh() @ x, x))
    assert not strict_cupy.synchronisations.causes
    for t, want in zip(found, expected, strict=True):
        assert t.backend == backend
        assert_allclose(mt.backend.to_numpy(t.data), want.numpy(), rtol=1e-12)


def test_types_are_those_of_inputs_and_outputs():
    x = mt.tensor([1.0, 2.0], "float32"), mt.tensor([3.0, 4.0])

    def f(x, y):
        return x * 2, y * x.astype("float64"), x.detach()

    J = jacobian(f, x)
    assert [[block.dtype.name for block in row] for row in J] == [["float32", "float64"]] * 3
    _, moved = jvp(f, x, ([1.0, 1.0], [1.0, 1.0]))
    assert [t.dtype.name for t in moved] == ["float32", "float64", "float32"]
    _, pulled = vjp(f, x, (np.ones(2), np.ones(2, "float32"), [0, 1]))
    assert [t.dtype.name for t in pulled] == ["float32", "float64"]


def test_empty_outputs_and_inputs_have_empty_derivatives():
    assert jacobian(lambda x: x * x, np.zeros((0, 2))).shape == (0, 2, 0, 2)
    assert jacobian(lambda x: x.sum() * mt.ones(2), np.zeros(0)).shape == (2, 0)
    assert hessian(lambda x: (x * x).sum(), np.zeros(0)).shape == (0, 0)
    assert jvp(lambda x: x * x, np.zeros(0), np.zeros(0))[1].shape == (0,)


# Mistakes ----------------------------------------------------------------------------------------


def test_what_does_not_depend_is_zero_and_strict_names_it():
    def f(x, y):
        return x * x, y.detach()

    x = np.ones(2), np.ones(3)
    J = jacobian(f, x)
    assert [[block.shape for block in row] for row in J] == [[(2, 2), (2, 3)], [(3, 2), (3, 3)]]
    assert not any(block.numpy().any() for block in (J[0][1], J[1][0], J[1][1]))
    with pytest.raises(GraphError, match=r"jacobian: output 0 does not depend on input 1, .*zeros"):
        jacobian(f, x, strict=True)
    with pytest.raises(GraphError, match="vjp: output 1 depends on no input"):
        vjp(f, x, x, strict=True)
    with pytest.raises(GraphError, match="vjp: no output depends on input 1"):
        vjp(lambda x, y: x, x, x[0], strict=True)
    with pytest.raises(GraphError, match="jvp: output 1 depends on no input"):
        jvp(lambda x, y: (x * y.sum(), y.detach()), x, x, strict=True)
    with pytest.raises(GraphError, match="jvp: no output depends on input 1"):
        jvp(lambda x, y: x * 2, x, x, strict=True)


def test_strict_second_derivatives_name_the_pair_that_is_zero():
    def f(x, y):
        return (x * x).sum() + (y**3).sum()

    x = np.ones(2), np.ones(3)
    told = "hessian: the gradient of input 0 does not depend on input 1"
    with pytest.raises(GraphError, match=told):
        hessian(f, x, strict=True)
    for derivative in (hvp, vhp):
        with pytest.raises(GraphError, match="the same everywhere"):
            derivative(lambda x: 3 * x.sum(), np.ones(2), np.ones(2), strict=True)
    assert hessian(lambda x, y: (x * y).sum() ** 2, (np.ones(2), np.ones(2)), strict=True)


def test_strict_with_create_graph_refuses_what_cannot_be_differentiated_again():
    x, v = mt.tensor([1.0, 2.0], requires_grad=True), np.ones(2)
    for derivative in (vjp, jvp):
        with pytest.raises(GraphError, match="the same everywhere"):
            derivative(lambda x: 3 * x, x, v, create_graph=True, strict=True)
        derivative(lambda x: x * x, x, v, create_graph=True, strict=True)
    with pytest.raises(GraphError, match="the same everywhere"):
        jacobian(lambda x: 3 * x, x, create_graph=True, strict=True)


@pytest.mark.parametrize(
    "call, error, told",
    [
        (lambda x: vjp(mt.exp, x), GraphError, r"vjp: v is implied .*output 0 has shape \(3,\)"),
        (lambda x: jvp(mt.exp, x), GraphError, r"jvp: v is implied .*input 0 has shape \(3,\)"),
        (lambda x: hvp(mt.sum, x), GraphError, r"hvp: v is implied .*input 0 has shape \(3,\)"),
        (
            lambda x: vhp(mt.sum, x),
            GraphError,
            r"vhp: v is implied .*the gradient of input 0 has shape \(3,\)",
        ),
        (lambda x: vjp(lambda x: (x[0], x[1]), x), GraphError, "implied .*output 1 has shape"),
        (
            lambda x: vjp(mt.exp, x, np.ones(2)),
            ShapeError,
            r"vjp: v has shape \(2,\), but output 0 has shape \(3,\)",
        ),
        (
            lambda x: jvp(mt.add, (x, 1.0), (x, x)),
            ShapeError,
            r"jvp: v has shape \(3,\), but input 1 has shape \(\)",
        ),
        (
            lambda x: vjp(lambda x: (x, x), x, x),
            GraphError,
            r"holds 1 tensors, but output 0 has shape \(3,\) and output 1",
        ),
        (lambda x: hessian(mt.exp, x), ShapeError, r"hessian: func returned shape \(3,\)"),
        (lambda x: hvp(lambda x: (x.sum(), x), x, x), ShapeError, r"shape \(\) and shape \(3,\)"),
        (lambda x: jacobian(mt.exp, [1, 2]), DTypeError, r"jacobian: input 0 is int64.*labels"),
        (lambda x: jacobian(lambda x: 3.0, x), DTypeError, r"func returned a float as output 0"),
        (lambda x: jvp(lambda x: (x, None), x, x), DTypeError, r"a NoneType as output 1"),
    ],
)
def test_mistakes_are_told_with_their_shapes(call, error, told):
    with pytest.raises(error, match=told):
        call(np.ones(3))


def test_pytorch_users_find_them_where_they_look():
    assert mt.autograd.functional is functional
    for name in functional.__all__:
        assert getattr(mt.autograd, name) is getattr(functional, name)
