"""Sequential, ModuleList and ModuleDict: PyTorch's names, and what a list and a dictionary can."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import nn


def linear(n=2, m=None):
    return nn.Linear(n, m or n)


def layers(n=3):
    return [linear() for _ in range(n)]


def names(module):
    return [name for name, _ in module.named_parameters()]


numbered = pytest.mark.parametrize(
    "make", [lambda held: nn.Sequential(*held), nn.ModuleList], ids=["Sequential", "ModuleList"]
)


# Sequential ---------------------------------------------------------------------------------------


def test_a_sequence_calls_one_module_after_the_other(backend, rng):
    first, last = nn.Linear(3, 5), nn.Linear(5, 2)
    x = mt.tensor(rng.normal(size=(4, 3)))
    y = nn.Sequential(first, nn.Tanh(), last)(x)
    assert y.tolist() == last(first(x).tanh()).tolist()
    y.sum().backward()
    assert first.weight.grad.shape == (5, 3) and y.backend == backend


def test_an_empty_sequence_gives_what_it_gets():
    x = object()
    assert nn.Sequential()(x) is x and len(nn.Sequential()) == 0


@pytest.mark.torch
@pytest.mark.parametrize("by_name", [False, True], ids=["numbers", "names"])
def test_a_network_of_modules_is_pytorchs_in_numbers_names_and_state(by_name, rng):
    import torch

    def made(home, **options):
        held = [
            home.Embedding(9, 4, padding_idx=0, **options),
            home.Linear(4, 6, **options),
            home.LayerNorm(6, **options),
            home.GELU(),
            home.Dropout(0.5),
            home.Sequential(home.Linear(6, 3, **options), home.LogSoftmax(-1)),
        ]
        labels = ["table", "inner", "norm", "bend", "drop", "output"]
        return home.Sequential(
            *([OrderedDict(zip(labels, held, strict=True))] if by_name else held)
        )

    theirs = made(torch.nn, dtype=torch.float64).eval()
    ours = made(nn).eval().load_state_dict(theirs.state_dict())
    assert names(ours) == [name for name, _ in theirs.named_parameters()]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
    x, v = rng.integers(9, size=(5, 2)), rng.normal(size=(5, 2, 3))
    y, expected = ours(x), theirs(torch.from_numpy(x))
    y.backward(v)
    expected.backward(torch.from_numpy(v))
    assert_allclose(y.data, expected.detach().numpy(), rtol=1e-10, atol=1e-13)
    for (name, p), t in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert_allclose(p.grad.data, t.grad.numpy(), rtol=1e-10, atol=1e-13, err_msg=name)


def test_a_dictionary_names_the_modules_which_are_attributes_then():
    first, second = linear(), linear()
    for kind in (dict, OrderedDict):
        network = nn.Sequential(kind([("first", first), ("second", second)]))
        assert names(network) == ["first.weight", "first.bias", "second.weight", "second.bias"]
        assert network.second is network[1] is second


def test_a_slice_of_a_sequence_keeps_the_names_and_shares_the_modules():
    network = nn.Sequential(*layers())
    part = network[1:]
    assert isinstance(part, nn.Sequential) and list(part) == list(network)[1:]
    assert names(part)[::2] == ["1.weight", "2.weight"]
    assert list(network[::-1]) == list(network)[::-1]
    by_name = nn.Sequential({"a": linear(), "b": linear()})
    assert names(by_name[1:]) == ["b.weight", "b.bias"]


def test_appending_to_a_slice_replaces_nothing():
    part = nn.Sequential(*layers())[1:]
    held = [*part, linear()]
    part.append(held[-1])
    assert list(part) == held and names(part)[::2] == ["1.weight", "2.weight", "3.weight"]


def test_a_kind_of_the_users_own_is_called_as_it_says_and_sliced_into_a_plain_sequence():
    class Residual(nn.Sequential):
        def __init__(self, size, depth):
            super().__init__(*[linear(size) for _ in range(depth)])

        def forward(self, x):
            return x + super().forward(x)

    block = Residual(2, 3)
    x = mt.ones(1, 2)
    part = block[:]
    assert type(part) is nn.Sequential
    assert_allclose(block(x).data, (x + part(x)).data)


# Lists --------------------------------------------------------------------------------------------


@numbered
def test_modules_are_found_under_their_numbers(make):
    container = make(layers())
    assert names(container) == [f"{i}.{kind}" for i in range(3) for kind in ("weight", "bias")]
    model = nn.Module()
    model.inner = container
    assert names(model)[0] == "inner.0.weight"
    assert [name for name, _ in model.named_modules()] == [
        "", "inner", "inner.0", "inner.1", "inner.2",
    ]  # fmt: skip


@numbered
def test_it_can_be_read_as_a_list(make):
    held = layers()
    container = make(held)
    assert len(container) == 3 and list(container) == held
    assert (
        container[0] is held[0] and container[-1] is held[2] and container[np.int64(1)] is held[1]
    )
    assert held[1] in container and linear() not in container
    assert container.index(held[2]) == 2 and list(reversed(container)) == held[::-1]
    for part in (slice(1, None), slice(None, None, 2), slice(5, 9), slice(-1, None)):
        assert list(container[part]) == held[part]
        assert type(container[part]) is type(container)


@numbered
def test_it_can_be_changed_as_a_list_and_is_numbered_anew(make):
    held, container = layers(), make(())
    for one in held:
        assert container.append(one) is container
    held += (more := layers(2))
    assert container.extend(more) is container
    held[1] = container[1] = linear()
    held.insert(0, one := linear())
    assert container.insert(0, one) is container
    held.insert(-1, one := linear())
    container.insert(-1, one)
    del held[2], container[2]
    del held[::3], container[::3]
    assert container.pop() is held.pop() and container.pop(0) is held.pop(0)
    held += (more := layers(2))
    container += more
    held.reverse()
    container.reverse()
    assert list(container) == held
    assert names(container)[::2] == [f"{i}.weight" for i in range(len(held))]


@numbered
def test_a_sum_is_a_new_container_and_changes_none(make):
    a, b = make(layers(2)), make(layers(2))
    held = [*a, *b]
    both = a + b
    assert list(both) == held and type(both) is type(a)
    assert names(both)[::2] == ["0.weight", "1.weight", "2.weight", "3.weight"]
    assert len(a) == len(b) == 2
    assert list(both + [held[0]]) == [*held, held[0]]


@numbered
def test_a_container_may_extend_itself(make):
    container = make(held := layers(2))
    container.extend(container)
    assert list(container) == held + held
    assert len(list(container.parameters())) == 4  # each once


@numbered
def test_a_refused_entry_changes_nothing(make):
    held = layers()
    container = make(held)
    for change in (
        lambda: container.append(mt.tanh),
        lambda: container.insert(1, nn.Tanh),
        lambda: container.__setitem__(0, 3),
    ):
        with pytest.raises(TypeError):
            change()
        assert list(container) == held and names(container)[2] == "1.weight"


@numbered
def test_modes_moves_and_states_reach_what_it_holds(make, rng):
    container = make([nn.Dropout(), linear()])
    container.eval()
    assert not container[0].training and len(container) == 2
    container.train().to("float32")
    assert container[0].training and container[1].weight.dtype == np.float32
    other = make([nn.Dropout(), linear()]).load_state_dict(container.state_dict())
    assert_allclose(other[1].weight.data, container[1].weight.data, rtol=1e-7)  # from float32


@numbered
def test_copies_and_pickles_hold_modules_of_their_own(make):
    container = make(layers())
    for twin in (copy.deepcopy(container), pickle.loads(pickle.dumps(container))):
        assert type(twin) is type(container) and names(twin) == names(container)
        assert twin[0] is not container[0]
        assert twin[0].weight.tolist() == container[0].weight.tolist()


def test_a_list_takes_any_iterable_and_is_not_called():
    made = nn.ModuleList(linear() for _ in range(2))
    assert len(made) == 2 and len(nn.ModuleList()) == 0
    with pytest.raises(NotImplementedError, match="ModuleList"):
        made(mt.ones(2))


# Dictionaries -------------------------------------------------------------------------------------


def test_a_dictionary_of_modules_can_be_used_as_one():
    a, b, c = layers()
    heads = nn.ModuleDict({"a": a, "b": b})
    heads["c"] = c
    assert list(heads) == list(heads.keys()) == ["a", "b", "c"] and len(heads) == 3
    assert list(heads.values()) == [a, b, c] and dict(heads.items()) == {"a": a, "b": b, "c": c}
    assert heads["b"] is heads.b is b and "b" in heads and "d" not in heads
    assert heads.pop("a") is a and heads.get("a") is None
    del heads["b"]
    heads.update([("d", a)])
    assert names(heads)[::2] == ["c.weight", "d.weight"]
    heads["c"] = b
    assert list(heads.items()) == [("c", b), ("d", a)]
    heads.clear()
    assert len(heads) == 0 and list(heads.parameters()) == []


def test_a_dictionary_is_made_of_pairs_too_and_is_a_module_among_modules():
    a = linear()
    one, other = nn.ModuleDict([("a", a)]), nn.ModuleDict({"a": a})
    assert one["a"] is other["a"] and one != other and len({one, other, one}) == 2
    assert nn.ModuleDict(one)["a"] is a and len(nn.ModuleDict()) == 0
    assert one.eval()["a"].training is False


@pytest.mark.torch
def test_paths_below_lists_and_dictionaries_are_pytorchs():
    import torch

    def made(home):
        return home.ModuleDict(
            {
                "cells": home.ModuleList([home.GRUCell(2, 3), home.LSTMCell(2, 3)]),
                "heads": home.ModuleDict({"words": home.Linear(3, 2), "7": home.RNN(2, 3)}),
            }
        )

    assert names(made(nn)) == names(made(torch.nn))


# repr ---------------------------------------------------------------------------------------------


@pytest.mark.torch
def test_the_repr_is_pytorchs():
    import torch

    for make in (
        lambda home: home.Sequential(home.Linear(2, 3), home.Tanh()),
        lambda home: home.Sequential(OrderedDict([("inner", home.Linear(2, 3))])),
        lambda home: home.ModuleList([home.Tanh(), home.Linear(2, 2)]),
        lambda home: home.ModuleDict({"a": home.Tanh(), "b": home.Embedding(2, 3)}),
        lambda home: home.Sequential(),
        lambda home: home.ModuleList(),
        lambda home: home.ModuleDict(),
    ):
        assert repr(make(nn)) == repr(make(torch.nn))


WRONG = [  # what is called, the exception, what its message says
    (lambda: nn.Sequential(linear(), mt.tanh), TypeError, r"Sequential: entry 1 is tanh.*Tanh\(\)"),
    (lambda: nn.Sequential([linear()]), TypeError, "Sequential: entry 0 is list, .* no module"),
    (lambda: nn.Sequential(nn.Tanh), TypeError, "Sequential: entry 0 is Tanh, which is no module"),
    (lambda: nn.Sequential({"a": 3}), TypeError, "Sequential: entry a is int, which is no module"),
    (lambda: nn.ModuleList(linear()), TypeError, "'Linear' object is not iterable"),
    (lambda: nn.ModuleList(layers())[3], IndexError, "ModuleList: index 3 .* for 3 modules"),
    (lambda: nn.Sequential()[-1], IndexError, "Sequential: index -1 is out of range for 0 modules"),
    (lambda: nn.ModuleList(layers()).pop(3), IndexError, "ModuleList: index 3 .* for 3 modules"),
    (lambda: nn.ModuleList().__delitem__(0), IndexError, "ModuleList: index 0 .* for 0 modules"),
    (lambda: nn.ModuleList().__setitem__(0, linear()), IndexError, "index 0 .* for 0 modules"),
    (lambda: nn.ModuleDict({"a.b": linear()}), ValueError, r"ModuleDict: 'a.b' .*holds a '\.'"),
    (lambda: nn.ModuleDict({"": linear()}), ValueError, "ModuleDict: '' cannot.*empty"),
    (lambda: nn.ModuleDict({"keys": linear()}), ValueError, "'keys' cannot.*has such an attribute"),
    (lambda: nn.Sequential({"training": linear()}), ValueError, "Sequential: 'training' cannot"),
    (lambda: nn.ModuleDict({3: linear()}), TypeError, "ModuleDict: the name 3 is no string"),
    (lambda: nn.ModuleDict({"a": None}), TypeError, "ModuleDict: entry a is NoneType"),
    (lambda: nn.ModuleDict()["a"], KeyError, "a"),
    (lambda: nn.ModuleDict().__delitem__("a"), KeyError, "a"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG, ids=[row[2][:24] for row in WRONG])
def test_what_does_not_fit_is_refused_in_words(call, error, message):
    with pytest.raises(error, match=message):
        call()
