"""Backward passes as students write them: plain NumPy, each by hand for one kind of network.

All are right; `mistake_zoo` exchanges lines of them. `net` holds the weights and the values of the
forward pass: ``h[t]`` is (B, H) for t = -1, 0, … and ``h[t, l]`` where there are layers. A function
returns the gradients by the names that its author gave them, biases as (n,), and what
is called init or 0 as it stands in the columns before t = 0 (from T on, where a net runs backward).
"""

import numpy as np


def slide_94(net, dY):
    """L layers with a softmax output, after slide 94, for a batch."""
    T, L, h, Y, W_c, W_r, W_o = net.T, net.L, net.h, net.Y, net.W_c, net.W_r, net.W_o
    dh = {key: np.zeros_like(value) for key, value in h.items()}
    dW_c = {l: np.zeros_like(W_c[l]) for l in W_c}
    dW_r = {l: np.zeros_like(W_r[l]) for l in W_r}
    db = {l: np.zeros(len(W_r[l])) for l in W_r}
    dW_o, db_o = np.zeros_like(W_o), np.zeros(len(W_o))
    for t in range(T - 1, -1, -1):
        dz_o = Y[t] * (dY[t] - (dY[t] * Y[t]).sum(axis=1, keepdims=True))
        dW_o += dz_o.T @ h[t, L]
        db_o += dz_o.sum(axis=0)
        dh[t, L] += dz_o @ W_o
        for l in range(L, 0, -1):
            dz = dh[t, l] * (1 - h[t, l] ** 2)
            dh[t, l - 1] += dz @ W_c[l]
            dh[t - 1, l] = dz @ W_r[l]
            dW_c[l] += dz.T @ h[t, l - 1]
            dW_r[l] += dz.T @ h[t - 1, l]
            db[l] += dz.sum(axis=0)
    grads = {"dW_o": dW_o, "db_o": db_o}
    for l in range(1, L + 1):
        grads |= {f"dW_c{l}": dW_c[l], f"dW_r{l}": dW_r[l], f"db{l}": db[l]}
        grads[f"dh_init{l}"] = np.array([dh[-1, l]])
    grads["dx"] = np.array([dh[t, 0] for t in range(T)])
    return grads


def cells(net, dY):
    """L layers with a linear output: one step of one cell, and a loop that carries dh."""
    T, L, B, H, x, hiddens, W_ih, W_hh, W_o = (
        net.T, net.L, net.B, net.H, net.x, net.hiddens, net.W_ih, net.W_hh, net.W_o,
    )  # fmt: skip
    dW_ih, dW_hh = [np.zeros_like(W) for W in W_ih], [np.zeros_like(W) for W in W_hh]
    db = [np.zeros(H) for _ in range(L)]
    dW_o, db_o, dx = np.zeros_like(W_o), np.zeros(len(W_o)), np.zeros_like(x)

    def backward(l, delta, h_t, h_prev_l, h_prev_t):
        dz = delta * (1 - h_t**2)
        dW_ih[l] += dz.T @ h_prev_l
        dW_hh[l] += dz.T @ h_prev_t
        db[l] += dz.sum(axis=0)
        return dz @ W_ih[l], dz @ W_hh[l]

    dh = np.zeros((L, B, H))
    for t in reversed(range(T)):
        delta = dY[t]
        dW_o += delta.T @ hiddens[t + 1][L - 1]
        db_o += delta.sum(axis=0)
        dh[L - 1] += delta @ W_o
        for l in reversed(range(L)):
            h_prev_l = x[t] if l == 0 else hiddens[t + 1][l - 1]
            below, before = backward(l, dh[l], hiddens[t + 1][l], h_prev_l, hiddens[t][l])
            dh[l] = before
            if l > 0:
                dh[l - 1] += below
            else:
                dx[t] = below
    grads = {"dW_o": dW_o, "db_o": db_o, "dx": dx}
    for l in range(L):
        grads |= {f"dW_ih{l}": dW_ih[l], f"dW_hh{l}": dW_hh[l], f"db{l}": db[l]}
        grads[f"dh_0{l}"] = dh[l][None]
    return grads


def elman(net, dY):
    """Elman's network: the context is a copy that the error does not cross."""
    T, x, h, W_x, W_c, W_o = net.T, net.x, net.h, net.W_x, net.W_c, net.W_o
    dW_x, dW_c, dW_o = np.zeros_like(W_x), np.zeros_like(W_c), np.zeros_like(W_o)
    db, db_o, dx = np.zeros(len(W_c)), np.zeros(len(W_o)), np.zeros_like(x)
    for t in reversed(range(T)):
        dW_o += dY[t].T @ h[t]
        db_o += dY[t].sum(axis=0)
        dh = dY[t] @ W_o
        dz = dh * (1 - h[t] ** 2)
        dW_x += dz.T @ x[t]
        dW_c += dz.T @ h[t - 1]
        db += dz.sum(axis=0)
        dx[t] = dz @ W_x
    return {"dW_x": dW_x, "dW_c": dW_c, "dW_o": dW_o, "db": db, "db_o": db_o, "dx": dx}


def jordan(net, dY):
    """Jordan's network: m(t) = mu m(t-1) + y(t-1) is data to the backward pass."""
    T, x, m, h, W_x, W_m, W_o = net.T, net.x, net.m, net.h, net.W_x, net.W_m, net.W_o
    dW_x, dW_m, dW_o = np.zeros_like(W_x), np.zeros_like(W_m), np.zeros_like(W_o)
    db, db_o, dx = np.zeros(len(W_x)), np.zeros(len(W_o)), np.zeros_like(x)
    dY = np.array(dY)
    for t in reversed(range(T)):
        dW_o += dY[t].T @ h[t]
        db_o += dY[t].sum(axis=0)
        dh = dY[t] @ W_o
        dz = dh * h[t] * (1 - h[t])
        dW_x += dz.T @ x[t]
        dW_m += dz.T @ m[t]
        db += dz.sum(axis=0)
        dx[t] = dz @ W_x
    return {"dW_x": dW_x, "dW_m": dW_m, "dW_o": dW_o, "db": db, "db_o": db_o, "dx": dx}


def narx(net, dY):
    """NARX in a closed loop: Y(t-m) is fed back, so dY(t) has more terms than the loss gives."""
    T, x, h, Y, W_x, W_y, W_o = net.T, net.x, net.h, net.Y, net.W_x, net.W_y, net.W_o
    K, M = len(W_x) - 1, len(W_y)
    dW_x = {k: np.zeros_like(W) for k, W in W_x.items()}
    dW_y = {m: np.zeros_like(W) for m, W in W_y.items()}
    dW_o, db, db_o = np.zeros_like(W_o), np.zeros(len(W_x[0])), np.zeros(len(W_o))
    dx = {t: np.zeros_like(x[t]) for t in x}
    dy = {t: np.zeros_like(Y[t]) for t in Y}
    for t in range(T):
        dy[t] += dY[t]
    for t in reversed(range(T)):
        dW_o += dy[t].T @ h[t]
        db_o += dy[t].sum(axis=0)
        dz = dy[t] @ W_o * (1 - h[t] ** 2)
        db += dz.sum(axis=0)
        for k in range(K + 1):
            dW_x[k] += dz.T @ x[t - k]
            dx[t - k] += dz @ W_x[k]
        for m in range(1, M + 1):
            dW_y[m] += dz.T @ Y[t - m]
            dy[t - m] += dz @ W_y[m]
    grads = {f"dW_x{k}": W for k, W in dW_x.items()} | {f"dW_y{m}": W for m, W in dW_y.items()}
    grads |= {"dW_o": dW_o, "db": db, "db_o": db_o, "dx": np.array([dx[t] for t in range(T)])}
    grads["dx_init"] = np.array([dx[t] for t in range(-K, 0)])
    grads["dy_init"] = np.array([dy[t] for t in range(-M, 0)])
    return grads


def bidirectional(net, dY):
    """Two nets, one that reads forward in time and one that reads backward."""
    T, x, h_f, h_b = net.T, net.x, net.h_f, net.h_b
    W_f, R_f, V_f, W_b, R_b, V_b = net.W_f, net.R_f, net.V_f, net.W_b, net.R_b, net.V_b
    dW_f, dR_f, dV_f = np.zeros_like(W_f), np.zeros_like(R_f), np.zeros_like(V_f)
    dW_b, dR_b, dV_b = np.zeros_like(W_b), np.zeros_like(R_b), np.zeros_like(V_b)
    db_f, db_b, db_o, dx = np.zeros(len(R_f)), np.zeros(len(R_b)), np.zeros(len(V_f)), 0 * x
    for t in range(T):
        dV_f += dY[t].T @ h_f[t]
        dV_b += dY[t].T @ h_b[t]
        db_o += dY[t].sum(axis=0)
    carried = 0 * h_f[0]
    for t in reversed(range(T)):
        dh = dY[t] @ V_f + carried
        dz = dh * (1 - h_f[t] ** 2)
        dW_f += dz.T @ x[t]
        dR_f += dz.T @ h_f[t - 1]
        db_f += dz.sum(axis=0)
        dx[t] += dz @ W_f
        carried = dz @ R_f
    dh_f_init, carried = carried[None], 0 * h_b[0]
    for t in range(T):
        dh = dY[t] @ V_b + carried
        dz = dh * (1 - h_b[t] ** 2)
        dW_b += dz.T @ x[t]
        dR_b += dz.T @ h_b[t + 1]
        db_b += dz.sum(axis=0)
        dx[t] += dz @ W_b
        carried = dz @ R_b
    return {
        "dW_f": dW_f, "dR_f": dR_f, "dV_f": dV_f, "db_f": db_f, "dh_f_init": dh_f_init, "dx": dx,
        "dW_b": dW_b, "dR_b": dR_b, "dV_b": dV_b, "db_b": db_b, "dh_b_init": carried[None],
        "db_o": db_o,
    }  # fmt: skip


def slide_66(net, dY):
    """Two layers with skips: x feeds the second layer too, and the first layer the output."""
    T, x, h1, h2 = net.T, net.x, net.h1, net.h2
    w01, w11, w02, w12, w22, w13, w23 = (
        net.w01,
        net.w11,
        net.w02,
        net.w12,
        net.w22,
        net.w13,
        net.w23,
    )
    d01, d11, d02, d12 = 0 * w01, 0 * w11, 0 * w02, 0 * w12
    d22, d13, d23 = 0 * w22, 0 * w13, 0 * w23
    db1, db2, db3 = np.zeros(len(w11)), np.zeros(len(w22)), np.zeros(len(w23))
    dx, dh1_next, dh2_next = 0 * x, 0 * h1[0], 0 * h2[0]
    for t in reversed(range(T)):
        d23 += dY[t].T @ h2[t]
        d13 += dY[t].T @ h1[t]
        db3 += dY[t].sum(axis=0)
        dh2 = dY[t] @ w23 + dh2_next
        dz2 = dh2 * (1 - h2[t] ** 2)
        d12 += dz2.T @ h1[t]
        d02 += dz2.T @ x[t]
        d22 += dz2.T @ h2[t - 1]
        db2 += dz2.sum(axis=0)
        dh1 = dz2 @ w12 + dY[t] @ w13 + dh1_next
        dz1 = dh1 * (1 - h1[t] ** 2)
        d01 += dz1.T @ x[t]
        d11 += dz1.T @ h1[t - 1]
        db1 += dz1.sum(axis=0)
        dx[t] = dz1 @ w01 + dz2 @ w02
        dh1_next, dh2_next = dz1 @ w11, dz2 @ w22
    return {
        "dw01": d01, "dw11": d11, "dw02": d02, "dw12": d12, "dw22": d22, "dw13": d13, "dw23": d23,
        "db1": db1, "db2": db2, "db3": db3, "dx": dx,
        "dh1_init": dh1_next[None], "dh2_init": dh2_next[None],
    }  # fmt: skip


def delayed(net, dY):
    """The state sees itself at t-1, t-2, …: every dh(t-d) has several writers."""
    T, D, x, h, W_c, W_r, W_o = net.T, net.D, net.x, net.h, net.W_c, net.W_r, net.W_o
    dW_c, dW_o, dx = np.zeros_like(W_c), np.zeros_like(W_o), np.zeros_like(x)
    dW_r = {d: np.zeros_like(W) for d, W in W_r.items()}
    db, db_o = np.zeros(len(W_c)), np.zeros(len(W_o))
    dh = {t: np.zeros_like(h[t]) for t in h}
    for t in reversed(range(T)):
        dW_o += dY[t].T @ h[t]
        db_o += dY[t].sum(axis=0)
        dh[t] += dY[t] @ W_o
        dz = dh[t] * (1 - h[t] ** 2)
        dW_c += dz.T @ x[t]
        db += dz.sum(axis=0)
        dx[t] = dz @ W_c
        for d in range(1, D + 1):
            dW_r[d] += dz.T @ h[t - d]
            dh[t - d] += dz @ W_r[d]
    grads = {"dW_c": dW_c, "dW_o": dW_o, "db": db, "db_o": db_o, "dx": dx}
    grads |= {f"dW_r{d}": dW for d, dW in dW_r.items()}
    return grads | {"dh_init": np.array([dh[t] for t in range(-D, 0)])}


def lstm(net, dY):
    """LSTM, gate by gate, with dh and dc carried from t+1."""
    T, x, h, c, W, R, V = net.T, net.x, net.h, net.c, net.W, net.R, net.V
    i, f, g, o = net.i, net.f, net.g, net.o
    dW, dR = {n: 0 * W[n] for n in W}, {n: 0 * R[n] for n in R}
    db = {n: np.zeros(len(R[n])) for n in R}
    dV, dd, dx = 0 * V, np.zeros(len(V)), 0 * x
    dh_next, dc_next = 0 * h[0], 0 * c[0]
    for t in reversed(range(T)):
        dV += dY[t].T @ h[t]
        dd += dY[t].sum(axis=0)
        dh = dY[t] @ V + dh_next
        tanh_c = np.tanh(c[t])
        dc = dh * o[t] * (1 - tanh_c**2) + dc_next
        dz = {
            "o": dh * tanh_c * o[t] * (1 - o[t]),
            "f": dc * c[t - 1] * f[t] * (1 - f[t]),
            "i": dc * g[t] * i[t] * (1 - i[t]),
            "g": dc * i[t] * (1 - g[t] ** 2),
        }
        dc_next = dc * f[t]
        dh_next = sum(dz[n] @ R[n] for n in dz)
        dx[t] = sum(dz[n] @ W[n] for n in dz)
        for n in dz:
            dW[n] += dz[n].T @ x[t]
            dR[n] += dz[n].T @ h[t - 1]
            db[n] += dz[n].sum(axis=0)
    grads = {"dV": dV, "dd": dd, "dx": dx, "dh_0": dh_next[None], "dc_0": dc_next[None]}
    for n in W:
        grads |= {f"dW_{n}": dW[n], f"dR_{n}": dR[n], f"db_{n}": db[n]}
    return grads


def gru(net, dY):
    """GRU: h(t) = (1 - z) n + z h(t-1), n = tanh(W x + b + r q), q = R h(t-1) + c."""
    T, x, h, r, z, n, q = net.T, net.x, net.h, net.r, net.z, net.n, net.q
    W, R, V = net.W, net.R, net.V
    dW, dR = {k: 0 * W[k] for k in W}, {k: 0 * R[k] for k in R}
    db = {k: np.zeros(len(R["r"])) for k in "rznq"}
    dV, dd, dx, dh_next = 0 * V, np.zeros(len(V)), 0 * x, 0 * h[0]
    for t in reversed(range(T)):
        dV += dY[t].T @ h[t]
        dd += dY[t].sum(axis=0)
        dh = dY[t] @ V + dh_next
        dn = dh * (1 - z[t]) * (1 - n[t] ** 2)
        dz = dh * (h[t - 1] - n[t]) * z[t] * (1 - z[t])
        dr = dn * q[t] * r[t] * (1 - r[t])
        dq = dn * r[t]
        dx[t] = dn @ W["n"] + dz @ W["z"] + dr @ W["r"]
        dh_next = dh * z[t] + dq @ R["q"] + dz @ R["z"] + dr @ R["r"]
        for k, d in {"n": dn, "z": dz, "r": dr}.items():
            dW[k] += d.T @ x[t]
            db[k] += d.sum(axis=0)
        for k, d in {"q": dq, "z": dz, "r": dr}.items():
            dR[k] += d.T @ h[t - 1]
        db["q"] += dq.sum(axis=0)
    grads = {"dV": dV, "dd": dd, "dx": dx, "dh_0": dh_next[None]}
    grads |= {f"dW_{k}": v for k, v in dW.items()} | {f"dR_{k}": v for k, v in dR.items()}
    return grads | {f"db_{k}": v for k, v in db.items()}
