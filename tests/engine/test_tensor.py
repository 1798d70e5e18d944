"""Tensor itself: construction, hooks, leaving the graph, and Python's protocols."""

import copy
import pickle
import sys
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn.engine import Tensor
from minitorch_rnn.engine.names import ELSEWHERE
from minitorch_rnn.engine.operators import Operators
from minitorch_rnn.errors import DTypeError, GraphError
from minitorch_rnn.ops import METHODS


def test_a_tensor_copies_what_it_is_made_from():
    source = np.array([1.0, 2.0])
    x = mt.tensor(source)
    source[0] = 9.0
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "values, dtype",
    [
        (1.5, np.float64),
        ([1, 2], np.int64),
        ([True], np.bool_),
        (np.ones(2, np.float32), np.float32),
        (np.float32(1), np.float32),
        ([[1.0], [2.0]], np.float64),
    ],
)
def test_the_dtype_follows_the_values(values, dtype):
    assert mt.tensor(values).dtype == dtype


def test_python_floats_take_the_default_dtype():
    mt.set_default_dtype("float32")
    try:
        assert mt.tensor([1.0]).dtype == mt.zeros(2).dtype == np.float32
        assert mt.tensor(np.ones(2)).dtype == np.float64  # an array keeps its own
        assert mt.nn.Linear(2, 2).weight.dtype == np.float32
    finally:
        mt.set_default_dtype("float64")


@pytest.mark.parametrize("values", [["a"], [None], [object()]])
def test_values_that_are_not_numbers_are_refused(values):
    with pytest.raises(DTypeError, match="give numbers"):
        mt.tensor(values)


def test_the_default_dtype_is_a_floating_point_type():
    with pytest.raises(DTypeError, match="int32"):
        mt.set_default_dtype("int32")


def test_every_bound_method_is_declared_for_type_checkers_and_the_other_way_round():
    source = __import__("inspect").getsource(Operators)
    declared = set(__import__("re").findall(r"def (\w+)\(", source)) - {
        "backward",
        "backward_steps",
    }
    assert declared == set(METHODS)


def test_the_reflected_operators_take_arrays_and_numbers():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    for y in (np.ones(2) * x, 2 - x, np.float64(3) / x, 2**x, np.ones((2, 2)) @ x):
        assert isinstance(y, Tensor) and y.requires_grad


def test_detach_and_update_leave_each_other_alone():
    x = mt.tensor([1.0], requires_grad=True)
    d = x.detach()
    x.update_([5.0])
    assert d.tolist() == [1.0] and not d.requires_grad


def test_an_attribute_that_does_not_exist_is_an_error():
    x = mt.tensor(1.0)
    with pytest.raises(AttributeError):
        x.gradd  # noqa: B018
    with pytest.raises(AttributeError):
        x.reqires_grad = True


def test_only_floating_point_tensors_require_gradients():
    with pytest.raises(TypeError, match="only floating-point tensors can require.*int64"):
        mt.tensor([1], requires_grad=True)
    with pytest.raises(TypeError, match="int64"):
        mt.tensor([1]).requires_grad = True


def test_a_tensor_is_not_written_in_place_and_the_pattern_is_named():
    x = mt.tensor([[1.0, 2.0]])
    with pytest.raises(GraphError, match=r"index_update.*update_"):
        x[0, 0] = 5.0
    with pytest.raises(GraphError):
        x[0][0] = 5.0  # not lost in a copy either
    x.update_(mt.index_update(x, (0, 0), 5.0))
    assert x.tolist() == [[5.0, 2.0]]


@pytest.mark.parametrize("assign", ["__iadd__", "__isub__", "__imul__", "__itruediv__"])
def test_a_trained_leaf_is_not_rebound_by_an_update_in_place(assign):
    p = mt.nn.Parameter([1.0])
    with mt.no_grad(), pytest.raises(GraphError, match="update_"):
        getattr(p, assign)(0.5)
    total = mt.tensor(0.0)
    total += p.sum()  # of anything else `+=` makes the next value
    assert total.requires_grad


def test_iteration_length_and_conversion():
    x = mt.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert [row.tolist() for row in x] == [[1.0, 2.0], [3.0, 4.0]]
    assert len(x) == 2 and float(x[0, 0]) == 1.0 and int(x[1, 1]) == 4
    assert [10, 20, 30][mt.tensor(1)] == 20
    assert f"{mt.tensor(0.5):.2f}" == "0.50"
    assert (x == x).all() and not (x != x).any()


def test_tensors_are_hashed_by_identity():
    a, b = mt.tensor([1.0]), mt.tensor([1.0])
    assert len({a, b, a}) == 2


@pytest.mark.parametrize(
    "x, text",
    [
        (lambda: mt.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (lambda: mt.tensor(1.5, requires_grad=True), "tensor(1.5, requires_grad=True)"),
        (lambda: mt.tensor([1.0], "float32"), "tensor([1.], dtype=float32)"),
        (lambda: mt.tensor([1]), "tensor([1])"),
        (lambda: mt.tensor([1.0], requires_grad=True).sum(), "tensor(1., op=sum)"),
    ],
)
def test_repr_says_what_matters(x, text):
    assert repr(x()) == text


def test_leaves_can_be_copied_and_pickled_and_nothing_else():
    x = mt.nn.Parameter([1.0, 2.0])
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert type(twin) is type(x) and twin.requires_grad and twin.tolist() == x.tolist()
        assert not np.shares_memory(twin.data, x.data)
    with pytest.raises(RuntimeError, match="only graph leaves"):
        copy.deepcopy(x * 2)


def test_dlpack_exports_constants_only():
    x = mt.tensor([1.0, 2.0])
    assert_array_equal(np.from_dlpack(x), [1.0, 2.0])
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(x.requires_grad_())


def test_a_hook_sees_the_complete_gradient_and_may_replace_it():
    x = mt.tensor([1.0], requires_grad=True)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    handle = y.register_hook(lambda g: g * 10)
    (y * 3 + y * 4).sum().backward()
    assert seen == [7.0] and x.grad.item() == 140.0
    handle.remove()
    handle.remove()


def test_a_removed_hook_is_not_called():
    x = mt.tensor([1.0], requires_grad=True)
    x.register_hook(lambda g: g * 0).remove()
    (x * 3).sum().backward()
    assert x.grad.item() == 3.0


def test_a_hook_of_the_wrong_shape_names_both():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match=r"\(\).*\(2,\)"):
        (x * 3).sum().backward()


def test_a_hook_cannot_spoil_the_gradient_it_is_shown():
    x = mt.tensor([1.0], requires_grad=True)

    def spoil(g):
        g.update_([99.0])

    x.register_hook(spoil)
    (x * 3).sum().backward()
    assert x.grad.item() == 3.0


def test_a_gradient_shares_no_memory_with_what_a_hook_returned():
    x, mine = mt.tensor([1.0, 2.0], requires_grad=True), mt.tensor([5.0, 5.0])
    x.register_hook(lambda g: mine)
    (x + x).sum().backward()
    assert not np.shares_memory(x.grad.data, mine.data)


def test_a_copy_of_a_device_tensor_stays_on_the_device():
    with mt.use("strict"):
        x = mt.tensor([1.0, 2.0])
    assert copy.deepcopy(x).backend == "strict"


def test_a_computed_tensor_can_retain_its_gradient():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    h = x.tanh()
    h.retain_grad()
    (h * h).sum().backward()
    assert_array_equal(h.grad.numpy(), 2 * h.detach().numpy())


def recorded():
    return (mt.tensor(1.0, requires_grad=True) * 2).requires_grad


def test_no_grad_restores_what_was_before_it():
    with mt.no_grad():
        with mt.no_grad():
            pass
        assert not recorded()
        with mt.enable_grad():
            assert recorded()
        assert not recorded()
    assert recorded() and mt.is_grad_enabled()


def test_set_grad_enabled_acts_at_once_and_as_a_block():
    mt.set_grad_enabled(False)
    assert not recorded()
    mt.set_grad_enabled(True)
    with mt.set_grad_enabled(False):
        assert not recorded()
    assert recorded()

    @mt.set_grad_enabled(False)
    def function():
        return recorded()

    assert recorded() and not function() and recorded()


def test_gradients_of_many_threads_all_arrive():
    w = mt.tensor(1.0, requires_grad=True)

    def work():
        for _ in range(500):
            (w * 1.0).backward()

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert w.grad.item() == 2000.0


def test_retain_grad_twice_keeps_one_gradient():
    x = mt.tensor(2.0, requires_grad=True)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    (y * y).backward()
    assert y.grad.item() == 120.0 and x.grad.item() == 360.0


def test_what_was_a_constant_when_it_was_used_stays_one():
    x, w = mt.tensor(3.0), mt.tensor(2.0, requires_grad=True)
    y = x * w + (x * 2) * w
    x.requires_grad_()
    y.backward()
    assert x.grad is None and w.grad.item() == 9.0


def test_a_leaf_may_be_frozen_and_thawed_between_forward_and_backward():
    w = mt.tensor(2.0, requires_grad=True)
    y = w * w
    w.requires_grad_(False).requires_grad_(True)
    y.backward()
    assert w.grad.item() == 4.0


def test_what_dlpack_exports_is_a_copy():
    x = mt.tensor([1.0, 2.0])
    assert not np.shares_memory(np.from_dlpack(x), x.data)
    with pytest.raises(BufferError, match="only a copy"):
        x.__dlpack__(copy=False)


def test_a_list_of_tensors_is_not_taken_for_numbers():
    rnn = mt.nn.RNN(1, 1)
    with pytest.raises(TypeError, match=r"mt.stack.*\(output, h_n\)"):
        mt.tensor(rnn(mt.ones(1, 1, 1)))


def test_no_grad_ends_with_an_exception():
    with pytest.raises(KeyError), mt.no_grad():
        raise KeyError
    assert recorded()


def test_one_no_grad_object_can_be_entered_twice():
    off = mt.no_grad()
    with off, off:
        assert not recorded()
    assert recorded()


def test_no_grad_decorates_functions_and_generators():
    @mt.no_grad()
    def function():
        return recorded()

    @mt.no_grad()
    def generator():
        received = yield recorded()
        try:
            yield received, recorded()
        except KeyError:
            yield "caught", recorded()

    assert function() is False
    running = generator()
    assert next(running) is False and recorded()  # not while it waits
    assert running.send("hello") == ("hello", False) and recorded()
    assert running.throw(KeyError()) == ("caught", False) and recorded()
    running.close()


def test_no_grad_belongs_to_its_thread():
    answers = []
    with mt.no_grad():
        thread = threading.Thread(target=lambda: answers.append(recorded()))
        thread.start()
        thread.join()
    assert answers == [True]


def test_a_view_under_no_grad_does_not_require_a_gradient():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    with mt.no_grad():
        assert not x[0].requires_grad and not x.reshape(2, 1).requires_grad


@pytest.mark.parametrize(
    "x, told",
    [
        (mt.zeros(2000), "shape=(2000,))"),
        (mt.zeros(0, 3), "tensor([], shape=(0, 3))"),
        (mt.zeros(40, 40, dtype="float32", requires_grad=True).exp(), "float32, op=exp)"),
        (mt.zeros(2, requires_grad=True), "tensor([0., 0.], requires_grad=True)"),
    ],
)
def test_the_repr_tells_what_its_numbers_do_not(x, told):
    assert repr(x).endswith(told)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_pytorchs_name_for_something_tells_the_one_it_has_here(name):
    assert not hasattr(mt.Tensor, name) and not hasattr(mt, name)
    for home, error in ((mt.ones(1), "Tensor"), (mt, "module 'minitorch_rnn'")):
        with pytest.raises(AttributeError) as caught:
            getattr(home, name)
        advice = f"{error} has no attribute '{name}'. Here it is: "
        assert str(caught.value).startswith(advice)
