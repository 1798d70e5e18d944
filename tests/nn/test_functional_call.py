"""functional_call: a module as a function of its parameters, and parameters under several paths."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import checkpoint, grad, jacobian
from minitorch_rnn.errors import StateError


class Tied(nn.Module):
    """An embedding whose table is also the output's."""

    def __init__(self):
        self.e, self.o = nn.Embedding(4, 3), nn.Linear(3, 4, bias=False)
        self.o.weight = self.e.weight

    def forward(self, i):
        return self.o(self.e(i))


class Checkpointed(nn.Module):
    def __init__(self, rng):
        self.cells = {"a": [nn.RNNCell(2, 3, rng=rng)]}

    def forward(self, x):
        h = mt.zeros(1, 3)
        for x_t in x:
            h = checkpoint(self.cells["a"][0], x_t, h)
        return h


def weights(module):
    return {name: mt.tensor(p.data + 0.5) for name, p in module.named_parameters()}


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU", "Linear"])
def test_the_module_computes_with_other_tensors_and_is_left_as_it_was(name, rng):
    module, x = getattr(nn, name)(3, 2), rng.normal(size=(4, 1, 3))
    before, new = module.state_dict(), weights(module)
    found = nn.functional_call(module, new, x)
    for parameter, (key, value) in zip(module.parameters(), before.items(), strict=True):
        assert (parameter.data == value).all(), key
    module.load_state_dict({key: value.data for key, value in new.items()})
    first = lambda y: y[0] if isinstance(y, tuple) else y  # noqa: E731
    assert_allclose(first(found).data, first(module(x)).data, rtol=1e-14)


def test_gradients_go_to_the_given_tensors_and_not_to_the_parameters(rng):
    module, x = nn.Linear(3, 2, rng=rng), mt.tensor(rng.normal(size=(4, 3)))
    W = mt.tensor(rng.normal(size=(2, 3)), requires_grad=True)
    nn.functional_call(module, {"weight": W}, x).sum().backward()
    assert_allclose(W.grad.data, np.tile(x.data.sum(axis=0), (2, 1)), rtol=1e-14)
    assert module.weight.grad is None and module.bias.grad is not None


def test_what_is_checkpointed_inside_is_computed_again_with_the_same_tensors(rng):
    module, x = Checkpointed(rng), mt.tensor(rng.normal(size=(4, 1, 2)))
    name, W = next(iter(module.named_parameters()))

    def plain(W):
        h = mt.zeros(1, 3)
        for x_t in x:
            h = nn.functional_call(module.cells["a"][0], {"weight_ih": W}, (x_t, h))
        return h

    found = jacobian(lambda W: nn.functional_call(module, {name: W}, x), W)
    assert np.abs(found.data).max() > 0.01
    assert_allclose(found.data, jacobian(plain, W).data, rtol=1e-12)


def test_after_an_exception_the_parameters_are_back():
    module = nn.Linear(3, 2)
    own = module.weight
    with pytest.raises(ValueError):
        nn.functional_call(module, {"weight": mt.zeros(2, 3)}, mt.ones(7))
    assert module.weight is own


def test_wrong_names_shapes_and_places_are_refused_with_their_paths():
    module = nn.Module()
    module.pair = (nn.Parameter([2.0]), nn.Parameter([3.0]))
    module.forward = lambda x: module.pair[0] * x
    for given, told in [
        ({"pair.2": mt.ones(1)}, "unexpected: pair.2"),
        ({"pair.0": mt.ones(2)}, r"pair.0 has shape \(2,\), the module needs \(1,\)"),
        ({"pair.0": mt.ones(1)}, "pair.0 sit in a tuple"),
    ]:
        with pytest.raises(StateError, match=told):
            nn.functional_call(module, given, mt.ones(1))


def test_arrays_are_welcome_and_a_column_network_may_be_called_with_all_of_its_own():
    network = nn.ColumnNetwork(mt.column.elman(2, 3, 1), dtype="float32")
    x = mt.ones(4, 1, 2, dtype="float32")
    found, _ = nn.functional_call(network, network.state_dict(), x)
    assert found.dtype == np.float32
    assert_allclose(found.data, network(x)[0].data, rtol=1e-6)


# Shared parameters --------------------------------------------------------------------------------


def test_a_shared_parameter_is_saved_under_every_path_and_trained_once():
    module = Tied()
    assert list(module.state_dict()) == ["e.weight", "o.weight"]
    assert [name for name, _ in module.named_parameters()] == ["e.weight"]
    other = Tied().load_state_dict(module.state_dict())
    assert (other.e.weight.data == module.e.weight.data).all()
    assert other.o.weight is other.e.weight


@pytest.mark.parametrize("kept", ["e.weight", "o.weight"])
def test_one_path_of_a_shared_parameter_is_enough_and_two_must_agree(kept):
    module, state = Tied(), Tied().state_dict()
    module.load_state_dict({kept: state[kept]})
    assert (module.e.weight.data == state[kept]).all()
    state["o.weight"] = state["o.weight"] + 1.0
    with pytest.raises(StateError, match="o.weight is shared.*other values"):
        module.load_state_dict(state)
    assert (module.e.weight.data == state["e.weight"]).all()


@pytest.mark.torch
def test_tied_weights_move_to_pytorch_and_back(rng):
    import torch

    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.e, self.o = torch.nn.Embedding(4, 3), torch.nn.Linear(3, 4, bias=False)
            self.o.weight = self.e.weight

        forward = Tied.forward

    ours, net, i = Tied(), Theirs().double(), np.array([0, 3])
    ours.load_state_dict(net.state_dict())
    wanted = net(torch.tensor(i)).detach().numpy()
    assert_allclose(ours(i).data, wanted, rtol=1e-12)
    state = {name: torch.from_numpy(a) for name, a in Tied().state_dict().items()}
    net.load_state_dict(state)
    assert_allclose(net.o.weight.detach().numpy(), state["e.weight"].numpy())


def test_gradients_of_a_replaced_shared_parameter_come_from_all_of_its_uses():
    module, i = Tied(), np.array([1])
    W = mt.tensor(module.e.weight.data, requires_grad=True)
    (both,) = grad(nn.functional_call(module, {"e.weight": W}, i).sum(), W)
    module(i).sum().backward()
    assert_allclose(both.data, module.e.weight.grad.data, rtol=1e-14)


def test_a_shared_parameter_takes_one_tensor_under_any_of_its_paths_and_not_two():
    module, i = Tied(), np.array([1])
    W, V = mt.ones(4, 3), mt.zeros(4, 3)
    both = nn.functional_call(module, {"e.weight": W, "o.weight": W}, i)
    assert both.tolist() == nn.functional_call(module, {"o.weight": W}, i).tolist() == [[3.0] * 4]
    assert nn.functional_call(module, module.state_dict(), i).tolist() == module(i).tolist()
    for other in (V, mt.ones(4, 3, requires_grad=True)):
        with pytest.raises(StateError, match="o.weight is shared with another path.*two tensors"):
            nn.functional_call(module, {"e.weight": W, "o.weight": other}, i)
