"""Recordings of columns on data that are drawn, with the explicit BPTT of the same."""

import numpy as np

import minitorch_rnn as mt
from minitorch_rnn import bptt
from minitorch_rnn.agreement.networks import draw_histories
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.teaching.recording.recorded import record

T, B = 3, 2


def run(column, divergence, seed=0, **options):
    rng = np.random.default_rng(seed)
    network = mt.nn.ColumnNetwork(column, rng=rng)
    draw_histories(network, rng)
    x = {n: rng.normal(size=(T, B, node.size)) for n, node in column.inputs.items()}
    D = rng.normal(size=(T, B, column.node[column.output].size))
    recording = record(network, x, D, divergence, **options)
    params = {n: p.detach().numpy() for n, p in network.named_parameters()}
    trace = bptt.column.forward(column, params, x, options.get("histories"))
    dY = DIVERGENCES[divergence].gradient(trace.Y, D)
    return recording, bptt.column.backward(column, params, trace, dY), trace, network, x, D


def backward(recording):
    return [step for step in recording.steps if step["phase"] == "backward"]
