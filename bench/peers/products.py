"""The floor: the matrix products that a training step cannot do without, and nothing else."""

import numpy as np

from bench.step import Problem, Step


def steps(problem: Problem) -> dict[str, Step]:
    """Products into buffers that are made once.

    The input projection of all T B rows; one product of the state with the recurrent weights for
    every step forward, and one of its gradient backward; and one for the gradient of each weight,
    over T B rows.
    """
    T, B, I, H = problem.sizes
    weight_ih, weight_hh = problem.weights["weight_ih"], problem.weights["weight_hh"]
    rows = len(weight_hh)
    x, h = problem.x.reshape(T * B, I), problem.g
    z, dz = np.empty((T, B, rows), np.float32), np.empty((T, B, rows), np.float32)
    dz[...] = np.tile(problem.g, rows // H)
    dh = np.empty((B, H), np.float32)
    d_ih, d_hh = np.empty_like(weight_ih), np.empty_like(weight_hh)
    across = weight_hh.T

    def run() -> None:
        np.matmul(x, weight_ih.T, out=z.reshape(T * B, rows))
        for t in range(T):
            np.matmul(h[t], across, out=z[t])
        for t in reversed(range(T)):
            np.matmul(dz[t], weight_hh, out=dh)
        flat = dz.reshape(T * B, rows).T
        np.matmul(flat, x, out=d_ih)
        np.matmul(flat, h.reshape(T * B, H), out=d_hh)

    return {"products alone": Step(run, None)}
