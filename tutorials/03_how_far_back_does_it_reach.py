# %% [markdown]
# # 3. How far back does the gradient reach?
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


# %%
for scale in (0.7, 1.0, 1.3):
    norms = reach(scale)
    bars = "".join(" .:-=+*#%@"[int(np.clip(9 + np.log10(n), 0, 9))] for n in norms)
    print(f"largest |eigenvalue| {scale}: x(0) {norms[0]:8.1e}  |{bars}|  x(T-1) {norms[-1]:.1e}")

# %% [markdown]
# Each character is one time step, each shade a factor of ten. With 0.7 the first input is silenced
# by 0.7²⁹ ≈ 3e-5; with 1.3 it is louder than the last.

# %%
vanishing, kept, exploding = (reach(scale)[0] / reach(scale)[-1] for scale in (0.7, 1.0, 1.3))
print(f"first over last: {vanishing:.0e}, {kept:.1f}, {exploding:.0e}")
assert vanishing < 1e-3 and exploding > 10 * kept
