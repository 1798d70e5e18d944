"""RNN, LSTM, GRU and RecurrentNetwork: initial values and states, outputs, types and devices.

That their numbers are PyTorch's is in `test_recurrent_parity`.
"""

import copy
import math
import pickle

import numpy as np
import pytest
import strict_cupy
from recurrent_layers import KINDS, as_function, as_state, flat, layer, leaf, slopes, started

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import GraphError, ShapeError

T, B, I, H, O = 5, 3, 4, 6, 7

every_kind = pytest.mark.parametrize("kind", KINDS)


def tensors(rng, *shapes):
    """Leaves that require gradients, with standard normal values."""
    return [mt.tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]


@every_kind
def test_the_initial_weights_fill_pytorchs_interval(kind, rng):
    rnn = layer(kind, 20, 25, num_layers=2, bidirectional=True, rng=rng)
    for name, parameter in rnn.named_parameters():
        largest = abs(parameter.data).max()
        assert largest <= 1 / math.sqrt(25), name
        assert largest > 0.8 / math.sqrt(25), name
        assert abs(parameter.data.mean()) < 0.08, name


def test_linear_layers_start_in_the_interval_of_their_inputs(rng):
    layer = nn.Linear(100, 50, rng=rng)
    assert all(0.08 < abs(p.data).max() <= 0.1 for p in layer.parameters())


def test_the_network_adds_an_output_layer_and_its_activation(rng):
    network = nn.RecurrentNetwork(I, H, O, "softmax", num_layers=2, rng=rng)
    x = rng.normal(size=(T, B, I))
    states, last = network.rnn(x)
    z = states.data @ network.output.weight.data.T + network.output.bias.data
    e = np.exp(z)
    Y, h_n = network(x)
    np.testing.assert_allclose(Y.data, e / e.sum(axis=-1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(network.logits(x)[0].data, z, rtol=1e-12)
    assert h_n.tolist() == last.tolist()


@pytest.mark.parametrize(
    "name, f", [("tanh", np.tanh), ("sigmoid", lambda z: 1 / (1 + np.exp(-z)))]
)
def test_the_network_has_other_output_activations(name, f, rng):
    network = nn.RecurrentNetwork(I, H, O, name, rng=rng)
    x = rng.normal(size=(T, B, I))
    np.testing.assert_allclose(network(x)[0].data, f(network.logits(x)[0].data), rtol=1e-12)


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
def test_learned_initial_states_add_up_their_gradients_over_the_batch(kind, bidirectional, rng):
    options = {"num_layers": 2, "bidirectional": bidirectional}
    rnn = started(kind, I, H, rng=rng, **options)
    x, names = leaf(rng.normal(size=(T, B, I))), [f"{name}_0" for name in rnn.cell.states]
    found = flat(rnn(x))
    cotangents = [rng.normal(size=y.shape) for y in found]
    grads = slopes(rnn, x, found, cotangents)
    start = [getattr(rnn, name).data[:, None] for name in names]
    start = [leaf(np.repeat(state, B, axis=1)) for state in start]
    expected = flat(rnn(x, as_state(start)))
    for y, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(y.data, want.data, rtol=1e-12, atol=1e-14)
    for name, g in zip(names, mt.autograd.grad(expected, start, cotangents), strict=True):
        np.testing.assert_allclose(grads[name], g.data.sum(axis=1), rtol=1e-12)


@every_kind
def test_learned_initial_states_start_at_zero(kind):
    plain = layer(kind, I, H, rng=np.random.default_rng(1))
    rnn = layer(kind, I, H, initial_state="learned", rng=np.random.default_rng(1))
    state = rnn.state_dict()
    for name in rnn.cell.states:
        assert not state.pop(f"{name}_0").any()
    assert {n: a.tolist() for n, a in state.items()} == {
        n: a.tolist() for n, a in plain.state_dict().items()
    }


@every_kind
def test_a_given_state_takes_the_place_of_the_learned_one(kind, rng):
    rnn = started(kind, I, H, rng=rng)
    x = rng.normal(size=(T, B, I))
    state = [np.ones(y.shape) for y in flat(rnn(x)[1])]
    rnn(x, as_state(state))[0].sum().backward()
    assert all(getattr(rnn, f"{name}_0").grad is None for name in rnn.cell.states)


@every_kind
def test_a_learned_state_serves_a_single_sequence_too(kind, rng):
    rnn = started(kind, I, H, rng=rng)
    x = rng.normal(size=(T, I))
    single, batch = flat(rnn(x)), flat(rnn(x[:, None]))
    for one, other in zip(single, batch, strict=True):
        assert one.ndim == 2
        np.testing.assert_allclose(one.data, other.data.squeeze(1), rtol=1e-12)
    single[0].sum().backward()
    assert all(p.grad.shape == p.shape for p in rnn.parameters())


@every_kind
@pytest.mark.parametrize("initial_state", ["zeros", "learned"])
def test_an_empty_batch_gives_empty_outputs_and_zero_gradients(kind, initial_state, backend):
    rnn = layer(kind, I, H, num_layers=2, initial_state=initial_state)
    output, last = rnn(mt.zeros(T, 0, I))
    assert output.shape[:2] == (T, 0) and {y.shape[:2] for y in flat(last)} == {(2, 0)}
    output.sum().backward()
    assert all(p.grad.shape == p.shape for p in rnn.parameters())
    assert not any(float(abs(p.grad).sum()) for p in rnn.parameters())


def test_one_step_of_one_unit_is_the_formula_by_hand():
    rnn = nn.RNN(1, 1)
    values = {"weight_ih_l0": 0.5, "weight_hh_l0": -2.0, "bias_ih_l0": 0.1, "bias_hh_l0": 0.2}
    rnn.load_state_dict({n: np.full(getattr(rnn, n).shape, v) for n, v in values.items()})
    output, _ = rnn([[3.0]], [[0.25]])
    assert output.item() == pytest.approx(math.tanh(0.5 * 3 + 0.1 - 2 * 0.25 + 0.2), rel=1e-15)


def test_float32_stays_float32(backend, rng):
    network = nn.RecurrentNetwork(I, H, O, num_layers=2, dtype="float32", rng=rng)
    x = mt.tensor(rng.normal(size=(T, B, I)), dtype="float32", requires_grad=True)
    Y, h_n = network(x)
    loss = nn.cross_entropy(Y, rng.integers(O, size=(T, B)), reduction=("sum", "mean"))
    loss.backward()
    assert {t.dtype for t in (Y, h_n, loss, x.grad)} == {np.dtype("float32")}
    assert {p.grad.dtype for p in network.parameters()} == {np.dtype("float32")}


def test_float32_is_close_to_float64(rng):
    wide = nn.RNN(I, H, num_layers=2, rng=rng)
    narrow = nn.RNN(I, H, num_layers=2, dtype="float32").load_state_dict(wide.state_dict())
    x = rng.normal(size=(T, B, I))
    found, expected = narrow(x.astype("float32"))[0].data, wide(x)[0].data
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)  # seven digits, T L steps


def training_step(network, optimizer, x, targets):
    """One update; only the host's own values could make it wait for the device."""
    logits, _ = network.logits(x)
    loss = nn.cross_entropy(logits, targets)
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), 0.5)
    optimizer.step()
    return loss, norm


def trained(backend):
    with mt.use(backend):
        rng = np.random.default_rng(3)
        network = nn.RecurrentNetwork(I, H, O, num_layers=2, initial_state="learned", rng=rng)
        optimizer = mt.optim.Adam(network.parameters(), lr=0.01)
        x = mt.tensor(rng.normal(size=(T, B, I)))
        targets = mt.tensor(rng.integers(O, size=(T, B)))
        told = [training_step(network, optimizer, x, targets) for _ in range(3)]
        return network.state_dict(), [(loss.item(), norm.item()) for loss, norm in told]


def test_training_gives_the_same_numbers_on_every_backend(backend):
    state, told = trained(backend)
    expected, losses = trained("numpy")
    np.testing.assert_allclose(told, losses, rtol=1e-12)
    assert told[-1][0] < told[0][0]
    for name, array in expected.items():
        np.testing.assert_allclose(state[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_training_step_never_waits_for_the_device(backend, rng):
    network = nn.RecurrentNetwork(I, H, O, num_layers=2, rng=rng)
    optimizer = mt.optim.Adam(network.parameters())
    x = mt.tensor(rng.normal(size=(T, B, I)))
    targets = mt.tensor(rng.integers(O, size=(T, B)))
    strict_cupy.synchronisations.reset()
    training_step(network, optimizer, x, targets)
    training_step(network, optimizer, x, targets)
    assert strict_cupy.synchronisations.causes == []


def test_one_seed_gives_the_same_weights_on_every_backend(backend):
    mt.manual_seed(11)
    here = nn.RecurrentNetwork(I, H, O).state_dict()
    mt.manual_seed(11)
    with mt.use("numpy"):
        there = nn.RecurrentNetwork(I, H, O).state_dict()
    assert all((here[name] == there[name]).all() for name in there)


@pytest.mark.parametrize("order", [1, 2])
def test_first_and_second_derivatives_agree_with_differences(order, backend, rng):
    run, inputs = as_function(nn.RNN(1, 2, num_layers=2, rng=rng), rng, (3, 2, 1), (2, 2, 2))
    assert mt.autograd.gradcheck(run, inputs, order=order).digits >= 8


def test_a_failing_gradcheck_names_input_index_and_time_step(rng):
    rnn, factors = nn.RNN(I, H, rng=rng), np.ones((T, B, I))
    factors[3, 1, 2] = 0.999
    scale, x = tensors(rng, (H,), (T, B, I))

    def slightly_wrong(scale, x):
        x = x.clone()
        x.register_hook(lambda g: g * factors)
        return rnn(x)[0] * scale

    with pytest.raises(GraphError, match=r"input 1, index \(3, 1, 2\), time step 3: graph"):
        mt.autograd.gradcheck(slightly_wrong, [scale, x])


# Dropout between layers -------------------------------------------------------------------------


def constant(p, **options):
    """A first layer that is 1 everywhere, under one that lets what it gets pass."""
    rnn = nn.RNN(1, H, 2, "relu", dropout=p, rng=np.random.default_rng(2), **options)
    state = {name: np.zeros(a.shape) for name, a in rnn.state_dict().items()}
    state |= {"bias_ih_l0": np.ones(H), "weight_ih_l1": np.eye(H)}
    return rnn.load_state_dict(state)


def test_dropout_leaves_out_and_scales_anew_at_every_step():
    output, _ = constant(0.25)(np.zeros((50, 8, 1)))
    kept = output.data > 0
    np.testing.assert_allclose(output.data[kept], 1 / 0.75, rtol=1e-15)
    assert abs(kept.mean() - 0.75) < 0.04  # five standard deviations of 2400 draws
    assert not (kept == kept[0]).all(axis=(1, 2))[1:].any()


def test_dropout_is_for_training_and_for_layers_below_others():
    rnn, x = constant(0.5), np.zeros((T, B, 1))
    assert (rnn.eval()(x)[0].data == 1).all()
    assert (rnn.train()(x)[0].data != 1).any()
    single = [nn.GRU(I, H, dropout=p, rng=np.random.default_rng(1)) for p in (0.0, 0.9)]
    found, expected = (rnn(np.ones((T, B, I)))[0].tolist() for rnn in single)
    assert found == expected


def test_gradients_pass_where_values_passed():
    rnn = constant(0.5)
    output, _ = rnn(np.zeros((1, 1, 1)))
    v = np.arange(1.0, H + 1)
    (output * v).sum().backward()
    np.testing.assert_allclose(rnn.bias_ih_l0.grad.data, v * output.data.ravel(), rtol=1e-15)
    assert output.data.any() and not output.data.all()


@every_kind
def test_one_seed_leaves_out_the_same_on_every_backend(kind, backend):
    def drawn():
        rng = np.random.default_rng(9)
        rnn = layer(kind, I, H, num_layers=3, dropout=0.4, rng=rng)
        output, _ = rnn(mt.tensor(rng.normal(size=(T, B, I))), lengths=[2, 5, 3])
        return output.tolist()

    here = drawn()
    with mt.use("numpy"):
        np.testing.assert_allclose(here, drawn(), rtol=1e-12)


@every_kind
def test_training_with_dropout_never_waits_for_the_device(kind, backend, rng):
    rnn = layer(kind, I, H, num_layers=2, dropout=0.5, bidirectional=True, rng=rng)
    x = mt.tensor(rng.normal(size=(T, B, I)))
    strict_cupy.synchronisations.reset()
    sum(y.sum() for y in flat(rnn(x))).backward()
    assert strict_cupy.synchronisations.causes == []


# What does not fit, and how it is shown ---------------------------------------------------------


X = np.zeros((T, B, I))
h = np.zeros((1, B, H))
WRONG = [  # a tensor, a list and a tuple of another length where the pair is needed, and so on
    (lambda: nn.LSTM(I, H)(X, h), ShapeError, r"state is a ndarray.*tuple \(h_0, c_0\)"),
    (lambda: nn.LSTM(I, H)(X, (h,)), ShapeError, r"a tuple of 1; the tuple \(h_0, c_0\)"),
    (lambda: nn.LSTM(I, H)(X, (h, h, h)), ShapeError, r"tuple of 3; the tuple \(h_0, c_0\)"),
    (lambda: nn.LSTM(I, H)(X, (h, h[:, 1:])), ShapeError, r"c_0 has .*\(1, 2, 6\).*\(1, 3, 6\)"),
    (lambda: nn.LSTM(I, H, proj_size=2)(X, (h, h)), ShapeError, r"proj_size=2 need \(1, 3, 2\)"),
    (lambda: nn.GRU(I, H, 2, bidirectional=True)(X, h), ShapeError, r"2 directions.*\(4, 3, 6\)"),
    (lambda: nn.GRU(I, H)(X[..., 1:]), ShapeError, r"GRU.*3 features .* input_size=4"),
    (lambda: nn.LSTM(I, H, proj_size=H), ShapeError, "proj_size is 6; .* below hidden_size=6"),
    (lambda: nn.LSTM(I, H, proj_size=-1), ShapeError, "proj_size is -1; at least 0"),
    (lambda: nn.LSTM(I, 0), ShapeError, "LSTM: .* are 4, 0, 1; each must be at least 1"),
    (lambda: nn.GRU(I, H, 0), ShapeError, "GRU: .* are 4, 6, 0; each must be at least 1"),
    (lambda: nn.GRU(I, H, dropout=1.5), ValueError, "GRU: dropout is 1.5; a probability"),
    (lambda: nn.LSTM(I, H, initial_state="one"), ValueError, "LSTM: initial_state is 'one'"),
]  # fmt: skip


@pytest.mark.parametrize("do, error, told", WRONG, ids=[told for _, _, told in WRONG])
def test_what_does_not_fit_is_refused_with_both_sides(do, error, told):
    with pytest.raises(error, match=told):
        do()


@pytest.mark.parametrize(
    "kind, options",
    [
        ("LSTM", {}),
        ("GRU", {"num_layers": 2, "bias": False}),
        ("RNN", {"nonlinearity": "relu", "batch_first": True}),
        ("LSTM", {"dropout": 0.5, "bidirectional": True, "proj_size": 1}),
        ("RNN", {"initial_state": "learned"}),
    ],
)
def test_a_representation_says_what_is_not_the_default(kind, options):
    told = {"input_size": 2, "hidden_size": 3} | options
    shown = f"{kind}({', '.join(f'{name}={value!r}' for name, value in told.items())})"
    assert repr(getattr(nn, kind)(2, 3, **options)) == shown


@every_kind
@pytest.mark.parametrize("road", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))],
                         ids=["deepcopy", "pickle"])  # fmt: skip
def test_a_copy_is_the_same_layer_with_parameters_of_its_own(kind, road, rng):
    rnn, x = started(kind, I, H, 2, bidirectional=True, rng=rng), rng.normal(size=(T, B, I))
    twin = road(rnn)
    assert repr(twin) == repr(rnn)
    assert getattr(twin, "nonlinearity", None) == getattr(rnn, "nonlinearity", None)
    expected = [y.tolist() for y in flat(rnn(x))]
    for p in rnn.parameters():
        p.update_(p * 0)
    assert [y.tolist() for y in flat(twin(x))] == expected


def test_sizes_and_lengths_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match=r"RNN: sizes are \(2, 3, 2.0, 0\)"):
        nn.RNN(2, 3, num_layers=2.0)
    with pytest.raises(TypeError, match="lengths are .*a list of integers"):
        nn.RNN(1, 2)(np.ones((3, 2, 1)), lengths=[[1], [2, 3]])
