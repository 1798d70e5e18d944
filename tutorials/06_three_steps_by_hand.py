# %% [markdown]
# # 6. Backpropagation through time by hand, for three steps
#
# Question: one weight, used three times. What is its gradient?
#
# Answer: take the network apart into three columns with three weights that happen to be equal.
# Differentiate as if they were different, and add.

# %%
import minitorch_rnn as mt

w, u = 0.8, 0.5  # recurrent weight, input weight; one unit, no bias
x = [1.0, -0.5, 2.0]
h = [0.0]  # h(-1)
for t in range(3):
    h.append(u * x[t] + w * h[-1])  # a linear unit, so that a pencil is enough
h_2 = h[3]
print(f"h(0) = {h[1]:.2f}, h(1) = {h[2]:.2f}, h(2) = {h_2:.2f}")  # 0.5, 0.15, 1.12
assert abs(h_2 - 1.12) < 1e-12

# %% [markdown]
# Let DIV = h(2), the last state. Going back, dh(2) = 1, and every step back multiplies by w:
#
#     dh(2) = 1,   dh(1) = w,   dh(0) = w²
#
# At time t the weight multiplied h(t-1), so it gets dh(t) h(t-1) from there:

# %%
dh = {2: 1.0}
dh[1] = dh[2] * w
dh[0] = dh[1] * w
shares = {t: dh[t] * h[t] for t in (2, 1, 0)}  # h[t] in the list is h(t-1)
for t, share in shares.items():
    print(f"t = {t}: dh({t}) = {dh[t]:.2f}, times h({t - 1}) = {h[t]:.2f}, gives {share:.3f}")
dw = sum(shares.values())
print(f"dDIV/dw = {dw:.3f}")
assert abs(dw - 0.55) < 1e-12  # 0.15 + 0.8 · 0.5 + 0.64 · 0

# %% [markdown]
# Check it without any calculus: h(2) is a polynomial in w, u (x(2) + w x(1) + w² x(0)), whose
# derivative is u (x(1) + 2 w x(0)).

# %%
print(u * (x[1] + 2 * w * x[0]))
assert abs(u * (x[1] + 2 * w * x[0]) - dw) < 1e-12

# %% [markdown]
# ## The graph does the same sum
# It knows nothing of time. It sees one tensor that was used three times.

# %%
W = mt.tensor(w, requires_grad=True)
state = mt.tensor(0.0)
for t in range(3):
    state = u * x[t] + W * state
for step in state.backward_steps():
    for sent in step.contributions:
        if sent.tensor is W:
            print(f"W.grad {'+=' if sent.added else ' ='} {sent.gradient.item():.3f}")
assert abs(W.grad.item() - dw) < 1e-12

# %% [markdown]
# ## The classic slip
# Assigning where one has to add keeps one share only: the last one written. Backwards in time that
# is t = 0, whose share is 0 here, since h(-1) is. It looks like a network that learns nothing.

# %%
wrong = 0.0
for t in (2, 1, 0):
    wrong = dh[t] * h[t]  # should be +=
print(f"assigned: {wrong}, added: {dw:.3f}")
assert wrong == 0.0
