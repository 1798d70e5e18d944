"""checkpoint_sequence: what one run over all steps gives, in memory that grows as sqrt(T)."""

import gc
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from recurrent_layers import CELLS, KINDS, as_state, flat, layer, leaf

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import checkpoint_sequence, grad, gradcheck
from minitorch_rnn.errors import GraphError, ShapeError

B, I, H, L = 2, 3, 4, 2

CUTS = [  # T, checkpoint_every
    pytest.param(1, "sqrt", id="one-step"),
    pytest.param(9, "sqrt", id="a-square"),
    pytest.param(7, "sqrt", id="a-rest"),
    pytest.param(6, 1, id="every-step"),
    pytest.param(5, np.int64(9), id="longer-than-the-sequence"),
]


def whole(function, x, state=None, checkpoint_every=None):
    return function(x, state)


def in_segments(function, x, state=None, checkpoint_every=3):
    """The segments one after the other, without any checkpoint."""
    outputs = []
    for start in range(0, len(x), checkpoint_every):
        output, state = function(x[start : start + checkpoint_every], state)
        outputs.append(output)
    return mt.concatenate(outputs), state


def drawn(kind, T, rng, road="scan"):
    """A layer, x, the initial state, and cotangents of the output and of the last state."""
    rnn = layer(kind, I, H, L, rng=rng, road=road)
    x, states = leaf(rng.normal(size=(T, B, I))), []
    for name in rnn.cell.states:
        states.append(leaf(rng.normal(size=(L, B, rnn._size_of(name)))))
    v = rng.normal(size=(T, B, rnn.output_size)), *[rng.normal(size=s.shape) for s in states]
    return rnn, x, states, v


def with_outputs(run, rnn, x, state, v, **options):
    outputs = flat(*run(rnn, x, state, **options))
    return sum((y * a).sum() for y, a in zip(outputs, v, strict=True))


def with_a_loss(run, rnn, x, state, v, **options):
    def segment(part, state):
        output, state = rnn(part["x"], state)
        return (output * part["v"]).sum(), state

    loss, last = run(segment, {"x": x, "v": mt.tensor(v[0])}, state, **options)
    return loss + sum((y * a).sum() for y, a in zip(flat(last), v[1:], strict=True))


def with_a_carried_loss(run, rnn, x, state, v, **options):
    def segment(part, state):
        (x, v), (state, loss) = part, state
        output, state = rnn(x, state)
        return None, (state, loss + (output * v).sum())

    nothing, (last, loss) = run(segment, (x, mt.tensor(v[0])), (state, 0.0), **options)
    assert nothing is None
    return loss + sum((y * a).sum() for y, a in zip(flat(last), v[1:], strict=True))


FORMS = [with_outputs, with_a_loss, with_a_carried_loss]


# What comes out, and its gradients ----------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("road", ["scan", "graph"])
@pytest.mark.parametrize("T, every", CUTS)
@pytest.mark.parametrize("kind", CELLS)
def test_values_and_gradients_are_those_of_one_run_over_all_steps(kind, T, every, road, form):
    found = []
    for run in (whole, checkpoint_sequence):
        rnn, x, states, v = drawn(kind, T, np.random.default_rng(0), road)
        loss = form(run, rnn, x, as_state(states), v, checkpoint_every=every)
        loss.backward()
        found.append([loss.item(), *[y.grad.numpy() for y in (x, *states, *rnn.parameters())]])
    for mine, want in zip(found[1], found[0], strict=True):
        assert_allclose(mine, want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_are_those_of_one_run_over_all_steps(kind, form):
    found = []
    for run in (whole, checkpoint_sequence):
        rnn, x, states, v = drawn(kind, 5, np.random.default_rng(0))
        leaves = [x, *states, *rnn.parameters()]
        loss = form(run, rnn, x, as_state(states), v, checkpoint_every=2)
        slopes = grad(loss, leaves, create_graph=True)
        total = sum((g * g * (i + 1)).sum() for i, g in enumerate(slopes))
        found.append([g.numpy() for g in grad(total, leaves)])
    for mine, want in zip(found[1], found[0], strict=True):
        # Sums of hundreds of products: what cancels to nearly 0 keeps the error of the largest.
        assert_allclose(mine, want, rtol=1e-10, atol=1e-12 * abs(want).max())


def test_a_loop_over_cells_passes_gradcheck_in_both_orders(rng):
    cell = nn.GRUCell(2, 3, rng=rng)

    def run(x, h):
        def segment(part, h):
            outputs = [h := cell(x_t, h) for x_t in part]
            return mt.stack(outputs), h

        return checkpoint_sequence(segment, x, h, checkpoint_every=2)

    inputs = leaf(rng.normal(size=(3, 1, 2))), leaf(rng.normal(size=(1, 3)))
    assert gradcheck(run, inputs) and gradcheck(run, inputs, order=2)


def test_on_every_backend_the_gradients_are_the_same(backend, rng):
    lstm, x = nn.LSTM(I, H, rng=rng), rng.normal(size=(5, B, I))
    found = []
    for run in (whole, checkpoint_sequence):
        output, (h, c) = run(lstm, mt.tensor(x), None)
        ((output * output).sum() + (h * c).sum()).backward()
        found.append([p.grad.numpy() for p in lstm.parameters()])
        lstm.zero_grad()
    for mine, want in zip(*found, strict=True):
        assert_allclose(mine, want, rtol=1e-12, atol=1e-14)


def test_outputs_keep_their_form_and_are_joined_or_added_by_their_shape(rng):
    rnn, T = nn.RNN(I, H, rng=rng), 7
    x, labels = leaf(rng.normal(size=(T, B, I))), mt.tensor(rng.integers(0, H, size=(T, B)))

    def segment(part, h):
        x, labels, nothing = part
        assert nothing is None
        output, h = rnn(x, h)
        best = output.argmax(axis=-1)
        hits = (best == labels).sum()
        return {"output": output, "more": (best, [hits, hits.item(), None])}, h

    found, _ = checkpoint_sequence(segment, (x, labels, None), checkpoint_every=3)
    want, _ = segment((x, labels, None), None)
    assert_array_equal(found["output"].data, want["output"].data)
    best, (hits, number, nothing) = found["more"]
    assert_array_equal(best.data, want["more"][0].data)
    assert not best.requires_grad and nothing is None
    assert hits.item() == number == want["more"][1][1]


def test_the_time_and_a_mask_are_cut_like_any_sequence(rng):
    gru, cell, lengths = nn.GRU(I, H, rng=rng), nn.GRUCell(I, H), [6, 2, 4]
    for name, p in cell.named_parameters():
        p.update_(getattr(gru, f"{name}_l0"))
    x, v = rng.normal(size=(6, 3, I)), rng.normal(size=(6, 3, H))
    output, h_n = gru(x, lengths=lengths)
    ((output * v).sum() + (h_n * h_n).sum()).backward()

    def segment(part, h):
        outputs, (x, times) = [], part
        for x_t, t in zip(x, times, strict=True):
            alive = mt.tensor(np.array(lengths)[:, None] > t.item())
            new = cell(x_t, h)
            h = mt.where(alive, new, h)
            outputs.append(mt.where(alive, new, 0.0))
        return mt.stack(outputs), h

    x_and_time = mt.tensor(x), mt.arange(6)
    found, last = checkpoint_sequence(segment, x_and_time, mt.zeros(3, H), checkpoint_every=4)
    ((found * v).sum() + (last * last).sum()).backward()
    assert_allclose(found.data, output.data, rtol=1e-12)
    for name, p in cell.named_parameters():
        wanted = getattr(gru, f"{name}_l0").grad.data
        assert_allclose(p.grad.data, wanted, rtol=1e-10, atol=1e-14)


def test_dropout_drops_the_same_units_when_it_is_computed_again(rng):
    x, found = rng.normal(size=(8, B, I)), []
    rnn = nn.LSTM(I, H, 2, dropout=0.5, rng=None)
    for run in (in_segments, checkpoint_sequence):
        mt.manual_seed(7)
        output, _ = run(rnn, mt.tensor(x), None, checkpoint_every=3)
        after = mt.rand(1).item()
        (output * output).sum().backward()
        found.append([output.tolist(), after, *[p.grad.tolist() for p in rnn.parameters()]])
        rnn.zero_grad()
    assert found[0][:2] == found[1][:2]
    for mine, want in zip(found[1][2:], found[0][2:], strict=True):
        assert_allclose(mine, want, rtol=1e-12, atol=1e-14)


def test_a_sequence_whose_axes_were_swapped_is_cut_in_time(rng):
    rnn, batch_first = nn.RNN(I, H, rng=rng), rng.normal(size=(B, 5, I))
    x = mt.tensor(batch_first).swapaxes(0, 1)
    output, _ = checkpoint_sequence(rnn, x, checkpoint_every=2)
    output.sum().backward()
    assert_allclose(output.data, rnn(x)[0].data, rtol=1e-12)


# What is computed, when, and what is kept ---------------------------------------------------------


@pytest.mark.parametrize("T, every, segments", [(16, "sqrt", 4), (17, "sqrt", 4), (7, 3, 3)])
def test_each_segment_is_computed_once_forward_and_once_backward(T, every, segments, rng):
    rnn, ran = nn.RNN(I, H, rng=rng), []

    def segment(part, h):
        x, times = part
        ran.append(times.tolist()[0])
        output, h = rnn(x, h)
        return output.sum(), h

    x = mt.ones(T, B, I), mt.arange(T)
    loss, _ = checkpoint_sequence(segment, x, checkpoint_every=every)
    starts = ran.copy()
    assert len(starts) == segments and starts == sorted(starts)
    loss.backward()
    assert ran == starts + starts[::-1]


def test_sqrt_is_rounded_up():
    seen = []

    def segment(x, state):
        seen.append(len(x))
        return None, None

    for T, lengths in ((1, [1]), (2, [2]), (4, [2, 2]), (5, [3, 2]), (10, [4, 4, 2])):
        seen.clear()
        assert checkpoint_sequence(segment, mt.ones(T)) == (None, None)
        assert seen == lengths


def test_without_gradients_nothing_is_kept_or_computed_again(rng):
    rnn, calls = nn.RNN(I, H, rng=rng), []

    def segment(x, h):
        calls.append(1)
        return rnn(x, h)

    with mt.no_grad():
        output, h = checkpoint_sequence(segment, mt.ones(9, B, I))
    assert not output.requires_grad and not h.requires_grad and len(calls) == 3
    assert_allclose(output.data, rnn(mt.ones(9, B, I))[0].data, rtol=1e-12)


def test_of_a_tensor_no_copy_is_made_and_of_an_array_the_values_at_the_call_count():
    w, seen = leaf(2.0), []

    def segment(part, state):
        seen.append([raw.data if isinstance(raw, mt.Tensor) else raw for raw in part])
        return (w * part[0] * part[1]).sum(), None

    x, array = mt.ones(5), np.ones(5)
    loss, _ = checkpoint_sequence(segment, (x, array))
    array[:] = 9.0
    loss.backward()
    assert w.grad.item() == 5.0
    assert len(seen) == 4 and all(np.shares_memory(a, x.data) for a, _ in seen)


@pytest.mark.parametrize("detached", [False, True])
def test_a_state_that_is_part_of_the_outputs_does_not_keep_them(detached, rng):
    w, held = leaf(rng.normal(size=(H, H))), []

    def segment(x, h):
        held.append(h.data.nbytes if h.data.base is None else h.data.base.nbytes)
        output = (x + h).matmul(w)
        last = output[-1]
        return output.sum() if detached else None, last.detach() if detached else last

    loss, last = checkpoint_sequence(segment, mt.ones(100, B, H), mt.zeros(B, H))
    (loss if detached else last.sum()).backward()
    assert held == [B * H * 8] * 20  # one state, and not ten


def peak(run, recurrent, head, T, rng):
    """The most memory that one step of training holds, beyond the sequences themselves."""
    x, target = mt.tensor(rng.normal(size=(T, 4, 3))), mt.tensor(rng.normal(size=(T, 4, 1)))

    def segment(part, state):
        x, target = part
        output, state = recurrent(x, state)
        return ((head(output) - target) ** 2).sum(), state

    gc.collect()
    tracemalloc.start()
    loss, _ = run(segment, (x, target), None)
    loss.backward()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def stepping(cell):
    def run(x, h):
        outputs = [h := cell(x_t, h) for x_t in x]
        return mt.stack(outputs), h

    return run


@pytest.mark.parametrize("run, low, high", [(whole, 0.9, 1.1), (checkpoint_sequence, 0.3, 0.65)])
@pytest.mark.parametrize("of, Ts", [("layer", (1600, 6400, 25600)), ("cell", (49, 196, 784))])
def test_memory_grows_as_the_square_root_of_time_and_otherwise_as_time(of, Ts, run, low, high, rng):
    head = nn.Linear(16, 1, rng=rng)
    recurrent = nn.RNN(3, 16, rng=rng) if of == "layer" else stepping(nn.RNNCell(3, 16, rng=rng))
    peak(run, recurrent, head, 20, rng)  # what is made once
    peaks = [peak(run, recurrent, head, T, rng) for T in Ts]
    exponent = np.polyfit(np.log(Ts), np.log(peaks), 1)[0]
    assert low < exponent < high, peaks


# What is refused ----------------------------------------------------------------------------------


def returning(result):
    return lambda: checkpoint_sequence(
        lambda x, state: result(x), mt.ones(7, 3), checkpoint_every=3
    )


def every(n):
    return lambda: checkpoint_sequence(lambda x, state: (x, state), mt.ones(7), checkpoint_every=n)


def over(x):
    return lambda: checkpoint_sequence(lambda x, state: (None, state), x)


def changing(*results):
    waiting = iter(results)
    return returning(lambda x: (next(waiting), None))


REFUSED = {
    "lengths differ": (ShapeError, "have 5, 4 time steps", over((mt.ones(5), [mt.ones(4, 2)]))),
    "no time steps": (ShapeError, "0 time steps; expected at least one", over(mt.ones(0, 3))),
    "no axis": (ShapeError, r"a single number, of shape \(\)", over((mt.ones(5), mt.ones()))),
    "no sequence": (ShapeError, "holds no sequence; at least one", over({"a": None})),
    "a number": (TypeError, "x holds a float; tensors or arrays", over([mt.ones(5), 0.5])),
    "0": (ValueError, "checkpoint_every is 0; .* at least 1, or 'sqrt'", every(0)),
    "-1": (ValueError, "checkpoint_every is -1; ", every(-1)),
    "a fraction": (ValueError, "checkpoint_every is 2.5; ", every(2.5)),
    "a word": (ValueError, "checkpoint_every is 'log'; ", every("log")),
    "True": (ValueError, "checkpoint_every is True; ", every(True)),
    "None": (ValueError, "checkpoint_every is None; ", every(None)),
    "no pair": (TypeError, "'<lambda>' returned a Tensor; the pair", returning(lambda x: x)),
    "three": (TypeError, "returned a tuple of 3; the pair", returning(lambda x: (x, x, x))),
    "a mean per sequence": (
        ShapeError,
        r"output of shape \(4,\) for a segment of 3 time steps; \(3, …\)",
        returning(lambda x: (mt.ones(4), None)),
    ),
    "text": (TypeError, "holds a str; tensors", returning(lambda x: ("loss", None))),
    "other parts": (
        TypeError,
        "has number, nothing in segment 1, and number in segment 0",
        changing(1.0, (2.0, None)),
    ),
}


@pytest.mark.parametrize("error, message, wrong", REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_told_with_its_numbers(error, message, wrong):
    with pytest.raises(error, match=f"checkpoint_sequence: .*{message}"):
        wrong()


def test_a_function_that_does_something_else_the_second_time_is_refused_by_its_name():
    w, calls = leaf(2.0), []

    def counting(x, state):
        calls.append(1)
        return (w * x * len(calls)).sum(), state

    loss, _ = checkpoint_sequence(counting, mt.ones(4))
    with pytest.raises(GraphError, match="'counting' gave another value when it was computed"):
        loss.backward()
