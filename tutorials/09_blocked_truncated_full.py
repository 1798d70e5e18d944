# %% [markdown]
# # 9. Blocked, truncated and full gradients
#
# Question: Jordan, Elman and the "RNN" of every library look alike. What is the difference?
#
# Answer: not what they compute, but how far the error may go back. Edges of a column have a delay,
# and a gradient that is full or blocked.

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


def angle(a, b):
    """Between two gradients, in degrees."""
    return np.degrees(np.arccos(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))))


print(f"angle between the two gradients of Wc: {angle(blocked, full):.1f} degrees")
assert 0 < angle(blocked, full) < 90

# %% [markdown]
# ## Which differences can see that?
# A blocked gradient is the derivative of no function, so plain differences reject it. The witness
# holds the memory behind the link fixed, and the table says so.

# %%
agreement = mt.verify(network, x, D, "squared error")
print(agreement)
assert agreement and agreement.frozen == "h(t-1)->h"

# %% [markdown]
# ## In between: truncation
# Three rules share the name "truncated BPTT". Which loss reaches which state?

# %%
for rule in (mt.column.chunked(3), mt.column.per_loss_window(2), mt.column.williams_peng(4, 2)):
    mt.column.explain_truncation(rule, 6)
    print()

# %% [markdown]
# A window of 0 steps is Elman's rule; a window as long as the sequence is the full gradient.
# Between the two, the angle to the full gradient shrinks.

# %%
free = elman.unblocked()
for k in range(T):
    cut = mt.bptt.truncated.backward(free, params, trace, dY, mt.column.per_loss_window(k))
    of_cut = cut.parameters["weight.h(t-1)->h"].ravel()
    print(f"{k} steps back: {angle(of_cut, full) if k < T - 1 else 0:5.2f} degrees off")
    if k == 0:
        np.testing.assert_allclose(of_cut, blocked, rtol=1e-10)
np.testing.assert_allclose(of_cut, full, rtol=1e-10)
