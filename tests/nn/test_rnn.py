"""RNN and RecurrentNetwork: PyTorch's numbers, its layouts and names, on either backend."""

import math

import numpy as np
import pytest
import strict_cupy

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import GraphError

T, B, I, H, O = 5, 3, 4, 6, 7


def tensors(rng, *shapes):
    """Leaves that require gradients, with standard normal values."""
    return [mt.tensor(rng.normal(size=shape), requires_grad=True) for shape in shapes]


@pytest.mark.torch
@pytest.mark.parametrize("given", [True, False], ids=["h_0", "zeros"])
@pytest.mark.parametrize("batch_first", [False, True], ids=["TB", "BT"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_outputs_and_all_gradients_are_pytorchs(
    layers, nonlinearity, bias, batch_first, given, rng
):
    import torch

    theirs = torch.nn.RNN(I, H, layers, nonlinearity, bias, batch_first, dtype=torch.float64)
    ours = nn.RNN(I, H, layers, nonlinearity, bias, batch_first)
    ours.load_state_dict(theirs.state_dict())
    x, h_0 = tensors(rng, (B, T, I) if batch_first else (T, B, I), (layers, B, H))
    v, w = rng.normal(size=(*x.shape[:2], H)), rng.normal(size=h_0.shape)

    output, h_n = ours(x, h_0 if given else None)
    ((output * v).sum() + (h_n * w).sum()).backward()

    X, H_0 = (torch.tensor(t.tolist(), dtype=torch.float64, requires_grad=True) for t in (x, h_0))
    expected, last = theirs(X, H_0 if given else None)
    ((expected * torch.tensor(v)).sum() + (last * torch.tensor(w)).sum()).backward()

    pairs = {"output": (output.data, expected.detach()), "h_n": (h_n.data, last.detach())}
    pairs["x"] = x.grad.data, X.grad
    if given:
        pairs["h_0"] = h_0.grad.data, H_0.grad
    for name, parameter in theirs.named_parameters():
        pairs[name] = getattr(ours, name).grad.data, parameter.grad
    for name, (mine, reference) in pairs.items():
        np.testing.assert_allclose(mine, reference.numpy(), rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.torch
@pytest.mark.parametrize("given", [True, False], ids=["h_0", "zeros"])
@pytest.mark.parametrize("batch_first", [False, True], ids=["TB", "BT"])
def test_a_single_sequence_needs_no_batch_axis(batch_first, given, rng):
    import torch

    theirs = torch.nn.RNN(I, H, 2, batch_first=batch_first, dtype=torch.float64)
    ours = nn.RNN(I, H, 2, batch_first=batch_first).load_state_dict(theirs.state_dict())
    x, h_0 = rng.normal(size=(T, I)), rng.normal(size=(2, H))
    output, h_n = ours(x, h_0 if given else None)
    expected, last = theirs(torch.from_numpy(x), torch.from_numpy(h_0) if given else None)
    np.testing.assert_allclose(output.data, expected.detach().numpy(), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(h_n.data, last.detach().numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.torch
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers", [1, 3])
def test_names_and_shapes_are_pytorchs_in_its_order(layers, bias):
    import torch

    ours, theirs = (kind(I, H, layers, bias=bias) for kind in (nn.RNN, torch.nn.RNN))
    assert [(n, p.shape) for n, p in ours.named_parameters()] == [
        (n, tuple(p.shape)) for n, p in theirs.named_parameters()
    ]


def test_the_initial_weights_fill_pytorchs_interval(rng):
    rnn = nn.RNN(20, 25, num_layers=2, rng=rng)
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


def test_a_learned_initial_state_starts_at_zero_and_sums_its_gradient_over_the_batch(rng):
    rnn = nn.RNN(I, H, num_layers=2, initial_state="learned", rng=rng)
    x, v = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    assert rnn.h_0.shape == (2, H) and not rnn.h_0.data.any()
    (rnn(x)[0] * v).sum().backward()
    (given,) = tensors(rng, (2, B, H))
    given.update_(np.zeros(given.shape))
    (rnn(x, given)[0] * v).sum().backward()
    np.testing.assert_allclose(rnn.h_0.grad.data, given.grad.data.sum(axis=1), rtol=1e-12)


def test_a_given_state_takes_the_place_of_the_learned_one(rng):
    rnn = nn.RNN(I, H, initial_state="learned", rng=rng)
    rnn(rng.normal(size=(T, B, I)), np.ones((1, B, H)))[0].sum().backward()
    assert rnn.h_0.grad is None


def test_a_learned_state_serves_a_single_sequence_too(rng):
    rnn = nn.RNN(I, H, initial_state="learned", rng=rng)
    output, h_n = rnn(rng.normal(size=(T, I)))
    output.sum().backward()
    assert (output.shape, h_n.shape, rnn.h_0.grad.shape) == ((T, H), (1, H), (1, H))


@pytest.mark.parametrize("initial_state", ["zeros", "learned"])
def test_an_empty_batch_gives_empty_outputs_and_zero_gradients(initial_state, backend):
    rnn = nn.RNN(I, H, num_layers=2, initial_state=initial_state)
    output, h_n = rnn(mt.zeros(T, 0, I))
    assert (output.shape, h_n.shape) == ((T, 0, H), (2, 0, H))
    output.sum().backward()
    used = [p for name, p in rnn.named_parameters()]
    assert all(p.grad.shape == p.shape and not float(abs(p.grad).sum()) for p in used)


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


def as_function(rnn):
    """The network as a function of x, h_0 and its parameters, and where to evaluate it."""
    names = [name for name, _ in rnn.named_parameters()]

    def run(x, h_0, *parameters):
        for name, parameter in zip(names, parameters, strict=True):
            vars(rnn)[name] = parameter  # a tensor of the check, where a Parameter stood
        return rnn(x, h_0)

    return run, [mt.tensor(p.data, requires_grad=True) for p in rnn.parameters()]


@pytest.mark.parametrize("order", [1, 2])
def test_first_and_second_derivatives_agree_with_differences(order, backend, rng):
    run, parameters = as_function(nn.RNN(1, 2, num_layers=2, rng=rng))
    inputs = [*tensors(rng, (3, 2, 1), (2, 2, 2)), *parameters]
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
