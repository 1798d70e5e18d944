"""Arrays that the caller changes between forward and backward never change a gradient.

Every operation and every input; then everything else that takes an array and keeps it for later.
"""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from operations import ROWS

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn import nn
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import GraphError

differentiable = pytest.mark.parametrize("row", [r for r in ROWS if r.differentiable], ids=str)


def leaf(values):
    return mt.tensor(np.array(values, float), requires_grad=True)


def several(result):
    return list(result) if isinstance(result, list | tuple) else [result]


def garbage(rng, array):
    """Other values that the same array may hold: indices stay indices."""
    if array.dtype.kind == "b":
        return ~array
    return (array + 1) % 3 if array.dtype.kind == "i" else rng.normal(size=array.shape) * 9 + 5


KINDS = {  # what is passed for an array, and the memory that its owner changes afterwards
    "array": lambda a: (a, a),
    "view of an array": lambda a: (np.broadcast_to(a, (2, *a.shape))[0], a),
    "from_numpy": lambda a: (mt.from_numpy(a), a),
    "from_dlpack": lambda a: (mt.from_dlpack(a), a),
    "slice": lambda a: (mt.from_numpy(a[None])[0], a),
    "transposed": lambda a: (mt.from_numpy(a.T).T, a),
    "reshaped": lambda a: (mt.from_numpy(a.reshape(-1)).reshape(a.shape), a),
    "detached": lambda a: (mt.from_numpy(a).to("cpu").detach(), a),
    "out and in": lambda a: (mt.from_numpy(np.asarray(mt.from_numpy(a))), a),
    "tensor": lambda a: (mt.tensor(a), a),
}


def changed(memory, values):
    memory[...] = backends.asarray(values)


def disturbed(row, arrays, p, kind, alone, rng):
    """The gradients without and with a change of input p: of the other inputs, or of a factor."""
    found = []
    cotangents = [rng.normal(size=np.shape(y)) for y in several(row.call(mt, *arrays))]
    other = garbage(rng, arrays[p])
    for change in (False, True):
        floats = [i for i, a in enumerate(arrays) if i != p and a.dtype.kind == "f"]
        xs = [backends.asarray(a) for a in arrays]
        xs[p], memory = kind(xs[p].copy())
        for i in floats:
            xs[i] = mt.tensor(arrays[i], requires_grad=not alone)
        leaves = [xs[i] for i in floats]
        ys = several(row.call(mt, *xs))
        if alone:  # the operation itself is of constants; its value meets a tracked tensor
            leaves = [mt.tensor(np.ones(v.shape), requires_grad=True) for v in cotangents]
            ys = [y * w for y, w in zip(ys, leaves, strict=True)]
        if change:
            changed(memory, other)
        for y, v in zip(ys, cotangents, strict=True):
            y.backward(backends.asarray(v), retain_graph=True)
        found.append([backends.to_numpy(x.grad.data).tobytes() for x in leaves])
    return found


@differentiable
def test_an_array_overwritten_after_the_forward_pass_changes_no_gradient(row, rng, backend):
    arrays = row.draw(rng)
    on_host = backend == "numpy"
    kinds = KINDS if on_host else {name: KINDS[name] for name in ("array", "tensor")}
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    for name, kind in kinds.items():
        for p in range(len(arrays)):
            for alone in {True, floats in ([], [p])}:
                before, after = disturbed(row, arrays, p, kind, alone, rng)
                assert before and before == after, f"input {p} as {name}, alone: {alone}"


@differentiable
def test_a_cotangent_overwritten_after_a_recorded_walk_changes_no_second_derivative(row, rng):
    arrays = row.draw(rng)
    values = [rng.normal(size=np.shape(y)) for y in several(row.call(mt, *arrays))]
    for name, kind in KINDS.items():
        found = []
        for change in (False, True):
            xs = [mt.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
            leaves = [x for x in xs if x.requires_grad]
            vs, memories = zip(*[kind(v.copy()) for v in values], strict=True)
            slopes = mt.autograd.grad(
                several(row.call(mt, *xs)), leaves, vs, create_graph=True, allow_unused=True
            )
            if change:
                for memory in memories:
                    changed(memory, 77.0)
            total = sum((x * 0.0).sum() for x in leaves)  # what depends on nothing gets zeros
            total = sum(((g * g).sum() for g in slopes if g is not None), total)
            found.append([g.data.tobytes() for g in mt.autograd.grad(total, leaves)])
        assert found[0] == found[1], f"cotangent as {name}"


@differentiable
def test_a_leaf_updated_between_forward_and_backward_is_named(row, rng):
    arrays = row.draw(rng)
    for p, a in enumerate(arrays):
        if a.dtype.kind != "f":
            continue
        xs = [mt.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
        ys = several(row.call(mt, *xs))
        xs[p].update_(np.zeros(a.shape))
        with pytest.raises(GraphError, match=r"input \d+ of '\w+' \(shape .*changed in") as caught:
            for y in ys:
                y.backward(np.ones(y.shape), retain_graph=True)
        assert f"(shape {a.shape})" in str(caught.value)


def assign(key, value):
    return lambda a: a.__setitem__(key, value)


def update(values):
    return lambda t: t.update_(values)


ATTRIBUTES = {  # keys, axes and sizes that the caller changes later: (call, what, how)
    "index array": (lambda x, a: x[a], np.array([2, 1]), assign(0, 0)),
    "index list": (lambda x, a: x[a], [2, 1], assign(0, 0)),
    "index in a tuple": (lambda x, a: x[(a,)], [2, 1], assign(0, 0)),
    "index tensor": (lambda x, a: x[a], mt.tensor([2, 1]), update([0, 0])),
    "index of from_numpy": (lambda x, a: x[mt.from_numpy(a)], np.array([2, 1]), assign(0, 0)),
    "index list of lists": (lambda x, a: x[a], [[2], [1]], lambda a: assign(0, 0)(a[0])),
    "mask": (lambda x, a: x[a], np.array([True, False, True, False]), assign(1, True)),
    "0-d index": (lambda x, a: x[a], np.array(2), assign((), 1)),
    "slice of a 0-d array": (lambda x, a: x[slice(a, a)] + x[a:][0], np.array(2), assign((), 1)),
    "slice between 0-d arrays": (lambda x, a: x[a[0, ...] : a[1, ...]], np.array([0, 2]),
                                 assign(slice(None), [1, 3])),
    "slice of a tensor": (lambda x, a: x[a : 2 + int(a)], mt.tensor(0), update(1)),
    "step": (lambda x, a: x[:: a[()]], np.array(2), assign((), 3)),
    "index_update": (lambda x, a: mt.index_update(x, a, x[:2] * 3), np.array([1, 2]), assign(0, 3)),
    "index_update of a slice": (lambda x, a: mt.index_update(x, slice(a, None), x[3] * 3),
                                np.array(2), assign((), 1)),
    "index_add": (lambda x, a: mt.index_add(x, a, x[:2] * x[:2]), np.array([1, 2]), assign(0, 3)),
    "take_along_axis": (lambda x, a: mt.take_along_axis(x, a, 0), np.array([1, 2]), assign(0, 3)),
    "condition": (lambda x, a: mt.where(a, x, -x), np.array([True, False] * 2), assign(0, False)),
    "condition from_numpy": (lambda x, a: mt.where(mt.from_numpy(a), x, -x),
                             np.array([True, False] * 2), assign(0, False)),
    "pad widths": (lambda x, a: mt.pad(x, a), [1, 2], assign(0, 0)),
    "pad widths array": (lambda x, a: mt.pad(x, a), np.array([1, 2]), assign(0, 0)),
    "repeats": (lambda x, a: mt.repeat(x, a), np.array([1, 2, 0, 1]), assign(0, 3)),
    "sections": (lambda x, a: mt.split(x, a)[0], np.array([1, 2]), assign(0, 3)),
    "tile": (lambda x, a: mt.tile(x, a), np.array([1, 2]), assign(1, 3)),
    "reshape list": (lambda x, a: mt.reshape(x, a), [2, 2], assign(0, 1)),
    "permute list": (lambda x, a: mt.permute(x.reshape(2, 2) * 1, a), [1, 0],
                     assign(slice(None), [0, 1])),
    "shift": (lambda x, a: mt.roll(x, a), np.array(1), assign((), 2)),
    "shift tensor": (lambda x, a: mt.roll(x, a), mt.tensor(1), update(2)),
    "shifts in a tuple": (lambda x, a: mt.roll(x, (a,), (0,)), np.array(1), assign((), 2)),
    "axis": (lambda x, a: (x * x).reshape(2, 2).sum(axis=a), np.array(0), assign((), 1)),
    "axis in a tuple": (lambda x, a: (x * x).reshape(2, 2).sum(axis=(a,)), np.array(0),
                        assign((), 1)),
    **{f"axis tensor of {name}": (lambda x, a, name=name: getattr(mt, name)(x.reshape(2, 2), a),
                                  mt.tensor(0), update(1))
       for name in ("sum", "mean", "max", "softmax", "log_softmax", "cumsum", "flip", "prod")},
    **{f"axis {kind} of {name}": (
        lambda x, a, name=name: getattr(mt, name)([x.reshape(2, 2), -x.reshape(2, 2)], a), *how)
       for name in ("stack", "concatenate") for kind, how in
       {"array": (np.array(0), assign((), 1)), "tensor": (mt.tensor(0), update(1))}.items()},
    "ddof": (lambda x, a: mt.var(x, ddof=a), mt.tensor(0), update(1)),
}  # fmt: skip


@pytest.mark.parametrize("call, what, change", ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_a_key_or_an_option_changed_afterwards_changes_no_gradient(call, what, change, rng):
    x, same = leaf([1.0, 2.0, 3.0, 4.0]), leaf([1.0, 2.0, 3.0, 4.0])
    y = call(same, what)
    v = rng.normal(size=y.shape)
    y.backward(v)
    y = call(x, what)
    change(what)
    y.backward(v)
    assert_array_equal(x.grad.data, same.grad.data, strict=True)


T, B, I, H = 3, 2, 4, 5


def beside_logits(function, **options):
    """A divergence of fixed logits from what is given."""
    logits = leaf(np.linspace(-1.0, 1.0, B * H).reshape(B, H))
    return [logits], lambda D: function(logits, D, **options)


def of_states(module):
    """A cell or layer that takes its state as a tuple, so that each has its place."""
    return list(module.parameters()), lambda x, h, c: module(x, (h, c))


def fed(module):
    return list(module.parameters()), module


def weighted():
    logits = leaf(np.ones((B, H)))
    return [logits], lambda weight: nn.cross_entropy(logits, [1, 0], weight=weight)


def taught():
    module = nn.ColumnNetwork(mt.column.narx(I, H, 2))
    return list(module.parameters()), lambda x, D: module(x, teacher=D)


MODULES = {  # layers and divergences, with the shapes of the arrays that they are fed
    "Linear": (lambda: fed(nn.Linear(I, H)), [(T, B, I)]),
    "RNN": (lambda: fed(nn.RNN(I, H, 2)), [(T, B, I), (2, B, H)]),
    "GRU": (lambda: fed(nn.GRU(I, H, batch_first=True)), [(B, T, I), (1, B, H)]),
    "GRUCell": (lambda: fed(nn.GRUCell(I, H)), [(B, I), (B, H)]),
    "LSTM": (lambda: of_states(nn.LSTM(I, H)), [(T, B, I), (1, B, H), (1, B, H)]),
    "LSTMCell": (lambda: of_states(nn.LSTMCell(I, H)), [(B, I), (B, H), (B, H)]),
    "RecurrentNetwork": (lambda: fed(nn.RecurrentNetwork(I, H, 2)), [(T, B, I)]),
    "ColumnNetwork": (taught, [(T, B, I), (T, B, 2)]),
    "mse_loss": (lambda: beside_logits(nn.mse_loss), [(B, H)]),
    "huber_loss": (lambda: beside_logits(nn.huber_loss), [(B, H)]),
    "kl_div": (lambda: beside_logits(nn.kl_div, log_target=True), [(B, H)]),
    "bce": (lambda: beside_logits(nn.binary_cross_entropy_with_logits), [(B, H)]),
    "cross_entropy": (lambda: beside_logits(nn.cross_entropy), [(B, H)]),
    "smoothed": (lambda: beside_logits(nn.cross_entropy, label_smoothing=0.1), [(B, H)]),
    "weight": (weighted, [(H,)]),
}


@pytest.mark.parametrize("kind", ["array", "from_numpy", "from_dlpack"])
@pytest.mark.parametrize("name", MODULES)
def test_what_a_layer_or_a_divergence_was_fed_may_change_afterwards(name, kind, rng):
    build, shapes = MODULES[name]
    values = [rng.normal(size=shape) for shape in shapes]
    leaves, call = build()
    for p in range(len(values)):
        found = []
        for change in (False, True):
            given = [KINDS[kind](v.copy()) for v in values]
            y = several(call(*[x for x, _ in given]))[0].tanh().sum()
            if change:
                given[p][1][...] = 55.0
            y.backward()
            found.append([x.grad.data.tobytes() for x in leaves])
            for x in leaves:
                x.grad = None
        assert found[0] == found[1], f"argument {p}"


@pytest.mark.parametrize("kind", [np.array, list, mt.tensor])
def test_classes_and_lengths_may_change_afterwards(kind, rng):
    found = []
    for change in (False, True):
        rnn = nn.GRU(2, 3, bidirectional=True, rng=np.random.default_rng(1))
        classes, lengths = kind([0, 2]), kind([3, 2])
        x = leaf(np.sin(np.arange(12.0)).reshape(3, 2, 2))
        _, h_n = rnn(x, lengths=lengths)
        loss = nn.cross_entropy(h_n[0], classes)
        if change:
            for values in (classes, lengths):
                values.update_([1, 1]) if kind is mt.tensor else assign(slice(None), [1, 1])(values)
        loss.backward()
        found.append([x.grad.data.tobytes(), rnn.weight_ih_l0.grad.data.tobytes()])
    assert found[0] == found[1]


# Gradients belong to their tensors ---------------------------------------------------------------


def test_the_memory_that_a_hook_returned_stays_its_owners():
    mine = np.array([5.0, 5.0])
    for create_graph in (False, True):
        x = leaf([1.0, 2.0])
        y = x * x
        y.register_hook(lambda g: mt.from_numpy(mine))
        (g,) = mt.autograd.grad(y.sum(), x, create_graph=create_graph)
        mine[:] = -1.0
        assert g.tolist() == [10.0, 20.0]
        if create_graph:
            (g,) = mt.autograd.grad(g.sum(), x)
            assert g.tolist() == [10.0, 10.0]
        mine[:] = 5.0


# What a user's own function keeps -----------------------------------------------------------------


class Scaled(mt.autograd.Function):
    """a x, with a kept as `keep` says."""

    @staticmethod
    def forward(ctx, x, a, keep):
        keep(ctx, a)
        value = a if isinstance(a, Tensor) else mt.tensor(a[0] if isinstance(a, list) else a)
        return x * value

    @staticmethod
    def backward(ctx, g):
        a = ctx.saved_tensors[0] if ctx.saved_tensors else ctx.a
        return g * (a[0] if isinstance(a, list) else a), None, None


SAVED = {
    "array as attribute": (lambda a: a, lambda ctx, a: setattr(ctx, "a", a)),
    "from_numpy as attribute": (mt.from_numpy, lambda ctx, a: setattr(ctx, "a", a)),
    "from_numpy saved": (mt.from_numpy, lambda ctx, a: ctx.save_for_backward(a)),
    "view saved": (mt.from_numpy, lambda ctx, a: ctx.save_for_backward(a[:])),
    "made of an array": (lambda a: a, lambda ctx, a: ctx.save_for_backward(mt.from_numpy(a))),
    "list of an array": (lambda a: [a], lambda ctx, a: setattr(ctx, "a", a)),
}


@pytest.mark.parametrize("give, keep", SAVED.values(), ids=SAVED)
def test_what_a_function_was_given_may_change_afterwards(give, keep):
    x, a = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    y = Scaled.apply(x, give(a), keep)
    a[:] = 50.0
    y.backward([1.0, 1.0])
    assert x.grad.tolist() == [3.0, 4.0]


def test_what_a_function_saved_itself_may_change_afterwards():
    buffer = np.array([3.0, 4.0])  # of the module that defines it, used again at each call

    class Buffered(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(mt.from_numpy(buffer))
            return x * mt.from_numpy(buffer)

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = leaf([1.0, 2.0])
    y = Buffered.apply(x)
    buffer[:] = 50.0
    y.backward([1.0, 1.0])
    assert x.grad.tolist() == [3.0, 4.0]


def test_what_a_function_returned_may_change_afterwards():
    buffer = np.zeros(2)

    class Exp(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return mt.from_numpy(np.exp(x.data, out=buffer))

        @staticmethod
        def backward(ctx, g):
            return g

    w = leaf([1.0, 1.0])
    y = Exp.apply(leaf([0.0, 0.0])) * w
    buffer[:] = 50.0
    y.backward([1.0, 1.0])
    assert w.grad.tolist() == [1.0, 1.0]


def test_a_gradient_that_a_function_or_a_hook_kept_is_not_the_callers_memory():
    kept = []

    class Keeps(mt.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            kept.append(g)
            return g

    layer = nn.Linear(2, 2)
    layer.register_full_backward_hook(lambda module, entered, left: kept.append(left[0]))
    for f in (Keeps.apply, layer):
        w, v = leaf([[1.0, 1.0]]), np.ones((1, 2))
        f(leaf([[1.0, 2.0]])).backward(v)
        y = (w * kept[-1]).sum()
        v[:] = 50.0
        y.backward()
        assert w.grad.tolist() == [[1.0, 1.0]]
