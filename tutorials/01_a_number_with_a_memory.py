# %% [markdown]
# # 1. A number with a memory
#
# Question: how does a program that only multiplies and adds know its own derivative?
#
# Answer: every result keeps the operation and the inputs it came from. Walking that record
# backwards, newest first, and multiplying the slopes on the way is the chain rule.

# %%
import minitorch_rnn as mt

x = mt.tensor(3.0, requires_grad=True)
w = mt.tensor(0.5, requires_grad=True)
product = w * x
bent = product.tanh()
y = bent + x
print(y)  # tensor(3.905..., op=add): the value, and the last operation

# %% [markdown]
# By hand: dy/dw = (1 - tanh²(w x)) x, and dy/dx = (1 - tanh²(w x)) w + 1. Here is the walk that
# finds them, one number at a time. `=` is the first gradient to come somewhere, `+=` a later one.
# Note the **addition** at x: it is used twice, and what arrives on both ways is added up.

# %%
names = {id(x): "x", id(w): "w", id(product): "w x", id(bent): "tanh(w x)", id(y): "y"}
for step in y.backward_steps():
    print(f"{names[id(step.tensor)]} has dy/d… = {step.gradient.item():.4f}")
    for sent in step.contributions:
        how = "+=" if sent.added else "="
        print(f"    sends to {names[id(sent.tensor)]} {how} {sent.gradient.item():.4f}")

# %%
slope = 1 - (w * x).tanh().item() ** 2
print(w.grad.item(), slope * 3.0)
print(x.grad.item(), slope * 0.5 + 1)
assert abs(w.grad.item() - slope * 3.0) < 1e-12
assert abs(x.grad.item() - (slope * 0.5 + 1)) < 1e-12

# %% [markdown]
# The rules are written once. With `create_graph=True` the same rules run on tensors instead of
# arrays, so the gradient is itself a recorded computation and has a derivative in turn.

# %%
(first,) = mt.autograd.grad(w**3, w, create_graph=True)
(second,) = mt.autograd.grad(first, w)
print(first.item(), second.item())  # 3 w² and 6 w at w = 0.5
assert (first.item(), second.item()) == (0.75, 3.0)

# %% [markdown]
# What cannot be right is refused. Here the value that the backward walk needs is gone:

# %%
z = w * w
w.update_(2.0)
try:
    z.backward()
except mt.errors.GraphError as error:
    print(error)
else:
    raise AssertionError("a stale gradient went unnoticed")
