"""Recurrent layers and cells of every kind, under one name each, and what tests do with them."""

import numpy as np

import minitorch_rnn as mt
from minitorch_rnn import nn

KINDS = {  # the class, here and in PyTorch, and the options that make the kind
    "tanh": ("RNN", {"nonlinearity": "tanh"}),
    "relu": ("RNN", {"nonlinearity": "relu"}),
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
    "projected": ("LSTM", {"proj_size": 2}),
}
CELLS = list(KINDS)[:4]  # PyTorch's cells have no projection


class TwoLayers(nn.Module):
    """What recurs not: tanh between two linear layers, for what holds of any module."""

    def __init__(self, I, H, O, rng=None):
        self.first, self.second = nn.Linear(I, H, rng=rng), nn.Linear(H, O, rng=rng)

    def forward(self, x):
        return self.second(self.first(x).tanh())


def layer(kind, *sizes, home=nn, **options):
    """A layer of a kind, ours or that of `torch.nn`."""
    name, more = KINDS[kind]
    return getattr(home, name)(*sizes, **more | options)


def cell(kind, *sizes, home=nn, **options):
    """A cell of a kind, ours or that of `torch.nn`."""
    name, more = KINDS[kind]
    return getattr(home, f"{name}Cell")(*sizes, **more | options)


def started(kind, *sizes, rng, **options):
    """A layer with learned initial states that are not the zeros which they are born with."""
    made = layer(kind, *sizes, initial_state="learned", rng=rng, **options)
    for name in made.cell.states:
        state = getattr(made, f"{name}_0")
        state.update_(mt.tensor(rng.normal(size=state.shape)))
    return made


def flat(*found):
    """All tensors in what layers or cells returned, in one list."""
    return [y for x in found for y in (flat(*x) if isinstance(x, tuple | list) else [x])]


def leaf(array):
    """A tensor that requires a gradient."""
    return mt.tensor(array, requires_grad=True)


def slopes(module, x, outputs, cotangents):
    """The gradients of x and of every parameter that was used, as arrays by name.

    Those of a list of sequences are named x0, x1 and so on.
    """
    leaves = dict(module.named_parameters())
    leaves |= {f"x{b}": one for b, one in enumerate(x)} if isinstance(x, list) else {"x": x}
    grads = mt.autograd.grad(outputs, list(leaves.values()), cotangents, allow_unused=True)
    return {n: g.numpy() for n, g in zip(leaves, grads, strict=True) if g is not None}


def as_state(tensors):
    """States as layers and cells take them: one, a tuple of several, or None for none."""
    return None if not tensors else tuple(tensors) if len(tensors) > 1 else tensors[0]


def as_function(module, rng, x, *states, **options):
    """The module as a function of x, its states and its parameters, and where to evaluate it.

    Given are the shapes of x and of the states, and what else the module is called with.
    """
    names, n = [name for name, _ in module.named_parameters()], len(states)

    def run(x, *rest):
        # Tensors of the check where Parameters stood, which assignment would refuse.
        vars(module).update(zip(names, rest[n:], strict=True))
        return module(x, as_state(rest[:n]), **options)

    arrays = [rng.normal(size=shape) for shape in (x, *states)]
    return run, [leaf(a) for a in (*arrays, *[p.data for p in module.parameters()])]


def assert_close(found, expected, rtol=1e-10, atol=1e-12):
    """Arrays by name, equal; what they are compared with may be PyTorch's tensors."""
    assert list(found) == list(expected)
    for name, reference in expected.items():
        reference = reference.numpy(force=True) if hasattr(reference, "detach") else reference
        mine = found[name].data if isinstance(found[name], mt.Tensor) else found[name]
        np.testing.assert_allclose(mine, reference, rtol=rtol, atol=atol, err_msg=name)


def assert_gradients_are_pytorchs(mine, theirs, found, expected, cotangents):
    """The gradients of all leaves, by name, given the outputs of either and their cotangents."""
    import torch

    grads = mt.autograd.grad(found, list(mine.values()), cotangents)
    v = list(map(torch.tensor, cotangents))
    wanted = torch.autograd.grad(expected, list(theirs.values()), v)
    assert_close(dict(zip(mine, grads, strict=True)), dict(zip(theirs, wanted, strict=True)))


def assert_second_derivatives_are_pytorchs(mine, theirs, found, expected, cotangents):
    """The gradient of the squared gradient norm, in all leaves by name and in the cotangents."""
    import torch

    v = {f"cotangent {k}": leaf(a) for k, a in enumerate(cotangents)}
    w = {n: torch.tensor(a.data, requires_grad=True) for n, a in v.items()}
    slopes = mt.autograd.grad(found, list(mine.values()), list(v.values()), create_graph=True)
    wanted = torch.autograd.grad(
        expected, list(theirs.values()), list(w.values()), create_graph=True
    )
    norm, reference = (sum((g * g).sum() for g in some) for some in (slopes, wanted))
    np.testing.assert_allclose(norm.item(), reference.item(), rtol=1e-10)
    mine, theirs = mine | v, theirs | w
    curved = mt.autograd.grad(norm, list(mine.values()), allow_unused=True)
    wanted = torch.autograd.grad(reference, list(theirs.values()), allow_unused=True)
    for (name, x), g, want in zip(mine.items(), curved, wanted, strict=True):
        want = np.zeros(x.shape) if want is None else want.numpy()
        g = np.zeros(x.shape) if g is None else g.data
        # Sums of hundreds of products: what cancels to nearly 0 keeps the error of the largest.
        atol = 1e-13 * abs(want).max(initial=1.0)
        np.testing.assert_allclose(g, want, rtol=1e-10, atol=atol, err_msg=name)
