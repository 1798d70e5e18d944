# %% [markdown]
# # 5. The forward pass: slide 72
#
# Question: what exactly does a recurrent network compute, and what has to be kept of it?
#
# Answer: two loops, over time and over layers. Everything that the backward pass will ask for is
# kept: h(t,l), z(t,l) and the outputs.

# %%
import numpy as np

import minitorch_rnn as mt

rng = np.random.default_rng(0)
T, I, H, O, L = 4, 2, 3, 2, 2
x = rng.normal(size=(T, I))
W_c = {1: rng.normal(size=(H, I)), 2: rng.normal(size=(H, H))}  # from the layer below, same time
W_r = {l: rng.normal(size=(H, H)) for l in (1, 2)}  # from the time before, same layer
b = {l: rng.normal(size=H) for l in (1, 2)}
W_o, b_o = rng.normal(size=(O, H)), rng.normal(size=O)
h_init = {l: np.zeros(H) for l in (1, 2)}  # h(-1, l), which may be learned (slide 69)

# %% [markdown]
# Layers count from 1, so that h(t,0) can be the input x(t); time counts from 0, so that h(-1,l) can
# be the initial state. With these two conventions one line serves every layer and every time.

# %%
h = {(-1, l): h_init[l] for l in range(1, L + 1)}
z, Y = {}, {}
for t in range(T):
    h[t, 0] = x[t]
    for l in range(1, L + 1):
        z[t, l] = W_c[l] @ h[t, l - 1] + W_r[l] @ h[t - 1, l] + b[l]
        h[t, l] = np.tanh(z[t, l])
    z_o = W_o @ h[t, L] + b_o
    Y[t] = np.exp(z_o) / np.exp(z_o).sum()
    print(f"Y({t}) = {Y[t].round(4)}")

# %% [markdown]
# ## The same by the library
# `bptt.forward` is this loop; `nn.RecurrentNetwork` computes it with tensors that remember.

# %%
params = {"W_c": W_c, "W_r": W_r, "b": b, "W_o": W_o, "b_o": b_o}
trace = mt.bptt.forward(params, x, h_init)
network = mt.nn.RecurrentNetwork(I, H, O, num_layers=L)
for l in (1, 2):
    getattr(network.rnn, f"weight_ih_l{l - 1}").update_(W_c[l])
    getattr(network.rnn, f"weight_hh_l{l - 1}").update_(W_r[l])
    getattr(network.rnn, f"bias_ih_l{l - 1}").update_(
        b[l]
    )  # PyTorch has two biases: b is their sum
    getattr(network.rnn, f"bias_hh_l{l - 1}").update_(np.zeros(H))
network.output.weight.update_(W_o)
network.output.bias.update_(b_o)
outputs, _ = network(x[:, None])  # (T, B, I) with B = 1

for t in range(T):
    np.testing.assert_allclose(trace.Y[t], Y[t], rtol=1e-12)
    np.testing.assert_allclose(outputs[t, 0].detach().numpy(), Y[t], rtol=1e-12)
print("loop, slides and tensors agree")

# %% [markdown]
# How much is kept? Per time step L·H numbers of h and of z: that is the memory that
# backpropagation through time costs, and why truncation (tutorial 9) and checkpoints
# (`autograd.checkpoint_sequence`) exist.

# %%
print(sum(v.size for v in trace.h.values()) + sum(v.size for v in trace.z.values()), "numbers")
assert sum(v.size for v in trace.z.values()) == T * L * H
