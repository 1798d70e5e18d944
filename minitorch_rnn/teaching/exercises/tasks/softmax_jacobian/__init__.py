"""The Jacobian of softmax, slide 85, as a matrix and without it."""

import numpy as np

from minitorch_rnn.teaching.exercises.exercise import Call, Case, Exercise
from minitorch_rnn.teaching.exercises.judge import named
from minitorch_rnn.teaching.exercises.networks import drawn_numbers, sizes

__all__ = ["EXERCISE"]


def _outputs(rng, *shape):
    e = np.exp(rng.normal(size=shape))
    Y = np.round(e / e.sum(axis=-1, keepdims=True), 2)
    Y[..., 0] += 1 - Y.sum(axis=-1)
    return Y


def _matrix_case(O, seed):
    Y = _outputs(np.random.default_rng(seed), O)
    right, all_pairs = np.diag(Y) - np.outer(Y, Y), np.outer(Y, Y)
    slips = [
        ("Only the diagonal is there: Y_i depends on every z_j, by -Y_i Y_j (slide 85).",
         np.diag(Y * (1 - Y))),
        ("The sign is wrong: it is diag(Y) - Y Yᵀ, not Y Yᵀ - diag(Y).", -right),
        ("-Y_i Y_j is right off the diagonal; on the diagonal Y_i is missing: Y_i - Y_i Y_i.",
         -all_pairs),
        ("Off the diagonal the sign is wrong: -Y_i Y_j, since a larger z_j takes from Y_i.",
         np.diag(Y - 2 * Y * Y) + all_pairs),
        ("It has diag(Y) + Y Yᵀ; the second term is subtracted (slide 85).",
         np.diag(Y) + all_pairs),
        ("It has the identity where diag(Y) belongs.", np.eye(O) - all_pairs),
    ]  # fmt: skip
    return Case(
        Call("softmax_jacobian", {"Y": Y}),
        sizes(O=O),
        right,
        lambda answer: named(right, answer, slips),
    )


def _batch_case(B, O, seed):
    rng = np.random.default_rng(seed)
    Y, dY = _outputs(rng, B, O), drawn_numbers(rng, B, O)
    weighted = (dY * Y).sum(axis=1, keepdims=True)
    right = Y * (dY - weighted)
    slips = [
        ("It takes the diagonal of the Jacobian only: dz_i also gets -dY_j Y_j Y_i from every "
         "other output j (slide 85).", dY * Y * (1 - Y)),
        ("The sign is wrong.", -right),
        ("It sums over the rows, the B vectors; the sum over i is over the outputs, axis=1.",
         Y * (dY - (dY * Y).sum(axis=0, keepdims=True))),
        ("It sums over all vectors at once; every row has a sum of its own: axis=1, "
         "keepdims=True.", Y * (dY - (dY * Y).sum())),
        ("It subtracts the plain sum of dY; the sum is weighted: Σ_i dY_i Y_i.",
         Y * (dY - dY.sum(axis=1, keepdims=True))),
        ("It takes a mean where the sum Σ_i dY_i Y_i belongs.",
         Y * (dY - (dY * Y).mean(axis=1, keepdims=True))),
        ("Y in front is forgotten: dz_j = Y_j (dY_j - Σ_i dY_i Y_i).", dY - weighted),
        ("Y_j also multiplies the sum: dz_j = Y_j (dY_j - Σ_i dY_i Y_i).", dY * Y - weighted),
        ("dY comes back as it was: the Jacobian is forgotten.", dY),
    ]  # fmt: skip
    return Case(
        Call("softmax_backward", {"dY": dY, "Y": Y}),
        sizes(B=B, O=O),
        right,
        lambda answer: named(right, answer, slips),
    )


EXERCISE = Exercise(
    name="softmax-jacobian",
    title="the Jacobian of softmax",
    slides="85",
    level=1,
    hints=(
        "Derive Y_i = exp(z_i) / S by z_i and by z_j, with S the sum of all. Every other output "
        "shrinks when z_j grows, because S does.",
        "The matrix is diag(Y) - Y Yᵀ. Put it into dz_j = Σ_i dY_i J_ij: the first term gives "
        "dY_j Y_j, the second a sum over i that is the same for all j.",
        "np.diag(Y) - np.outer(Y, Y), and Y * (dY - (dY * Y).sum(axis=1, keepdims=True))",
    ),
    afterwards="Add the same number to all z and Y does not change: the rows of J, and of dz, sum "
    "to 0. With the cross entropy after softmax, dz becomes Y - D.",
    cases=lambda: [
        *(_matrix_case(O, seed) for seed, O in enumerate([1, 2, 4])),
        *(_batch_case(B, O, 3 + seed) for seed, (B, O) in enumerate([(1, 2), (2, 3), (3, 3)])),
    ],
)
