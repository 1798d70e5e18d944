"""Anomaly mode: the operation, the element, the line and the time step where a nan appears."""

import pathlib
import re
import threading

import numpy as np
import pytest
from anomalies import error_of, leaf, line_of

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import Function, checkpoint, detect_anomaly, grad, time_steps
from minitorch_rnn.engine import anomaly, places
from minitorch_rnn.errors import NonFiniteError

quietly = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # outside of the block NumPy warns

INF, NAN = float("inf"), float("nan")
HERE = str(pathlib.Path(__file__))


# Forward -----------------------------------------------------------------------------------------

VALUES = [  # (name, what is done, the element that is told)
    ("log", lambda: leaf([1.0, -1.0]).log(), "nan at index (1,)"),
    ("sqrt", lambda: mt.sqrt(leaf([[4.0, 1.0], [-1.0, -2.0]])), "nan at index (1, 0) (2 of 4"),
    ("divide", lambda: 1 / leaf([2.0, 0.0]), "inf at index (1,)"),
    ("divide", lambda: leaf(0.0) / leaf(0.0), "nan at index ()"),
    ("exp", lambda: leaf([1e4, 0.0]).exp(), "inf at index (0,) (1 of 2, shape (2,))"),
    ("power", lambda: leaf([-8.0]) ** (1 / 3), "nan at index (0,)"),
    ("multiply", lambda: leaf([1e300]) * 1e300, "inf at index (0,)"),
    ("matmul", lambda: leaf([[1e200]]) @ leaf([[1e200]]), "inf at index (0, 0)"),
    ("subtract", lambda: mt.tensor([INF, 1.0]) - INF, "nan at index (0,)"),
    ("sum", lambda: leaf(np.full(4, 1e308)).sum(), "inf at index ()"),
    ("add", lambda: leaf([1.0, 2.0]) + np.array([0.0, NAN]), "nan at index (1,)"),
    ("stack", lambda: mt.stack([leaf(1.0), mt.tensor(NAN)]), "nan at index (1,)"),
    ("astype", lambda: leaf([1e200]).astype("float32"), "inf at index (0,)"),
]


@pytest.mark.parametrize("name, wrong, element", VALUES, ids=[row[0] for row in VALUES])
def test_the_operation_and_the_element_are_named(name, wrong, element):
    message = error_of(wrong)
    assert message.startswith(f"anomaly: {name!r} gives ") and element in message


def test_a_value_is_looked_at_on_every_backend(backend):
    assert "'log' gives nan at index (2,)" in error_of(lambda: mt.tensor([1.0, 2.0, -3.0]).log())


def test_constants_and_no_grad_are_watched_too():
    assert "'log'" in error_of(lambda: mt.tensor([-1.0]).log())
    assert "'log'" in error_of(mt.no_grad()(lambda: leaf([-1.0]).log()))


def test_the_line_is_the_one_that_made_it():
    def program():
        x = leaf([1.0, -1.0])
        y = x * 2
        return y.log() + 1  # here

    message = error_of(program)
    assert f"Made at {HERE}, line {line_of(program, '# here')}: " in message
    assert "return y.log() + 1  # here" in message


def test_the_line_is_outside_of_the_library_and_the_module_is_told_too():
    def program():
        layer = nn.Linear(2, 2)
        layer.weight.update_(np.full((2, 2), 1e200))
        return layer(np.full((3, 2), 1e200))  # here

    message = error_of(program)
    assert f"Made at {HERE}, line {line_of(program, '# here')}" in message
    assert re.search(r"\(in nn/linear\.py, line \d+\)", message.replace("\\", "/"))


def test_what_python_runs_a_module_by_is_no_line_of_the_program():
    program = compile("layer(x)", "<frozen runpy>", "exec")
    layer = nn.Linear(1, 1)
    layer.weight.update_(np.full((1, 1), 1e200))
    message = error_of(lambda: exec(program, {"layer": layer, "x": np.full((1, 1), 1e200)}))
    assert re.search(r"Made at minitorch_rnn/nn/linear\.py, line \d+\.$", message)


def test_an_input_that_is_already_wrong_is_named():
    message = error_of(lambda: mt.tensor([1.0, NAN]) + 1)
    assert "input 0 is already nan at index (1,) (1 of 2, shape (2,))" in message
    assert "from finite inputs" in error_of(lambda: leaf([-1.0]).log())
    assert "input 1 is already nan" in error_of(lambda: mt.tensor([1.0]) + NAN)


LET_PASS = {
    "a mask of -inf": lambda: mt.where(np.array([True, False]), leaf([1.0, 2.0]), -INF),
    "a masked softmax": lambda: (leaf([1.0, 2.0]) + np.array([0.0, -INF])).softmax(),
    "a masked log_softmax": lambda: (leaf([1.0, 2.0]) + np.array([0.0, -INF])).log_softmax(),
    "a masked logsumexp": lambda: (leaf([1.0, 2.0]) + np.array([0.0, -INF])).logsumexp(),
    "the log of a masked softmax": lambda: mt.where(np.array([True, False]), leaf([0.5, 0.0]), 1.0)
    .log(),
    "an infinite bound": lambda: leaf([1.0, 2.0]).clip(-INF, INF),
    "exp of -inf": lambda: (leaf([1.0]) - INF).exp(),
    "a reshaped infinity": lambda: mt.tensor([INF]).reshape(1, 1),
    "integers": lambda: mt.tensor([1, 2]) // 2,
    "booleans": lambda: leaf([INF]) > 0,
}  # fmt: skip


@pytest.mark.parametrize("right", LET_PASS.values(), ids=LET_PASS)
def test_infinities_that_were_put_in_are_let_pass(right):
    with detect_anomaly():
        right()


def test_masked_attention_goes_forward_and_backward():
    with detect_anomaly():
        scores = leaf(np.ones((3, 3)))
        mask = np.triu(np.full((3, 3), -INF), 1)
        (scores + mask).softmax()[2].log().sum().backward()
        nn.cross_entropy(scores + np.array([0.0, 0.0, -INF]), [0, 1, 1]).backward()
    assert np.isfinite(scores.grad.data).all()


# Backward ----------------------------------------------------------------------------------------


def test_a_gradient_is_named_with_the_line_that_made_its_operation():
    def program():
        x = leaf([1.0, 0.0])
        y = x.sqrt()  # made
        z = y * 2
        z.sum().backward()

    message = error_of(program)
    assert "the gradient that 'sqrt' gives its input 0 is inf at index (1,)" in message
    assert f"'sqrt' was made at {HERE}, line {line_of(program, '# made')}: y = x.sqrt()" in message


def test_the_input_is_told_by_its_place():
    assert "'multiply' gives its input 1" in error_of(
        lambda: (mt.tensor([1e200]) * leaf([1e-200])).sum().backward(1e200)
    )


def test_a_gradient_that_came_in_wrong_is_told_apart():
    message = error_of(lambda: (leaf([1.0, 2.0]) * 3).backward([1.0, NAN]))
    assert "the gradient that came in is nan at index (1,)" in message


def test_pieces_of_a_sequence_are_looked_at():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert "'getitem' gives its input 0" in error_of(lambda: x[1].backward([NAN, 1.0]))


def test_where_gives_nan_of_the_branch_not_taken():
    def program():
        x = leaf([0.0, 2.0])
        mt.where(x.data > 0, x.sqrt(), 0.0).sum().backward()  # 0 times an infinite slope

    assert "'sqrt' gives its input 0 is nan at index (0,)" in error_of(program)


def test_a_walk_with_create_graph_is_watched():
    def program():
        x = leaf([0.0])
        (g,) = grad((x**1.5).sum(), x, create_graph=True)
        grad(g.sum(), x)

    assert "index (0,)" in error_of(program)


@quietly
def test_what_was_made_before_the_block_has_no_line_but_a_name():
    y = leaf([0.0]).sqrt().sum()
    message = error_of(y.backward)
    assert "'sqrt' gives" in message and "before anomaly mode was on" in message


def test_the_users_own_functions_and_checkpoints_are_named():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g * NAN

    class WrongValue(Wrong):
        @staticmethod
        def forward(ctx, x):
            return mt.tensor(x.data * NAN)

    assert HERE in error_of(lambda: Wrong.apply(leaf([1.0])).sum().backward())
    assert "'WrongValue' gives nan at index (0,)" in error_of(lambda: WrongValue.apply(leaf([1.0])))
    message = error_of(lambda: checkpoint(lambda x: x.sqrt(), leaf([0.0])).sum().backward())
    assert "'sqrt' gives its input 0 is inf" in message and HERE in message


# On and off --------------------------------------------------------------------------------------


@quietly
def test_off_it_keeps_no_notes_and_raises_nothing():
    leaf([-1.0]).log().sum().backward()
    with detect_anomaly():
        leaf([1.0]).log()
        assert anomaly._inspector.made
    assert not (places.watchers or anomaly._inspector.made) and places.current_step() is None
    leaf([-1.0]).log().sum().backward()


@quietly
def test_after_an_exception_it_is_off():
    for wrong, error in [(lambda: leaf([-1.0]).log(), NonFiniteError), (lambda: 1 / 0, Exception)]:
        with pytest.raises(error), detect_anomaly():
            for _ in time_steps(range(2)):
                wrong()
        assert not places.watchers
        leaf([-1.0]).log()


def test_blocks_nest():
    with detect_anomaly():
        with detect_anomaly():
            y = leaf([0.0]).sqrt()
        with pytest.raises(NonFiniteError, match=r"line \d+: y = leaf"):
            y.sum().backward()


def test_one_object_can_be_entered_twice():
    mode = detect_anomaly()
    with mode, mode:
        pass
    assert not places.watchers


@quietly
def test_it_watches_all_threads():
    found = []

    def work():
        try:
            leaf([-1.0]).log()
        except NonFiniteError as error:
            found.append(str(error))

    with detect_anomaly():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(found) == 1


def test_values_and_gradients_are_the_same_in_it(rng):
    x, found = rng.normal(size=(5, 2, 3)), []
    for on in (False, True):
        lstm = nn.LSTM(3, 4, road="graph", rng=np.random.default_rng(0))  # always, in it
        with detect_anomaly() if on else mt.enable_grad():
            output, _ = lstm(x)
            (output * output).sum().backward()
        found.append([output.tolist(), *(p.grad.tolist() for p in lstm.parameters())])
    assert found[0] == found[1]


def test_an_overflow_of_float16_is_found():
    assert "'multiply' gives inf" in error_of(lambda: leaf([300.0], "float16") * 300)
