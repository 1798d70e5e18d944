"""Optimisers with settings that reach every option, gradients for them, and their formulas again.

`by_hand` moves one number at a time with `math`: a witness that shares no code with the package.
"""

import math

import numpy as np
import pytest

import minitorch_rnn as mt

STEPS = 50
SHAPES = [(3, 2), (4,), ()]
OPTIMIZERS = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]

SETTINGS = [
    ("SGD", {}),
    ("SGD", {"lr": 0.05}),
    ("SGD", {"lr": 0.02, "momentum": 0.9}),
    ("SGD", {"lr": 0.02, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.02, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.02, "momentum": 0.7, "dampening": 0.1, "weight_decay": 0.2}),
    ("SGD", {"lr": 0.02, "momentum": 0.8, "weight_decay": 0.2, "nesterov": True}),
    ("SGD", {"lr": 0.02, "momentum": 0.5, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}),
    ("Adam", {"lr": 0.03, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.03, "amsgrad": True}),
    ("Adam", {"lr": 0.03, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.03, "weight_decay": 0.3, "decoupled_weight_decay": True}),
    ("Adam", {"lr": 0.03, "betas": (0.0, 0.0)}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.03, "weight_decay": 0.3}),
    ("AdamW", {"lr": 0.03, "weight_decay": 0.0}),
    ("AdamW", {"lr": 0.03, "betas": (0.8, 0.95), "eps": 0.1, "amsgrad": True}),
    ("AdamW", {"lr": 0.03, "weight_decay": 0.2, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.03, "alpha": 0.7, "eps": 1e-2}),
    ("RMSprop", {"lr": 0.03, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.02, "centered": True}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.6, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.02, "momentum": 0.5, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.3, "lr_decay": 0.2}),
    ("Adagrad", {"lr": 0.3, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.3, "initial_accumulator_value": 2.0, "eps": 0.1}),
    ("Adagrad", {"lr": 0.3, "lr_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
]


def named(options):
    return "-".join(f"{k}={v}" for k, v in options.items()) or "defaults"


CASES = [pytest.param(kind, options, id=f"{kind}-{named(options)}") for kind, options in SETTINGS]

GROUPS = [  # the options of all, then those of the first group
    ("SGD", {"lr": 0.05, "momentum": 0.9}, {"lr": 0.001, "momentum": 0.0}),
    ("SGD", {"lr": 0.05, "momentum": 0.9}, {"nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.03}, {"betas": (0.5, 0.6), "amsgrad": True}),
    ("AdamW", {"lr": 0.03}, {"weight_decay": 0.0, "eps": 0.1}),
    ("RMSprop", {"lr": 0.03}, {"alpha": 0.5, "centered": True, "momentum": 0.3}),
    ("Adagrad", {"lr": 0.3}, {"lr_decay": 0.5, "maximize": True}),
]


def starts(rng):
    return [rng.normal(size=shape) for shape in SHAPES]


def gradients(rng, pattern="dense"):
    """For every step a gradient of each parameter, of very different sizes.

    In "missing" some are None, those of the first and of the last parameter's first steps among
    them; in "sparse" most rows are 0, as those of an embedding.
    """
    sizes = np.array([[1e-6, 1.0], [1.0, 1e4], [1e-2, 1e2]])
    steps = [[rng.normal(size=(3, 2)) * sizes, *starts(rng)[1:]] for _ in range(STEPS)]
    for t, step in enumerate(steps):
        if pattern == "sparse":
            step[0][np.arange(3) != t % 5] = 0.0
            step[1][t % 4 :] = 0.0
        elif pattern == "missing":
            step[0] = None if t % 3 == 0 else step[0]
            step[2] = None if t < 10 else step[2]
    return steps


def trajectory(optimizer, owners, steps, convert):
    """The values of all parameters after every step."""
    path = []
    for step in steps:
        for p, g in zip(owners, step, strict=True):
            p.grad = None if g is None else convert(g)
        optimizer.step()
        path.append([np.array(p.tolist()) for p in owners])
    return path


def ours(kind, values, options, **more):
    owners = [mt.nn.Parameter(v, **more) for v in values]
    return getattr(mt.optim, kind)(owners, **options), owners


def pytorchs(kind, values, options):
    import torch

    owners = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    return getattr(torch.optim, kind)(owners, **options), owners


def _sgd(p, g, kept, n, lr=1e-3, momentum=0, dampening=0, nesterov=False):
    v = g if n == 1 else momentum * kept["v"] + (1 - dampening) * g
    kept["v"] = v
    return p - lr * (g + momentum * v if nesterov else v if momentum else g)


def _adam(p, g, kept, n, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, amsgrad=False):
    m = kept["m"] = betas[0] * kept.get("m", 0) + (1 - betas[0]) * g
    v = kept["v"] = betas[1] * kept.get("v", 0) + (1 - betas[1]) * g**2
    u = kept["u"] = max(kept.get("u", 0), v) if amsgrad else v
    return p - lr * (m / (1 - betas[0] ** n)) / (math.sqrt(u / (1 - betas[1] ** n)) + eps)


def _rmsprop(p, g, kept, n, lr=1e-2, alpha=0.99, eps=1e-8, momentum=0, centered=False):
    s = kept["s"] = alpha * kept.get("s", 0) + (1 - alpha) * g**2
    a = kept["a"] = alpha * kept.get("a", 0) + (1 - alpha) * g
    v = g / (math.sqrt(s - a**2 if centered else s) + eps)
    v = kept["v"] = momentum * kept.get("v", 0) + v
    return p - lr * v


def _adagrad(p, g, kept, n, lr=1e-2, lr_decay=0, initial_accumulator_value=0, eps=1e-10):
    s = kept["s"] = kept.get("s", initial_accumulator_value) + g**2
    return p - lr / (1 + (n - 1) * lr_decay) * g / (math.sqrt(s) + eps)


RULES = {"SGD": _sgd, "Adam": _adam, "AdamW": _adam, "RMSprop": _rmsprop, "Adagrad": _adagrad}


def by_hand(kind, value, gradients, options):
    """The values of one number after every step; None among the gradients is no step."""
    rest = dict(options)
    decay = rest.pop("weight_decay", 0.01 if kind == "AdamW" else 0)
    decoupled = rest.pop("decoupled_weight_decay", kind == "AdamW")
    sign = -1 if rest.pop("maximize", False) else 1
    path, kept, n = [], {}, 0
    for g in gradients:
        if g is not None:
            n += 1
            g = sign * g
            if decoupled:
                value -= rest.get("lr", 1e-3) * decay * value
            else:
                g = g + decay * value
            value = RULES[kind](value, g, kept, n, **rest)
        path.append(value)
    return path
