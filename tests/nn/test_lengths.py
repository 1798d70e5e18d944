"""Sequences of different lengths in one batch: what lies in the padding reaches nothing."""

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import DTypeError, ShapeError

T, B, I, H, L = 5, 4, 3, 4, 2
LENGTHS = [3, 5, 1, 4]
KINDS = {
    "tanh": (nn.RNN, {}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "LSTM": (nn.LSTM, {}),
    "GRU": (nn.GRU, {}),
    "projected": (nn.LSTM, {"proj_size": 2}),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
either_way = pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])


def built(kind, rng, **options):
    """A layer of a kind, with an initial state that is not zero."""
    layer, more = KINDS[kind]
    made = layer(I, H, L, initial_state="learned", rng=rng, **more, **options)
    for state in made.cell.states:
        start = getattr(made, f"{state}_0")
        start.update_(mt.tensor(rng.normal(size=start.shape)))
    return made


def flat(output, last):
    """The output (or outputs) and the last states in one list."""
    return [*(output if isinstance(output, list) else [output]),
            *(last if isinstance(last, tuple) else [last])]  # fmt: skip


def padding(lengths=LENGTHS, steps=T):
    """Where x is padding, (T, B)."""
    return np.arange(steps)[:, None] >= np.array(lengths)


def slopes(layer, x, found, cotangents):
    """The gradients of x and of every parameter that was used, as arrays by name."""
    leaves = dict(layer.named_parameters())
    leaves |= {f"x{b}": one for b, one in enumerate(x if isinstance(x, list) else [x])}
    grads = mt.autograd.grad(found, list(leaves.values()), cotangents, allow_unused=True)
    return {n: g.numpy() for n, g in zip(leaves, grads, strict=True) if g is not None}


def drawn(rng, layer):
    """x, and cotangents for the output and for the last states."""
    shapes = [y.shape for y in flat(*layer(mt.zeros(T, B, I)))]
    return rng.normal(size=(T, B, I)), [rng.normal(size=shape) for shape in shapes]


def leaf(x):
    return mt.tensor(x, requires_grad=True)


def operations(tensors):
    """The names of the operations that lead to the tensors."""
    seen, stack = {}, list(tensors)
    while stack:
        y = stack.pop()
        if isinstance(y, mt.Tensor) and id(y) not in seen:
            seen[id(y)] = y
            stack.extend(y._inputs)
    return {y._op.name for y in seen.values() if y._op is not None}


# What lies in the padding -----------------------------------------------------------------------


@every_kind
@either_way
@pytest.mark.parametrize("filling", [np.nan, np.inf, -np.inf, 1e300, -7.0])
def test_what_fills_the_padding_changes_no_bit(kind, bidirectional, filling, rng):
    layer = built(kind, rng, bidirectional=bidirectional)
    x, cotangents = drawn(rng, layer)
    one, other = leaf(x), leaf(np.where(padding()[:, :, None], filling, x))
    found, expected = (flat(*layer(values, lengths=LENGTHS)) for values in (other, one))
    for mine, reference in zip(found, expected, strict=True):
        assert (mine.data == reference.data).all()
    expected = slopes(layer, one, expected, cotangents)
    for name, g in slopes(layer, other, found, cotangents).items():
        assert (g == expected[name]).all(), name


@every_kind
@either_way
@pytest.mark.parametrize("filling", [0.0, np.nan])
def test_padding_gets_no_gradient_and_gives_no_output(kind, bidirectional, filling, rng):
    layer = built(kind, rng, bidirectional=bidirectional)
    x, cotangents = drawn(rng, layer)
    x = leaf(np.where(padding()[:, :, None], filling, x))
    output, last = layer(x, lengths=LENGTHS)
    g = slopes(layer, x, flat(output, last), cotangents)["x0"]
    for array in (output.data, g):
        assert not array[padding()].any()
        assert array[~padding()].any(axis=-1).all()


@every_kind
@either_way
@pytest.mark.parametrize("filling", [np.nan, 1e300])
def test_a_cotangent_in_the_padding_is_not_heard(kind, bidirectional, filling, rng):
    layer = built(kind, rng, bidirectional=bidirectional)
    x, (v, *rest) = drawn(rng, layer)
    x = leaf(x)
    loud = np.where(padding()[:, :, None], filling, v)
    found, expected = (
        slopes(layer, x, flat(*layer(x, lengths=LENGTHS)), [w, *rest]) for w in (loud, v)
    )
    for name, g in found.items():
        assert (g == expected[name]).all(), name


@either_way
def test_second_derivatives_do_not_know_the_padding_either(bidirectional, rng):
    layer = built("GRU", rng, bidirectional=bidirectional)
    x, cotangents = drawn(rng, layer)
    found = []
    for filling in (0.0, np.nan):
        leaves = [leaf(np.where(padding()[:, :, None], filling, x)), *layer.parameters()]
        outputs = flat(*layer(leaves[0], lengths=LENGTHS))
        grads = mt.autograd.grad(outputs, leaves, cotangents, create_graph=True)
        norm = sum((g * g).sum() for g in grads)
        found.append([g.numpy() for g in mt.autograd.grad(norm, leaves)])
    for zero, nan in zip(*found, strict=True):
        assert (zero == nan).all() and zero.any()


# Each sequence by itself ------------------------------------------------------------------------


@every_kind
@either_way
@pytest.mark.parametrize("given", [False, True], ids=["learned", "given"])
def test_each_sequence_alone_gives_what_it_gives_in_the_batch(kind, bidirectional, given, rng):
    layer = built(kind, rng, bidirectional=bidirectional)
    x, (v, *w) = drawn(rng, layer)
    names = layer.cell.states
    start = [rng.normal(size=cotangent.shape) for cotangent in w]

    def state(arrays):
        return None if not given else tuple(arrays) if len(names) > 1 else arrays[0]

    together = leaf(x)
    output, *last = flat(*layer(together, state(start), lengths=LENGTHS))
    grads = slopes(layer, together, [output, *last], [v, *w])
    total = {}
    for b, n in enumerate(LENGTHS):
        one = leaf(x[:n, b])
        found = flat(*layer(one, state([s[:, b] for s in start])))
        expected = [output.data[:n, b], *(s.data[:, b] for s in last)]
        for mine, reference in zip(found, expected, strict=True):
            assert_allclose(mine.data, reference, rtol=1e-12, atol=1e-14)
        single = slopes(layer, one, found, [v[:n, b], *(c[:, b] for c in w)])
        assert_allclose(single.pop("x0"), grads["x0"][:n, b], rtol=1e-11, atol=1e-13)
        total = {name: g + total.get(name, 0) for name, g in single.items()}
    for name, g in total.items():
        assert_allclose(grads[name], g, rtol=1e-11, atol=1e-12, err_msg=name)


@every_kind
@either_way
def test_the_last_state_is_that_at_each_sequences_own_end(kind, bidirectional, rng):
    layer = built(kind, rng, bidirectional=bidirectional)
    x, _ = drawn(rng, layer)
    output, last = layer(x, lengths=LENGTHS)
    top = (last[0] if isinstance(last, tuple) else last).data[-layer.num_directions :]
    ends = output.data[np.array(LENGTHS) - 1, np.arange(B)]
    half = top.shape[-1]
    assert (ends[:, :half] == top[0]).all()
    if bidirectional:
        assert (output.data[0, :, half:] == top[1]).all()


def test_the_batch_may_be_longer_than_all_of_its_sequences(rng):
    layer = built("LSTM", rng, bidirectional=True)
    x = rng.normal(size=(T, B, I))
    found = flat(*layer(x, lengths=[2, 3, 1, 2]))
    expected = flat(*layer(x[:3], lengths=[2, 3, 1, 2]))
    assert not found[0].data[3:].any()
    found[0] = found[0][:3]
    for mine, reference in zip(found, expected, strict=True):
        assert (mine.data == reference.data).all()


@every_kind
def test_lengths_that_are_all_whole_take_the_plain_road(kind, rng):
    layer = built(kind, rng, bidirectional=True)
    x, _ = drawn(rng, layer)
    found, expected = flat(*layer(x, lengths=[T] * B)), flat(*layer(x))
    for mine, reference in zip(found, expected, strict=True):
        assert (mine.data == reference.data).all()
    assert operations(found) == operations(expected)
    assert "where" in operations(flat(*layer(x, lengths=LENGTHS)))


# Ways to give them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [tuple(LENGTHS), np.array(LENGTHS), np.array(LENGTHS, "uint8"), mt.tensor(LENGTHS)],
    ids=["tuple", "array", "uint8", "tensor"],
)
def test_lengths_may_be_any_integers(given, rng):
    layer = built("GRU", rng)
    x, _ = drawn(rng, layer)
    assert (layer(x, lengths=given)[0].data == layer(x, lengths=LENGTHS)[0].data).all()


@every_kind
@either_way
def test_a_padded_batch_may_have_its_batch_first(kind, bidirectional, rng):
    layer = built(kind, rng, bidirectional=bidirectional)
    x, (v, *w) = drawn(rng, layer)
    plain, turned = leaf(x), leaf(x.swapaxes(0, 1))
    expected = flat(*layer(plain, lengths=LENGTHS))
    reference = slopes(layer, plain, expected, [v, *w])
    layer.batch_first = True
    found = flat(*layer(turned, lengths=LENGTHS))
    grads = slopes(layer, turned, found, [v.swapaxes(0, 1), *w])
    found[0], grads["x0"] = found[0].swapaxes(0, 1), grads["x0"].swapaxes(0, 1)
    for mine, other in zip(found, expected, strict=True):
        assert (mine.data == other.data).all()
    for name, g in grads.items():
        assert (g == reference[name]).all(), name


@every_kind
@either_way
@pytest.mark.parametrize("batch_first", [False, True], ids=["TB", "BT"])
@pytest.mark.parametrize("container", [list, tuple])
def test_a_list_of_tensors_is_a_padded_batch_with_lengths(
    kind, bidirectional, batch_first, container, rng
):
    layer = built(kind, rng, bidirectional=bidirectional)
    x, (v, *w) = drawn(rng, layer)
    padded = leaf(x)
    output, *last = flat(*layer(padded, lengths=LENGTHS))
    expected = slopes(layer, padded, [output, *last], [v, *w])

    layer.batch_first = batch_first  # every sequence is (T, I) either way
    rows = [leaf(x[:n, b]) for b, n in enumerate(LENGTHS)]
    outputs, states = layer(container(rows))
    assert [y.shape for y in outputs] == [(n, output.shape[-1]) for n in LENGTHS]
    for b, y in enumerate(outputs):
        assert (y.data == output.data[: len(y), b]).all()
    found = flat(outputs, states)
    for mine, reference in zip(found[B:], last, strict=True):
        assert (mine.data == reference.data).all()
    grads = slopes(layer, rows, found, [*(v[:n, b] for b, n in enumerate(LENGTHS)), *w])
    for b, n in enumerate(LENGTHS):
        assert_allclose(grads.pop(f"x{b}"), expected["x0"][:n, b], rtol=1e-12, atol=1e-14)
    for name, g in grads.items():
        assert_allclose(g, expected[name], rtol=1e-12, atol=1e-13, err_msg=name)


def test_a_list_of_arrays_is_as_good(backend, rng):
    layer = built("LSTM", rng, bidirectional=True)
    rows = [rng.normal(size=(n, I)) for n in LENGTHS]
    start = [mt.tensor(rng.normal(size=(2 * L, B, H))) for _ in "hc"]
    found = flat(*layer(rows, tuple(start)))
    expected = flat(*layer([mt.tensor(row) for row in rows], tuple(start)))
    assert len(found) == B + 2
    for mine, reference in zip(found, expected, strict=True):
        assert mine.tolist() == reference.tolist()


def test_a_list_may_hold_one_sequence_or_equal_ones(rng):
    layer = built("GRU", rng)
    x = rng.normal(size=(T, 2, I))
    (one,), last = layer([x[:, 0]])
    expected, state = layer(x)
    assert (one.shape, last.shape) == ((T, H), (L, 1, H))
    assert_allclose(one.data, expected.data[:, 0], rtol=1e-12)
    (_, two), _ = layer([x[:, 0], x[:, 1]])
    assert_allclose(two.data, expected.data[:, 1], rtol=1e-12)
    assert_allclose(last.data, state.data[:, :1], rtol=1e-12)


def test_only_some_of_a_list_may_require_gradients(rng):
    layer = built("tanh", rng)
    rows = [leaf(rng.normal(size=(3, I))), rng.normal(size=(2, I)), mt.ones(4, I)]
    outputs, _ = layer(rows)
    v = rng.normal(size=outputs[0].shape)
    (g,) = mt.autograd.grad((outputs[0] * v).sum() + outputs[1].sum(), rows[0])
    alone = leaf(rows[0].data)
    (expected,) = mt.autograd.grad((layer(alone)[0] * v).sum(), alone)
    assert_allclose(g.data, expected.data, rtol=1e-12)


def test_an_empty_batch_has_no_lengths():
    layer = nn.GRU(I, H, bidirectional=True)
    output, last = layer(mt.zeros(T, 0, I), lengths=[])
    assert (output.shape, last.shape) == ((T, 0, 2 * H), (2, 0, H))


def test_a_single_sequence_has_one_length(rng):
    layer = built("LSTM", rng, bidirectional=True)
    x = rng.normal(size=(T, I))
    output, (h, c) = layer(x, lengths=[3])
    expected, last = layer(x[:3])
    assert_allclose(output.data[:3], expected.data, rtol=1e-12)
    assert output.shape == (T, 2 * H) and not output.data[3:].any()
    for mine, reference in zip((h, c), last, strict=True):
        assert_allclose(mine.data, reference.data, rtol=1e-12)


def test_float32_stays_float32_among_lengths(backend, rng):
    layer = nn.LSTM(I, H, L, bidirectional=True, dtype="float32", rng=rng)
    rows = [mt.tensor(rng.normal(size=(n, I)), "float32", requires_grad=True) for n in LENGTHS]
    outputs, (h, c) = layer(rows)
    (outputs[0].sum() + c.sum()).backward()
    kept = [*outputs, h, c, *(row.grad for row in rows), *(p.grad for p in layer.parameters())]
    assert {t.dtype for t in kept} == {np.dtype("float32")}


# What does not fit ------------------------------------------------------------------------------


WRONG = {
    "zero": ([3, 5, 0, 4], ShapeError, "length of sequence 2 is 0; x has 5 time steps"),
    "negative": ([3, -1, 1, 4], ShapeError, "length of sequence 1 is -1; x has 5"),
    "too-long": ([3, 5, 1, 6], ShapeError, "length of sequence 3 is 6; x has 5 time steps"),
    "too-few": ([3, 5, 1], ShapeError, r"shape \(3,\); one for each of 4 sequences"),
    "too-many": ([3, 5, 1, 4, 2], ShapeError, r"shape \(5,\); one for each of 4 sequences"),
    "number": (3, ShapeError, r"shape \(\); one for each of 4"),
    "matrix": ([[3, 5, 1, 4]], ShapeError, r"shape \(1, 4\); one for each of 4"),
    "floats": ([3.0, 5.0, 1.0, 4.0], DTypeError, "lengths are float64; integers are needed"),
    "booleans": ([True] * 4, DTypeError, "lengths are bool; integers are needed"),
    "none-of-them": ([], ShapeError, "one for each of 4 sequences"),
}


@pytest.mark.parametrize("lengths, error, told", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU"])
def test_lengths_that_do_not_fit_are_refused(kind, lengths, error, told, rng):
    layer = built(kind, rng)
    with pytest.raises(error, match=told) as caught:
        layer(mt.zeros(T, B, I), lengths=lengths)
    assert repr(layer) in str(caught.value)


@pytest.mark.parametrize(
    "x",
    [np.zeros((0, B, I)), np.zeros((0, I)), [np.zeros((0, I)), np.zeros((0, I))]],
    ids=["padded", "single", "list"],
)
def test_no_time_steps_are_refused(x, rng):
    with pytest.raises(ShapeError, match="expected at least one time step"):
        built("GRU", rng)(x)


@pytest.mark.parametrize(
    "rows, told",
    [
        ([np.zeros((2, I)), np.zeros((0, I))], "length of sequence 1 is 0"),
        ([np.zeros((2, I + 1)), np.zeros((3, I + 1))], f"4 features .* input_size={I}"),
        ([np.zeros((2, I)), np.zeros((3, I + 1))], r"sequence 1 .*\(3, 4\).*\(2, 3\)"),
        ([np.zeros(I), np.zeros(I)], r"sequence 0 has shape \(3,\).*\(T, 3\)"),
        ([np.zeros((2, 1, I)), np.zeros((3, 1, I))], r"sequence 0 .*\(2, 1, 3\).*\(T, 3\)"),
        ([], "0 sequences"),
    ],
    ids=["empty-one", "features", "one-of-them", "vectors", "batches", "no-sequence"],
)
def test_lists_that_do_not_fit_are_refused(rows, told, rng):
    with pytest.raises(ShapeError, match=told):
        built("GRU", rng)(rows)


def test_a_list_has_its_lengths_already(rng):
    with pytest.raises(ShapeError, match="a list of sequences has its lengths"):
        built("tanh", rng)([mt.ones(3, I), mt.ones(2, I)], lengths=[3, 2])


def test_a_list_of_another_dtype_is_refused(rng):
    with pytest.raises(DTypeError, match="a sequence is float32, the parameters are float64"):
        built("tanh", rng)([mt.ones(3, I, dtype="float32"), mt.ones(2, I)])


def test_a_state_for_another_batch_is_refused(rng):
    layer = built("GRU", rng)
    with pytest.raises(ShapeError, match=r"h_0 has shape \(2, 3, 4\).*\(2, 2, 4\)"):
        layer([mt.ones(3, I), mt.ones(2, I)], np.zeros((L, 3, H)))


# On a device ------------------------------------------------------------------------------------


@every_kind
@either_way
def test_both_backends_give_the_same(kind, bidirectional, backend):
    def results():
        rng = np.random.default_rng(3)
        layer = built(kind, rng, bidirectional=bidirectional)
        x, cotangents = drawn(rng, layer)
        x = leaf(np.where(padding()[:, :, None], np.nan, x))
        found = flat(*layer(x, lengths=LENGTHS))
        leaves = [x, *layer.parameters()]
        grads = mt.autograd.grad(found, leaves, [mt.tensor(v) for v in cotangents])
        assert {t.backend for t in (*found, *grads)} == {mt.zeros(1).backend}
        return [t.tolist() for t in (*found, *grads)]

    here = results()
    with mt.use("numpy"):
        there = results()
    for mine, reference in zip(here, there, strict=True):
        assert_allclose(mine, reference, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("kind", ["tanh", "LSTM", "GRU"])
@pytest.mark.parametrize("as_list", [False, True], ids=["padded", "list"])
def test_a_training_step_with_host_lengths_never_waits(kind, as_list, backend, rng):
    layer = built(kind, rng, bidirectional=True)
    readout = nn.Linear(layer.output_size, 2, rng=rng)
    optimizer = mt.optim.Adam([*layer.parameters(), *readout.parameters()])
    x = mt.tensor(rng.normal(size=(T, B, I)))
    rows = [x[:n, b] for b, n in enumerate(LENGTHS)]
    strict_cupy.synchronisations.reset()
    for _ in range(2):
        if as_list:
            outputs, _ = layer(rows)
            loss = sum((readout(y) ** 2).sum() for y in outputs)
        else:
            loss = (readout(layer(x, lengths=LENGTHS)[0]) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(list(layer.parameters()), 1.0)
        optimizer.step()
    assert strict_cupy.synchronisations.causes == []
