"""Hand-written BPTT in NumPy, as a teacher writes it: step by step, each equation one line."""

from typing import Any

import numpy as np

from bench.step import Problem, Step


def steps(problem: Problem) -> dict[str, Step]:
    """Forward over t = 0 … T-1, backward over t = T-1 … 0, gradients added up at every step."""
    step = {"RNN": _rnn, "LSTM": _lstm, "GRU": _gru}[problem.kind]
    return {"NumPy BPTT": Step(lambda: step(problem.x, problem.g, **problem.weights), dict)}


def _sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def _gradients(**weights: Any) -> dict[str, Any]:
    return {name: np.zeros_like(w) for name, w in weights.items()}


def _rnn(
    x: Any, g: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any
) -> dict[str, Any]:
    T, B, H = g.shape
    h = np.zeros((T + 1, B, H), x.dtype)  # h[-1] is the initial state
    for t in range(T):
        h[t] = np.tanh(x[t] @ weight_ih.T + bias_ih + h[t - 1] @ weight_hh.T + bias_hh)
    d = _gradients(weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
    dh = np.zeros((B, H), x.dtype)
    for t in reversed(range(T)):
        dz = (dh + g[t]) * (1 - h[t] ** 2)
        d["weight_ih"] += dz.T @ x[t]
        d["weight_hh"] += dz.T @ h[t - 1]
        d["bias_ih"] += dz.sum(axis=0)
        d["bias_hh"] += dz.sum(axis=0)
        dh = dz @ weight_hh
    return d


def _lstm(
    x: Any, g: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any
) -> dict[str, Any]:
    T, B, H = g.shape
    h, c = np.zeros((2, T + 1, B, H), x.dtype)
    gates = []
    for t in range(T):
        z = x[t] @ weight_ih.T + bias_ih + h[t - 1] @ weight_hh.T + bias_hh
        i, f, n, o = np.split(z, 4, axis=1)
        i, f, n, o = _sigmoid(i), _sigmoid(f), np.tanh(n), _sigmoid(o)
        c[t] = f * c[t - 1] + i * n
        h[t] = o * np.tanh(c[t])
        gates.append((i, f, n, o))
    d = _gradients(weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
    dh, dc = np.zeros((2, B, H), x.dtype)
    for t in reversed(range(T)):
        i, f, n, o = gates[t]
        dh = dh + g[t]
        tanh_c = np.tanh(c[t])
        dc = dc + dh * o * (1 - tanh_c**2)
        di, df, dn, do = dc * n, dc * c[t - 1], dc * i, dh * tanh_c
        dz = np.concatenate(
            [di * i * (1 - i), df * f * (1 - f), dn * (1 - n**2), do * o * (1 - o)], axis=1
        )
        d["weight_ih"] += dz.T @ x[t]
        d["weight_hh"] += dz.T @ h[t - 1]
        d["bias_ih"] += dz.sum(axis=0)
        d["bias_hh"] += dz.sum(axis=0)
        dh, dc = dz @ weight_hh, dc * f
    return d


def _gru(
    x: Any, g: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any
) -> dict[str, Any]:
    T, B, H = g.shape
    h = np.zeros((T + 1, B, H), x.dtype)
    gates = []
    for t in range(T):
        x_r, x_z, x_n = np.split(x[t] @ weight_ih.T + bias_ih, 3, axis=1)
        h_r, h_z, h_n = np.split(h[t - 1] @ weight_hh.T + bias_hh, 3, axis=1)
        r, z = _sigmoid(x_r + h_r), _sigmoid(x_z + h_z)
        n = np.tanh(x_n + r * h_n)
        h[t] = (1 - z) * n + z * h[t - 1]
        gates.append((r, z, n, h_n))
    d = _gradients(weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
    dh = np.zeros((B, H), x.dtype)
    for t in reversed(range(T)):
        r, z, n, h_n = gates[t]
        dh = dh + g[t]
        dn = dh * (1 - z) * (1 - n**2)
        dr, dz = dn * h_n * r * (1 - r), dh * (h[t - 1] - n) * z * (1 - z)
        da = np.concatenate([dr, dz, dn], axis=1)
        db = np.concatenate([dr, dz, dn * r], axis=1)
        d["weight_ih"] += da.T @ x[t]
        d["weight_hh"] += db.T @ h[t - 1]
        d["bias_ih"] += da.sum(axis=0)
        d["bias_hh"] += db.sum(axis=0)
        dh = dh * z + db @ weight_hh
    return d
