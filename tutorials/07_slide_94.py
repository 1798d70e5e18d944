# %% [markdown]
# # 7. Slide 94, line by line
#
# Question: how does a whole network of L layers go back through time, and where exactly must one
# add, and where may one assign?
#
# Answer: add wherever somebody else may have written before. On slide 94 only one line may
# assign: dh(t-1,l), because time t is the first to write there.

# %%
import numpy as np

import minitorch_rnn as mt

rng = np.random.default_rng(1)
T, I, H, O, L = 5, 2, 3, 2, 2
params = {
    "W_c": {1: rng.normal(size=(H, I)) / 2, 2: rng.normal(size=(H, H)) / 2},
    "W_r": {l: rng.normal(size=(H, H)) / 2 for l in (1, 2)},
    "b": {l: rng.normal(size=H) for l in (1, 2)},
    "W_o": rng.normal(size=(O, H)),
    "b_o": rng.normal(size=O),
}
x, h_init = rng.normal(size=(T, I)), {l: rng.normal(size=H) for l in (1, 2)}
trace = mt.bptt.forward(params, x, h_init)
dY = rng.normal(size=(T, O))  # dDIV/dY(t): DIV may be any function of all outputs (slide 75)


# %%
def backward(params, trace, dY, add_above=True, add_below=True):
    """Slide 94. The two flags turn a `+=` into a `=`, to see what it does."""
    W_c, W_r, W_o = params["W_c"], params["W_r"], params["W_o"]
    h = trace.h
    dh = {(t, l): np.zeros_like(h[t, l]) for t in range(T) for l in range(L + 1)}
    d = {k: {l: np.zeros_like(w) for l, w in params[k].items()} for k in ("W_c", "W_r", "b")}
    for t in range(T - 1, -1, -1):
        Y = trace.Y[t]
        dz_o = dY[t] @ (np.diag(Y) - np.outer(Y, Y))  # the softmax Jacobian, slide 85
        dh[t, L] = (dh[t, L] if add_above else 0) + dz_o @ W_o  # t+1 has written here already
        for l in range(L, 0, -1):
            dz = dh[t, l] * (1 - h[t, l] ** 2)  # through tanh
            dh[t, l - 1] = (dh[t, l - 1] if add_below else 0) + dz @ W_c[l]  # so has t+1, if l > 1
            dh[t - 1, l] = dz @ W_r[l]  # assigned: the first to write; t = 0 gives dh(-1,l)
            d["W_c"][l] += np.outer(dz, h[t, l - 1])
            d["W_r"][l] += np.outer(dz, h[t - 1, l])
            d["b"][l] += dz
    return d


# %%
right = mt.bptt.backward(params, trace, dY)
mine = backward(params, trace, dY)
for name in ("W_c", "W_r", "b"):
    for l in (1, 2):
        print(f"d{name}({l}): {mt.numeric.digits(mine[name][l], right[name][l]):.1f} digits")
        np.testing.assert_allclose(mine[name][l], right[name][l], rtol=1e-10)

# %% [markdown]
# ## What each `+=` is worth
# With `=` the result is still a matrix of the right shape with plausible numbers. Nothing fails;
# only a witness notices.

# %%
for flags in ({"add_above": False}, {"add_below": False}):
    wrong = backward(params, trace, dY, **flags)
    off = np.abs(wrong["W_r"][1] - right["W_r"][1]).max()
    print(f"{flags}: dW_r(1) is wrong by up to {off:.3f}")
    assert off > 1e-3

# %% [markdown]
# ## A witness that knows no derivative
# The complex step: move one number by 1e-30 i, run forward only, read the imaginary part.

# %%
arrays = {"W_r 1": params["W_r"][1]}


def loss(arrays):
    moved = params | {"W_r": {1: arrays["W_r 1"], 2: params["W_r"][2]}}
    outputs = mt.bptt.forward(moved, x, h_init).Y
    return sum(dY[t] @ outputs[t] for t in range(T))


by_step = mt.numeric.complex_step(loss, arrays)["W_r 1"]
print("digits of agreement:", mt.numeric.digits(mine["W_r"][1], by_step))
assert mt.numeric.digits(mine["W_r"][1], by_step) > 12
