# %% [markdown]
# # 2. Broadcasting, and its undoing
#
# Question: a bias of shape (3,) is added to a batch of shape (4, 3). What shape has its gradient,
# and where do the other numbers go?
#
# Answer: forward, the bias is copied along the batch. A number that was copied gets the **sum** of
# what all its copies are sent. Repeating and summing are each other's undoing.

# %%
import numpy as np

import minitorch_rnn as mt

z = mt.tensor(np.zeros((4, 3)), requires_grad=True)
b = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
y = z + b
g = np.arange(12.0).reshape(4, 3)  # any gradient that comes back to y
y.backward(g)
print(z.grad.shape, b.grad.shape)
print(b.grad, g.sum(axis=0))
assert (b.grad.numpy() == g.sum(axis=0)).all() and (z.grad.numpy() == g).all()

# %% [markdown]
# ## The general rule
# An axis that was added in front, or that had length 1, is summed. Nothing else has to be known.


# %%
def undo(g, shape):
    """The gradient of an array of this shape that was broadcast to the shape of g."""
    added = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(added)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 < g.shape[i])
    return g.sum(axis=stretched, keepdims=True)


for shape in [(), (3,), (1, 3), (4, 1), (4, 3), (1, 1)]:
    x = mt.tensor(np.ones(shape), requires_grad=True)
    (x * np.ones((4, 3))).backward(g)
    print(f"{shape!s:7} gets {undo(g, shape).tolist()}")
    assert (x.grad.numpy() == undo(g, shape)).all()

# %% [markdown]
# ## Why it matters for a recurrent network
# One bias is used at every time step of every sequence: it is copied T·B times, though nobody wrote
# a broadcast for the time axis. Its gradient is the sum over both: db = sum_t sum_b dz.

# %%
T, B, I, H = 5, 2, 3, 4
rng = np.random.default_rng(0)
rnn = mt.nn.RNN(I, H, road="graph", rng=rng)
with mt.autograd.record_places() as places:
    output, _ = rnn(rng.normal(size=(T, B, I)))
total, arrivals = np.zeros(H), 0
for step in (output**2).sum().backward_steps():
    for sent in step.contributions:
        if sent.tensor is rnn.bias_hh_l0:
            arrivals += 1
            total = total + sent.gradient.numpy()
            print(f"from t = {places.of(step.tensor).step}: {sent.gradient.numpy().round(3)}")
print("sum:    ", total.round(3))
np.testing.assert_allclose(total, rnn.bias_hh_l0.grad.numpy(), rtol=1e-12)
assert arrivals == T
