"""The operation table: a row or several for every operation, with all that tests need to judge it.

A row is called with a module first, `row.call(m, *inputs)`, so that one line serves us, NumPy and
PyTorch wherever the three agree on names; `numpy` and `torch` say what to do where they do not.
Inputs are drawn anew for each test: a shape means standard normal numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minitorch_rnn.ops.indexing import _scatter  # public only as what the backward walk does


@dataclass(frozen=True)
class Row:
    op: str  # name of the primitive in REGISTRY, or of the public composite
    call: Callable  # call(m, *inputs), m is minitorch_rnn, numpy or torch
    inputs: tuple  # what draws each input: a function of (rng, another shape or None)
    note: str
    numpy: Callable | None = None  # numpy(*arrays); None: NumPy has the same name
    torch: Callable | str | None = None  # torch(t, *tensors); a string says why there is none
    differentiable: bool = True
    analytic: bool = True  # the complex step may go through the array function
    kinks: Callable | None = None  # zero at inputs where the slope jumps: they are drawn again
    any_shape: bool = False  # works on 0-d and on empty inputs too
    waits: str = ""  # why the host has to wait for the device

    def draw(self, rng, shape=None):
        """Fresh inputs, away from the kinks by more than any difference steps."""
        while True:
            arrays = [draw(rng, shape) for draw in self.inputs]
            if self.kinks is None or (abs(self.kinks(*arrays)) > 0.1).all():
                return arrays

    def expected(self, *arrays):
        return self.numpy(*arrays) if self.numpy else self.call(np, *arrays)

    def __str__(self):
        return f"{self.op}-{self.note}"


def _drawn(draw):
    def of_shape(*shape):
        def fresh(rng, instead=None):
            return np.asarray(draw(rng, shape if instead is None else instead))

        fresh.shape = shape
        return fresh

    return of_shape


normal = _drawn(lambda rng, shape: rng.normal(size=shape))
positive = _drawn(lambda rng, shape: rng.uniform(0.5, 2.0, size=shape))
nonzero = _drawn(lambda rng, shape: rng.uniform(1.0, 2.0, shape) * rng.choice([-1, 1], shape))
unit = _drawn(lambda rng, shape: rng.uniform(-1.0, 1.0, size=shape))
digit = _drawn(lambda rng, shape: rng.integers(3, size=shape))  # few values, so that some are equal
coin = _drawn(lambda rng, shape: rng.random(shape) < 0.5)


def row(op, *inputs, call=None, name=None, options=None, note="", **flags):
    name, options = name or op, options or {}
    inputs = tuple(normal(*draw) if isinstance(draw, tuple) else draw for draw in inputs)
    shapes = ",".join("x".join(map(str, draw.shape)) or "()" for draw in inputs)
    told = [note, *(f"{key}={value}" for key, value in options.items()), shapes]
    call = call or (lambda m, *x: getattr(m, name)(*x, **options))
    return Row(op, call, inputs, "-".join(filter(None, told)).replace(" ", ""), **flags)


def itself(x):
    return x


def gaps(x):
    """Differences of neighbours in size: where one is zero, the place of the maximum jumps."""
    return np.diff(np.sort(x, axis=None))


X = (2, 3)
ELEMENTWISE = [
    row("absolute", X, analytic=False, kinks=itself, any_shape=True),
    row("arctan", X, any_shape=True),
    row("astype", X, call=lambda m, x: m.astype(x, x.dtype), torch=lambda t, x: x.to(x.dtype)),
    row("clone", X, numpy=np.copy, any_shape=True),
    row("cos", X, any_shape=True),
    row("erf", X, analytic=False, numpy=np.vectorize(math.erf, otypes=[float]), any_shape=True),
    row("exp", X, any_shape=True),
    row("expm1", X, any_shape=True),
    row("log", positive(*X), any_shape=True),
    row("log1p", positive(*X), any_shape=True),
    row("negative", X, any_shape=True),
    row("relu", X, numpy=lambda x: np.maximum(x, 0), kinks=itself, any_shape=True),
    row("sigmoid", X, numpy=lambda x: 1 / (1 + np.exp(-x)), any_shape=True),
    row("sign", X, analytic=False, kinks=itself, any_shape=True),
    row("sin", X, any_shape=True),
    row(
        "softplus", X, numpy=lambda x: np.log(1 + np.exp(x)), any_shape=True,
        torch=lambda t, x: t.nn.functional.softplus(x),
    ),
    row("sqrt", positive(*X), any_shape=True),
    row("tan", unit(*X), any_shape=True),
    row("tanh", X, any_shape=True),
]  # fmt: skip

# Equal shapes; one axis more; an axis of size 1 on either side; 0-d; sizes 1 against fewer axes;
# nothing at all against size 1.
PAIRS = [(X, X), (X, (3,)), ((2, 1), (3,)), ((), X), ((1, 1), (1,)), ((0, 3), (1, 3))]
NO_SLOPE = "PyTorch gives this one no derivative"


def to_the_next_integer(a, b):
    return a / b - np.round(a / b)


ARITHMETIC = [
    made
    for a, b in PAIRS
    for made in [
        row("add", a, b, any_shape=a == b),
        row("subtract", a, b, any_shape=a == b),
        row("multiply", a, b, any_shape=a == b),
        row("divide", a, nonzero(*b), any_shape=a == b),
        row("divide", b, nonzero(*a)),
        row("power", positive(*a), b, torch=lambda t, a, b: t.pow(a, b), any_shape=a == b),
        row("power", positive(*b), a, torch=lambda t, a, b: t.pow(a, b)),
        row("maximum", a, b, kinks=np.subtract, any_shape=a == b),
        row("minimum", a, b, kinks=np.subtract, any_shape=a == b),
        row("floor_divide", a, nonzero(*b), analytic=False, torch=NO_SLOPE,
            kinks=to_the_next_integer),
        row("remainder", a, nonzero(*b), analytic=False, kinks=to_the_next_integer),
        row("where", coin(*a), a, b),
        row("where", coin(*b), a, b),
    ]
] + [
    row("add", X, call=lambda m, x: x + 1.5, note="number"),
    row("add", X, call=lambda m, x: 2 + x, note="number-first"),
    row("subtract", X, call=lambda m, x: x - 1.5, note="number"),
    row("subtract", X, call=lambda m, x: 1.5 - x, note="number-first"),
    row("multiply", X, call=lambda m, x: x * -3, note="number"),
    row("divide", X, call=lambda m, x: x / 3, note="number"),
    row("divide", nonzero(*X), call=lambda m, x: 1.5 / x, note="number-first"),
    row("power", X, call=lambda m, x: x**3, note="cube"),
    row("power", X, call=lambda m, x: x**0, note="exponent-0"),
    row("power", nonzero(*X), call=lambda m, x: x**-2, note="negative-exponent"),
    row("power", positive(*X), call=lambda m, x: x**0.5, note="half"),
    row("power", X, call=lambda m, x: 2.0**x, note="number-first"),
    row("where", coin(*X), X, call=lambda m, c, x: m.where(c, x, 1.0), note="number-last"),
    row("where", coin(*X), X, call=lambda m, c, x: m.where(c, 1.0, x), note="number-first"),
    row("maximum", X, call=lambda m, x: m.maximum(x, 0.5), kinks=lambda x: x - 0.5, note="number",
        torch=lambda t, x: t.clip(x, 0.5)),
    row("clip", X, call=lambda m, x: m.clip(x, -0.5, 0.5), kinks=lambda x: abs(x) - 0.5,
        note="numbers"),
    row("clip", X, call=lambda m, x: m.clip(x, None, 0.5), kinks=lambda x: x - 0.5, note="above"),
    row("clip", X, call=lambda m, x: m.clip(x, -0.5, None), kinks=lambda x: x + 0.5, note="below"),
    row("clip", (3, 4), (4,), positive(3, 1), call=lambda m, x, a, b: m.clip(3 * x, a - 1, b),
        kinks=lambda x, a, b: np.minimum(abs(3 * x - a + 1), abs(3 * x - b)), note="bounds"),
]  # fmt: skip
WITHOUT_RULES = [
    *[row(op, digit(*a), digit(*b), differentiable=False)
      for op in "equal not_equal less less_equal greater greater_equal".split() for a, b in PAIRS],
    *[row(op, draw(*X), draw(3), differentiable=False)
      for op in ("bitwise_and", "bitwise_or") for draw in (coin, digit)],
    *[row("invert", draw(*X), differentiable=False) for draw in (coin, digit)],
    *[row(op, X, options={"axis": axis, "keepdims": k}, differentiable=False)
      for op in ("argmax", "argmin") for axis, k in [(None, False), (1, False), (-2, True)]],
    *[row(f"reduce_{op}", coin(2, 3, 2), name=op, options={"axis": axis}, differentiable=False)
      for op in ("all", "any") for axis in (None, 0, (0, -1))],
]  # fmt: skip


def _reductions(shape, axis, keepdims):
    def made(op, name, torch=None, settings=None, **flags):
        def parity(t, x):
            every = tuple(range(x.ndim)) if axis is None else axis
            function = t.linalg.vector_norm if op == "norm" else getattr(t, parts or name)
            return function(x, dim=every, keepdim=keepdims, **(settings or {}))

        parts, torch = torch, torch if callable(torch) else parity
        return row(
            op, shape, name=name, options={"axis": axis, "keepdims": keepdims}, torch=torch, **flags
        )

    def product(t, x):  # PyTorch's takes one axis
        axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        for a in axes:
            x = x.prod(dim=a, keepdim=True)
        return x if keepdims else x.squeeze(tuple(axes)) if axes else x

    def norm(x):
        return np.sqrt((x * x).sum(axis=axis, keepdims=keepdims))

    def logsumexp(x):
        return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))

    empty_too = axis is None and not keepdims
    return [
        made("reduce_sum", "sum", any_shape=empty_too),
        made("prod", "prod", torch=product, any_shape=empty_too),
        made("norm", "norm", numpy=norm, any_shape=empty_too),
        made("mean", "mean"),
        made("var", "var", settings={"correction": 0}),
        made("std", "std", settings={"correction": 0}),
        made("reduce_max", "max", torch="amax", kinks=gaps),
        made("reduce_min", "min", torch="amin", kinks=gaps),
        made("logsumexp", "logsumexp", numpy=logsumexp),
    ]


AXES = [(None, False), (None, True), (1, False), (-1, True), ((0, -1), False), ((-2, 0), True)]
REDUCTION = [made for axis, k in AXES for made in _reductions((2, 3, 2), axis, k)] + [
    *[row(op, X, options={"axis": axis, "correction": 1})
      for op in ("var", "std") for axis in (0, 1, (0, 1))],
    *[row(op, (0, 3), name=name, options={"axis": 0})
      for op, name in [("reduce_sum", "sum"), ("prod", "prod"), ("cumsum", "cumsum")]],
    *[row(op, (2, 0), name=name, options={"axis": 0})
      for op, name in [("reduce_sum", "sum"), ("mean", "mean"), ("prod", "prod")]],
    *[row(op, (), name=name)
      for op, name in [("mean", "mean"), ("reduce_max", "max"), ("reduce_min", "min")]],
    row("logsumexp", (), numpy=itself, torch="PyTorch's needs an axis"),
    row("prod", (5,), note="odd-count"),
    *[row("softmax", X, options={"axis": axis},
          numpy=lambda x, axis=axis: np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True))
      for axis in (-1, 0)],
    *[row("log_softmax", X, options={"axis": axis},
          numpy=lambda x, axis=axis: x - np.log(np.exp(x).sum(axis=axis, keepdims=True)))
      for axis in (-1, 0)],
    *[row("cumsum", (2, 3, 2), options={"axis": axis}) for axis in (0, 1, -1)],
    row("cumsum", X, torch=lambda t, x: t.cumsum(x.reshape(-1), 0), note="flattened"),
    row("cumsum", (), torch=lambda t, x: t.cumsum(x.reshape(-1), 0)),
]  # fmt: skip

SHAPE = [
    row("broadcast_to", (3, 1), options={"shape": (2, 3, 2)},
        torch=lambda t, x: t.broadcast_to(x, (2, 3, 2))),
    row("broadcast_to", (), options={"shape": (0, 2)},
        torch=lambda t, x: t.broadcast_to(x, (0, 2))),
    row("concatenate", X, (1, 3), (0, 3), call=lambda m, *x: m.concatenate(x)),
    row("concatenate", X, (2, 2), call=lambda m, *x: m.concatenate(x, axis=-1)),
    row("stack", X, X, X, call=lambda m, *x: m.stack(x)),
    row("stack", X, X, call=lambda m, *x: m.stack(x, axis=-1), torch=lambda t, *x: t.stack(x, -1)),
    row("stack", (), (), call=lambda m, *x: m.stack(x)),
    row("split", (2, 6), call=lambda m, x: m.split(x, 3, axis=1),
        torch=lambda t, x: t.tensor_split(x, 3, dim=1)),
    row("split", (5, 2), call=lambda m, x: m.split(x, [1, 3]),
        torch=lambda t, x: t.tensor_split(x, [1, 3])),
    row("flip", X, torch=lambda t, x: t.flip(x, (0, 1))),
    *[row("flip", X, options={"axis": axis},
          torch=lambda t, x, axis=axis: t.flip(x, axis if isinstance(axis, tuple) else (axis,)))
      for axis in (0, -1, (0, 1))],
    row("roll", X, options={"shift": 2}, torch=lambda t, x: t.roll(x, 2)),
    *[row("roll", (3, 4), options={"shift": shift, "axis": axis},
          torch=lambda t, x, shift=shift, axis=axis: t.roll(x, shift, axis))
      for shift, axis in [(1, 0), (-5, -1), ((1, -2), (0, 1)), ([1, 2], [1, 0])]],
    row("pad", X, call=lambda m, x: m.pad(x, 1), torch="the next row"),
    row("pad", X, call=lambda m, x: m.pad(x, ((1, 0), (0, 2))),
        torch=lambda t, x: t.nn.functional.pad(x, (0, 2, 1, 0))),
    row("pad", X, call=lambda m, x: m.pad(x, (0, 1), 1.5), note="value",
        numpy=lambda x: np.pad(x, (0, 1), constant_values=1.5),
        torch=lambda t, x: t.nn.functional.pad(x, (0, 1, 0, 1), value=1.5)),
    *[row("permute", (2, 3, 4), call=lambda m, x, axes=axes: m.permute(x, axes), note=str(axes),
          numpy=lambda x, axes=axes: np.transpose(x, axes)) for axes in [(2, 0, 1), (-2, 0, -1)]],
    row("permute", (), call=lambda m, x: m.permute(x, ()), numpy=np.transpose),
    row("transpose", (2, 3, 4), torch=lambda t, x: x.permute(2, 1, 0)),
    row("transpose", X, call=lambda m, x: x.T, note="T"),
    row("transpose", (2, 3, 4), call=lambda m, x: x.mT, note="mT"),
    row("transpose", (2, 3, 4), options={"axes": (1, 2, 0)}, torch=lambda t, x: x.permute(1, 2, 0)),
    row("swapaxes", (2, 3, 4), call=lambda m, x: m.swapaxes(x, 0, -1)),
    row("moveaxis", (2, 3, 4), call=lambda m, x: m.moveaxis(x, 0, -1)),
    row("moveaxis", (2, 3, 4), call=lambda m, x: m.moveaxis(x, -1, 1), note="-1,1"),
    *[row("reshape", X, call=lambda m, x, shape=shape: m.reshape(x, shape), note=str(shape))
      for shape in [(3, 2), (-1,), (1, 2, -1)]],
    row("reshape", (1, 1), call=lambda m, x: m.reshape(x, ())),
    row("flatten", (2, 3, 2), numpy=np.ravel),
    row("flatten", (2, 3, 2), call=lambda m, x: m.flatten(x, 1), note="from-1",
        numpy=lambda x: x.reshape(2, 6)),
    row("flatten", (2, 3, 2), call=lambda m, x: m.flatten(x, 0, -2), note="to-2",
        numpy=lambda x: x.reshape(6, 2)),
    row("flatten", (), numpy=np.ravel),
    row("squeeze", (1, 3, 1)),
    row("squeeze", (1, 3, 1), options={"axis": -1}),
    row("squeeze", (1, 3, 1), call=lambda m, x: m.squeeze(x, (0, 2)), note="tuple"),
    *[row("unsqueeze", X, call=lambda m, x, axis=axis: m.unsqueeze(x, axis), note=str(axis),
          numpy=lambda x, axis=axis: np.expand_dims(x, axis)) for axis in (0, 1, -1)],
    row("sum_to", (2, 3, 4), call=lambda m, x: m.sum_to(x, (3, 1)),
        numpy=lambda x: x.sum(axis=(0, 2)).reshape(3, 1), torch=lambda t, x: x.sum_to_size(3, 1)),
    row("sum_to", (2, 0), call=lambda m, x: m.sum_to(x, (1,)), numpy=lambda x: np.zeros(1),
        torch=lambda t, x: x.sum_to_size(1)),
    *[row("tile", X, call=lambda m, x, reps=reps: m.tile(x, reps), note=str(reps),
          torch=lambda t, x, reps=reps: t.tile(x, reps if isinstance(reps, tuple) else (reps,)))
      for reps in (2, (2, 1), (3, 1, 2))],
    row("tile", (), call=lambda m, x: m.tile(x, 3), torch=lambda t, x: t.tile(x, (3,))),
    row("repeat", X, call=lambda m, x: m.repeat(x, 2),
        torch=lambda t, x: t.repeat_interleave(x, 2)),
    row("repeat", X, call=lambda m, x: m.repeat(x, 2, axis=-1), note="axis",
        torch=lambda t, x: t.repeat_interleave(x, 2, -1)),
    row("repeat", X, call=lambda m, x: m.repeat(x, [2, 0, 1], axis=1), note="several",
        torch=lambda t, x: t.repeat_interleave(x, t.tensor([2, 0, 1]), 1),
        waits="the counts decide the size of the result"),
]  # fmt: skip

FORMS = ["3 3", "2,3 3", "3 3,2", "2,3 3,4", "4,2,3 4,3,2", "2,1,2,3 3,3,1", "3 4,3,2", "4,2,3 3",
         "2,3 4,3,2", "0,3 3,2", "2,0 0,3"]  # fmt: skip
EINSUM = """ij,jk->ik 2,3 3,2 | ij,jk 2,3 3,2 | ji 2,3 | ij-> 2,3 | ij->j 2,3 | ij,ij-> 2,3 2,3
ii 3,3 | ii->i 3,3 | iij->j 2,2,3 | iji,j 2,3,2 3 | i,j->ij 2 3 | i,j->ji 2 3 | ,ij->ij () 2,3
bij,bjk->bik 2,2,3 2,3,2 | ...ij,...jk->...ik 2,2,3 3,2 | ...i,i 2,3 3 | ...,... 2,3 3
i...->... 2,3 | ij,kj->ik 2,3 4,1 | i,i->i 3 1 | i,i 1 3 | ij,jk,k->i 2,3 3,2 2 
ij,kj,i->k 1,3 2,1 2 | i,i,i->i 3 1 3 | Zb,b->Z 2,3 3 | ij,k->i 2,3 2 | iK,Ki 2,3 3,2"""


def _shapes(words):
    return [() if w == "()" else tuple(map(int, w.split(","))) for w in words.split()]


LINEAR_ALGEBRA = [
    *[row("matmul", *_shapes(form)) for form in FORMS],
    *[row("einsum", *_shapes(shapes), call=lambda m, *x, p=p: m.einsum(p, *x), note=p)
      for p, shapes in (case.split(maxsplit=1) for case in EINSUM.replace("\n", "|").split("|"))],
    row("outer", (2,), (3,)),
    *[row("linear", *shapes, numpy=lambda x, w, b=0: x @ w.T + b,
          torch=lambda t, *x: t.nn.functional.linear(*x))
      for shapes in [(X, (4, 3), (4,)), ((2, 2, 3), (4, 3), (4,)), ((3,), (2, 3), (2,)),
                     ((0, 3), (2, 3), (2,)), (X, (4, 3))]],
]  # fmt: skip

MASK = np.array([[True, False, True, True], [False] * 4, [True, True, False, False]])
MASKED = {"waits": "the mask decides the size of the result"}
NEGATIVE = "PyTorch has no negative steps"
KEYS = [  # of a (3, 4)
    (1, {}), (-1, {}), (np.int64(2), {}), (slice(1, None), {}), (slice(None, 0), {}), ((), {}),
    (np.s_[::2, ::-1], {"torch": NEGATIVE}), (np.s_[-1:0:-2], {"torch": NEGATIVE}), (..., {}),
    (np.s_[..., 1], {}), (None, {}), (np.s_[1, None, ..., 2:], {}), ((1, 2), {}), ([0, 2, 0], {}),
    (np.array([[0, 1], [-1, 0]]), {}), (np.s_[:, [1, 1, -1]], {}), (([0, 0, 2], [1, 1, -4]), {}),
    (([[0], [2]], [1, 3]), {}), (np.s_[[1, 1], ::2], {}), (np.s_[[2, 2], None, :2], {}), ([], {}),
    (MASK, {}), (np.s_[[True, False, True]], {}), (np.s_[1:, [True, False] * 2], {}),
    (np.s_[[True, False, True], [1, 1]], {}), (np.zeros((3, 4), bool), {}), (True, MASKED),
    (np.True_, MASKED | {"torch": "PyTorch knows no NumPy booleans"}),
    (np.array(1), {}), (((0, 2), slice(1)), {}), (np.s_[[1, 0, 1], np.int64(2)], {}),
]  # fmt: skip
APART = np.s_[1, :, [3, 3]]  # arrays and integers with a slice between: their axis goes first


def _written(x, key, value):
    x = x.clone() if hasattr(x, "clone") else x.copy()
    x[key] = value
    return x


def _added(x, key, value):
    x = x.copy()
    np.add.at(x, key, value)
    return x


def _added_by_torch(t, x, key, value):
    return x + t.zeros(x.shape, dtype=x.dtype).index_put(
        tuple(map(t.tensor, key)), value, accumulate=True
    )


WRITTEN = [
    (1, (4,)),
    (np.s_[1:, ::2], ()),
    (np.s_[:2], (2, 1)),
    (np.s_[..., 0], (3,)),
    (np.s_[:, [0, 3]], (3, 2)),
    (np.s_[[2, 0], [1, 1]], (2,)),
    (np.s_[1:], (1, 2, 4)),
]
INDEXING = [
    *[row("getitem", (3, 4), call=lambda m, x, k=k: m.getitem(x, k), numpy=lambda x, k=k: x[k],
          note=str(k), **{"torch": lambda t, x, k=k: x[k]} | flags) for k, flags in KEYS],
    row("getitem", (2, 3, 4), call=lambda m, x: m.getitem(x, APART), numpy=lambda x: x[APART],
        note=str(APART), torch="PyTorch leaves the axis in place"),
    row("getitem", (), call=lambda m, x: x[None, ...]),
    row("getitem", (3, 4), digit(2, 2), call=lambda m, x, i: x[i], note="indices-as-input"),
    row("getitem", (4,), coin(4), call=lambda m, x, i: x[i], note="mask-as-input", **MASKED),
    row("getitem", (2, 3, 4), digit(2), call=lambda m, x, i: x[1:, i, None, ::2], note="mixed"),
    row("getitem", (4, 2), call=lambda m, x: x[0] * x[1:3] + x[[0, 0]], note="several-parts"),
    *[row("index_update", (3, 4), shape, call=lambda m, x, v, k=k: m.index_update(x, k, v),
          numpy=lambda x, v, k=k: _written(x, k, v), note=str(k),
          torch=lambda t, x, v, k=k: _written(x, k, v)) for k, shape in WRITTEN],
    row("index_update", (3, 4), (), call=lambda m, x, v: m.index_update(x, MASK, v), note="mask",
        numpy=lambda x, v: np.where(MASK, v, x), torch=lambda t, x, v: _written(x, MASK, v)),
    *[row("index_add", (3, 4), shape, call=lambda m, x, v, k=k: m.index_add(x, k, v),
          numpy=lambda x, v, k=k: _added(x, k, v), note=str(k),
          torch=lambda t, x, v, k=k: x + _written(t.zeros(3, 4, dtype=x.dtype), k, v))
      for k, shape in WRITTEN[:-1]],
    row("index_add", (3, 4), (3,), call=lambda m, x, v: m.index_add(x, ([0, 0, 2], [1, 1, -1]), v),
        numpy=lambda x, v: _added(x, ([0, 0, 2], [1, 1, -1]), v), note="duplicates",
        torch=lambda t, x, v: _added_by_torch(t, x, ([0, 0, 2], [1, 1, -1]), v)),
    row("scatter", (2,), (3, 2), note="duplicates",
        call=lambda m, a, b: _scatter(a, b, (0, [1, 1, 2]), (4, 2), a.dtype),
        numpy=lambda a, b: _added(np.pad(a[None], ((0, 3), (0, 0))), [1, 1, 2], b),
        torch="getitem's gradient, nothing that one calls"),
    row("take_along_axis", (2, 3), digit(2, 4), options={"axis": 1},
        torch=lambda t, x, i: t.gather(x, 1, i)),
    row("take_along_axis", (3, 2), digit(1, 2), options={"axis": -2},
        torch=lambda t, x, i: t.gather(x, 0, i)),
]  # fmt: skip

ROWS = [
    *ELEMENTWISE, *ARITHMETIC, *WITHOUT_RULES, *REDUCTION, *SHAPE, *LINEAR_ALGEBRA, *INDEXING,
]  # fmt: skip
