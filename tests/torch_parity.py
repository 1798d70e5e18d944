"""One comparison with PyTorch for whatever both have: values, gradients, second derivatives."""

import numpy as np
from numpy.testing import assert_allclose

import minitorch_rnn as mt

EXACT = {"rtol": 1e-10, "atol": 1e-13}  # rounding, in sums of numbers of size 1


def by_both(rng, ours, theirs, arrays, second=EXACT):
    """Compare values, gradients and second derivatives in all arrays and in the cotangent."""
    import torch

    xs = [mt.tensor(a, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, t = ours(*xs), theirs(*ts)
    assert y.shape == tuple(t.shape)
    assert_allclose(y.data, t.detach().numpy(), **EXACT)
    v, us = rng.normal(size=y.shape), [rng.normal(size=a.shape) for a in arrays]
    xs.append(mt.tensor(v, requires_grad=True))
    ts.append(torch.tensor(v, requires_grad=True))
    slopes = mt.autograd.grad(y, xs[:-1], xs[-1], create_graph=True)
    wanted = torch.autograd.grad(t, ts[:-1], ts[-1], create_graph=True)
    for g, want in zip(slopes, wanted, strict=True):
        assert_allclose(g.data, want.detach().numpy(), **EXACT)
    curved = sum((g * u).sum() for g, u in zip(slopes, us, strict=True))
    total = sum((g * torch.tensor(u)).sum() for g, u in zip(wanted, us, strict=True))
    found = mt.autograd.grad(curved, xs, allow_unused=True)
    wanted = torch.autograd.grad(total, ts, allow_unused=True)
    for x, g, want in zip(xs, found, wanted, strict=True):
        g = np.zeros(x.shape) if g is None else g.data
        want = np.zeros(x.shape) if want is None else want.numpy(force=True)
        assert_allclose(g, want, **second)
