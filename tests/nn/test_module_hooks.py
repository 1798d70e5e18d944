"""Hooks of modules, before and after forward and behind the gradients: what PyTorch's do."""

import copy
from collections import OrderedDict

import numpy as np
import pytest
from numpy.testing import assert_allclose
from recurrent_layers import TwoLayers, flat, leaf

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import GraphError

T, B, I, H = 4, 3, 2, 5


class Scaled(nn.Module):
    """Takes a tensor, a number and another tensor, and returns two."""

    def forward(self, x, factor, y):
        return x * factor, x * y.sum()


def pytorchs(ours):
    """The same module of PyTorch, with the same weights."""
    import torch

    class Scaling(torch.nn.Module):
        def forward(self, x, factor, y):
            return x * factor, x * y.sum()

    made = {
        "TwoLayers": lambda: torch.nn.Sequential(
            OrderedDict(
                first=torch.nn.Linear(I, H), f=torch.nn.Tanh(), second=torch.nn.Linear(H, 2)
            )
        ),
        "Scaled": Scaling,
        "Linear": lambda: torch.nn.Linear(I, H),
        "RNN": lambda: torch.nn.RNN(I, H, 2, bidirectional=True),
        "LSTM": lambda: torch.nn.LSTM(I, H, 2),
    }[type(ours).__name__]().double()
    made.load_state_dict({n: torch.from_numpy(a) for n, a in ours.state_dict().items()})
    return made


def array(gradient):
    """As NumPy has it, of either library; None for none."""
    if gradient is None:
        return None
    return gradient.detach().numpy()


def recorder(seen):
    """A hook that remembers what it is called with."""

    def hook(module, grad_input, grad_output):
        assert type(grad_input) is type(grad_output) is tuple
        seen.append((module, [array(g) for g in grad_input], [array(g) for g in grad_output]))

    return hook


def assert_gradients(found, expected):
    assert [g is None for g in found] == [g is None for g in expected]
    for mine, reference in zip(found, expected, strict=True):
        if mine is not None:
            assert_allclose(mine, reference, rtol=1e-10, atol=1e-12)


def linear(rng):
    return nn.Linear(I, H, rng=rng), [(B, I)]


def two_layers(rng):
    return TwoLayers(I, H, 2, rng=rng), [(T, B, I)]


def rnn(rng):
    return nn.RNN(I, H, 2, bidirectional=True, rng=rng), [(T, B, I), (4, B, H)]


def scaled(rng):
    return Scaled(), [(B, I), (), (B, I)]


# Full backward hooks ----------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # PyTorch's, without inputs
@pytest.mark.parametrize(
    "make, asked",
    [(linear, "y"), (linear, "n"), (two_layers, "y"), (two_layers, "n"), (rnn, "yy"), (rnn, "yn"),
     (rnn, "ny"), (rnn, "nn"), (scaled, "yny"), (scaled, "ynn"), (scaled, "nny")],
)  # fmt: skip
def test_backward_hooks_see_pytorchs_gradients(make, asked, rng):
    """Of every output, and of every argument that asks for one; PyTorch gives others zeros."""
    import torch

    ours, shapes = make(rng)
    theirs = pytorchs(ours)
    arrays = [rng.normal(size=shape) for shape in shapes]
    asked = [letter == "y" for letter in asked]
    mine = [mt.tensor(a, requires_grad=r) for a, r in zip(arrays, asked, strict=True)]
    yours = [torch.tensor(a, requires_grad=r) for a, r in zip(arrays, asked, strict=True)]
    seen, expected = [], []
    ours.register_full_backward_hook(recorder(seen))
    theirs.register_full_backward_hook(recorder(expected))
    found, reference = flat(ours(*mine)), flat(theirs(*yours))
    v = [rng.normal(size=y.shape) for y in found]
    sum((y * w).sum() for y, w in zip(found, v, strict=True)).backward()
    sum((y * torch.tensor(w)).sum() for y, w in zip(reference, v, strict=True)).backward()

    ((module, grad_input, grad_output),) = seen
    ((_, wanted_input, wanted_output),) = expected
    assert module is ours
    assert_gradients(
        grad_input, [g if r else None for g, r in zip(wanted_input, asked, strict=True)]
    )
    assert_gradients(grad_output, wanted_output)
    for x, X in zip(mine, yours, strict=True):
        assert_gradients([array(x.grad)], [array(X.grad)])
    for p, P in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_allclose(p.grad.data, P.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("given", [False, True], ids=["zeros", "given"])
def test_of_an_lstm_all_tensors_in_its_nested_outputs_are_seen(given, rng):
    """PyTorch's hook gives None for the tuple (h_n, c_n); its tensors' gradients are the truth."""
    import torch

    ours = nn.LSTM(I, H, 2, rng=rng)
    theirs, seen, expected = pytorchs(ours), [], []
    x, state = rng.normal(size=(T, B, I)), [rng.normal(size=(2, B, H)) for _ in "hc"]
    ours.register_full_backward_hook(recorder(seen))
    theirs.register_full_backward_hook(recorder(expected))
    X = torch.tensor(x, requires_grad=True)
    found = flat(ours(leaf(x), *([tuple(map(leaf, state))] if given else [])))
    more = [tuple(torch.tensor(s, requires_grad=True) for s in state)] if given else []
    reference = flat(theirs(X, *more))
    v = [rng.normal(size=y.shape) for y in found]
    sum((y * w).sum() for y, w in zip(found, v, strict=True)).backward()
    sum((y * torch.tensor(w)).sum() for y, w in zip(reference, v, strict=True)).backward()

    ((_, grad_input, grad_output),), ((_, wanted, (of_output, of_tuple)),) = seen, expected
    assert_gradients(grad_input, wanted)
    assert len(grad_input) == 1 + given and of_tuple is None
    assert_gradients(grad_output, [of_output, *v[1:]])


@pytest.mark.torch
def test_outputs_that_a_loss_does_not_use_have_gradients_of_zero(rng):
    import torch

    ours = nn.RNN(I, H, 2, bidirectional=True, rng=rng)
    theirs, seen, expected = pytorchs(ours), [], []
    ours.register_full_backward_hook(recorder(seen))
    theirs.register_full_backward_hook(recorder(expected))
    x, v = rng.normal(size=(T, B, I)), rng.normal(size=(4, B, H))
    (ours(leaf(x))[1] * v).sum().backward()
    (theirs(torch.tensor(x, requires_grad=True))[1] * torch.tensor(v)).sum().backward()
    ((_, grad_input, (unused, used)),), ((_, wanted, (none, reference)),) = seen, expected
    assert none is None and unused.shape == (T, B, 2 * H) and not unused.any()
    assert_gradients([*grad_input, used], [*wanted, reference])


@pytest.mark.torch
@pytest.mark.parametrize("where", ["first", "second"])
def test_a_replaced_grad_input_flows_on_as_in_pytorch(where, rng):
    """To all that lies before the module; its own parameters keep the gradients they have."""
    import torch

    ours = TwoLayers(I, H, 2, rng=rng)
    theirs = pytorchs(ours)
    x, v = rng.normal(size=(B, I)), rng.normal(size=(B, 2))
    for net in (ours, theirs):
        inner = getattr(net, where)
        inner.register_full_backward_hook(lambda m, g_in, g_out: (g_in[0] * 3.0,))
        inner.register_full_backward_hook(lambda m, g_in, g_out: (g_in[0] - 0.5,))
    x, X = leaf(x), torch.tensor(x, requires_grad=True)
    (ours(x) * v).sum().backward()
    (theirs(X) * torch.tensor(v)).sum().backward()
    assert_allclose(x.grad.data, X.grad.numpy(), rtol=1e-12)
    for (name, p), P in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert_allclose(p.grad.data, P.grad.numpy(), rtol=1e-12, err_msg=name)


def test_a_replaced_grad_input_may_be_a_single_tensor_or_a_list(rng):
    layer, x = nn.Linear(I, H, rng=rng), leaf(rng.normal(size=(B, I)))
    for new in (mt.full((B, I), 2.0), [mt.full((B, I), 2.0)]):
        handle = layer.register_full_backward_hook(lambda m, g_in, g_out, new=new: new)
        (g,) = mt.autograd.grad(layer(x).sum(), x)
        assert g.tolist() == [[2.0] * I] * B
        handle.remove()


@pytest.mark.parametrize(
    "new, told",
    [
        (lambda g: (g[0][:1],), r"\[\(1, 2\)\]; needed are \[\(3, 2\)\]"),
        (lambda g: (g[0], g[0]), r"\[\(3, 2\), \(3, 2\)\]; needed are \[\(3, 2\)\]"),
        (lambda g: (), r"\[\]; needed are \[\(3, 2\)\]"),
        (lambda g: (None,), r"\[None\]; needed are \[\(3, 2\)\]"),
    ],
    ids=["shape", "too-many", "none", "None"],
)
def test_a_replaced_grad_input_of_another_shape_is_refused(new, told, rng):
    layer = nn.Linear(I, H, rng=rng)
    layer.register_full_backward_hook(lambda m, g_in, g_out: new(g_in))
    y = layer(leaf(rng.normal(size=(B, I))))
    with pytest.raises(GraphError, match=told) as caught:
        y.sum().backward()
    assert repr(layer) in str(caught.value)


def test_a_hook_cannot_change_a_gradient_in_place(rng):
    """What it is given is its own, or cannot be written to."""
    layer = nn.Linear(I, H, rng=rng)

    def spoil(module, grad_input, grad_output):
        for g in (*grad_input, *grad_output):
            with pytest.raises(ValueError, match="read-only"):
                g.data[...] = 7.0

    plain, hooked = leaf(np.ones((B, I))), leaf(np.ones((B, I)))
    layer(plain).sum().backward()
    layer.register_full_backward_hook(spoil)
    layer(hooked).sum().backward()
    assert plain.grad.tolist() == hooked.grad.tolist()


def test_what_a_hook_keeps_stays_as_it_was(rng):
    """Also where the gradient is an array of the caller, who goes on to use it."""
    layer, kept, v = nn.Linear(I, H, rng=rng), [], rng.normal(size=(B, H))
    layer.register_full_backward_hook(lambda m, g_in, g_out: kept.extend((*g_in, *g_out)))
    x = leaf(rng.normal(size=(B, I)))
    layer(x).backward(v)
    expected = [g.tolist() for g in kept]
    v[...] = 0.0
    layer(x).backward(np.ones((B, H)))
    assert [g.tolist() for g in kept[:2]] == expected


def test_removed_hooks_are_silent_and_others_stay(rng):
    layer, told = nn.Linear(I, H, rng=rng), []
    kinds = ["forward_pre_hook", "forward_hook", "full_backward_hook"]
    handles = [
        getattr(layer, f"register_{kind}")(lambda *_, told=told, name=(kind, i): told.append(name))
        for kind in kinds
        for i in range(2)
    ]
    layer(leaf(np.ones((B, I)))).sum().backward()
    assert told == [(kind, i) for kind in kinds for i in range(2)]
    for handle in handles[::2]:
        handle.remove()
        handle.remove()
    told.clear()
    layer(leaf(np.ones((B, I)))).sum().backward()
    assert told == [(kind, 1) for kind in kinds]


def test_a_module_that_is_called_twice_is_seen_twice_the_last_first(rng):
    layer, seen = nn.Linear(I, I, rng=rng), []
    layer.register_full_backward_hook(recorder(seen))
    v = rng.normal(size=(B, I))
    (layer(layer(leaf(rng.normal(size=(B, I))))) * v).sum().backward()
    assert len(seen) == 2
    (_, (middle,), (top,)), (_, _, (below,)) = seen
    assert_allclose(top, v)
    assert_allclose(middle, v @ layer.weight.data, rtol=1e-12)
    assert_allclose(below, middle)


@pytest.mark.torch
@pytest.mark.parametrize("make", [two_layers, rnn])
@pytest.mark.parametrize("f", ["tanh", "clone"])
def test_hooked_gradients_have_pytorchs_second_derivatives(make, f, rng):
    """Those that a hook was given, and those that it put in their place.

    The second walk calls the hook again where it passes the outputs of the module, as it does
    where tanh needs their values, and elsewhere not.
    """
    import torch

    ours, shapes = make(rng)
    theirs, x, told = pytorchs(ours), rng.normal(size=shapes[0]), []
    v = rng.normal(size=flat(ours(x))[0].shape)
    for net, library, tensor in ((ours, mt, leaf), (theirs, torch, torch.tensor)):
        X, V = (tensor(a).requires_grad_() for a in (x, v))
        seen, kept = [], []
        net.register_full_backward_hook(recorder(seen))
        net.register_full_backward_hook(lambda m, i, o, kept=kept: kept.extend((*i, o[0])))
        net.register_full_backward_hook(lambda m, g_in, g_out: (g_in[0] * g_in[0],))
        y = getattr(flat(net(X))[0], f)()
        (g,) = library.autograd.grad(y, X, V, create_graph=True)
        loss = (g * g).sum() + sum((slope * slope).sum() for slope in kept[:2])
        second = library.autograd.grad(loss, [X, V, *net.parameters()], allow_unused=True)
        told.append((list(map(array, [g, *second])), [[*i, o[0]] for _, i, o in seen]))
    (mine, seen), (reference, expected) = told
    assert len(seen) == len(expected)
    for found, wanted in zip([mine, *seen], [reference, *expected], strict=True):
        assert_gradients(found, wanted)


def test_a_copy_of_a_hooked_module_has_hooks_of_its_own(rng):
    layer, told = nn.Linear(I, H, rng=rng), []
    handles = [
        layer.register_forward_hook(lambda m, a, y: told.append(m)),
        layer.register_full_backward_hook(lambda m, a, y: told.append(m)),
    ]
    twin = copy.deepcopy(layer)
    twin(leaf(np.ones((B, I)))).sum().backward()
    assert [m is twin for m in told] == [True, True]
    for handle in handles:
        handle.remove()
    layer(leaf(np.ones((B, I)))).sum().backward()
    assert len(told) == 2
    twin(leaf(np.ones((B, I)))).sum().backward()
    assert len(told) == 4
    assert layer.weight.grad is not twin.weight.grad


def test_without_gradients_nothing_passes_backward(rng):
    layer, seen = nn.Linear(I, H, rng=rng), []
    layer.register_full_backward_hook(recorder(seen))
    with mt.no_grad():
        y = layer(leaf(np.ones((B, I))))
    assert not y.requires_grad and y._op is None
    frozen = layer.requires_grad_(False)(mt.ones(B, I))
    assert not frozen.requires_grad and seen == []


def test_hooks_change_no_value_and_no_gradient(backend, rng):
    """Of a network with all its hooks, on either backend; arrays and lists of them go in too."""
    found = []
    for hooked in (False, True):
        net = nn.LSTM(I, H, 2, bidirectional=True, rng=np.random.default_rng(5))
        if hooked:
            net.register_forward_pre_hook(lambda *_: None)
            net.register_forward_hook(lambda *_: None)
            net.register_full_backward_hook(lambda *_: None)
        values = np.random.default_rng(6)
        x = mt.tensor(values.normal(size=(T, B, I)), requires_grad=True)
        rows = [values.normal(size=(n, I)) for n in (3, 1)]
        outputs = [*flat(net(x, lengths=[2, 4, 1])), *flat(net(rows))]
        v = [mt.tensor(values.normal(size=y.shape)) for y in outputs]
        sum((y * w).sum() for y, w in zip(outputs, v, strict=True)).backward()
        found.append([t.tolist() for t in (*outputs, x.grad, *(p.grad for p in net.parameters()))])
    assert found[0] == found[1]


# Forward hooks ----------------------------------------------------------------------------------


@pytest.mark.torch
def test_forward_hooks_see_and_change_what_pytorchs_do(rng):
    """In the order of registration, each seeing what the one before it made; backward ones last."""
    import torch

    ours, x, v = nn.Linear(I, H, rng=rng), rng.normal(size=(B, I)), rng.normal(size=(B, H))
    theirs, told, passed = pytorchs(ours), [], []
    x, X = leaf(x), torch.tensor(x, requires_grad=True)
    for layer in (ours, theirs):

        def note(m, *rest):
            told.append([array(y) for y in flat(list(rest))])

        layer.register_forward_pre_hook(note)
        layer.register_forward_pre_hook(lambda m, args: args[0] * 2.0)
        layer.register_forward_pre_hook(lambda m, args: (args[0] + 1.0,))
        layer.register_forward_pre_hook(note)
        layer.register_forward_hook(note)
        layer.register_forward_hook(lambda m, args, y: y * y)
        layer.register_forward_hook(note)
        layer.register_full_backward_hook(recorder(passed))
    (ours(x) * v).sum().backward()
    (theirs(X) * torch.tensor(v)).sum().backward()
    for mine, reference in zip(told[:4], told[4:], strict=True):
        assert_gradients(mine, reference)
    assert_allclose(x.grad.data, X.grad.numpy(), rtol=1e-12)
    (_, *mine), (_, *reference) = passed
    for a, b in zip(mine, reference, strict=True):
        assert_gradients(a, b)


def test_forward_hooks_are_told_the_module_and_its_arguments(rng):
    net, told = nn.LSTM(I, H, rng=rng), []
    x, state = rng.normal(size=(T, B, I)), (mt.zeros(1, B, H), mt.ones(1, B, H))
    net.register_forward_pre_hook(lambda *given: told.append(given))
    net.register_forward_hook(lambda *given: told.append(given))
    output, last = net(x, state, lengths=[4, 2, 1])
    (first, before), (second, after, (y, y_last)) = told
    assert first is second is net
    assert before[0] is x and before[1] is state and len(before) == 2 == len(after)
    assert y is output and y_last is last
