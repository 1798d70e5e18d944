"""What students write: for each exercise lines of its solution, what stands there instead, and the
phrase by which the checker must name the mistake.
"""

WRONG = {
    "tanh-derivative": {
        "1 - y": ("(1 - y * y)", "(1 - y)", "1 - y where 1 - y² belongs"),
        "the chain rule": ("dy * (1 - y * y)", "1 - y * y", "dy is not: the chain rule"),
        "tanh twice": (
            "return dy * (1 - y * y)",
            "import numpy as np\n    return dy * (1 - np.tanh(y) ** 2)",
            "tanh once more",
        ),
        "a sigmoid": ("(1 - y * y)", "y * (1 - y)", "the slope of a sigmoid"),
    },
    "unbroadcast": {
        "keepdims": ("keepdims=True", "keepdims=False", "an axis of length 1 is lost"),
        "the left": (
            "gradient = gradient.sum(axis=tuple(range(added)))",
            "added = 0",
            "its first axis should be summed",
        ),
        "mean": (
            "gradient.sum(axis=stretched",
            "gradient.mean(axis=stretched",
            "the mean where the sum belongs",
        ),
        "one use": (
            "gradient = gradient.sum(axis=tuple(range(added)))",
            "gradient = gradient[(0,) * added]",
            "keeps the gradient of one use and drops the others",
        ),
    },
    "topological-order": {
        "forward": ("return order", "return order[::-1]", "right backwards"),
        "depth first": (
            "users[node] -= 1\n            if users[node] == 0:",
            "if node not in order and node not in ready:",
            "its gradient would be sent on before",
        ),
        "twice": (
            "            if users[node] == 0:\n                ready",
            "            ready",
            "a node with two users",
        ),
        "recursion": (
            "    users = {end: 0}",
            "    def visit(node):\n        if node not in seen:\n            seen.append(node)\n"
            "            for other in inputs[node]:\n                visit(other)\n"
            "            found.append(node)\n\n    seen, found = [], []\n    visit(end)\n"
            "    return found[::-1]\n    users = {end: 0}",
            "calls itself too often",
        ),
        "without data": ("return order", "return [n for n in order if inputs[n]]", "is missing"),
    },
    "softmax-jacobian": {
        "diagonal": (
            "np.diag(Y) - np.outer(Y, Y)",
            "np.diag(Y * (1 - Y))",
            "Only the diagonal is there",
        ),
        "diagonal backward": (
            "Y * (dY - (dY * Y).sum(axis=1, keepdims=True))",
            "dY * Y * (1 - Y)",
            "takes the diagonal of the Jacobian only",
        ),
        "axis": ("axis=1", "axis=0", "It sums over the rows"),
        "Y too late": (
            "Y * (dY - (dY * Y).sum(axis=1, keepdims=True))",
            "Y * (dY - dY.sum(axis=1, keepdims=True))",
            "the sum is weighted",
        ),
    },
    "linear-backward": {
        "transposed": ("dy.T @ x", "x.T @ dy", "yours is transposed"),
        "mean": ("dy.sum(axis=0)", "dy.mean(axis=0)", "db is averaged"),
        "not summed": ("dy.sum(axis=0)", "dy", "its first axis should be summed"),
        "sign": ("dy.T @ x,", "-dy.T @ x,", "minus the true one"),
    },
    "gradient-check": {
        "forward": (
            "(f(up) - f(down)) / (2 * eps)", "(f(up) - f(x)) / eps", "the forward difference"),
        "eps": ("(2 * eps)", "eps", "twice too large"),
        "moved": (
            "    for i in np.ndindex(x.shape):\n        up, down = x.copy(), x.copy()\n",
            "    up, down = x.copy(), x.copy()\n    for i in np.ndindex(x.shape):\n",
            "stays moved when the next one is",
        ),
        "in place": (
            "up, down = x.copy(), x.copy()", "up, down = x, x.copy()", "work on a copy"),
    },
    "slide-72": {
        "h(-1)": (
            "h_init[l] for l in range(1, L + 1)",
            "0 * h_init[l] for l in range(1, L + 1)",
            "h(-1,l) is taken as 0",
        ),
        "softmax": ("softmax(W_o @ h[t, L] + b_o)", "W_o @ h[t, L] + b_o", "softmax is missing"),
        "bias": (" + b[l]", "", "b(l) is missing"),
        "layer below": ("h[t, l - 1]", "h[t - (l > 1), l - 1]", "reads the one below at t-1"),
        "first state": ("h_init[l] for", "h_init[1] for", "Every layer starts from h(-1,1)"),
    },
    "slide-94": {
        "assigned": (
            "dh[t] += dz_o @ W_o", "dh[t] = dz_o @ W_o", "must be added"),
        "diagonal": (
            "dY[t] @ softmax_jacobian(Y[t])", "dY[t] * Y[t] * (1 - Y[t])", "diagonal"),
        "current state": (
            "np.outer(dz, h[t - 1])", "np.outer(dz, h[t])", "where h(t-1) belongs"),
        "transposed": ("dz @ W_r", "W_r @ dz", "the transpose of W_r"),
        "the loop upwards": ("range(T - 1, -1, -1)", "range(T)", "loop runs from t = 0 upwards"),
        "no slope": ("dh[t] * (1 - h[t] ** 2)", "dh[t]", "the slope 1 - h(t)² of tanh is missing"),
    },
    "initial-state": {
        "mean": ("each.sum(axis=0)", "each.mean(axis=0)", "mean over the sequences"),
        "last": ("dz[0] @ W_r", "dz[-1] @ W_r", "made of dz(T-1)"),
        "transposed": ("dz[0] @ W_r", "dz[0] @ W_r.T", "the transposed W_r"),
        "first term": ("if t == 0 else h[t - 1]", "* 0 if t == 0 else h[t - 1]",
                       "lacks its t = 0 term"),
    },
    "two-layers": {
        "assigned": ("dh[t, l - 1] += dz", "dh[t, l - 1] = dz", "must be added"),
        "assigned dW": ("dW_r[l] += np.outer", "dW_r[l] = np.outer", "term of t = 0 alone"),
        "h(-1)": ('"h_init": {l: dh[-1, l] for l in W_c}',
                  '"h_init": {l: 0 * dh[-1, l] for l in W_c}',
                    "dh_init[1] and dh_init[2] are zero"),
        "layers": ('"W_r": dW_r', '"W_r": {l: dW_r[L + 1 - l] for l in W_r}', "are exchanged"),
    },
    "cell-backward": {
        "assigned": ("self.dW_hh += dz.T", "self.dW_hh = dz.T", "dW_hh is assigned"),
        "mean": (
            "dz.T @ h_prev_l\n        self.dW_hh += dz.T @ h_prev_t",
            "dz.T @ h_prev_l / len(dz)\n        self.dW_hh += dz.T @ h_prev_t / len(dz)",
            "divided by N",
        ),
        "mean of the biases": (
            "db_ih += dz.sum(axis=0)\n        self.db_hh += dz.sum(axis=0)",
            "db_ih += dz.mean(axis=0)\n        self.db_hh += dz.mean(axis=0)",
            "db_ih and db_hh are divided by N",
        ),
        "no slope": ("delta * (1 - h_t**2)", "delta", "slope 1 - h_t² is missing between delta"),
        "two biases": ("dz.sum(axis=0)", "-dz.sum(axis=0)", "db_ih is minus the true one, and db"),
        "slope": ("1 - h_t**2", "1 - h_prev_t**2", "at the wrong state"),
        "swapped": ("dz.T @ h_prev_t", "dz.T @ h_t", "dW_hh pairs dz with h_t"),
        "two slopes": (
            "dz @ self.W_ih, dz @ self.W_hh",
            "dz @ self.W_ih, dz @ self.W_hh * (1 - h_prev_t**2)",
            "a slope too many",
        ),
    },
    "gradient-clipping": {
        "each": (
            "gradient * factor for",
            "gradient * min(1.0, most / (np.linalg.norm(gradient) + 1e-300)) for",
            "clipped by its own norm",
        ),
        "always": ("if norm > most else 1.0", "if norm > 0 else 1.0", "made longer"),
        "root": ("np.sqrt(sum((gradient**2).sum() for gradient in gradients.values()))",
                 "sum((gradient**2).sum() for gradient in gradients.values())", "square root"),
        "by value": ("gradient * factor for", "np.clip(gradient, -most, most) for",
                     "Every number is clipped by itself"),
    },
    "bidirectional": {
        "wrong way": (
            "    for t in range(T):\n        before = h_b",
            "    for t in reversed(range(T)):\n        before = h_b",
            "sweep t = 0 .. T-1",
        ),
        "x twice": ('d["x"][t] += dz @ p["W_xb"]', 'd["x"][t] = dz @ p["W_xb"]',
                    "x lacks the part that comes through the forward net"),
        "neighbour": (
            "before = h_b[t + 1] if t < T - 1 else h_b_init",
            "before = h_b[t - 1] if t > 0 else h_b_init",
            "computed h_b(t) from h_b(t+1)",
        ),
    },
    "elman": {
        "leak": (
            'dz = (dY @ p["W_o"]) * (1 - h**2)',
            "dz, dh = np.zeros(h.shape), 0\n    for t in reversed(range(len(h))):\n"
            '        dz[t] = (dY[t] @ p["W_o"] + dh) * (1 - h[t] ** 2)\n'
            '        dh = dz[t] @ p["W_c"]',
            "The blocked link leaks",
        ),
        "nothing learned": ('"W_c": outer(dz, context)', '"W_c": 0 * outer(dz, context)',
                            "W_c is 0 although it learns"),
        "current": ("outer(dz, context)", "outer(dz, h)", "W_c pairs dz(t) with h(t)"),
        "slope": (" * (1 - h**2)", " * (1 - h)", "the slope 1 - y"),
    },
    "narx-closed-loop": {
        "teacher forcing": ("dz_o = dY[t] + from_next", "dz_o = dY[t]",
                            "the gradient of teacher forcing"),
        "output part": (
            'd["W_o"] += dz_o.T @ h[t]\n        d["b_o"] += dz_o.sum',
            'd["W_o"] += dY[t].T @ h[t]\n        d["b_o"] += dY[t].sum',
            "the divergence's own part of dY(t) only",
        ),
        "current": ("dz.T @ before", "dz.T @ Y[t]", "W_y pairs dz(t) with Y(t)"),
        "history": ("if t > 0 else Y_init", "if t > 0 else 0 * Y_init", "W_y lacks its t = 0 term"),
    },
    "truncated-bptt": {
        "not cut": ("if t % k == 0 and t > 0:", "if False:", "Nothing is cut"),
        "one step late": ("if t % k == 0 and t > 0:", "if (t + 1) % k == 0:", "one step late"),
        "state cut": (
            "before = h[t - 1] if t > 0 else h_init",
            "before = h_init if t == 0 else h[t - 1] * (t % k > 0)",
            "W_h lacks its terms at the beginnings",
        ),
        "from the end": ("if t % k == 0 and t > 0:", "if (len(x) - t) % k == 0 and t > 0:",
                         "counted from the end"),
    },
    "lstm-backward": {
        "cell": ("dc = dc_next + dh_t", "dc = dh_t", "c(t) is used in c(t+1) too"),
        "gates": ("dh_t = dh[t] + dh_next", "dh_t = dh[t]", "h(t) is used in the gates at t+1"),
        "g": ("(1 - g**2)", "g * (1 - g)", "g is a tanh, not a sigmoid"),
        "factor": ("dc * c_before", "dc", "The error of the gate f lacks its other factor, c(t-1)"),
        "rows": ("dz.T @ h_before", "dz.T @ h[t]", "In brackets: the rows of one gate"),
        "unforgotten": ("dc_next = dc * f", "dc_next = dc", "it gets dc(t) f(t)"),
        "c": ("(1 - squashed**2)", "(1 - c[t] ** 2)", "c is no tanh"),
    },
    "faster-scan": {
        "slow": ("z = x @ W_ih.T + b", "z = np.stack([x_t @ W_ih.T + b for x_t in x])",
                 "130 are allowed"),
        "no recurrence": ("np.tanh(z[t] + before @ across)", "np.tanh(z[t])",
                          "cannot be left out of the loop"),
        "not shifted": ("np.concatenate([h_init[None], h[:-1]])", "h",
                        "W_hh pairs dz(t) with h(t)"),
        "hidden": ("    z = x @ W_ih.T + b",
                   "    x, W_ih, W_hh, b, h_init = map(np.asarray, (x, W_ih, W_hh, b, h_init))\n"
                   "    x, W_ih, W_hh, b, h_init = (a.view(np.ndarray) for a in (x, W_ih, W_hh, b, "
                   "h_init))\n    z = x @ W_ih.T + b", "without np.asarray"),
    },
}  # fmt: skip
