"""The elementwise mathematics of each recurrent cell: one time step forward, and one backward.

`passes` runs them over a sequence; the loops and the matrix products are there. A block computes in
arrays of its own, always with `out=`, so that a step allocates nothing; it is used again and again.

What backward needs of a step, and does not depend on what comes later in time, are its partial
derivatives. Forward leaves them behind in place of the activations, as the `slopes` of each unit.

Shapes: R is (B, H), or (H,) for a batch of one, whose vectors are the cheapest to compute with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Shape = tuple[int, ...]


class Forward(NamedTuple):
    """The arrays and functions of a block of time steps.

    Attributes:
        share: what the input gives to z, (steps, B, gates H), written by the pass.
        z: W_hh h(t-1), (gates, R), written by the pass before each step.
        views: for every step what `step` needs of the arrays of the block.
        begin: (bias_hh, states besides h), before the first step.
        step: (h(t-1), h(t), views): makes h(t).
        end: (n): the states besides h after each of the n steps.
        slopes: (n, h, slopes): fills in those of the n steps, (n, slots, R), where h(t) is given.
    """

    share: Any
    z: Any
    views: Sequence[Any]
    begin: Callable[..., None]
    step: Callable[..., None]
    end: Callable[[int], tuple[Any, ...]]
    slopes: Callable[..., None]


class Backward(NamedTuple):
    """The arrays and functions of a block of time steps, newest first.

    Attributes:
        d: gradients of the rows of the weights, and of what passes them by,
            (steps + 1, B, slots H).
        views: for every step what `step` needs of d.
        out: the gradient that comes through W_hh, R, written by the pass after each step.
        begin: (n, gradients of the states after step n - 1).
        step: (dDIV/dh(t) from outside, slopes, views): writes d.
        end: the gradients of the states before step 0.
        parts: (slopes of several steps): what `step` needs of each.
    """

    d: Any
    views: Sequence[Any]
    out: Any
    begin: Callable[..., None]
    step: Callable[..., None]
    end: Callable[[], tuple[Any, ...]]
    parts: Callable[[Any], Sequence[Any]]


class Kernel(NamedTuple):
    """A cell as the passes need it.

    Attributes:
        gates: rows of weights per unit.
        sign: -1 if `share` comes with the other sign: a sigmoid is 1 / (1 + exp(-z)).
        inner: gates at the end whose bias_hh does not join bias_ih, because it acts inside.
        slots: how many slopes a unit has, and how many gradients a step makes of them.
        to_x, to_h: the first of those, in gates, that belong to weight_ih and to weight_hh.
        roll: by how many gates the latter are rolled against the order of the weights.
        forward, backward: (xp, steps, R, dtype) to a block of so many steps.
    """

    gates: int
    sign: int
    inner: int
    slots: int
    to_x: int
    to_h: int
    roll: int
    forward: Callable[..., Forward]
    backward: Callable[..., Backward]


# RNN: h = f(z), dh -> dz = dh f'(z).


def _simple(activation: Callable[..., Any], slope: Callable[..., None]) -> Kernel:
    def forward(xp: Any, steps: int, R: Shape, dtype: Any) -> Forward:
        share, z = _arrays(xp, dtype, (steps, *R), (1, *R))
        (z0,), add, f = z, xp.add, activation(xp, dtype)

        def step(before: Any, h: Any, share: Any) -> None:
            add(z0, share, z0)
            f(z0, h)

        return Forward(
            share, z, list(share), _nothing, step, _nothing,
            lambda n, h, slopes: slope(xp, h, slopes[:, 0]),
        )  # fmt: skip

    def backward(xp: Any, steps: int, R: Shape, dtype: Any) -> Backward:
        d, dh = _arrays(xp, dtype, (steps + 1, *R), R)
        add, multiply = xp.add, xp.multiply

        def step(g: Any, slope: Any, d: Any) -> None:
            add(dh, g, dh)
            multiply(dh, slope, d)

        def begin(n: int, gradient: Any) -> None:
            dh[...] = gradient

        return Backward(
            d, list(d), dh, begin, step, lambda: (dh,), lambda slopes: list(slopes[:, 0])
        )

    return Kernel(1, 1, 0, 1, 0, 0, 0, forward, backward)


def _tanh(xp: Any, dtype: Any) -> Any:
    return xp.tanh


def _tanh_slope(xp: Any, h: Any, slope: Any) -> None:
    xp.multiply(h, h, slope)
    xp.subtract(1, slope, slope)


def _relu(xp: Any, dtype: Any) -> Any:
    zero, maximum = xp.zeros((), dtype), xp.maximum
    return lambda z, h: maximum(z, zero, out=h)


def _relu_slope(xp: Any, h: Any, slope: Any) -> None:
    xp.less_equal(h, 0, slope)  # of nan it is 1, so that a nan is not lost
    xp.subtract(1, slope, slope)


# LSTM: c = f c(t-1) + i g, h = o tanh(c). Slots: dc(t-1), then the rows of i f g o, and what dh
# adds to dc.


def _lstm_forward(xp: Any, steps: int, R: Shape, dtype: Any) -> Forward:
    # gc: -g(t) beside c(t-1), so that one product gives -i g and f c.
    share, z, s, gc, tanh_c, rest = _arrays(
        xp, dtype,
        (steps, *R[:-1], 4 * R[-1]), (4, *R), (steps, 4, *R), (steps + 1, 2, *R), (steps, *R),
        (steps, 4, *R),
    )  # fmt: skip
    z_g, z_if, z_i, z_f = z[2], z[:2], z[0], z[1]
    add, subtract, multiply, divide = xp.add, xp.subtract, xp.multiply, xp.divide
    exp, tanh, one = xp.exp, xp.tanh, xp.ones((), dtype)
    views = list(
        zip(
            _slots(share, 4, R), s, s[:, :2], s[:, 3], gc[:-1], gc[:-1, 0], gc[1:, 1], tanh_c,
            strict=True,
        )
    )  # fmt: skip

    def begin(bias_hh: Any, c: Any) -> None:
        gc[0, 1] = c

    def step(before: Any, h: Any, views: Any) -> None:
        share, ifgo, i_f, o, gc, g, c, tanh_c = views
        subtract(share, z, z)
        tanh(z_g, g)
        exp(z, ifgo)
        add(ifgo, one, ifgo)
        divide(one, ifgo, ifgo)  # the sigmoid of g is not used: to leave it out costs more calls
        multiply(i_f, gc, z_if)
        subtract(z_f, z_i, c)
        tanh(c, tanh_c)
        multiply(o, tanh_c, h)

    def slopes(n: int, h: Any, slopes: Any) -> None:
        sigmoid, slope = s[:n], rest[:n]
        subtract(one, sigmoid, slope)
        multiply(sigmoid, slope, slope)
        slopes[:, 0] = sigmoid[:, 1]
        multiply(slope[:, :2], gc[:n], slopes[:, 1:3])
        xp.negative(slopes[:, 1], slopes[:, 1])
        _tanh_slope(xp, gc[:n, 0], slopes[:, 3])
        multiply(sigmoid[:, 0], slopes[:, 3], slopes[:, 3])
        multiply(slope[:, 3], tanh_c[:n], slopes[:, 4])
        _tanh_slope(xp, tanh_c[:n], slopes[:, 5])
        multiply(sigmoid[:, 3], slopes[:, 5], slopes[:, 5])

    return Forward(share, z, views, begin, step, lambda n: (gc[1 : n + 1, 1],), slopes)


def _lstm_backward(xp: Any, steps: int, R: Shape, dtype: Any) -> Backward:
    d, dh, dc = _arrays(xp, dtype, (steps + 1, *R[:-1], 6 * R[-1]), R, R)
    add, multiply, slots = xp.add, xp.multiply, _slots(d, 6, R)
    views = list(zip(slots[:-1, 4:], slots[:-1, 5], slots[1:, 0], slots[:-1, :4], strict=True))

    def begin(n: int, gradient: Any, gradient_c: Any) -> None:
        dh[...] = gradient
        slots[n, 0] = gradient_c

    def step(g: Any, slopes: Any, views: Any) -> None:
        of_h, of_c = slopes
        d_h, from_h, later, d_c = views
        add(dh, g, dh)
        multiply(dh, of_h, d_h)
        add(later, from_h, dc)
        multiply(dc, of_c, d_c)

    return Backward(
        d, views, dh, begin, step, lambda: (dh, slots[0, 0]),
        lambda slopes: list(zip(slopes[:, 4:], slopes[:, :4], strict=True)),
    )  # fmt: skip


# GRU: h = n + z (h(t-1) - n), n = tanh(x_n + r a), a = W_hn h(t-1) + b_hn. Slots: da, then the rows
# of r z n, and what of dh passes to h(t-1).


def _gru_forward(xp: Any, steps: int, R: Shape, dtype: Any) -> Forward:
    share, z, s, rest, a, n, apart, bias = _arrays(
        xp, dtype,
        (steps, *R[:-1], 3 * R[-1]), (3, *R), *[(steps, 2, *R)] * 2, *[(steps, *R)] * 3, R[-1:],
    )  # fmt: skip
    z_rz, z_n, one = z[:2], z[2], xp.ones((), dtype)
    add, subtract, multiply, divide = xp.add, xp.subtract, xp.multiply, xp.divide
    exp, tanh = xp.exp, xp.tanh
    shares = _slots(share, 3, R)
    views = list(zip(shares[:, :2], shares[:, 2], s, s[:, 0], s[:, 1], a, n, apart, strict=True))

    def begin(bias_hh: Any) -> None:
        bias[...] = 0 if bias_hh is None else bias_hh[2 * R[-1] :]

    def step(before: Any, h: Any, views: Any) -> None:
        share_rz, share_n, rz, r, z, a, n, apart = views
        subtract(share_rz, z_rz, rz)
        exp(rz, rz)
        add(rz, one, rz)
        divide(one, rz, rz)
        add(z_n, bias, a)
        multiply(r, a, n)
        subtract(n, share_n, n)
        tanh(n, n)
        subtract(before, n, apart)
        multiply(z, apart, h)
        add(n, h, h)

    def slopes(m: int, h: Any, slopes: Any) -> None:
        sigmoid, slope = s[:m], rest[:m]
        slopes[:, 0] = sigmoid[:, 0]
        slopes[:, 4] = sigmoid[:, 1]
        subtract(one, sigmoid, slope)
        _tanh_slope(xp, n[:m], slopes[:, 3])
        multiply(slope[:, 1], slopes[:, 3], slopes[:, 3])
        multiply(sigmoid, slope, slope)
        multiply(slope[:, 0], a[:m], slopes[:, 1])
        multiply(slope[:, 1], apart[:m], slopes[:, 2])

    return Forward(share, z, views, begin, step, _nothing, slopes)


def _gru_backward(xp: Any, steps: int, R: Shape, dtype: Any) -> Backward:
    d, dh, out = _arrays(xp, dtype, (steps + 1, *R[:-1], 5 * R[-1]), R, R)
    add, multiply, slots = xp.add, xp.multiply, _slots(d, 5, R)
    views = list(zip(slots[1:, 4], slots[:-1, 2:], slots[:-1, 3], slots[:-1, :2], strict=True))

    def begin(n: int, gradient: Any) -> None:
        out[...] = gradient
        slots[n, 4] = 0

    def step(g: Any, slopes: Any, views: Any) -> None:
        of_h, of_n = slopes
        later, d_h, dn, d_n = views
        add(out, later, dh)
        add(dh, g, dh)
        multiply(dh, of_h, d_h)
        multiply(dn, of_n, d_n)

    return Backward(
        d, views, out, begin, step, lambda: (out + slots[0, 4],),
        lambda slopes: list(zip(slopes[:, 2:], slopes[:, :2], strict=True)),
    )  # fmt: skip


def _arrays(xp: Any, dtype: Any, *shapes: Shape) -> list[Any]:
    """Arrays side by side in one piece of memory, each at a multiple of 64 bytes."""
    sizes = [-(-math.prod(shape) // 16) * 16 for shape in shapes]
    whole, found, start = xp.empty(sum(sizes), dtype), [], 0
    for shape, size in zip(shapes, sizes, strict=True):
        found.append(whole[start : start + math.prod(shape)].reshape(shape))
        start += size
    return found


def _slots(x: Any, slots: int, R: Shape) -> Any:
    """(steps, B, slots H) seen as (steps, slots, R)."""
    found = x.reshape(len(x), *R[:-1], slots, R[-1])
    return found.swapaxes(1, 2) if len(R) == 2 else found


def _nothing(*_: Any) -> Any:
    return ()


KERNELS = {
    "gru": Kernel(3, -1, 1, 5, 1, 0, 1, _gru_forward, _gru_backward),
    "lstm": Kernel(4, -1, 0, 6, 1, 1, 0, _lstm_forward, _lstm_backward),
    "relu": _simple(_relu, _relu_slope),
    "tanh": _simple(_tanh, _tanh_slope),
}
