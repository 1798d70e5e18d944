# %% [markdown]
# # 3. Why the order of the walk matters
#
# Question: the chain rule is a recursion: "send each input its share, and go on from there". Why is
# no engine written like that?
#
# Answer: a result that is used twice is reached twice. Who goes on at every arrival pays for every
# *path*, and there are exponentially many. Who goes on at the first arrival only is fast and wrong.
# Newest first, each node once, is right and fast: when a node's turn comes, all its users have had
# theirs.

# %%
import numpy as np

import minitorch_rnn as mt
from minitorch_rnn.teaching import Scalar, by_paths, compare_scalars, compare_walks, first_come

x = mt.tensor(3.0, requires_grad=True)
y = 2.0 * x
loss = y * y + y  # y is used three times; dloss/dx = 2 (2 y + 1) = 26
print("every path:   ", by_paths(loss).gradients[x])
print("first arrival:", first_come(loss).gradients[x])
assert by_paths(loss).gradients[x].item() == 26.0
assert first_come(loss).gradients[x].item() != 26.0

# %% [markdown]
# ## What it costs
# Each line `z = z + z` doubles the number of paths.

# %%
for n in (4, 8, 16, 60):
    z = mt.tensor(1.0, requires_grad=True)
    for _ in range(n):
        z = z + z
    print(f"{n} additions")
    print(compare_walks(z))

# %% [markdown]
# A recurrent network is full of such paths: h(t) goes on to h(t+1) and to the output. The gradient
# of two layers over ten steps, by three walks:

# %%
rnn = mt.nn.RNN(2, 3, num_layers=2, road="graph", rng=np.random.default_rng(0))
output, _ = rnn(np.random.default_rng(1).normal(size=(10, 1, 2)))
comparison = compare_walks((output**2).sum())
print(comparison)
newest, paths, first = comparison.rows
assert paths.error < 1e-12 and paths.visits > 100 * newest.visits and first.error > 0.1

# %% [markdown]
# ## One number at a time
# The smallest engine holds one number in each node: that is how autograd is often taught, and it
# shows every multiplication. Here is tutorial 1's tanh(w x) in it:

# %%
w, v = Scalar(0.5), Scalar(3.0)
out = (w * v).tanh()
out.backward()
print(out, w, v)
assert abs(w.gradient - 3.0 * (1 - np.tanh(1.5) ** 2)) < 1e-12

# %% [markdown]
# The same recurrent network in scalar mode and with tensors: the same gradients to the last digits,
# but a node for every multiplication. A tensor is one node for a whole array; that is why an engine
# of arrays is worth its broadcasting rules (tutorial 2).

# %%
table = compare_scalars(T=20, I=5, H=10, O=3)
print(table)
assert table.apart < 1e-12 and table.scalars.nodes > 10 * table.tensors.nodes
