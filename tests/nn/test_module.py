"""Module: the tree of parameters, its state_dict, its modes and its moves."""

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import DTypeError, StateError


class Nested(nn.Module):
    """One parameter or module in each place where one can be."""

    def __init__(self):
        self.first = nn.Parameter([1.0])
        self.pair = (nn.Linear(2, 1), nn.Parameter([2.0]))
        self.sizes = [3, "text", None]
        self.by_name = {
            "b": nn.Parameter([3.0]),
            "a": [nn.Parameter([4.0]), {"deep": nn.RNN(1, 1)}],
        }
        self.last = nn.Linear(1, 1, bias=False)


def linear():
    return nn.Linear(3, 2, rng=np.random.default_rng(1))


def values(module):
    return {name: p.tolist() for name, p in module.named_parameters()}


def test_parameters_are_found_in_order_of_assignment_wherever_they_are():
    assert [name for name, _ in Nested().named_parameters()] == [
        "first", "pair.0.weight", "pair.0.bias", "pair.1", "by_name.b", "by_name.a.0",
        "by_name.a.1.deep.weight_ih_l0", "by_name.a.1.deep.weight_hh_l0",
        "by_name.a.1.deep.bias_ih_l0", "by_name.a.1.deep.bias_hh_l0", "last.weight",
    ]  # fmt: skip


def test_modules_are_listed_with_their_paths_the_root_first():
    named = dict(Nested().named_modules())
    assert list(named) == ["", "pair.0", "by_name.a.1.deep", "last"]
    assert isinstance(named["by_name.a.1.deep"], nn.RNN)


def test_a_shared_parameter_is_listed_once_under_its_first_path():
    module = nn.Module()
    module.encoder = nn.Linear(2, 2)
    module.decoder = nn.Linear(2, 2, bias=False)
    module.decoder.weight = module.encoder.weight
    assert [name for name, _ in module.named_parameters()] == ["encoder.weight", "encoder.bias"]
    assert len(list(module.parameters())) == 2


def test_a_shared_module_and_a_cycle_are_walked_once():
    parent, child = nn.Module(), linear()
    parent.children = [child, child]
    child.parent = parent
    assert [name for name, _ in parent.named_modules()] == ["", "children.0"]
    assert len(list(parent.parameters())) == 2


def test_a_parameter_assigned_later_is_found_and_a_deleted_one_is_not():
    module = linear()
    module.extra = nn.Parameter([0.0])
    del module.bias
    assert [name for name, _ in module.named_parameters()] == ["weight", "extra"]


def test_a_plain_tensor_is_not_a_parameter():
    module = nn.Module()
    module.constant = mt.ones(3)
    assert list(module.parameters()) == []


def test_zero_grad_leaves_none_everywhere():
    module = linear()
    module(mt.ones(4, 3)).sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    module.zero_grad()
    assert all(p.grad is None for p in module.parameters())


def test_a_state_dict_is_a_copy():
    module = linear()
    before = values(module)
    for array in module.state_dict().values():
        array[...] = 7.0
    assert values(module) == before


def test_a_state_dict_goes_round(backend):
    one, other = Nested(), Nested()
    assert values(one) != values(other)
    state = one.state_dict()
    assert all(type(array) is np.ndarray for array in state.values())
    assert other.load_state_dict(state) is other
    assert values(other) == values(one)
    assert all(p.backend == backend for p in other.parameters())


def test_loading_keeps_no_alias_of_the_given_arrays():
    module, state = linear(), {"weight": np.zeros((2, 3)), "bias": np.zeros(2)}
    module.load_state_dict(state)
    state["weight"][...] = 9.0
    assert module.weight.tolist() == np.zeros((2, 3)).tolist()


def test_loading_converts_to_the_parameters_dtype_and_takes_tensors():
    module = nn.Linear(1, 1, dtype="float32")
    module.load_state_dict({"weight": mt.tensor([[0.5]]), "bias": np.array([2])})
    assert module.weight.dtype == module.bias.dtype == np.float32
    assert values(module) == {"weight": [[0.5]], "bias": [2.0]}


def test_one_error_lists_all_that_does_not_fit_and_changes_nothing():
    module = nn.RNN(2, 3)
    before = values(module)
    state = module.state_dict()
    state = {name: array + 1 for name, array in state.items()}
    del state["bias_hh_l0"]
    state["weight_ih_l1"] = np.zeros(4)
    state["weight_ih_l0"] = np.zeros((3, 7))
    with pytest.raises(StateError) as caught:
        module.load_state_dict(state)
    lines = str(caught.value).splitlines()
    assert "RNN(input_size=2, hidden_size=3)" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "missing: bias_hh_l0",
        "unexpected: weight_ih_l1",
        "size mismatch: weight_ih_l0 has shape (3, 7), the module needs (3, 2)",
    ]
    assert values(module) == before


@pytest.mark.parametrize("wrong", [np.array(["a", "b"]), np.array([1j, 2j]), np.array([{}, {}])])
def test_values_that_are_not_real_numbers_change_nothing(wrong):
    module = linear()
    before = values(module)
    with pytest.raises(StateError, match=r"bias is (<U1|complex128|object), .* needs float64"):
        module.load_state_dict({"weight": np.zeros((2, 3)), "bias": wrong})
    assert values(module) == before


def test_not_strict_loads_what_both_sides_have():
    module = linear()
    bias = module.bias.tolist()
    module.load_state_dict({"weight": np.zeros((2, 3)), "unknown": np.zeros(1)}, strict=False)
    assert values(module) == {"weight": [[0.0] * 3] * 2, "bias": bias}


def test_not_strict_still_refuses_another_shape():
    module = linear()
    with pytest.raises(StateError, match=r"\(3, 2\), the module needs \(2, 3\)"):
        module.load_state_dict({"weight": np.zeros((3, 2))}, strict=False)


def test_a_graph_made_before_loading_refuses_to_walk_back():
    module = linear()
    loss = (module(mt.ones(1, 3)) ** 2).sum()
    module.load_state_dict(module.state_dict())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@pytest.mark.torch
def test_a_torch_state_dict_loads_and_computes_the_same(rng):
    import torch

    theirs = torch.nn.RNN(3, 4, num_layers=2, dtype=torch.float64)
    ours = nn.RNN(3, 4, num_layers=2).load_state_dict(theirs.state_dict())
    x = rng.normal(size=(5, 2, 3))
    expected, _ = theirs(torch.from_numpy(x))
    np.testing.assert_allclose(ours(x)[0].data, expected.detach().numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.torch
def test_our_state_dict_loads_into_torch():
    import torch

    ours, theirs = nn.Linear(3, 2), torch.nn.Linear(3, 2, dtype=torch.float64)
    theirs.load_state_dict({n: torch.from_numpy(a) for n, a in ours.state_dict().items()})
    assert theirs.weight.tolist() == ours.weight.tolist()


def test_train_and_eval_reach_every_module_below():
    module = Nested()
    assert module.training
    assert module.eval() is module
    assert [m.training for m in module.modules()] == [False] * 4
    assert module.train() is module
    assert [m.training for m in module.modules()] == [True] * 4


def test_eval_of_one_module_leaves_others_alone():
    one, other = linear(), linear()
    one.eval()
    assert other.training and nn.Linear(1, 1).training


def test_to_a_dtype_keeps_the_parameter_objects_and_drops_gradients():
    module = Nested()
    module.last(mt.ones(1, 1)).sum().backward()
    before = list(module.parameters())
    assert module.to("float32") is module
    after = list(module.parameters())
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert all(p.dtype == np.float32 and p.grad is None and p.requires_grad for p in after)
    assert all(isinstance(p, nn.Parameter) and p.is_leaf for p in after)


def test_to_a_backend_keeps_the_parameter_objects_and_values(backend):
    with mt.use("numpy"):
        module = linear()
    weight, before = module.weight, values(module)
    module.to(backend)
    assert module.weight is weight and weight.backend == backend
    module(mt.ones(1, 3)).sum().backward()
    assert weight.grad.backend == backend
    module.to("numpy")
    assert module.weight is weight and weight.backend == "numpy"
    assert values(module) == before


def test_an_optimiser_made_before_a_move_still_updates_the_module():
    module = linear()
    optimizer = mt.optim.SGD(module.parameters(), lr=1.0)
    module.to("float32")
    module(mt.ones(1, 3, dtype="float32")).sum().backward()
    before = module.bias.data.copy()
    optimizer.step()
    np.testing.assert_array_equal(module.bias.data, before - 1)
    assert module.bias.dtype == np.float32


def test_to_integers_is_refused_and_changes_nothing():
    module = linear()
    with pytest.raises(DTypeError, match=r"int64.*float32"):
        module.to("int64")
    assert all(p.dtype == np.float64 for p in module.parameters())


def test_a_misspelled_attribute_is_an_attribute_error():
    with pytest.raises(AttributeError, match="wieght"):
        linear().wieght  # noqa: B018


def test_a_module_without_forward_says_what_to_define():
    class Unfinished(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Unfinished: define forward"):
        Unfinished()(1)


def test_the_repr_shows_the_tree():
    module = nn.RecurrentNetwork(3, 4, 2, num_layers=2, nonlinearity="relu", bias=False)
    assert repr(module).splitlines() == [
        "RecurrentNetwork(",
        "  (rnn): RNN(input_size=3, hidden_size=4, num_layers=2, nonlinearity='relu', bias=False)",
        "  (output): Linear(in_features=4, out_features=2, bias=False)",
        ")",
    ]
    assert repr(nn.MSELoss()) == "MSELoss()"
    assert "(pair): (Linear(in_features=2, out_features=1, bias=True)" in repr(Nested())


@pytest.mark.parametrize("value", [np.zeros(2), [0.0, 0.0], 0.0, mt.zeros(2)], ids=type)
def test_nothing_but_a_parameter_takes_the_place_of_a_parameter(value):
    module = linear()
    with pytest.raises(TypeError, match=r"Linear.bias is a Parameter.*bias.update_\(values\)"):
        module.bias = value
    module.bias = None
    assert list(module.state_dict()) == ["weight"]


def test_train_takes_a_truth_value():
    with pytest.raises(TypeError, match="mode is 'no'; True or False"):
        linear().train("no")


def test_to_takes_a_dtype_and_a_device_together():
    module = linear().to("cpu", "float32")
    assert module.weight.dtype == np.float32
    assert module.to(dtype="float64", device="cpu").weight.dtype == np.float64
    assert mt.ones(2).to("cpu", "float16").dtype == np.float16


def test_modules_in_lists_of_lists_are_shown():
    module = nn.Module()
    module.rows = [[linear()], [linear()]]
    assert repr(module).count("Linear(") == 2


def test_a_name_of_pytorch_that_is_missing_tells_what_to_use():
    with pytest.raises(AttributeError, match=r"Linear has no attribute 'double'.*to\('float64'\)"):
        linear().double()


def test_a_hook_does_not_mind_outputs_of_two_dtypes():
    module, seen = nn.Module(), []
    module.forward = lambda x: (x * 2, (x * 3).astype("float32"))
    module.register_full_backward_hook(lambda m, entered, left: seen.extend(left))
    x = mt.tensor(np.ones(2), requires_grad=True)
    y, z = module(x)
    (y.sum() + 10 * z.sum()).backward()
    assert [g.dtype for g in seen] == [np.float64, np.float32]
    assert x.grad.tolist() == [32.0, 32.0]
