"""Abuse: each case gives the right value or an error that teaches; none a wrong value in silence.

At the end stands the table of the classes of bugs that engines of this kind have had, each with
the test that holds this one to it.
"""

import copy
import math
import pathlib
import pickle
import random

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import BackendError, DTypeError, GraphError, ShapeError

INF, NAN = math.inf, math.nan


def leaf(values, dtype=float):
    return mt.tensor(np.array(values, dtype), requires_grad=True)


def slope(f, values, dtype=float):
    """The gradient of the sum of f at `values`, as a list."""
    x = leaf(values, dtype)
    f(x).sum().backward()
    return x.grad.tolist()


def rnn(*shape, **options):
    return nn.RNN(2, 3)(np.zeros(shape), **options)


def hooked(hook):
    x = leaf([1.0, 2.0])
    x.register_hook(hook)
    (x * 3).sum().backward()
    return x.grad.tolist()


def with_gradient(given):
    x = leaf([1.0, 2.0])
    x.grad = given
    (x * 3).sum().backward()
    return x.grad.tolist()


def cotangent(v):
    x = leaf([1.0, 2.0])
    (x * 3).backward(v)
    return x.grad.tolist()


def changed_in_a_hook():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    h = x * w
    h.register_hook(lambda g: w.update_([9.0, 9.0]) * 0 + g)
    h.sum().backward()


def walked_in_a_hook():
    x = leaf([1.0, 2.0])
    h = x * x
    y = h.sum()
    h.register_hook(lambda g: y.backward())
    y.backward()


def of_no_graph(h=None):
    """A state that is carried on without detach(): its graph was freed by the last backward."""
    w = leaf(0.5)
    for _ in range(2):
        h = (w * (w if h is None else h)).tanh()
        h.backward()


def in_place_on_a_leaf():
    p = nn.Parameter([1.0, 2.0])
    p += 1


def a_view_is_written():
    leaf([[1.0, 2.0]]).T[0] = 5.0


WRONG = {  # what is done, the error, and a part of its message
    "backward twice": (GraphError, "second time.*retain_graph=True",
                       lambda: [y.backward() for y in [(leaf([1.0]) * 2).sum()] * 2]),
    "a state carried on without detach": (GraphError, r"h = h\.detach\(\)", of_no_graph),
    "in place on a leaf": (GraphError, r"p\.update_\(p - lr \* p\.grad\)", in_place_on_a_leaf),
    "a view is written": (GraphError, r"mt\.index_update", a_view_is_written),
    "a parameter changes in a hook": (
        GraphError, r"input 1 of 'multiply' \(shape \(2,\)\) was changed", changed_in_a_hook),
    "backward from within its own hook": (GraphError, "second time", walked_in_a_hook),
    "integers that want a gradient": (DTypeError, "only floating-point.*got int8",
                                      lambda: leaf([1], "int8")),
    "complex numbers that want a gradient": (DTypeError, "only floating-point.*got complex128",
                                             lambda: leaf([1j], complex)),
    "a complex factor": (DTypeError, "complex128 values cannot carry", lambda: leaf([1.0]) * 1j),
    "a complex cotangent": (DTypeError, "complex", lambda: cotangent(np.array([1j, 0]))),
    "a cotangent of text": (ValueError, "string to float: 'a'", lambda: cotangent(["a", "b"])),
    "a cotangent of another shape": (ShapeError, r"\(1,\).*\(2,\)", lambda: cotangent([1.0])),
    "a masked cotangent": (TypeError, "(?i)mask",
                           lambda: cotangent(np.ma.array([1.0, 2.0], mask=[0, 1]))),
    "a hook that returns another shape": (GraphError, r"\(\).*\(2,\)", lambda: hooked(mt.sum)),
    "a hook that would be broadcast": (GraphError, r"\(1,\).*\(2,\)",
                                       lambda: hooked(lambda g: [1.0])),
    "a hook that returns text": (TypeError, "numbers", lambda: hooked(lambda g: "a")),
    "a hook that returns complex numbers": (DTypeError, "complex",
                                            lambda: hooked(lambda g: g * 1j)),
    "a .grad of another shape": (ShapeError, r"\(3, 1\).*\(2,\)",
                                 lambda: with_gradient(mt.ones(3, 1))),
    "complex values for a parameter": (DTypeError, "complex",
                                       lambda: leaf([1.0]).update_(np.array([1j]))),
    "text for a parameter": (ValueError, "string to float: 'a'",
                             lambda: leaf([1.0]).update_(["a"])),
    "a masked array for a parameter": (TypeError, "(?i)mask", lambda: leaf([1.0]).update_(
        np.ma.array([1.0], mask=[True]))),
    "a comparison chain in if": (ShapeError, r"no single truth value.*\.all\(\)",
                                 lambda: 0 < leaf([1.0, 2.0]) < 3),
    "several values in if": (ShapeError, r"\(2,\).*\.any\(\)", lambda: leaf([1.0, 2.0]) and 1),
    "nothing in if": (ShapeError, r"\(0,\)", lambda: not mt.zeros(0)),
    "in a list of vectors": (ShapeError, "truth value",
                             lambda: leaf([1.0, 2.0]) in [leaf([1.0, 2.0])]),
    "sorting vectors": (ShapeError, "truth value", lambda: sorted([mt.ones(2), mt.zeros(2)])),
    "iteration over a number": (TypeError, "0-d", lambda: list(leaf(1.0))),
    "an index into a number": (IndexError, r"shape \(\)", lambda: leaf(1.0)[0]),
    "formatting several values": (ShapeError, r"\(2,\)", lambda: f"{leaf([1.0, 2.0]):.2f}"),
    "float16 sums past 65504": (RuntimeWarning, "overflow",
                                lambda: mt.full(4, 6e4, dtype="float16").sum()),
    "a huge tensor": (MemoryError, "Unable to allocate", lambda: mt.zeros(10**15)),
    "broadcasting to a huge shape": (MemoryError, "Unable", lambda: mt.broadcast_to(
        leaf(1.0), (10**8, 10**8)) + 1.0),
    "a huge outer product": (MemoryError, "Unable", lambda: mt.outer(*[mt.zeros(10**7)] * 2)),
    "a shape that no array can have": (ValueError, "broadcast_to",
                                       lambda: mt.broadcast_to(leaf(1.0), (2**40, 2**40))),
    "a negative size": (ValueError, "-1", lambda: mt.zeros(-1)),
    "a ragged list": (ValueError, "inhomogeneous", lambda: mt.tensor([[1.0], [1.0, 2.0]])),
    "a set": (TypeError, "numbers", lambda: mt.tensor({1.0})),
    "a generator": (TypeError, "numbers", lambda: mt.tensor(x for x in [1.0])),
    "a number beyond int64": (OverflowError, "too large", lambda: mt.tensor([1]) + 2**70),
    "difference of booleans": (DTypeError, "subtract.*bool",
                               lambda: mt.tensor([True]) - mt.tensor([True])),
    "minus a boolean": (DTypeError, "negative.*bool", lambda: -mt.tensor([True])),
    "a mask of numbers": (DTypeError, "bitwise_and.*float64", lambda: leaf([1.0]) & True),
    "an integer to a negative power": (TypeError, "astype", lambda: mt.tensor([2]) ** -1),
    "text beside a tensor": (DTypeError, "multiply.*str", lambda: leaf([1.0]) * "a"),
    "None beside a tensor": (DTypeError, "add.*NoneType", lambda: leaf([1.0]) + None),
    "a decimal number": (DTypeError, "Decimal",
                         lambda: leaf([1.0]) * __import__("decimal").Decimal(2)),
    "a fraction": (TypeError, "Fraction|object",
                   lambda: mt.tensor([1.0]) * __import__("fractions").Fraction(1, 2)),
    "a list of tensors into a vector of NumPy": (GraphError, "NumPy would lose it",
                                                 lambda: np.array([leaf(1.0), leaf(2.0)])),
    "a tensor written into an array": (GraphError, "NumPy would lose it", lambda: np.zeros(
        2).__setitem__(slice(None), leaf([1.0, 2.0]))),
    "a copy of a computed tensor": (GraphError, "only graph leaves",
                                    lambda: copy.copy(leaf(1.0) * 2)),
    "a pickle of a list with a computed tensor": (GraphError, r"y\.detach\(\)",
                                                  lambda: pickle.dumps([leaf(1.0), leaf(1.0) * 2])),
    "a tensor of tensors": (DTypeError, "mt.stack", lambda: mt.tensor([leaf(1.0), leaf(2.0)])),
    "a tensor of lists of tensors": (GraphError, "would lose it", lambda: mt.tensor([[leaf(1.0)]])),
    "a sequence of no steps": (ValueError, "at least one time step", lambda: rnn(0, 4, 2)),
    "a length of 0": (ValueError, "sequence 1 is 0", lambda: rnn(5, 2, 2, lengths=[5, 0])),
    "a length beyond the end": (ValueError, "sequence 0 is 6; x has 5",
                                lambda: rnn(5, 2, 2, lengths=[6, 5])),
    "a list with an empty sequence": (ValueError, "sequence 1 is 0",
                                      lambda: nn.RNN(2, 3)([np.ones((3, 2)), np.ones((0, 2))])),
    "tensors of two backends": (BackendError, r"x\.to\('strict'\)",
                                lambda: mt.ones(1) * mt.ones(1).to("strict")),
}  # fmt: skip


@pytest.mark.parametrize("error, words, wrong", WRONG.values(), ids=WRONG)
def test_what_cannot_be_right_is_an_error_that_teaches(error, words, wrong):
    with pytest.raises(error, match=words):
        wrong()


LARGE = 2.0**1023
RIGHT = {  # what is done, and what it gives
    "duplicate indices": (lambda: slope(lambda x: x[[0, 0, -2]], [1.0, 2.0]), [3.0, 0.0]),
    "an empty index": (lambda: slope(lambda x: x[[]].sum() + x[:0].sum(), [1.0]), [0.0]),
    "a mask of nothing": (lambda: slope(lambda x: x[np.zeros(2, bool)], [1.0, 2.0]), [0.0, 0.0]),
    "a batch of none": (lambda: nn.LSTM(2, 3)(np.zeros((4, 0, 2)))[0].shape, (4, 0, 3)),
    "the sum of nothing": (lambda: slope(lambda x: x.sum() + 3, np.zeros((0, 3))), []),
    "the mean of no losses": (lambda: str(nn.cross_entropy(
        leaf(np.zeros((0, 3))), np.zeros(0, int)).item()), "nan"),
    "float16 means past 65504": (lambda: mt.full(4, 6e4, dtype="float16").mean().item(), 6e4),
    "booleans add as or": (lambda: (mt.tensor([True]) + mt.tensor([True])).tolist(), [True]),
    "booleans are counted": (lambda: mt.tensor([True, True]).sum().item(), 2),
    "a boolean factor": (lambda: slope(lambda x: x * np.array([True, False]), [2, 3]), [1.0, 0.0]),
    "negative zero": (lambda: str(-leaf(0.0).detach()), "tensor(-0.)"),
    "negative zero under abs": (lambda: slope(mt.abs, [-0.0, 0.0]), [0.0, 0.0]),
    "denormals": (lambda: slope(lambda x: x * 5e-324, [1.0]), [5e-324]),
    "the largest number": (lambda: slope(lambda x: x * LARGE, [1.0]), [LARGE]),
    "a nan cotangent goes its own way": (lambda: str(cotangent([NAN, 1.0])), "[nan, 3.0]"),
    "an integer cotangent": (lambda: cotangent([1, 2]), [3.0, 6.0]),
    "a cotangent with a history": (lambda: cotangent(leaf([1.0, 2.0])), [3.0, 6.0]),
    "a hook that changes what it is shown": (
        lambda: hooked(lambda g: None if g.update_([9.0, 9.0]) is g else g), [3.0, 3.0]),
    "a hook that returns an array": (lambda: hooked(lambda g: g.numpy() * 2), [6.0, 6.0]),
    "a .grad of another dtype": (lambda: with_gradient(mt.ones(2, dtype="float32")), [4.0, 4.0]),
    "a tensor is itself in a list": (lambda: [t in [t] for t in [leaf([1.0, 2.0])]], [True]),
    "a number in a vector": (lambda: (2.0 in leaf([1.0, 2.0]), 5.0 in leaf([1.0])), (True, False)),
    "equal tensors are two keys": (lambda: len({leaf(1.0): 1, leaf(1.0): 2}), 2),
    "a tensor finds itself as a key": (lambda: [{t: 7}[t] for t in [leaf(1.0)]], [7]),
    "a set of leaves": (lambda: [len({t, t, t * 1}) for t in [leaf(1.0)]], [2]),
    "sorting numbers": (lambda: [t.item() for t in sorted(map(leaf, [2.0, 1.0]))], [1.0, 2.0]),
    "Python's max": (lambda: max(leaf([1.0, 3.0, 2.0])).item(), 3.0),
    "Python's sum has a gradient": (lambda: slope(sum, [1.0, 2.0]), [1.0, 1.0]),
    "an f-string": (lambda: f"{leaf(1.25):.1f}, {mt.tensor([1])}", "1.2, tensor([1])"),
    "a tensor in range": (lambda: list(range(mt.tensor(2))), [0, 1]),
    "a list times a tensor": (lambda: ([1, 2] * mt.tensor(2)).tolist(), [2, 4]),
    "comparison with None": (lambda: (leaf([1.0]) == None).tolist(), [False]),  # noqa: E711
    "unpacking": (lambda: [t.item() for t in leaf([1.0, 2.0])[::-1]], [2.0, 1.0]),
    "shuffled indices of a loop": (lambda: slope(lambda x: sum(
        x[i] for i in random.Random(0).sample(range(4), 4)), np.ones(4)), [1.0] * 4),
    "a 0-d array stays one": (lambda: slope(lambda x: x.reshape(()) * x, 3.0), 6.0),
    "broadcasting by size 1": (lambda: slope(lambda x: x + np.ones((4, 3, 2)), [[1], [2], [3]]),
                               [[8.0], [8.0], [8.0]]),
}  # fmt: skip


@pytest.mark.parametrize("done, want", RIGHT.values(), ids=RIGHT)
def test_what_can_be_right_is_right(done, want):
    found = done()
    assert found == want and type(found) is type(want)


# Padding and gates -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_nan_in_padding_changes_nothing_and_gets_a_gradient_of_zero(kind, rng):
    layer, x = kind(2, 3, 2, bidirectional=True, rng=rng), rng.normal(size=(5, 2, 2))
    found = []
    for padding in (0.0, NAN, INF):
        padded = leaf(x)
        padded.update_(mt.index_update(padded.detach(), np.s_[3:, 1], padding))
        output, _ = layer(padded, lengths=[5, 3])
        layer.zero_grad()
        (output * output).sum().backward()
        assert not padded.grad.data[3:, 1].any() and not output.data[3:, 1].any()
        found.append([output.tolist(), padded.grad.tolist(), layer.weight_ih_l0.grad.tolist()])
    assert found[0] == found[1] == found[2]


def test_the_gates_stand_where_pytorch_has_them(rng):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    x, h, c = (rng.normal(size=(2, 3)) for _ in range(3))
    gru, lstm = nn.GRUCell(3, 3, rng=rng), nn.LSTMCell(3, 3, rng=rng)

    def rows(cell, gates):
        w = {n: np.split(a, gates) for n, a in cell.state_dict().items()}
        from_x = [x @ W.T + b for W, b in zip(w["weight_ih"], w["bias_ih"], strict=True)]
        from_h = [h @ W.T + b for W, b in zip(w["weight_hh"], w["bias_hh"], strict=True)]
        return from_x, from_h

    (x_r, x_z, x_n), (h_r, h_z, h_n) = rows(gru, 3)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = np.tanh(x_n + r * h_n)  # the reset gate acts after the product
    assert_allclose(gru(x, h).data, (1 - z) * n + z * h, rtol=1e-12)
    i, f, g, o = (a + b for a, b in zip(*rows(lstm, 4), strict=True))
    new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    assert_allclose(lstm(x, (h, c))[1].data, new, rtol=1e-12)
    assert_allclose(lstm(x, (h, c))[0].data, sigmoid(o) * np.tanh(new), rtol=1e-12)


@pytest.mark.parametrize("optimizer", [mt.optim.SGD, mt.optim.Adam])
def test_a_step_between_forward_and_backward_is_noticed(optimizer):
    layer, x = nn.Linear(2, 2), leaf([[1.0, 2.0]])
    layer(x).sum().backward()
    y = layer(x).sum()
    optimizer(layer.parameters(), lr=0.1).step()
    with pytest.raises(GraphError, match=r"input \d of 'linear' .*before the optimizer step"):
        y.backward()


def test_gradients_are_none_then_added_then_none_again():
    layer = nn.Linear(2, 1)
    assert layer.weight.grad is None
    for n in (1, 2):
        layer(np.ones((1, 2))).sum().backward()
        assert layer.weight.grad.tolist() == [[n, n]]
    layer.zero_grad()
    assert layer.weight.grad is None and layer.bias.grad is None


# The classes of bugs -----------------------------------------------------------------------------

CLASSES = {  # what engines of this kind got wrong, and the test that holds this one to it
    1: "engine/test_walk.py::test_gradients_of_two_leaves_share_nothing",
    2: "engine/test_walk.py::test_the_callers_gradient_is_never_changed",
    3: "engine/test_mutation.py::test_a_leaf_updated_between_forward_and_backward_is_named",
    4: "engine/test_mutation.py::"
    "test_an_array_overwritten_after_the_forward_pass_changes_no_gradient",
    5: "test_abuse.py::test_a_step_between_forward_and_backward_is_noticed",
    6: "ops/test_awkward_values.py::test_a_broadcast_operand_gets_the_sum_over_all_its_copies",
    7: "ops/test_awkward_values.py::test_every_reading_of_an_element_adds_to_its_gradient",
    8: "ops/test_awkward_values.py::test_the_slopes_of_ties_add_up_to_one",
    9: "ops/test_awkward_values.py::test_the_slope_at_a_special_point_is_the_documented_one",
    10: "ops/test_awkward_values.py::test_powers_of_zero_have_the_slopes_of_pytorch",
    11: "ops/test_awkward_values.py::test_where_never_lets_the_other_branch_into_the_value",
    12: "test_faults.py::test_a_chain_of_100000_operations_fits_into_a_recursion_limit_of_120",
    13: "engine/test_walk.py::test_a_ladder_of_diamonds_visits_each_node_once",
    14: "engine/test_walk.py::test_inner_gradients_live_in_one_walk_only",
    15: "engine/test_walk.py::test_nothing_is_left_for_the_cycle_collector",
    16: "engine/test_walk.py::test_the_walk_frees_what_the_graph_held",
    17: "engine/test_walk.py::test_a_second_walk_over_a_freed_graph_is_refused",
    18: "engine/test_tensor.py::test_no_grad_decorates_functions_and_generators",
    19: "engine/test_tensor.py::test_no_grad_belongs_to_its_thread",
    20: "ops/test_types.py::test_integers_cannot_require_a_gradient",
    21: "ops/test_promotion.py::test_a_gradient_has_the_dtype_of_its_leaf_whatever_it_met",
    22: "ops/test_types.py::test_a_python_number_does_not_promote",
    23: "ops/test_types.py::test_float16_is_added_up_in_float32",
    24: "ops/test_types.py::test_small_integers_reduce_as_in_numpy",
    25: "ops/test_types.py::test_an_operator_takes_arrays_and_numpy_scalars_on_either_side",
    26: "ops/test_types.py::test_a_function_of_numpy_refuses_a_tensor_rather_than_drop_the_graph",
    27: "ops/test_types.py::test_results_without_axes_stay_0_d_arrays",
    28: "test_abuse.py::test_what_cannot_be_right_is_an_error_that_teaches",
    29: "test_abuse.py::test_what_cannot_be_right_is_an_error_that_teaches",
    30: "test_abuse.py::test_nan_in_padding_changes_nothing_and_gets_a_gradient_of_zero",
    31: "test_abuse.py::test_the_gates_stand_where_pytorch_has_them",
    32: "ops/test_awkward_values.py::test_huge_arguments_stay_finite_and_cause_no_warning",
    33: "engine/test_tensor.py::test_a_hook_cannot_spoil_the_gradient_it_is_shown",
    34: "engine/test_tensor.py::test_leaves_can_be_copied_and_pickled_and_nothing_else",
    35: "test_abuse.py::test_gradients_are_none_then_added_then_none_again",
    36: "autograd/test_gradients.py::test_an_unused_input_is_named_or_given_none",
    37: "autograd/test_gradients.py::test_gradcheck_finds_one_wrong_entry_of_forty_and_names_it",
    38: "autograd/test_function_orders.py::"
    "test_a_backward_that_left_the_graph_has_a_right_first_derivative_and_no_wrong_second",
    39: "engine/test_walk.py::test_slices_of_one_sequence_meet_in_one_buffer",
    40: "test_errors.py::test_a_mistake_is_told_with_its_numbers",
}


def test_every_class_of_bugs_has_its_test():
    assert list(CLASSES) == list(range(1, 41))
    for number, node in CLASSES.items():
        file, test = node.split("::")
        text = (pathlib.Path(__file__).parent / file).read_text(encoding="utf-8")
        assert f"\ndef {test}(" in text, f"{number}: {node}"


def test_there_are_fifty_cases_at_least():
    assert len(WRONG) + len(RIGHT) >= 50
