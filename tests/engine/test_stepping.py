"""`backward_steps`: the walk, one tensor at a time, is the walk."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import GraphError, ShapeError


def leaf(rng, *shape):
    return mt.tensor(rng.normal(size=shape), requires_grad=True)


def networks(rng):
    x = rng.normal(size=(4, 2, 3))
    for make in (nn.RNN, nn.LSTM, nn.GRU):
        for road in ("scan", "graph"):
            layer = make(3, 4, road=road, rng=rng)
            yield layer, lambda layer=layer: (layer(x)[0] ** 2).sum()


def test_going_through_all_steps_gives_the_gradients_of_backward(rng):
    for module, loss in networks(rng):
        loss().backward()
        wanted = {name: p.grad.numpy() for name, p in module.named_parameters()}
        module.zero_grad()
        for _ in loss().backward_steps():
            pass
        for name, p in module.named_parameters():
            assert_array_equal(p.grad.numpy(), wanted[name], err_msg=name)


def arrays(gradient):
    """The arrays of what was sent: of a scan one for each output, 0 where nothing came."""
    several = gradient if isinstance(gradient, tuple) else (gradient,)
    return [0.0 if g is None else g.numpy() for g in several]


def test_the_gradient_of_a_step_is_the_sum_of_what_was_sent_there(rng):
    for _, loss in networks(rng):
        sent = {}
        for step in loss().backward_steps():
            for c in step.contributions:
                assert c.added == (c.tensor._index in sent)
                now = arrays(c.gradient)
                before = sent.get(c.tensor._index, [0.0] * len(now))
                sent[c.tensor._index] = [a + b for a, b in zip(before, now, strict=True)]
            if (arrived := sent.get(step.tensor._index)) is not None:
                for a, b in zip(arrays(step.gradient), arrived, strict=True):
                    assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_what_a_step_sends_is_its_gradient_times_the_local_jacobian(rng):
    checked = set()
    for _, loss in networks(rng):
        for step in loss().backward_steps():
            if (step.operation or "").startswith("scan"):
                for c in step.contributions:
                    with pytest.raises(GraphError, match="road='graph'"):
                        step.jacobian(c.number)
                continue
            for c in step.contributions:
                J = step.jacobian(c.number).numpy()
                assert J.shape == (step.tensor.size, c.tensor.size)
                by_hand = step.gradient.numpy().ravel() @ J
                assert_allclose(c.gradient.numpy().ravel(), by_hand, rtol=1e-10, atol=1e-13)
                checked.add(step.operation)
    assert {"linear", "add", "tanh", "getitem", "power", "sum"} <= checked


def test_steps_come_newest_first_and_leaves_have_no_operation(rng):
    a, b = leaf(rng, 3), leaf(rng, 3)
    found = [(s.operation, s.tensor) for s in (a * b + a).sum().backward_steps()]
    assert [name for name, _ in found] == ["sum", "add", "multiply", None, None]
    assert [tensor is x for (_, tensor), x in zip(found[3:], (b, a), strict=True)] == [True, True]


def test_grad_is_set_when_the_loop_has_ended_and_not_before(rng):
    a = leaf(rng, 3)
    steps = (a * a).sum().backward_steps()
    for _ in steps:
        assert a.grad is None
    assert_allclose(a.grad.numpy(), 2 * a.data)


def test_a_loop_that_is_left_early_sets_nothing(rng):
    a = leaf(rng, 3)
    loss = (a * a).sum()
    for step in loss.backward_steps():
        if step.operation == "multiply":
            break
    assert a.grad is None
    with pytest.raises(GraphError, match="second time"):
        loss.backward()


def test_with_retain_graph_one_may_step_again(rng):
    a = leaf(rng, 3)
    loss = (a * a).sum()
    first = list(loss.backward_steps(retain_graph=True))
    assert first[1].jacobian(0).shape == (3, 3)  # also of a step that has passed
    assert len(list(loss.backward_steps())) == len(first)
    assert_allclose(a.grad.numpy(), 4 * a.data)


def test_the_jacobian_of_a_freed_step_is_refused(rng):
    steps = list((leaf(rng, 3) * 2).sum().backward_steps())
    with pytest.raises(GraphError, match="'multiply'.*retain_graph"):
        steps[1].jacobian(0)


@pytest.mark.parametrize("number", [-1, 1, 2])
def test_a_jacobian_of_what_is_no_input_is_refused(number, rng):
    for step in (leaf(rng, 3) * 2).backward_steps(np.ones(3)):
        if step.operation:
            with pytest.raises(IndexError, match=r"'multiply'.*\[0\]"):
                step.jacobian(number)


def test_a_function_of_ones_own_has_its_jacobian_too(rng):
    class Cube(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x**2 * g

    x = leaf(rng, 3)
    jacobians = [
        s.jacobian(0).numpy() for s in Cube.apply(x).sum().backward_steps() if s.operation == "Cube"
    ]
    assert_allclose(jacobians[0], np.diag(3 * x.data**2))


def test_what_is_sent_back_to_a_slice_has_the_shape_of_the_whole(rng):
    x = leaf(rng, 4, 2)
    sent = [c for s in (x[1] + x[3]).sum().backward_steps() for c in s.contributions]
    to_x = [c.gradient.numpy() for c in sent if c.tensor is x]
    assert [g.any(axis=1).tolist() for g in to_x] == [
        [False, False, False, True], [False, True, False, False]
    ]  # fmt: skip


def test_hooks_run_and_a_seed_is_taken_as_by_backward(rng):
    a = leaf(rng, 2)
    y = a * 3
    y.register_hook(lambda g: g * 10)
    (step, *_) = list(y.backward_steps([1.0, 2.0]))
    assert_allclose(step.gradient.numpy(), [10.0, 20.0])
    assert_allclose(a.grad.numpy(), [30.0, 60.0])
    with pytest.raises(GraphError, match="implied only for one element"):
        next((a * 2).backward_steps())
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        next((a * 2).backward_steps(np.ones(3)))


def test_nobody_can_change_a_gradient_that_is_shown(rng):
    for step in (leaf(rng, 3) + 1).sum().backward_steps():
        with pytest.raises(ValueError, match="read-only"):
            step.gradient.numpy()[...] = 7


def test_steps_run_on_every_backend(backend, rng):
    with mt.use(backend):
        x = leaf(rng, 3)
        for step in (x.tanh() * 2).sum().backward_steps():
            assert step.gradient.backend == x.backend
            for c in step.contributions:
                assert step.jacobian(c.number).backend == x.backend
        assert_allclose(x.grad.numpy(), 2 * (1 - np.tanh(x.detach().numpy()) ** 2), rtol=1e-10)
