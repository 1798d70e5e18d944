# %% [markdown]
# # 10. Vanishing gradients, and what an LSTM does about them
#
# Question: the error at the last step is caused, in part, by the first input. How loudly does it
# say so?
#
# Answer: every step back multiplies by a Jacobian, diag(1 - h²) W. The product shrinks or grows
# like a power, so the gradient vanishes or explodes with the distance in time.

# %%
import numpy as np

import minitorch_rnn as mt

T, H = 30, 20


def reach(scale):
    """‖∂DIV/∂x(t)‖ for all t, where DIV looks at the last step only and W = scale · orthogonal."""
    rng = np.random.default_rng(0)
    rnn = mt.nn.RNN(1, H, bias=False, rng=rng)
    rotation, _ = np.linalg.qr(rng.normal(size=(H, H)))
    rnn.weight_hh_l0.update_(scale * rotation)
    x = mt.tensor(0.01 * rng.normal(size=(T, 1, 1)), requires_grad=True)
    output, _ = rnn(x)
    output[-1].sum().backward()
    return np.linalg.norm(x.grad.numpy(), axis=(1, 2))


def bars(norms):
    """One character for each step, one shade for each factor of ten."""
    return "".join(" .:-=+*#%@"[int(np.clip(9 + np.log10(n), 0, 9))] for n in norms)


# %%
for scale in (0.7, 1.0, 1.3):
    norms = reach(scale)
    print(f"largest |eigenvalue| {scale}: x(0) {norms[0]:8.1e}  |{bars(norms)}|  x(T-1)")

# %% [markdown]
# With 0.7 the first input is silenced by 0.7²⁹ ≈ 3e-5; with 1.3 it is louder than the last.

# %%
vanishing, kept, exploding = (reach(scale)[0] / reach(scale)[-1] for scale in (0.7, 1.0, 1.3))
print(f"first over last: {vanishing:.0e}, {kept:.1f}, {exploding:.0e}")
assert vanishing < 1e-3 and exploding > 10 * kept

# %% [markdown]
# ## The whole account
# That was one loss. The ledger of a backward pass has them all: what each loss Div(t) sends to each
# state h(t'), and what every time step adds to the gradient of a weight. Three recurrent weights,
# with inputs so small that tanh does not bend them:

# %%
from minitorch_rnn.teaching import ledger  # noqa: E402

column = mt.column.state_space(2, 8, 1)
rng = np.random.default_rng(0)
x, D = rng.normal(size=(T, 1, 2)), rng.normal(size=(T, 1, 1))
accounts = {}
for scale in (0.5, 1.0, 1.2):
    params = mt.nn.ColumnNetwork(column, rng=np.random.default_rng(1)).state_dict()
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))
    params["weight.h1(t-1)->h1"], params["bias.h1"] = scale * rotation, np.zeros(8)
    accounts[scale] = ledger(column, 1e-4 * x, D, params=params)
    print(f"scale {scale}\n{accounts[scale]}\n")

# %% [markdown]
# What all steps add is the gradient, to the last digit. In a notebook the picture shows the rest at
# a glance: losses from top to bottom, states from left to right, a shade for a factor of ten.

# %%
account = accounts[0.5]
total = account.contributions["weight.h1(t-1)->h1"].sum(axis=0)
print(np.abs(total).max().round(4))
assert account.reach["h1"][T - 1, 0] < 1e-6 * account.reach["h1"][T - 1, T - 1]
account.picture()

# %% [markdown]
# ## The cell of an LSTM
# Its gates are products of sigmoids, and sigmoids are below 1. Why does it remember longer? The
# cell is carried on by c(t) = f(t) c(t-1) + i(t) g(t). On that way the gradient meets no matrix and
# no slope of a tanh, only the forget gates.


# %%
def of_cells(bias, recurrent=1.0):
    """‖∂DIV/∂c(t)‖ for all t, relative to the last, where DIV looks at the last step only."""
    rng = np.random.default_rng(0)
    lstm = mt.nn.LSTM(1, H, rng=rng)
    mt.nn.init.forget_gate_bias_(lstm, bias)
    lstm.weight_hh_l0.update_(recurrent * lstm.weight_hh_l0)
    run = lstm.unroll(np.zeros((T, 1, 1))).retain_grad()
    run.output[-1].sum().backward()
    norms = np.array([np.linalg.norm(c.grad.numpy()) for c in run.states["c"][0]])
    return norms / norms[-1]


# %% [markdown]
# `unroll` gives every state of every layer as a node of the graph, and `retain_grad` its total
# gradient: all that c(t) does later is in it. First without the recurrent weights, so that the
# cell is the only way into the past. Then the gradient is a product of forget gates, exactly.

# %%
for bias in (0.0, 1.0, 4.0):
    first, forget = of_cells(bias, recurrent=0.0)[0], 1 / (1 + np.exp(-bias))
    print(f"forget bias {bias}: c(0) over c(T-1) {first:.3e}, "
          f"forget gate to the power of T-1 {forget ** (T - 1):.3e}")  # fmt: skip
    np.testing.assert_allclose(first, forget ** (T - 1), rtol=1e-10)

# %% [markdown]
# The recurrent weights add ways through h(t) and the gates, and with them more gradient.

# %%
for bias in (0.0, 1.0, 4.0):
    print(f"forget bias {bias}: c(0) |{bars(of_cells(bias))}| c(T-1)")

# %% [markdown]
# With a bias of 0 half of the memory is lost at every step; that is why the forget bias is often
# set to 1 before training.

# %%
weak, strong = of_cells(0.0)[0], of_cells(4.0)[0]
print(f"first over last: bias 0 {weak:.0e}, bias 4 {strong:.1f}")
assert weak < 1e-5 and strong > 1
