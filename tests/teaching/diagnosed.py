"""Small networks to be diagnosed, and what a mistake makes of their gradients."""

import numpy as np

from minitorch_rnn.column.networks import state_space
from minitorch_rnn.teaching.diagnose import Problem
from minitorch_rnn.teaching.mistakes import Network, Sweep

NAMES = {
    "weight.x->h1": "dW_c", "weight.h1(t-1)->h1": "dW_r", "bias.h1": "db", "weight.h1->Y": "dW_o",
    "bias.Y": "db_o", "history.h1": "dh_init", "input.x": "dx",
}  # fmt: skip


def problem_of(column, seed=0, T=5, B=3):
    rng = np.random.default_rng(seed)
    params = {n: 0.7 * rng.normal(size=shape) for n, shape in column.shapes.items()}
    x = {n: rng.normal(size=(T, B, node.size)) for n, node in column.inputs.items()}
    past = {
        n: rng.normal(size=(sum(reach), B, column.node[n].size))
        for n, reach in column.reach.items()
        if sum(reach)
    }
    dY = rng.normal(size=(T, B, column.node[column.output].size))
    return Problem(column, params, x, dY, past)


def small(seed=0, **sizes):
    return problem_of(state_space(3, 4, 3, output_activation="softmax"), seed, **sizes)


def with_slip(problem, hypothesis):
    """What a mistake makes of all gradients."""
    net = Network(problem.column, problem.params, problem.trace, problem.dY, {})
    sweep = Sweep(net, [hypothesis.count], hypothesis.turned)
    hypothesis.change(sweep, sweep.rows(0))
    found = sweep.run()
    return {name: found[name][0].copy() for name in problem.true}


def named(problem, name, says=""):
    return next(h for h in problem.suspects({}).hypotheses if h.name == name and says in h.says)
