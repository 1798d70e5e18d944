"""Every divergence against PyTorch's: value, gradient and second derivative, for a generated table.

Ours have their classes on the last axis, (T, B, O), PyTorch's on the second; both layouts are here.
"""

import itertools

import numpy as np
import pytest
from torch_parity import EXACT, by_both

from minitorch_rnn import nn

pytestmark = pytest.mark.torch

O = 5
REDUCTIONS = ["mean", "sum", "none"]
STEPS = {"one": (), "batch": (4,), "steps": (4, 3), "axis 1": (3, 2), "axis 1 of 4": (3, 2, 2)}


def laid_out(steps):
    """The shape of our logits, our axis of the classes, and the way from there to PyTorch's."""
    shape = STEPS[steps]
    if steps.startswith("axis 1"):
        return (shape[0], O, *shape[1:]), 1, lambda x: x
    return (*shape, O), -1, lambda x: x.permute(0, 2, 1) if x.ndim == 3 else x


LABELLED = [
    pytest.param(*row, id="-".join(map(str, row)))
    for row in itertools.product(
        STEPS, REDUCTIONS, ["plain", "weighted"], ["sharp", "smooth"], ["kept", "padded", "class"]
    )
]


@pytest.mark.parametrize("steps, reduction, weighted, smooth, ignored", LABELLED)
def test_cross_entropy_of_labels(steps, reduction, weighted, smooth, ignored, rng):
    import torch

    shape, axis, permuted = laid_out(steps)
    targets = rng.integers(O, size=STEPS[steps])
    index = 2 if ignored == "class" else -100
    if ignored == "padded" and targets.ndim:
        targets[rng.random(targets.shape) < 0.4] = -100
        targets.flat[0], targets.flat[-1] = 1, -100
    targets = np.where(targets == 2, 3, targets) if not targets.ndim else targets
    weight = rng.uniform(0.5, 2.0, O) if weighted == "weighted" else None
    options = {"ignore_index": index, "reduction": reduction}
    smoothing = 0.1 if smooth == "smooth" else 0.0
    theirs = torch.nn.functional
    tensor = None if weight is None else torch.tensor(weight)
    logits, labels = 3 * rng.normal(size=shape), torch.tensor(targets)
    by_both(
        rng,
        lambda x: nn.cross_entropy(
            x, targets, weight, label_smoothing=smoothing, axis=axis, **options
        ),
        lambda x: theirs.cross_entropy(
            permuted(x), labels, tensor, label_smoothing=smoothing, **options
        ),
        [logits],
    )
    if smooth == "sharp":
        by_both(
            rng,
            lambda x: nn.nll_loss(x, targets, weight, axis=axis, **options),
            lambda x: theirs.nll_loss(permuted(x), labels, tensor, **options),
            [logits],
        )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("steps", STEPS)
def test_cross_entropy_of_probabilities(steps, reduction, weighted, smoothing, rng):
    import torch

    shape, axis, permuted = laid_out(steps)
    D = rng.uniform(size=shape)
    D[rng.random(shape) < 0.2] = 0.0
    weight = rng.uniform(0.5, 2.0, O) if weighted else None
    tensor = None if weight is None else torch.tensor(weight)
    options = {"reduction": reduction, "label_smoothing": smoothing}
    by_both(
        rng,
        lambda x, d: nn.cross_entropy(x, d, weight, axis=axis, **options),
        lambda x, d: torch.nn.functional.cross_entropy(permuted(x), permuted(d), tensor, **options),
        [3 * rng.normal(size=shape), D],
    )


def normal(rng, shape):
    return 2 * rng.normal(size=shape)


def unit(rng, shape):
    return rng.uniform(0.05, 0.95, size=shape)


WEIGHTS = np.random.default_rng(1).uniform(0.5, 2.0, O)
ELEMENTWISE = [  # name, what draws outputs and targets, options
    ("mse_loss", normal, normal, {}),
    ("l1_loss", normal, normal, {}),
    ("huber_loss", normal, normal, {}),
    ("huber_loss", normal, normal, {"delta": 2.5}),
    ("smooth_l1_loss", normal, normal, {}),
    ("smooth_l1_loss", normal, normal, {"beta": 0.3}),
    ("smooth_l1_loss", normal, normal, {"beta": 0}),
    ("kl_div", normal, unit, {}),
    ("kl_div", normal, normal, {"log_target": True}),
    ("binary_cross_entropy", unit, unit, {}),
    ("binary_cross_entropy", unit, unit, {"weight": WEIGHTS}),
    ("binary_cross_entropy_with_logits", normal, unit, {}),
    ("binary_cross_entropy_with_logits", normal, unit, {"weight": WEIGHTS}),
    ("binary_cross_entropy_with_logits", normal, unit, {"pos_weight": WEIGHTS}),
    (
        "binary_cross_entropy_with_logits", normal, unit,
        {"weight": WEIGHTS[:, None][:3], "pos_weight": WEIGHTS},
    ),
]  # fmt: skip


SHAPES = [(), (O,), (3, O), (4, 3, O)]


def table():
    for (name, *rest, options), shape in itertools.product(ELEMENTWISE, SHAPES):
        if all(np.ndim(w) <= len(shape) for w in options.values()):
            for reduction in [*REDUCTIONS, *(["batchmean"] if name == "kl_div" else [])]:
                row = f"{name}-{'-'.join(options)}-{shape}-{reduction}"
                yield pytest.param(name, *rest, options, shape, reduction, id=row)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # kl_div of PyTorch
@pytest.mark.parametrize("name, outputs, targets, options, shape, reduction", list(table()))
def test_divergences_of_elements(name, outputs, targets, options, shape, reduction, rng):
    import torch

    theirs = {k: torch.tensor(w) if np.ndim(w) else w for k, w in options.items()}
    # PyTorch adds 1e-12 to the probabilities that its second derivative divides by.
    second = {"rtol": 1e-7, "atol": 1e-8} if name == "binary_cross_entropy" else EXACT
    by_both(
        rng,
        lambda y, d: getattr(nn, name)(y, d, reduction=reduction, **options),
        lambda y, d: getattr(torch.nn.functional, name)(y, d, reduction=reduction, **theirs),
        [outputs(rng, shape), targets(rng, shape)],
        second,
    )
