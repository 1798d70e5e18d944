"""Small random networks as the students of `students` see them, and as `Problem` takes them.

`drawn(solution, seed)` gives the column with numbers, the student's view of the forward pass, and
how the student calls every gradient.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from minitorch_rnn import bptt
from minitorch_rnn.bptt.trace import Trace
from minitorch_rnn.column import (
    Column,
    bidirectional,
    delayed,
    elman,
    gru,
    jordan,
    lstm,
    narx,
    state_space,
    with_skips,
)


class Subject(NamedTuple):
    """A network with numbers: what `Problem` takes, and what a student's function takes.

    `names`: the student's name for every gradient, by the true one.
    """

    column: Column
    params: dict
    inputs: np.ndarray
    dY: np.ndarray
    histories: dict
    trace: Trace
    net: SimpleNamespace
    names: dict


def drawn(solution, seed, square=False, layers=None):
    """Network `seed` of a solution; sizes T, B, I, H, O all differ, but I = H where `square`."""
    rng = np.random.default_rng([seed, sum(map(ord, solution))])
    T = int(rng.integers(4, 8))
    B, I, H, O = (int(n) for n in rng.permutation([n for n in range(2, 8) if n != T])[:4])
    if square:
        I = H
    column, view = _NETWORKS[solution](I, H, O, layers or (1, 2, 3)[seed % 3])
    params = {n: 0.7 * rng.normal(size=shape) for n, shape in column.shapes.items()}
    x, dY = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))
    histories = {
        node.name: rng.normal(size=(sum(column.reach[node.name]), B, node.size))
        for node in column.nodes
        if node.history != "zeros" and any(column.reach[node.name])
    }
    trace = bptt.column.forward(column, params, x, histories)
    net, names = view(column, params, trace)
    net.T, net.B, net.H = T, B, H
    return Subject(column, params, x, dY, histories, trace, net, names)


def truth(subject):
    """The true gradients by their true names: those of the general BPTT."""
    column, params, _, dY, _, trace, _, _ = subject
    found = bptt.column.backward(column, params, trace, dY)
    inputs = {f"input.{n}": found.da[n] for n in column.inputs}
    return found.parameters | inputs | {f"history.{n}": h for n, h in found.histories.items()}


def _columns(trace, node):
    """a(t) by t, the history among them."""
    before = trace.column.reach[node][0]
    return {t - before: a for t, a in enumerate(trace.a[node])}


def _below(L):
    return dict(enumerate(["x", *(f"h{l}" for l in range(1, L))], start=1))


def _slide_94(I, H, O, L):
    def view(column, params, trace):
        below = _below(L)
        h = {(t, 0): x for t, x in _columns(trace, "x").items()}
        h |= {(t, l): v for l in below for t, v in _columns(trace, f"h{l}").items()}
        net = SimpleNamespace(
            L=L, h=h, Y=trace.Y, W_o=params[f"weight.h{L}->Y"],
            z={(t, l): z for l in below for t, z in enumerate(trace.z[f"h{l}"])},
            W_c={l: params[f"weight.{b}->h{l}"] for l, b in below.items()},
            W_r={l: params[f"weight.h{l}(t-1)->h{l}"] for l in below},
        )  # fmt: skip
        return net, _names_of_stack(L, 0, "dW_c", "dW_r", "dh_init")

    return state_space(I, H, O, L, "tanh", "softmax"), view


def _cells(I, H, O, L):
    def view(column, params, trace):
        below = _below(L)
        states = [_columns(trace, f"h{l}") for l in below]
        net = SimpleNamespace(
            L=L, x=trace.a["x"], W_o=params[f"weight.h{L}->Y"],
            hiddens=[[state[t] for state in states] for t in range(-1, trace.T)],
            W_ih=[params[f"weight.{b}->h{l}"] for l, b in below.items()],
            W_hh=[params[f"weight.h{l}(t-1)->h{l}"] for l in below],
        )  # fmt: skip
        return net, _names_of_stack(L, 1, "dW_ih", "dW_hh", "dh_0")

    return state_space(I, H, O, L), view


def _names_of_stack(L, first, into, back, init):
    names = {f"weight.h{L}->Y": "dW_o", "bias.Y": "db_o", "input.x": "dx"}
    for l, below in _below(L).items():
        n = l - first
        names |= {f"weight.{below}->h{l}": f"{into}{n}", f"weight.h{l}(t-1)->h{l}": f"{back}{n}"}
        names |= {f"bias.h{l}": f"db{n}", f"history.h{l}": f"{init}{n}"}
    return names


def _named(letters, *also):
    """A view for networks whose weights have a letter each, and of whose nodes all is wanted."""

    def view(column, params, trace):
        net = SimpleNamespace(**{letter: params[name] for letter, name in letters.items()})
        for node in column.nodes:
            setattr(net, node.name, _columns(trace, node.name))
        net.x, net.z = trace.at("x"), {n: dict(enumerate(z)) for n, z in trace.z.items()}
        if "h" in net.z:
            net.z = net.z["h"]
        names = {name: f"d{letter}" for letter, name in letters.items()} | {"input.x": "dx"}
        return net, names | dict(also)

    return view


def _elman(I, H, O, _):
    letters = {"W_x": "weight.x->h", "W_c": "weight.h(t-1)->h", "W_o": "weight.h->Y"}
    view = _named(letters, ("bias.h", "db"), ("bias.Y", "db_o"))
    return elman(I, H, O, history="given"), view


def _jordan(I, H, O, _):
    letters = {"W_x": "weight.x->h", "W_m": "weight.m->h", "W_o": "weight.h->Y"}
    view = _named(letters, ("bias.h", "db"), ("bias.Y", "db_o"))
    return jordan(I, H, O, history="given"), view


def _narx(I, H, O, _):
    K = M = 2

    def view(column, params, trace):
        net = SimpleNamespace(
            x=_columns(trace, "x"), h=_columns(trace, "h"), Y=_columns(trace, "Y"),
            z=dict(enumerate(trace.z["h"])), W_o=params["weight.h->Y"],
            W_x={k: params[f"weight.{f'x(t-{k})' if k else 'x'}->h"] for k in range(K + 1)},
            W_y={m: params[f"weight.Y(t-{m})->h"] for m in range(1, M + 1)},
        )  # fmt: skip
        names = {f"weight.{f'x(t-{k})' if k else 'x'}->h": f"dW_x{k}" for k in range(K + 1)}
        names |= {f"weight.Y(t-{m})->h": f"dW_y{m}" for m in range(1, M + 1)}
        names |= {"weight.h->Y": "dW_o", "bias.h": "db", "bias.Y": "db_o", "input.x": "dx"}
        return net, names | {"history.x": "dx_init", "history.Y": "dy_init"}

    return narx(I, H, O, K, M), view


def _bidirectional(I, H, O, _):
    letters, also = {}, [("bias.Y", "db_o")]
    for way, back in ("f", "h_f(t-1)"), ("b", "h_b(t+1)"):
        letters |= {f"W_{way}": f"weight.x->h_{way}", f"R_{way}": f"weight.{back}->h_{way}"}
        letters |= {f"V_{way}": f"weight.h_{way}->Y"}
        also += [(f"bias.h_{way}", f"db_{way}"), (f"history.h_{way}", f"dh_{way}_init")]
    return bidirectional(I, H, O), _named(letters, *also)


def _slide_66(I, H, O, _):
    letters = {
        "w01": "weight.x->h1", "w11": "weight.h1(t-1)->h1", "w12": "weight.h1->h2",
        "w02": "weight.x->h2", "w22": "weight.h2(t-1)->h2",
        "w13": "weight.h1->Y", "w23": "weight.h2->Y",
    }  # fmt: skip
    also = [("bias.h1", "db1"), ("bias.h2", "db2"), ("bias.Y", "db3")]
    also += [("history.h1", "dh1_init"), ("history.h2", "dh2_init")]
    return with_skips(I, H, O), _named(letters, *also)


def _delayed(I, H, O, _):
    D = 3

    def view(column, params, trace):
        net = SimpleNamespace(
            D=D, x=trace.at("x"), h=_columns(trace, "h1"), z=dict(enumerate(trace.z["h1"])),
            W_c=params["weight.x->h1"], W_o=params["weight.h1->Y"],
            W_r={d: params[f"weight.h1(t-{d})->h1"] for d in range(1, D + 1)},
        )  # fmt: skip
        names = {f"weight.h1(t-{d})->h1": f"dW_r{d}" for d in range(1, D + 1)}
        names |= {"weight.x->h1": "dW_c", "weight.h1->Y": "dW_o", "bias.h1": "db"}
        return net, names | {"bias.Y": "db_o", "input.x": "dx", "history.h1": "dh_init"}

    return delayed(I, H, O, D), view


def _gates(into, back, biased, histories):
    """A view of a network with gates: W[gate] from x, R[gate] from h(t-1)."""

    def view(column, params, trace):
        net, _ = _named({})(column, params, trace)
        net.W = {n: params[f"weight.x->{n}"] for n in into}
        net.R = {n: params[f"weight.h(t-1)->{n}"] for n in back}
        net.V = params["weight.h->Y"]
        names = {f"weight.x->{n}": f"dW_{n}" for n in into}
        names |= {f"weight.h(t-1)->{n}": f"dR_{n}" for n in back}
        names |= {f"bias.{n}": f"db_{n}" for n in biased}
        names |= {f"history.{n}": f"d{n}_0" for n in histories}
        return net, names | {"weight.h->Y": "dV", "bias.Y": "dd", "input.x": "dx"}

    return view


def _lstm(I, H, O, _):
    return lstm(I, H, O), _gates("ifgo", "ifgo", "ifgo", "hc")


def _gru(I, H, O, _):
    view = _gates("rzn", "rzq", "rznq", "h")

    def with_values(column, params, trace):
        net, names = view(column, params, trace)
        net.z = _columns(trace, "z")  # a gate here, not what goes into h
        return net, names

    return gru(I, H, O), with_values


_NETWORKS = {
    "slide_94": _slide_94, "cells": _cells, "elman": _elman, "jordan": _jordan, "narx": _narx,
    "bidirectional": _bidirectional, "slide_66": _slide_66, "delayed": _delayed,
    "lstm": _lstm, "gru": _gru,
}  # fmt: skip
SOLUTIONS = tuple(_NETWORKS)
