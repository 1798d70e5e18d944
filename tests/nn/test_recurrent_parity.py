"""RNN, LSTM and GRU against PyTorch's: names, values, states, gradients and second derivatives.

Every combination of layers, directions, layout, bias, lengths and initial state, with random
cotangents on the output and on the last states.
"""

import itertools

import pytest
from recurrent_layers import (
    KINDS,
    as_state,
    assert_close,
    assert_gradients_are_pytorchs,
    assert_second_derivatives_are_pytorchs,
    flat,
    layer,
    leaf,
)

from minitorch_rnn import nn

pytestmark = pytest.mark.torch

T, B, I, H = 4, 3, 2, 3
LENGTHS = {"whole": None, "ragged": [2, 4, 1], "none-whole": [2, 3, 1]}


def axis(name, **values):
    """One axis of the grid: its values by the ids they have in the names of the tests."""
    return pytest.mark.parametrize(name, list(values.values()), ids=list(values))


every_kind = pytest.mark.parametrize("kind", KINDS)
every_plain_kind = pytest.mark.parametrize("kind", list(KINDS)[:4])
every_depth = pytest.mark.parametrize("num_layers", [1, 2, 3])
either_way = axis("bidirectional", forward=False, both=True)
either_layout = axis("batch_first", TB=False, BT=True)
either_bias = axis("bias", bias=True, no_bias=False)
every_length = pytest.mark.parametrize("lengths", list(LENGTHS))
either_state = axis("given", given=True, zeros=False)


def twins(kind, rng, **options):
    """Our layer and PyTorch's with the same weights."""
    import torch

    ours = layer(kind, I, H, rng=rng, **options)
    theirs = layer(kind, I, H, home=torch.nn, dtype=torch.float64, **options)
    theirs.load_state_dict({n: torch.from_numpy(a) for n, a in ours.state_dict().items()})
    return ours, theirs


def drawn(ours, rng, batch=(B,)):
    """x, the initial states, and a cotangent for the output and for each last state."""
    states = [(ours.num_states, *batch, H) for _ in ours.cell.states]
    if getattr(ours, "proj_size", 0):
        states[0] = (*states[0][:-1], ours.proj_size)
    steps = (*batch, T) if ours.batch_first and batch else (T, *batch)
    output = (*steps, states[0][-1] * ours.num_directions)
    x, *start = (rng.normal(size=shape) for shape in [(*steps, I), *states])
    return x, start, [rng.normal(size=shape) for shape in [output, *states]]


def packed(theirs, x, start, lengths):
    """PyTorch's layer on a padded batch: packed, run, and padded again."""
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    if lengths is None:
        return theirs(x, start)
    first = theirs.batch_first
    rows = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=False)
    output, last = theirs(rows, start)
    return pad_packed_sequence(output, batch_first=first, total_length=T)[0], last


def run(kind, rng, given=True, lengths="whole", batch=(B,), mode=True, **options):
    """Both layers on the same data.

    Returns the leaves by name and the outputs of either, (output, h_n) or (output, h_n, c_n), and
    the cotangents of these.
    """
    import torch

    ours, theirs = twins(kind, rng, **options)
    ours.train(mode)
    theirs.train(mode)
    x, start, cotangents = drawn(ours, rng, batch)
    arrays = {"x": x} | dict(zip(ours.cell.states, start if given else [], strict=given))
    mine = {n: leaf(a) for n, a in arrays.items()}
    yours = {n: torch.tensor(a, requires_grad=True) for n, a in arrays.items()}
    (X, *state), (Z, *reference) = mine.values(), yours.values()
    found = flat(ours(X, as_state(state), lengths=LENGTHS[lengths]))
    expected = flat(packed(theirs, Z, as_state(reference), LENGTHS[lengths]))
    mine |= dict(ours.named_parameters())
    yours |= dict(theirs.named_parameters())
    return mine, yours, found, expected, cotangents


def assert_equal_to_pytorch(kind, rng, **options):
    """Outputs, last states, and the gradients of x, the initial state and every parameter."""
    mine, yours, found, expected, cotangents = run(kind, rng, **options)
    names = ("output", "h_n", "c_n")
    assert_close(dict(zip(names, found, strict=False)), dict(zip(names, expected, strict=False)))
    assert_gradients_are_pytorchs(mine, yours, found, expected, cotangents)


@every_plain_kind
@every_depth
@either_way
@either_layout
@either_bias
@every_length
@either_state
def test_values_states_and_all_gradients_are_pytorchs(
    kind, num_layers, bidirectional, batch_first, bias, lengths, given, rng
):
    assert_equal_to_pytorch(
        kind, rng, given=given, lengths=lengths, num_layers=num_layers,
        bidirectional=bidirectional, batch_first=batch_first, bias=bias,
    )  # fmt: skip


@every_depth
@either_way
@either_bias
@axis("lengths", whole="whole", ragged="ragged")
@either_state
def test_a_projected_lstm_is_pytorchs(num_layers, bidirectional, bias, lengths, given, rng):
    assert_equal_to_pytorch(
        "projected", rng, given=given, lengths=lengths, num_layers=num_layers,
        bidirectional=bidirectional, bias=bias,
    )  # fmt: skip


@every_kind
@either_way
@either_layout
@either_state
def test_a_single_sequence_needs_no_batch_axis(kind, bidirectional, batch_first, given, rng):
    assert_equal_to_pytorch(
        kind, rng, given=given, batch=(), num_layers=2, bidirectional=bidirectional,
        batch_first=batch_first,
    )  # fmt: skip


@every_kind
@pytest.mark.parametrize("lengths", ["whole", "ragged"])
def test_dropout_does_nothing_in_eval_mode(kind, lengths, rng):
    assert_equal_to_pytorch(kind, rng, lengths=lengths, mode=False, num_layers=3, dropout=0.5)


@every_kind
@either_way
def test_while_training_certain_dropout_cuts_the_layers_apart(kind, bidirectional, rng):
    """With p = 1 nothing is random: every layer but the first has zeros for its input."""
    options = {"num_layers": 3, "dropout": 1.0, "bidirectional": bidirectional}
    assert_equal_to_pytorch(kind, rng, lengths="ragged", **options)


SECOND = [  # each kind alone, and one that has everything
    pytest.param(kind, lengths, options, id=f"{kind}-{lengths}-{name}")
    for kind, lengths, (name, options) in itertools.product(
        KINDS,
        ["whole", "ragged"],
        {
            "one-layer": {},
            "no-bias": {"bias": False, "num_layers": 2},
            "both-ways": {"bidirectional": True, "num_layers": 2, "batch_first": True},
        }.items(),
    )
]


@pytest.mark.parametrize("kind, lengths, options", SECOND)
def test_second_derivatives_are_pytorchs(kind, lengths, options, rng):
    assert_second_derivatives_are_pytorchs(*run(kind, rng, lengths=lengths, **options))


@every_kind
@every_depth
@either_way
@either_bias
def test_names_order_and_shapes_are_pytorchs(kind, num_layers, bidirectional, bias):
    import torch

    options = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
    ours, theirs = (layer(kind, I, H, home=home, **options) for home in (nn, torch.nn))
    shapes = [(n, a.shape) for n, a in ours.state_dict().items()]
    assert shapes == [(n, tuple(a.shape)) for n, a in theirs.state_dict().items()]
    state = {n: a + 1 for n, a in theirs.state_dict().items()}
    ours.load_state_dict(state)  # PyTorch's tensors, as they are
    assert all((getattr(ours, n).data == a.numpy()).all() for n, a in state.items())


@every_kind
def test_initial_values_fill_pytorchs_interval(kind):
    """Over all parameters; `test_rnn` asks it of each."""
    import torch

    options = {"num_layers": 2, "bidirectional": True}
    options |= {"proj_size": 9} if kind == "projected" else {}
    for home in (nn, torch.nn):
        found = [
            abs(p.detach()).max() for p in layer(kind, 20, 25, home=home, **options).parameters()
        ]
        assert 0.99 / 5 < max(map(float, found)) <= (1 + 1e-7) / 5  # 1 / sqrt(25), in float32


@every_kind
def test_a_run_goes_on_where_pytorchs_goes_on(kind, rng):
    """The last state of one piece is the first of the next, and gradients flow through."""
    import torch

    ours, theirs = twins(kind, rng, num_layers=2)
    x, _, cotangents = drawn(ours, rng)
    mine, yours = leaf(x), torch.tensor(x, requires_grad=True)
    _, state = ours(mine[:3])
    _, reference = theirs(yours[:3])
    found, expected = flat(ours(mine[3:], state)), flat(theirs(yours[3:], reference))
    cotangents[0] = cotangents[0][3:]
    leaves = {"x": mine} | dict(ours.named_parameters())
    wanted = {"x": yours} | dict(theirs.named_parameters())
    assert_gradients_are_pytorchs(leaves, wanted, found, expected, cotangents)
