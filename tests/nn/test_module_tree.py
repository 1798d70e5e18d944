"""Walks over a module's children: named_children, children, apply, requires_grad_."""

import pytest
from recurrent_layers import TwoLayers, leaf

import minitorch_rnn as mt
from minitorch_rnn import nn

T, B, I, H = 4, 3, 2, 5


class Tree(nn.Module):
    """Modules wherever they can be."""

    def __init__(self):
        self.encoder = TwoLayers(I, H, 2)
        self.layers = [nn.Linear(1, 1), {"deep": nn.GRU(1, 1)}]
        self.again = self.encoder.second
        self.last = nn.Linear(2, 2)


def test_children_are_the_modules_right_below_each_once():
    tree = Tree()
    assert [name for name, _ in tree.named_children()] == [
        "encoder", "layers.0", "layers.1.deep", "last",
    ]  # fmt: skip
    assert list(tree.children()) == [module for _, module in tree.named_children()]
    assert [name for name, _ in tree.encoder.named_children()] == ["first", "second"]
    assert list(tree.last.children()) == []


@pytest.mark.torch
def test_children_and_the_order_of_apply_are_pytorchs():
    """From below, in the order of assignment, so that what draws numbers draws the same ones."""
    import torch

    def built(home):
        tree = home.Module()
        tree.a, tree.b, tree.c = home.Module(), home.Linear(1, 1), home.Module()
        tree.a.d, tree.a.e, tree.c.f = home.Linear(1, 2), home.Module(), home.Linear(1, 3)
        tree.a.e.g = home.Linear(1, 4)
        return tree

    found = []
    for tree in (built(nn), built(torch.nn)):
        order, names = [], {id(module): name for name, module in tree.named_modules()}
        assert tree.apply(order.append) is tree
        children = [name for name, _ in tree.named_children()]
        found.append((list(names.values()), children, [names[id(module)] for module in order]))
    assert found[0] == found[1]


def test_apply_reaches_every_module_once_and_the_root_last():
    tree, seen = Tree(), []
    tree.apply(seen.append)
    assert seen[-1] is tree and len(seen) == len(set(map(id, seen)))
    assert {id(m) for m in seen} == {id(m) for m in tree.modules()}


def test_apply_may_set_initial_values():
    def constant(module):
        if isinstance(module, nn.Linear):
            module.weight.update_(mt.full(module.weight.shape, 0.5))

    tree = Tree().apply(constant)
    assert (tree.encoder.first.weight.data == 0.5).all() and (tree.last.weight.data == 0.5).all()
    assert not (tree.layers[1]["deep"].weight_ih_l0.data == 0.5).all()


def test_freezing_a_part_trains_the_others_alone(rng):
    net = TwoLayers(I, H, 2, rng=rng)
    assert net.first.requires_grad_(False) is net.first
    x = leaf(rng.normal(size=(B, I)))
    net(x).sum().backward()
    assert net.first.weight.grad is None and net.first.bias.grad is None
    assert net.second.weight.grad is not None and x.grad is not None
    assert [p.requires_grad for p in net.parameters()] == [False, False, True, True]
    net.requires_grad_()
    net(x).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_a_frozen_recurrent_layer_still_passes_gradients_on(rng):
    net = nn.GRU(I, H, 2, rng=rng)
    x = leaf(rng.normal(size=(T, B, I)))
    v = rng.normal(size=(T, B, H))
    (expected,) = mt.autograd.grad((net(x)[0] * v).sum(), x)
    (net.requires_grad_(False)(x)[0] * v).sum().backward()
    assert x.grad.tolist() == expected.tolist()
    assert all(p.grad is None for p in net.parameters())
