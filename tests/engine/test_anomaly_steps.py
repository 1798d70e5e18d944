"""Anomaly mode tells the time step: of recurrent layers, and of loops of the user's own."""

import threading

import numpy as np
import pytest
from anomalies import error_of, leaf, line_of

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import detect_anomaly, time_steps
from minitorch_rnn.engine import anomaly, places
from minitorch_rnn.errors import NonFiniteError

HERE = __file__


T, BAD = 6, 4  # steps, and the one at which something goes wrong


def sequence(rng, *shape):
    x = rng.normal(size=(T, *shape))
    x[BAD] = float("nan")
    return x


LAYERS = {
    "RNN": (lambda: nn.RNN(2, 3), (2, 2)),
    "LSTM": (lambda: nn.LSTM(2, 3), (2, 2)),
    "GRU": (lambda: nn.GRU(2, 3, num_layers=2), (2, 2)),
    "single": (lambda: nn.RNN(2, 3), (2,)),
    "bidirectional": (lambda: nn.LSTM(2, 3, bidirectional=True), (2, 2)),
    "RecurrentNetwork": (lambda: nn.RecurrentNetwork(2, 3, 2), (2, 2)),
    "ColumnNetwork": (lambda: nn.ColumnNetwork(mt.column.elman(2, 3, 2)), (2, 2)),
}


@pytest.mark.parametrize("build, shape", LAYERS.values(), ids=LAYERS)
def test_a_recurrent_layer_tells_the_time_step(build, shape, rng):
    """One weight is so large that h(4) overflows: x is finite, and 0 before."""
    network, x = build(), np.zeros((T, *shape))
    x[BAD] = 1e200
    for p in network.parameters():
        p.update_(np.full(p.shape, 1e200))
    for name, p in network.named_parameters():
        if "bias" in name:
            p.update_(np.zeros(p.shape))
    message = error_of(lambda: network(x))
    assert f", time step {BAD}. Made at {HERE}" in message


@pytest.mark.parametrize("build, shape", LAYERS.values(), ids=LAYERS)
def test_nan_in_the_data_is_reported(build, shape, rng):
    assert "already nan" in error_of(lambda: build()(sequence(rng, *shape)))


def test_a_loop_of_the_users_own_tells_its_step_backward():
    def program():
        x = leaf(np.linspace(0.0, 1.0, T))
        total = mt.tensor(0.0)
        for t in time_steps(range(T)):
            h = x[BAD - t]
            total = total + h.sqrt()  # made
        total.backward()

    message = error_of(program)
    assert "'sqrt' gives its input 0 is inf" in message
    assert f"line {line_of(program, '# made')}" in message and f", time step {BAD}" in message


def test_a_loop_of_the_users_own_tells_its_step_forward():
    def program():
        for t in time_steps(range(2, T)):
            mt.tensor([1.0 * (3 - t)]).log()

    message = error_of(program)
    assert "'log' gives -inf" in message and "from finite inputs, time step 3. Made" in message


def test_an_rnn_tells_the_step_whose_gradient_is_wrong():
    def program():
        rnn = nn.RNN(1, 1, nonlinearity="relu", bias=False)
        rnn.weight_ih_l0.update_([[1e-200]])
        rnn.weight_hh_l0.update_([[1e80]])  # h(t) = 1e-200, 1e-120, 1e-40, 1e40
        output, _ = rnn(np.array([[[1.0]], [[0.0]], [[0.0]], [[0.0]]]))  # made
        output.backward(np.array([[[0.0]], [[0.0]], [[0.0]], [[1e200]]]))

    message = error_of(program)
    assert "gradient that 'linear' gives its input 0 is inf" in message
    assert f"line {line_of(program, '# made')}" in message and ", time step 2" in message


def test_steps_are_only_numbers_outside_of_anomaly_mode():
    assert list(time_steps(range(3))) == [0, 1, 2]
    assert list(time_steps(iter([5, 7]))) == [5, 7]


def test_after_a_loop_no_step_is_told():
    def program():
        for _ in time_steps(range(3)):
            pass
        leaf([-1.0]).log()

    assert "time step" not in error_of(program)


def test_a_loop_that_was_left_early_tells_no_step_afterwards():
    def program():
        for t in time_steps(range(3)):
            if t == 1:
                break
        leaf([-1.0]).log()

    assert "time step" not in error_of(program)


def test_an_inner_loop_gives_the_step_back_to_the_outer_one():
    def program():
        for t in time_steps(range(3)):
            for _ in time_steps(range(10, 12)):
                pass
            mt.tensor([float(1 - t)]).log()

    assert ", time step 1." in error_of(program)


def test_after_a_layer_in_a_loop_the_step_is_the_loops():
    def program():
        rnn = nn.RNN(1, 1)
        for t in time_steps(range(7, 10)):
            rnn(np.ones((2, 1, 1)))
            mt.tensor([float(8 - t)]).log()

    assert ", time step 8." in error_of(program)


def test_an_inner_block_does_not_end_the_step_of_the_loop_around_it():
    def program():
        for t in time_steps(range(3)):
            with detect_anomaly():
                pass
            mt.tensor([float(1 - t)]).log()

    assert ", time step 1." in error_of(program)


def test_threads_do_not_tell_each_others_steps():
    ready, done = threading.Event(), threading.Event()

    def loop():
        for _ in time_steps([77]):
            ready.set()
            done.wait(10)

    def program():
        thread = threading.Thread(target=loop)
        thread.start()
        ready.wait(10)
        try:
            leaf([-1.0]).log()
        finally:
            done.set()
            thread.join()

    assert "77" not in error_of(program)


def test_blocks_of_two_threads_may_overlap():
    a, b = detect_anomaly(), detect_anomaly()
    a.__enter__()
    other = threading.Thread(target=b.__enter__)
    other.start()
    other.join()
    a.__exit__(None, None, None)
    with np.errstate(divide="ignore"):
        with pytest.raises(NonFiniteError):
            mt.tensor([0.0]).log()
        anomaly._open = 0  # what the other thread would do
        places.unwatch(anomaly._inspector)
        assert mt.tensor([0.0]).log().item() == -float("inf")


def test_padding_may_hold_anything_in_anomaly_mode_too():
    x = np.ones((3, 2, 1))
    x[2, 1] = np.nan
    with detect_anomaly():
        output, _ = nn.LSTM(1, 2)(x, lengths=[3, 2])
        output.sum().backward()


def test_notes_go_with_the_graph():
    x = leaf([1.0])
    with detect_anomaly():
        for _ in range(50):
            (x * 2).exp().sum().backward()
        assert len(anomaly._inspector.made) < 10
