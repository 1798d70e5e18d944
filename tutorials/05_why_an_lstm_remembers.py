# %% [markdown]
# # 5. Why does an LSTM remember longer?
#
# Question: an LSTM's gates are products of sigmoids, and sigmoids are below 1. Why does its
# gradient not vanish like that of tutorial 3?
#
# Answer: the cell is carried on by c(t) = f(t) c(t-1) + i(t) g(t). On that way the gradient meets
# no matrix and no slope of a tanh, only the forget gates.

# %%
import numpy as np

import minitorch_rnn as mt

T, H = 30, 20


def reach(bias, recurrent=1.0):
    """‖∂DIV/∂c(t)‖ for all t, where DIV looks at the last step only."""
    rng = np.random.default_rng(0)
    lstm = mt.nn.LSTM(1, H, rng=rng)
    mt.nn.init.forget_gate_bias_(lstm, bias)
    lstm.weight_hh_l0.update_(recurrent * lstm.weight_hh_l0)
    run = lstm.unroll(np.zeros((T, 1, 1))).retain_grad()
    run.output[-1].sum().backward()
    return np.array([np.linalg.norm(c.grad.numpy()) for c in run.states["c"][0]])


# %% [markdown]
# `unroll` gives every state of every layer as a node of the graph, and `retain_grad` its total
# gradient: all that c(t) does later is in it. First without the recurrent weights, so that the
# cell is the only way into the past. Then the gradient is a product of forget gates, exactly.

# %%
for bias in (0.0, 1.0, 4.0):
    norms, forget = reach(bias, recurrent=0.0), 1 / (1 + np.exp(-bias))
    print(f"forget bias {bias}: ∂DIV/∂c(0) over ∂DIV/∂c(T-1) {norms[0] / norms[-1]:.3e}, "
          f"forget gate to the power of T-1 {forget ** (T - 1):.3e}")  # fmt: skip
    np.testing.assert_allclose(norms[0] / norms[-1], forget ** (T - 1), rtol=1e-10)

# %% [markdown]
# The recurrent weights add ways through h(t) and the gates, and with them more gradient.

# %%
for bias in (0.0, 1.0, 4.0):
    norms = reach(bias)
    bars = "".join(" .:-=+*#%@"[int(np.clip(9 + np.log10(n / norms[-1]), 0, 9))] for n in norms)
    print(f"forget bias {bias}: c(0) |{bars}| c(T-1)")

# %% [markdown]
# Each shade is a factor of ten. With a bias of 0 half of the memory is lost at every step; that is
# why the forget bias is often set to 1 before training.

# %%
weak, strong = reach(0.0), reach(4.0)
print(f"first over last: bias 0 {weak[0] / weak[-1]:.0e}, bias 4 {strong[0] / strong[-1]:.1f}")
assert weak[0] < 1e-5 * weak[-1] and strong[0] > strong[-1]
