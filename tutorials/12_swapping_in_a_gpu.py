# %% [markdown]
# # 12. Swapping in a GPU
#
# Question: what in all this changes when the arrays lie on a GPU?
#
# Answer: where new arrays are made, and nothing else. The operations ask the array they are given
# for its library. NumPy and CuPy have the same functions, so the rules are the same lines.

# %%
import numpy as np

import minitorch_rnn as mt

try:
    with mt.use("cupy"):
        name = "cupy"
except mt.errors.BackendError as error:
    print(error)  # it says what is missing here
    name = "numpy"
print("running on", name)

# %% [markdown]
# One seed gives one model on either: random numbers are drawn on the host. Arrays never move by
# themselves; `.numpy()` brings one home, and you see where.


# %%
def gradient_of(where):
    with mt.use(where):
        rnn = mt.nn.RNN(3, 4, rng=np.random.default_rng(0))
        x = mt.tensor(np.random.default_rng(1).normal(size=(5, 2, 3)))
        output, _ = rnn(x)
        (output**2).sum().backward()
        return rnn.weight_hh_l0.grad.numpy()


print(gradient_of(name).round(4))
np.testing.assert_allclose(gradient_of(name), gradient_of("numpy"), rtol=1e-10)

# %% [markdown]
# ## What costs time there
# A GPU works while Python goes on. Reading a number waits for it: `float(loss)`, `print(loss)`,
# `if loss > 1`. In a training loop, collect the losses and read them now and then.

# %%
with mt.use(name):
    w = mt.tensor(np.ones(3), requires_grad=True)
    optimizer, losses = mt.optim.SGD([w], lr=0.1), []
    for _ in range(20):
        loss = (w * w).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())  # a number that is not read yet
    print([round(float(one), 4) for one in losses[::5]])
assert float(losses[-1]) < 0.01

# %% [markdown]
# Every operation is a launch of its own, and at small sizes the launches are what it costs. The
# recurrent layers therefore run a sequence as one node of the graph (`road="scan"`), which on a
# GPU replays a captured graph of kernels. The slow road, a node for each step, gives the same:

# %%
with mt.use(name):
    fast = mt.nn.GRU(3, 4, rng=np.random.default_rng(0))
    slow = mt.nn.GRU(3, 4, road="graph", rng=np.random.default_rng(0))
    x = mt.tensor(np.random.default_rng(1).normal(size=(5, 2, 3)))
    for layer in (fast, slow):
        (layer(x)[0] ** 2).sum().backward()
    digits = mt.numeric.digits(fast.weight_hh_l0.grad.numpy(), slow.weight_hh_l0.grad.numpy())
print(f"{digits:.1f} digits of agreement")
assert digits > 12
