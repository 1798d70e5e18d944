# %% [markdown]
# # 11. Bidirectional networks
#
# Question: a bidirectional network has a net that runs backward in time. Is that the backward pass?
#
# Answer: no. It is a second network that reads the sequence from its end, with weights and an
# initial state of its own. Its *backward pass* therefore runs forward in time (slides 96–100).

# %%
import numpy as np

import minitorch_rnn as mt

rng = np.random.default_rng(0)
T, B, I, H, O = 6, 1, 2, 3, 2
column = mt.column.bidirectional(I, H, O)
print(column)
network = mt.nn.ColumnNetwork(column, rng=rng)
x = rng.normal(size=(T, B, I))

# %% [markdown]
# ## Who hears what
# Let DIV look at Y(2) alone. The forward net can tell only of x(0) … x(2), the backward net only of
# x(2) … x(5).

# %%
params = network.state_dict()
trace = mt.bptt.column.forward(column, params, x)
dY = np.zeros_like(trace.Y)
dY[2] = 1.0
da = mt.bptt.column.backward(column, params, trace, dY).da
for node in ("h_f", "h_b", "x"):
    heard = [t for t in range(T) if np.abs(da[node][t]).max() > 0]
    print(f"gradient at {node} for t in {heard}")
assert not da["h_f"][3:].any() and not da["h_b"][:2].any() and da["x"].all()

# %% [markdown]
# ## The order of the walk
# The engine knows nothing of directions; it goes from newest to oldest. Since the backward net
# computed t = 5 first, its gradient arrives there last.

# %%
with mt.autograd.record_places() as places:
    a = network.unroll({"x": mt.tensor(x)})
    DIV = sum((a["Y"][t] ** 2).sum() for t in range(T))
visited = {"h_f": [], "h_b": []}
for step in DIV.backward_steps():
    for node, times in visited.items():
        if any(step.tensor is a[node][t] for t in range(T)):
            times.append(places.of(step.tensor).step)
print(visited)
assert visited == {"h_f": [5, 4, 3, 2, 1, 0], "h_b": [0, 1, 2, 3, 4, 5]}

# %% [markdown]
# ## Two checks
# With the backward net switched off, it is a plain RNN. And all roads agree.

# %%
silent = {n: 0 * p if "h_b" in n else p for n, p in params.items()}
plain = mt.column.state_space(I, H, O)
of_plain = {n: silent[n.replace("h1", "h_f")] for n in plain.shapes}
np.testing.assert_allclose(
    mt.bptt.column.forward(column, silent, x).Y,
    mt.bptt.column.forward(plain, of_plain, x).Y,
    rtol=1e-12,
)
agreement = mt.verify(network, x, rng.normal(size=(T, B, O)), "squared error")
print(agreement)
assert agreement
