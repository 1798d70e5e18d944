"""The layer table: a row or several for every public name of `nn`, with what tests need to run it.

A row makes a module, or names a function, and draws what it is called with: arrays become tensors
of the current backend, floating-point ones leaves of a graph; lists and numbers stay on the host.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from recurrent_layers import KINDS, as_state, flat, layer, leaf
from recurrent_layers import cell as cell_of

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import chunked, per_loss_window, williams_peng
from minitorch_rnn.nn import functional, utils

T, B, I, H, O = 4, 3, 2, 5, 6


@dataclass(frozen=True)
class Row:
    name: str  # in `nn`, or "functional." and "utils." and the name there
    note: str
    make: Callable  # make(rng): a module or a function
    draw: Callable  # draw(rng): what it is called with
    call: Callable  # call(made, *inputs): tensors, or nested tuples of them
    waits: tuple = ()  # what makes the host wait for the device in a step, where that is asked for
    uploads: int | None = 0  # how many arrays a step brings to the device; None: not told

    def __str__(self):
        return " ".join(filter(None, (self.name, self.note))).replace(" ", "-")

    def ready(self, made=None):
        """A function without arguments that runs the row, and the leaves its gradients flow to."""
        made = self.make(np.random.default_rng(0)) if made is None else made
        inputs = [_placed(x) for x in self.draw(np.random.default_rng(1))]
        leaves = {str(i): x for i, x in enumerate(flat(inputs)) if isinstance(x, mt.Tensor)}
        leaves = {name: x for name, x in leaves.items() if x.requires_grad}
        if isinstance(made, nn.Module):
            leaves |= dict(made.named_parameters())
        return lambda: flat(self.call(made, *inputs)), leaves


def _placed(x):
    if isinstance(x, tuple):
        return tuple(map(_placed, x))
    if not isinstance(x, np.ndarray):
        return x
    return leaf(x) if x.dtype.kind == "f" else mt.tensor(x)


def loss_of(outputs):
    """A number with another slope in every element, and no constant that the device lacks."""
    floats = [y for y in outputs if isinstance(y, mt.Tensor) and y.dtype.kind == "f"]
    return sum(((i + 1) * ((y * y - y) * y).sum() for i, y in enumerate(floats)), mt.zeros(()))


def stepped(run, leaves):
    """Values and gradients of one step."""
    outputs = run()
    loss = loss_of(outputs)
    if loss.requires_grad:
        loss.backward()
    return outputs, {name: x.grad for name, x in leaves.items() if x.grad is not None}


def normal(*shape):
    return lambda rng: rng.normal(size=shape)


def between(low, high, *shape):
    return lambda rng: rng.uniform(low, high, size=shape)


def classes(*shape):
    return lambda rng: rng.integers(1, O, size=shape)


def distributions(rng):
    return rng.dirichlet(np.ones(O), size=(T, B))


def host(*values):
    return lambda rng: values[0]


def simple(name, make, *draws, note="", call=None, **told):
    call = call or (lambda made, *inputs: made(*inputs))
    return Row(name, note, make, lambda rng: [draw(rng) for draw in draws], call, **told)


def function(name, *draws, note="", **options):
    told = {key: options.pop(key) for key in ("waits", "uploads") if key in options}
    found = nn
    for part in name.split("."):
        found = getattr(found, part)
    return simple(
        name, lambda rng: found, *draws, note=note,
        call=lambda f, *inputs: f(*inputs, **options), **told,
    )  # fmt: skip


# Layers, cells and networks -----------------------------------------------------------------------


def recurrent(kind, road):
    name = KINDS[kind][0]
    with_c = name == "LSTM"
    h = normal(1, B, 2 if kind == "projected" else H)
    states = (h, normal(1, B, H)) if with_c else (h,)
    start = {} if road == "scan" else {"road": road}
    scanned = road == "scan" and kind != "projected"
    yield simple(
        name, lambda rng: layer(kind, I, H, rng=rng, **start), normal(T, B, I), *states,
        note=f"{kind} {road} from a given state", call=lambda m, x, *h: m(x, as_state(h)),
    )  # fmt: skip
    everything = dict(
        num_layers=2, batch_first=True, dropout=0.5, bidirectional=True, initial_state="learned"
    )
    yield simple(
        name, lambda rng: layer(kind, I, H, rng=rng, **everything, **start), normal(B, T, I),
        note=f"{kind} {road} with everything", call=lambda m, x: m(x, lengths=[2, T, 1]),
        uploads=None if scanned else 6,  # of lengths one, and for each net; a mask of dropout
    )  # fmt: skip
    yield simple(
        name, lambda rng: layer(kind, I, H, bias=False, rng=rng, **start),
        lambda rng: tuple(rng.normal(size=(n, I)) for n in (2, T, 1)),
        note=f"{kind} {road} of a list", call=lambda m, x: m(list(x)),
        uploads=None if scanned else 2,
    )  # fmt: skip


def over_steps(cell, x):
    state, found = None, []
    for t in range(T):
        state = cell(x[t], state)
        found.append(state)
    return found


def column(name):
    made = COLUMNS[name](I, H, O)
    inputs = [normal(T, B, node.size) for node in made.inputs.values()]

    def call(network, *x, **options):
        Y, last = network(dict(zip(made.inputs, x, strict=True)), **options)
        return Y, *last.values()

    fixed = sum(not isinstance(e.weight, str | float) for e in made.edges)  # matrices
    return simple(
        "ColumnNetwork", lambda rng: drawn(made, rng), *inputs, note=name, call=call, uploads=fixed
    )


def drawn(made, rng):
    """A ColumnNetwork whose learned histories are not the zeros they are born with."""
    network = nn.ColumnNetwork(made, rng=rng)
    for history in network.history.values():
        history.update_(mt.randn(history.shape, rng=rng))
    return network


def narx(rng):
    return drawn(COLUMNS["narx"](I, H, O), rng)


def truncated(truncation):
    return simple(
        "truncated_backward", narx, normal(T, B, I), note=truncation.name.replace("/", " of "),
        call=lambda m, x: nn.truncated_backward(m, x, lambda Y: (Y**3).sum(), truncation),
    )  # fmt: skip


def held(container):
    def run(made, x):
        for module in made.values() if isinstance(made, nn.ModuleDict) else made:
            x = module(x)
        return x

    return simple(type(container(None)).__name__, container, normal(B, I), call=run)


X = normal(T, B, I)
LAYERS = [
    *[row for kind in KINDS for road in ("scan", "graph") for row in recurrent(kind, road)],
    *[
        simple(f"{KINDS[kind][0]}Cell", lambda rng, kind=kind: cell_of(kind, I, H, rng=rng), X,
               note=kind, call=over_steps)
        for kind in KINDS if kind != "projected"
    ],
    simple("RecurrentNetwork", lambda rng: nn.RecurrentNetwork(I, H, O, rng=rng), X),
    simple("RecurrentNetwork", lambda rng: nn.RecurrentNetwork(
        I, H, O, "identity", num_layers=2, nonlinearity="relu", bidirectional=True, rng=rng), X,
        note="relu both ways"),
    *[column(name) for name in COLUMNS],
    simple("ColumnNetwork", narx, X, normal(T, B, O), note="taught",
           call=lambda m, x, D: m(x, teacher=D)[0]),
    simple("ColumnNetwork", narx, X, note="masked", uploads=1,
           call=lambda m, x: m(x, variant="one-to-many")[0]),
    simple("ColumnNetwork", narx, X, note="running free", call=lambda m, x: m.free_run(2, x)),
    *[truncated(cut) for cut in (chunked(2), per_loss_window(1), williams_peng(3, 2))],
    simple("Linear", lambda rng: nn.Linear(I, H, rng=rng), X),
    simple("Linear", lambda rng: nn.Linear(I, H, bias=False, rng=rng), X, note="no bias"),
    simple("Embedding", lambda rng: nn.Embedding(O, H, rng=rng), classes(T, B)),
    simple("Embedding", lambda rng: nn.Embedding(O, H, padding_idx=0, rng=rng), classes(T, B),
           note="padded"),
    simple("Embedding", lambda rng: nn.Embedding(O, H, rng=rng), host([[1, 0], [2, 5]]),
           note="of a list", uploads=1),
    function("functional.embedding", classes(T, B), normal(O, H)),
    simple("functional.one_hot", lambda rng: functional.one_hot, classes(T, B), normal(O),
           call=lambda f, x, w: f(x, O) * w),
    simple("LayerNorm", lambda rng: nn.LayerNorm(I), X),
    function("functional.layer_norm", X, normalized_shape=I),
    simple("Dropout", lambda rng: nn.Dropout(rng=rng), X, uploads=1),
    simple("LockedDropout", lambda rng: nn.LockedDropout(rng=rng), X, uploads=1),
    simple("functional.dropout", lambda rng: lambda x: functional.dropout(x, rng=rng), X,
           uploads=1),
    held(lambda rng: nn.Sequential(nn.Linear(I, H, rng=rng), nn.Tanh(), nn.Linear(H, O, rng=rng))),
    held(lambda rng: nn.ModuleList([nn.Linear(I, H, rng=rng), nn.ReLU()])),
    held(lambda rng: nn.ModuleDict({"a": nn.Linear(I, H, rng=rng), "b": nn.Sigmoid()})),
    simple("functional_call", lambda rng: nn.Linear(I, H, rng=rng), X, normal(H, I),
           call=lambda m, x, w: nn.functional_call(m, {"weight": w}, x)),
    simple("utils.rnn.pad_sequence", lambda rng: utils.rnn.pad_sequence,
           lambda rng: tuple(rng.normal(size=(n, I)) for n in (2, T, 1)),
           call=lambda f, x: f(list(x))),
    function("utils.rnn.unpad_sequence", X, lengths=[2, T, 1]),
]  # fmt: skip

# Activations --------------------------------------------------------------------------------------

ACTIVATIONS = [
    *[simple(name, lambda rng, name=name: getattr(nn, name)(), X)
      for name in ("ELU", "GELU", "Hardtanh", "Identity", "LeakyReLU", "LogSoftmax", "ReLU", "SiLU",
                   "Sigmoid", "Softmax", "Softplus", "Tanh")],
    simple("GELU", lambda rng: nn.GELU("tanh"), X, note="tanh"),
    *[function(f"functional.{name}", X)
      for name in ("elu", "gelu", "hardtanh", "leaky_relu", "silu", "softplus")],
]  # fmt: skip

# Losses -------------------------------------------------------------------------------------------

WEIGHTS = [0.5, 1.0, 2.0, 1.5, 0.0, 0.25]
UNIT, LOGITS, LABELS = between(0.05, 0.95, T, B, O), normal(T, B, O), classes(T, B)
PAIRS = {  # a function, its module, and what it is called with
    "mse_loss": ("MSELoss", (UNIT, UNIT)),
    "l1_loss": ("L1Loss", (UNIT, UNIT)),
    "huber_loss": ("HuberLoss", (UNIT, UNIT)),
    "smooth_l1_loss": ("SmoothL1Loss", (UNIT, UNIT)),
    "binary_cross_entropy": ("BCELoss", (UNIT, UNIT)),
    "binary_cross_entropy_with_logits": ("BCEWithLogitsLoss", (LOGITS, UNIT)),
    "kl_div": ("KLDivLoss", (LOGITS, UNIT)),
    "cross_entropy": ("CrossEntropyLoss", (LOGITS, LABELS)),
    "nll_loss": ("NLLLoss", (LOGITS, LABELS)),
}
STEPS, COUNTS, WRITTEN = [T, 3, T], [2, 1, 0], [[1, 1], [3, 0], [0, 0]]


def module(name, *draws, note="", uploads=0, **options):
    make = getattr(nn, name)
    return simple(name, lambda rng: make(**options), *draws, note=note, uploads=uploads)


def divergence(name):
    takes = DIVERGENCES[name].takes
    D = {"series": LOGITS, "distributions": distributions}.get(takes, host([[1, 2, 3], [1, 0, 0]]))
    return simple(
        "DivergenceLoss", lambda rng: nn.DivergenceLoss(name), distributions, D, note=name,
        uploads=UPLOADS_OF_DIVERGENCES.get(name, 0),
    )  # fmt: skip


UPLOADS_OF_DIVERGENCES = {"discounted error": 1, "CTC": 5}  # weights; five tables of the labels
LOSSES = [
    *[function(name, *draws) for name, (_, draws) in PAIRS.items()],
    *[module(name, *draws) for name, draws in PAIRS.values()],
    *[module(name, *draws, note="summed", reduction="sum") for name, draws in PAIRS.values()],
    module("CrossEntropyLoss", LOGITS, LABELS, note="with everything", weight=WEIGHTS,
           ignore_index=2, label_smoothing=0.1, uploads=1),
    module("CrossEntropyLoss", LOGITS, distributions, note="of distributions"),
    module("CrossEntropyLoss", LOGITS, host([[1, 2, 3]] * T), note="of a list", uploads=1),
    module("BCEWithLogitsLoss", LOGITS, UNIT, note="weighted", weight=WEIGHTS, pos_weight=WEIGHTS,
           uploads=2),
    function("ctc_loss", LOGITS, host(WRITTEN), host(STEPS), host(COUNTS), uploads=3),
    simple("CTCLoss", lambda rng: nn.CTCLoss(), LOGITS, host(WRITTEN), host(STEPS), host(COUNTS),
           uploads=3),
    simple("CTCLoss", lambda rng: nn.CTCLoss(), LOGITS, *[
        lambda rng, values=values: np.array(values) for values in (WRITTEN, STEPS, COUNTS)],
        note="of the device"),
    *[divergence(name) for name in DIVERGENCES],
    simple("DivergenceLoss", lambda rng: nn.DivergenceLoss("CTC"), distributions,
           lambda rng: np.array([[1, 2, 3], [1, 0, 0]]), note="CTC of the device",
           waits=("get()",), uploads=5),
    simple("DivergenceLoss", lambda rng: nn.DivergenceLoss("squared error", [False, True] * 2),
           LOGITS, LOGITS, note="at some steps", uploads=2),
]  # fmt: skip

ROWS = [*LAYERS, *ACTIVATIONS, *LOSSES]
