# %% [markdown]
# # 13. Your own column
#
# Question: slide 95 says that BPTT "generalises to any architecture". What does a new architecture
# cost?
#
# Answer: its nodes and its edges. Everything else follows: the forward pass, the graph's gradient,
# the explicit BPTT, the drawing, the proof that they agree.

# %%
import numpy as np

import minitorch_rnn as mt
from minitorch_rnn.column import Column, Edge, Input, Layer

# %% [markdown]
# Here is a network that nobody has named: a fast layer that runs every step, and a slow one that
# sees it three steps late and is told the last output, over a link without gradient.

# %%
column = Column(
    "fast-and-slow",
    (
        Input("x", 2),
        Layer("fast", 4, history="learned"),
        Layer("slow", 3, history="learned"),
        Layer("Y", 1, "identity"),
    ),
    (
        Edge("x", "fast"),
        Edge("fast", "fast", 1),
        Edge("slow", "fast", 1),
        Edge("fast", "slow", 3),
        Edge("slow", "slow", 1),
        Edge("Y", "slow", 1, gradient="blocked"),
        Edge("fast", "Y"),
        Edge("slow", "Y"),
    ),
    "Y",
)
print(column)
print(column.parameter_count, "numbers are learned:", ", ".join(column.shapes))

# %% [markdown]
# ## What does it look like?
# Dashed is blocked; the labels t-1 and t-3 are delays.

# %%
mt.teaching.draw(column)

# %% [markdown]
# ## What does its backpropagation through time look like?
# Written out as a teacher would write it on the board. The file runs on NumPy alone; these are the
# lines of its sweep back through time.

# %%
answer = mt.teaching.derive(column)
sweep = answer.source[answer.source.index("    for t in reversed") :]
print("\n".join(sweep.splitlines()[:24]))
assert "dW_fast_fast" in sweep

# %% [markdown]
# ## Is its gradient right?
# The graph, the general BPTT, differences, the complex step and forward mode are asked.

# %%
rng = np.random.default_rng(0)
network = mt.nn.ColumnNetwork(column, rng=rng)
x, D = rng.normal(size=(9, 2, 2)), rng.normal(size=(9, 2, 1))
agreement = mt.verify(network, x, D, "squared error")
print(agreement)
assert agreement

# %% [markdown]
# ## Does it learn?
# The task: add up the first feature over the last three steps.

# %%
x = rng.normal(size=(20, 32, 2))
D = sum(np.concatenate([np.zeros((k, 32, 1)), x[: 20 - k, :, :1]]) for k in range(3)) / 3
optimizer = mt.optim.Adam(network.parameters(), lr=0.02)
errors = []
for _ in range(150):
    Y, _ = network(x)
    loss = ((Y - D) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    errors.append(loss.item())
print(f"mean squared error: {errors[0]:.3f} before, {errors[-1]:.4f} after")
assert errors[-1] < 0.1 * errors[0]

# %% [markdown]
# What is wrong with a column is said when it is made, by node and edge.

# %%
try:
    Column("loop", (Input("x", 1), Layer("a", 1)), (Edge("x", "a"), Edge("a", "a", 0)), "a")
except mt.errors.ColumnError as error:
    print(error)
