"""Networks with data, small, and with sizes that let slips that mix up axes pass unnoticed."""

import numpy as np

import minitorch_rnn as mt
from minitorch_rnn.agreement import COLUMNS, networks
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import VARIANTS, Column, Edge, Input, Layer

SHARED = Column(
    "shared",
    (Input("x", 3), Layer("h", 3, "relu", history="learned"), Layer("Y", 3, "identity")),
    (Edge("x", "h"), Edge("h", "h", 1), Edge("h", "h", 2, shares="h(t-1)->h"), Edge("h", "Y")),
    "Y",
)


def small(name="state-space", divergence="soft worst step", **options):
    """The agreement of a small network, one of `COLUMNS` by name or a column."""
    rng = np.random.default_rng(3)
    takes = DIVERGENCES[divergence].takes
    output = "identity" if takes == "series" else "softmax"
    column = name if isinstance(name, Column) else COLUMNS[name](3, 3, 3, output_activation=output)
    network = mt.nn.ColumnNetwork(column, rng=rng)
    networks.draw_histories(network, rng)
    T = 6
    x = {n: rng.normal(size=(T, 3, node.size)) for n, node in column.inputs.items()}
    variant = options.pop("variant", "synchronous")
    masks = VARIANTS[variant](T)
    D = networks.targets_for(DIVERGENCES[divergence], (T, 3, 3), masks, rng)
    return mt.verify(network, x, D, divergence, variant=masks, **options)
