"""What a checkpoint computes again, and when; what it refuses; the memory that it saves."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import Function, checkpoint, grad, gradcheck
from minitorch_rnn.errors import GraphError


def leaf(values):
    return mt.tensor(np.array(values, float), requires_grad=True)


def plain(function, *args, **named):
    return function(*args, **named)


def normal(rng, *shape):
    return mt.tensor(rng.normal(size=shape), requires_grad=True)


def counted():
    calls = []

    def f(x):
        calls.append(mt.is_grad_enabled())
        return x.exp()

    return f, calls


def test_the_function_runs_once_forward_and_once_for_each_backward():
    f, calls = counted()
    x = leaf([0.5])
    y = checkpoint(f, x).sum()
    assert len(calls) == 1
    y.backward(retain_graph=True)
    assert len(calls) == 2
    y.backward()
    assert len(calls) == 3
    assert_allclose(x.grad.data, 2 * np.exp([0.5]), rtol=1e-15)


def test_of_nested_checkpoints_the_inner_one_runs_at_most_three_times():
    f, calls = counted()
    checkpoint(lambda x: checkpoint(f, x) * 2, leaf([0.5])).sum().backward()
    assert len(calls) == 3


def test_what_leads_nowhere_is_not_computed_again():
    f, calls = counted()
    x, w = leaf([0.5]), leaf([1.0])
    y = checkpoint(f, x) + w
    grad(y.sum(), w)
    assert len(calls) == 1


def test_without_gradients_nothing_is_kept_or_computed_again():
    f, calls = counted()
    with mt.no_grad():
        y = checkpoint(f, leaf([0.5]))
    z = checkpoint(f, mt.ones(1))
    assert not y.requires_grad and not z.requires_grad and len(calls) == 2


def test_backward_under_no_grad_records_for_itself_alone():
    f, calls = counted()
    x = leaf([0.5])
    y = checkpoint(f, x).sum()
    with mt.no_grad():
        y.backward()
        assert not mt.is_grad_enabled()
    assert calls == [True, True]
    assert_allclose(x.grad.data, np.exp([0.5]), rtol=1e-15)


def test_hooks_of_outer_tensors_run_once_with_the_whole_gradient():
    seen = []
    x = leaf([2.0])
    h = x * 1
    x.register_hook(lambda g: seen.append(("x", g.item())))
    h.register_hook(lambda g: seen.append(("h", g.item())))
    y = checkpoint(lambda h: h * h * x, h)
    y.register_hook(lambda g: seen.append(("y", g.item())))
    (y + h).sum().backward()
    assert seen == [("y", 1.0), ("h", 9.0), ("x", 13.0)]


def test_modules_in_training_drop_the_same_units_twice(rng):
    drop = nn.Dropout(0.5) if hasattr(nn, "Dropout") else pytest.skip("nn.Dropout is not there")
    x = normal(rng, 200)
    mt.manual_seed(7)
    y = checkpoint(lambda x: drop(x) * 3, x)
    mask = y.data != 0
    y.sum().backward()
    assert 0 < mask.sum() < 200
    assert_array_equal(x.grad.data != 0, mask)


def noisy(x):
    return x * mt.rand(*x.shape)


def test_random_numbers_are_drawn_as_without_a_checkpoint(rng):
    found = []
    for part in (plain, checkpoint):
        x = leaf(np.ones(4))
        mt.manual_seed(3)
        y = part(noisy, part(noisy, x))
        between = mt.rand(2)
        y.sum().backward()
        found.append([y.tolist(), x.grad.tolist(), between.tolist(), mt.rand(2).tolist()])
    assert found[0] == found[1]


def test_another_generator_is_the_callers_to_set_back():
    rng = np.random.default_rng(0)
    y = checkpoint(lambda x: x * mt.rand(4, rng=rng), leaf(np.ones(4)))
    with pytest.raises(GraphError, match="another value when it was computed again"):
        y.sum().backward()


def test_a_function_that_gives_another_value_the_second_time_is_refused(backend):
    calls = []

    def counting(x):
        calls.append(1)
        return x * mt.tensor([float(len(calls)), 1.0])

    x = mt.tensor([1.0, 2.0], requires_grad=True)
    y = checkpoint(counting, x)
    if backend == "numpy":
        with pytest.raises(GraphError, match=r"checkpoint: 'counting' gave another value"):
            y.sum().backward()
    else:  # nobody waits for a device to compare: the gradient is nan, and not a wrong number
        y.sum().backward()
        assert np.isnan(x.grad.numpy()).tolist() == [True, False]


@pytest.mark.parametrize("other", [lambda x: (x, x), lambda x: x[:1], lambda x: 3.0])
def test_a_function_that_returns_something_else_the_second_time_is_refused(other):
    calls = []

    def f(x):
        calls.append(1)
        return x * 2 if len(calls) == 1 else other(x)

    y = checkpoint(f, leaf([1.0, 2.0]))
    with pytest.raises(GraphError, match="checkpoint: 'f' gave another"):
        y.sum().backward()


def test_a_parameter_updated_between_is_named():
    layer, x = nn.Linear(2, 2), leaf([[1.0, 2.0]])
    y = checkpoint(layer, x)
    layer.weight.update_(np.ones((2, 2)))
    with pytest.raises(
        GraphError, match=r"input \d of 'checkpoint' \(shape \(2, 2\)\) was changed"
    ):
        y.sum().backward()


def test_an_array_that_the_function_closes_over_must_not_change():
    x, memory = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    y = checkpoint(lambda x: x * memory, x)
    memory[:] = 50.0
    with pytest.raises(GraphError, match="another value when it was computed again"):
        y.backward([1.0, 1.0])


CARRIED = {  # where an argument may hold an array that its owner changes before backward
    "array": lambda a: ((a,), {}),
    "from_numpy": lambda a: ((mt.from_numpy(a),), {}),
    "view": lambda a: ((mt.from_numpy(a)[:],), {}),
    "in a list": lambda a: (([a],), {}),
    "in a tuple in a list": lambda a: (([(mt.from_numpy(a),)],), {}),
    "in a dictionary": lambda a: (({"a": [a]},), {}),
    "by name": lambda a: ((), {"a": a}),
    "in a list by name": lambda a: ((), {"a": [mt.from_numpy(a)]}),
}


def innermost(a):
    while isinstance(a, list | tuple | dict):
        a = a["a"] if isinstance(a, dict) else a[0]
    return a


@pytest.mark.parametrize("carry", CARRIED.values(), ids=CARRIED)
def test_an_argument_may_change_afterwards(carry):
    x, memory = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    args, named = carry(memory)
    y = checkpoint(lambda x, a: x * x * innermost(a), x, *args, **named)
    memory[:] = 50.0
    y.backward([1.0, 1.0])
    assert x.grad.tolist() == [6.0, 16.0]


def test_a_list_that_is_passed_may_change_afterwards():
    x, factors = leaf([1.0]), [2.0, 3.0]
    y = checkpoint(lambda x, factors: x * factors[0] * factors[1], x, factors)
    factors[0] = 50.0
    y.backward([1.0])
    assert x.grad.item() == 6.0


def test_a_leaf_made_inside_is_refused():
    with pytest.raises(GraphError, match=r"made a leaf of shape \(2,\).*Make it outside"):
        checkpoint(lambda x: x * leaf([1.0, 2.0]), leaf([1.0, 1.0]))


def test_an_exception_in_the_second_run_leaves_everything_as_it_was():
    calls = []

    def fails(x):
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("second")
        return x * mt.rand(1)

    mt.manual_seed(5)
    x = leaf([1.0])
    y = checkpoint(fails, x)
    state = mt.manual_seed(6).bit_generator.state
    with pytest.raises(KeyError, match="second"):
        y.backward([1.0], retain_graph=True)
    assert mt.is_grad_enabled() and x.grad is None
    assert mt.rand(1).item() == np.random.default_rng(6).random() and state is not None


def test_a_second_backward_says_so():
    y = checkpoint(lambda x: x * x, leaf([1.0])).sum()
    y.backward()
    with pytest.raises(GraphError, match="second time.*retain_graph=True"):
        y.backward()


# Memory -------------------------------------------------------------------------------------------


def chain(part, x, segments, steps):
    def segment(h):
        for _ in range(steps):
            h = h.tanh() * 1.01
        return h

    for _ in range(segments):
        x = part(segment, x)
    return x


def test_twenty_checkpoints_of_twenty_steps_need_several_times_less_memory():
    x = leaf(np.ones(20_000))
    peaks = []
    for part in (plain, checkpoint):
        gc.collect()
        tracemalloc.start()
        chain(part, x, 20, 20).sum().backward()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        peaks.append(x.grad.tolist())
        x.grad = None
    assert peaks[1] == peaks[3]
    assert peaks[2] < peaks[0] / 6  # 800 values of the chain, against 20 + 40 and the gradients


@pytest.mark.parametrize("road", ["scan", "graph"])
def test_what_an_lstm_returns_keeps_no_step_alive(road, rng):
    lstm, steps = nn.LSTM(2, 3, road=road, rng=rng), []

    def watched(x):
        output, state = lstm(x)
        steps.append(weakref.ref(output._inputs[0]))
        return output, state

    _, (h_n, _) = checkpoint(watched, normal(rng, 4, 1, 2))
    assert h_n.requires_grad and steps[0]() is None


def test_nothing_waits_for_the_cycle_collector_and_the_walk_frees_what_was_kept():
    w = leaf(np.ones((3, 3)))
    gc.collect()
    gc.disable()
    try:
        argument = w * 2
        y = checkpoint(lambda h: ((h @ w).tanh(), h.sum()), argument)
        held = [weakref.ref(argument), weakref.ref(y[0])]
        loss = y[0].sum() * y[1]
        del argument, y
        assert held[0]() is not None
        loss.backward()
        assert [h() for h in held] == [None, None]
        chain(checkpoint, leaf(np.ones(3)), 5, 3)
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_function_of_the_users_own_can_be_checkpointed(rng):
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = normal(rng, 3)
    assert gradcheck(lambda x: checkpoint(Square.apply, x), x, order=2)


@pytest.mark.parametrize("change", ["an array", "a generator", "an option", "a parameter"])
def test_a_second_run_that_goes_another_way_is_refused_where_no_value_tells(change, rng):
    x, own = mt.zeros(6, requires_grad=True), {"k": 0, "a": np.ones(6), "w": [leaf([1.0] * 6)] * 2}
    own["w"] = [leaf([1.0] * 6), leaf([1.0] * 6)]

    def f(x):
        if change == "an array":
            return x * own["a"]
        if change == "a generator":
            return nn.functional.dropout(x, 0.5, rng=rng)
        if change == "an option":
            return x.reshape((2, 3)).sum(axis=own["k"]).sum()
        return x * own["w"][own["k"]]

    y = checkpoint(f, x)
    own["a"][:], own["k"] = 9.0, 1
    with pytest.raises(GraphError, match="checkpoint: 'f' gave another value.*or took another way"):
        y.sum().backward()


def test_the_second_run_draws_from_a_generator_of_its_own():
    mt.manual_seed(3)
    y = checkpoint(lambda x: nn.functional.dropout(x, 0.5), mt.ones(50, requires_grad=True)).sum()
    drawn = []
    y.register_hook(lambda g: drawn.append(mt.rand(1).item()))
    y.backward()
    after = mt.rand(1).item()
    mt.manual_seed(3)
    mt.rand(50)
    assert [drawn[0], after] == [mt.rand(1).item(), mt.rand(1).item()]
