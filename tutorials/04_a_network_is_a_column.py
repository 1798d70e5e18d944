# %% [markdown]
# # 4. A network is a column
#
# Question: Jordan, Elman and the "RNN" of every library look alike. What is the difference, and can
# one program send gradients through all of them?
#
# Answer: a recurrent network is one column of nodes, repeated in time. Edges have a delay, and a
# gradient that is full or blocked. That is all BPTT needs to know.

# %%
import numpy as np

import minitorch_rnn as mt

rng = np.random.default_rng(0)
T, B, I, H, O = 8, 3, 2, 4, 1
elman = mt.column.elman(I, H, O)  # slide 48; the brackets mark the blocked link
print(elman)
print(mt.column.jordan(I, H, O, mu=0.8))  # slide 47

# %% [markdown]
# ## Same values, another gradient
# Elman's network computes what the state-space network computes, but no error flows back over the
# link to the past.

# %%
network = mt.nn.ColumnNetwork(elman, rng=rng)
params = network.state_dict()
x, D = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))
trace = mt.bptt.column.forward(elman, params, x)
dY = trace.Y - D  # of half the squared error
blocked, full = (
    mt.bptt.column.backward(column, params, trace, dY).parameters["weight.h(t-1)->h"].ravel()
    for column in (elman, elman.unblocked())
)
cosine = blocked @ full / (np.linalg.norm(blocked) * np.linalg.norm(full))
print(f"angle between the two gradients of Wc: {np.degrees(np.arccos(cosine)):.1f} degrees")
assert 0 < cosine < 1

# %% [markdown]
# ## Which differences can see that?
# A blocked gradient is the derivative of no function, so plain differences reject it. The witness
# holds the memory behind the link fixed, and the table says so.

# %%
agreement = mt.verify(network, x, D, "squared error")
print(agreement)
assert agreement and agreement.frozen == "h(t-1)->h"

# %% [markdown]
# ## Truncation
# Three rules share the name "truncated BPTT". Which loss reaches which state?

# %%
for rule in (mt.column.chunked(3), mt.column.per_loss_window(2), mt.column.williams_peng(4, 2)):
    mt.column.explain_truncation(rule, 6)
    print()
