"""RNN, LSTM and GRU against PyTorch's: names, values, states, gradients and second derivatives.

Every combination of layers, directions, layout, bias, lengths and initial state, with random
cotangents on the output and on the last states.
"""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn

pytestmark = pytest.mark.torch

T, B, I, H = 4, 3, 2, 3
EXACT = {"rtol": 1e-10, "atol": 1e-12}  # rounding, in sums of numbers of size 1
KINDS = {
    "tanh": ("RNN", {"nonlinearity": "tanh"}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
    "projected": ("LSTM", {"proj_size": 2}),
}
PLAIN = list(KINDS)[:4]
LENGTHS = {"whole": None, "ragged": [2, 4, 1], "none-whole": [2, 3, 1]}


def axis(name, **values):
    """One axis of the grid: its values by the ids they have in the names of the tests."""
    return pytest.mark.parametrize(name, list(values.values()), ids=list(values))


every_kind = pytest.mark.parametrize("kind", PLAIN)
every_depth = pytest.mark.parametrize("num_layers", [1, 2, 3])
either_way = axis("bidirectional", forward=False, both=True)
either_layout = axis("batch_first", TB=False, BT=True)
either_bias = axis("bias", bias=True, no_bias=False)
every_length = pytest.mark.parametrize("lengths", list(LENGTHS))
either_state = axis("given", given=True, zeros=False)


def twins(kind, rng, **options):
    """Our layer and PyTorch's with the same weights."""
    import torch

    name, more = KINDS[kind]
    theirs = getattr(torch.nn, name)(I, H, dtype=torch.float64, **more, **options)
    ours = getattr(nn, name)(I, H, rng=rng, **more, **options)
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


def flat(output, last):
    return [output, *(last if isinstance(last, tuple) else [last])]


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
    mine = {n: mt.tensor(a, requires_grad=True) for n, a in arrays.items()}
    yours = {n: torch.tensor(a, requires_grad=True) for n, a in arrays.items()}

    def state(leaves):
        found = tuple(leaves[n] for n in list(arrays)[1:])
        return None if not given else found if len(found) > 1 else found[0]

    found = flat(*ours(mine["x"], state(mine), lengths=LENGTHS[lengths]))
    expected = flat(*packed(theirs, yours["x"], state(yours), LENGTHS[lengths]))
    mine |= dict(ours.named_parameters())
    yours |= dict(theirs.named_parameters())
    return mine, yours, found, expected, cotangents


def assert_same(found, expected, tolerance=EXACT):
    """Tensors of ours equal to PyTorch's, by name."""
    assert list(found) == list(expected)
    for name, reference in expected.items():
        assert_allclose(found[name].data, reference.detach().numpy(), **tolerance, err_msg=name)


def assert_equal_to_pytorch(kind, rng, **options):
    """Outputs, last states, and the gradients of x, the initial state and every parameter."""
    import torch

    mine, yours, found, expected, cotangents = run(kind, rng, **options)
    names = ("output", "h_n", "c_n")
    assert_same(dict(zip(names, found, strict=False)), dict(zip(names, expected, strict=False)))
    grads = mt.autograd.grad(found, list(mine.values()), cotangents)
    wanted = torch.autograd.grad(
        expected, list(yours.values()), list(map(torch.tensor, cotangents))
    )
    assert_same(dict(zip(mine, grads, strict=True)), dict(zip(yours, wanted, strict=True)))


@every_kind
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


@pytest.mark.parametrize("kind", KINDS)
@either_way
@either_layout
@either_state
def test_a_single_sequence_needs_no_batch_axis(kind, bidirectional, batch_first, given, rng):
    assert_equal_to_pytorch(
        kind, rng, given=given, batch=(), num_layers=2, bidirectional=bidirectional,
        batch_first=batch_first,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", ["whole", "ragged"])
def test_dropout_does_nothing_in_eval_mode(kind, lengths, rng):
    assert_equal_to_pytorch(kind, rng, lengths=lengths, mode=False, num_layers=3, dropout=0.5)


@pytest.mark.parametrize("kind", KINDS)
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
def test_the_gradient_of_the_squared_gradient_norm_is_pytorchs(kind, lengths, options, rng):
    import torch

    mine, yours, found, expected, v = run(kind, rng, lengths=lengths, **options)
    V = [torch.tensor(a, requires_grad=True) for a in v]
    v = [mt.tensor(a, requires_grad=True) for a in v]
    slopes = mt.autograd.grad(found, list(mine.values()), v, create_graph=True)
    wanted = torch.autograd.grad(expected, list(yours.values()), V, create_graph=True)
    norm, reference = sum((g * g).sum() for g in slopes), sum((g * g).sum() for g in wanted)
    assert_allclose(norm.item(), reference.item(), rtol=1e-10)

    mine |= {f"cotangent {k}": a for k, a in enumerate(v)}
    yours |= {f"cotangent {k}": a for k, a in enumerate(V)}
    curved = mt.autograd.grad(norm, list(mine.values()), allow_unused=True)
    wanted = torch.autograd.grad(reference, list(yours.values()), allow_unused=True)
    for (name, leaf), g, want in zip(mine.items(), curved, wanted, strict=True):
        want = np.zeros(leaf.shape) if want is None else want.numpy()
        g = np.zeros(leaf.shape) if g is None else g.data
        # Sums of hundreds of products, so what cancels to nearly 0 keeps the largest one's error.
        scale = abs(want).max(initial=1.0)
        assert_allclose(g, want, rtol=1e-10, atol=1e-13 * scale, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
@every_depth
@either_way
@either_bias
def test_names_order_and_shapes_are_pytorchs(kind, num_layers, bidirectional, bias):
    import torch

    name, more = KINDS[kind]
    options = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias} | more
    ours, theirs = (getattr(home, name)(I, H, **options) for home in (nn, torch.nn))
    shapes = [(n, a.shape) for n, a in ours.state_dict().items()]
    assert shapes == [(n, tuple(a.shape)) for n, a in theirs.state_dict().items()]
    state = {n: a + 1 for n, a in theirs.state_dict().items()}
    ours.load_state_dict(state)  # PyTorch's tensors, as they are
    assert all((getattr(ours, n).data == a.numpy()).all() for n, a in state.items())


@pytest.mark.parametrize("kind", KINDS)
def test_initial_values_fill_pytorchs_interval(kind):
    import torch

    name, more = KINDS[kind]
    more = more | ({"proj_size": 9} if kind == "projected" else {})
    options = {"num_layers": 2, "bidirectional": True} | more
    theirs = getattr(torch.nn, name)(20, 25, **options)
    ours = getattr(nn, name)(20, 25, rng=np.random.default_rng(4), **options)
    bound = 1 / np.sqrt(25)
    for parameter_name, parameter in theirs.named_parameters():
        drawn = getattr(ours, parameter_name).data
        for found in (drawn, parameter.detach().numpy()):
            assert 0.8 * bound < abs(found).max() <= bound * (1 + 1e-7), parameter_name
        assert abs(drawn.mean()) < 4 * bound / np.sqrt(3 * drawn.size), parameter_name
        assert len(np.unique(drawn)) == drawn.size, parameter_name


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_where_pytorchs_goes_on(kind, rng):
    """The last state of one piece is the first of the next, and gradients flow through."""
    import torch

    ours, theirs = twins(kind, rng, num_layers=2)
    x, _, cotangents = drawn(ours, rng)
    mine, yours = mt.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    _, state = ours(mine[:3])
    _, reference = theirs(yours[:3])
    found, expected = flat(*ours(mine[3:], state)), flat(*theirs(yours[3:], reference))
    cotangents[0] = cotangents[0][3:]
    leaves = {"x": mine} | dict(ours.named_parameters())
    wanted = {"x": yours} | dict(theirs.named_parameters())
    grads = mt.autograd.grad(found, list(leaves.values()), cotangents)
    reference = torch.autograd.grad(
        expected, list(wanted.values()), list(map(torch.tensor, cotangents))
    )
    assert_same(dict(zip(leaves, grads, strict=True)), dict(zip(wanted, reference, strict=True)))
