# %% [markdown]
# # 8. The graph against backpropagation through time
#
# Question: a recurrent network uses the same weight at every step. What is the gradient of a weight
# that is used T times?
#
# Answer: unroll the network into T identical columns; the weight's gradient is the **sum** of what
# every column asks for. The graph does this because a shared tensor adds up its gradients; the
# slides do it with `+=`. Here are both, on one network.

# %%
import numpy as np

import minitorch_rnn as mt

rng = np.random.default_rng(0)
T, I, H, O = 5, 2, 3, 2
network = mt.nn.RecurrentNetwork(I, H, O, rng=rng)  # slide 72: tanh, then softmax
x, D = rng.normal(size=(T, 1, I)), rng.dirichlet(np.ones(O), size=(T, 1))

# %% [markdown]
# ## The graph
# DIV = -sum_t sum_i D_i(t) ln Y_i(t), the cross-entropy of all steps.

# %%
Y, _ = network(x)
DIV = -(mt.tensor(D) * Y.log()).sum()
DIV.backward()
by_graph = network.rnn.weight_hh_l0.grad.numpy()
print(by_graph.round(4))

# %% [markdown]
# ## Slide 94
# Plain arrays, no engine: t = T-1 … 0, "note the addition".

# %%
params = mt.bptt.names.from_torch(network.state_dict())
trace = mt.bptt.forward(params, x[:, 0], {1: np.zeros(H)})
dY = np.array([-D[t, 0] / trace.Y[t] for t in range(T)])
by_slides = mt.bptt.backward(params, trace, dY)["W_r"][1]
print(by_slides.round(4))
print("digits of agreement:", mt.numeric.digits(by_graph, by_slides))
assert mt.numeric.digits(by_graph, by_slides) > 12

# %% [markdown]
# ## Every road at once
# `verify` adds two roads that know no derivative at all, and PyTorch if it is installed.

# %%
agreement = mt.verify(network, x, D, "cross-entropy")
print(agreement)
assert agreement.agrees
