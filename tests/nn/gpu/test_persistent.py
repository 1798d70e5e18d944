"""A time loop in one kernel, on a stand-in for a GPU, against a loop of NumPy written here."""

import re

import numpy as np
import pytest
from host_sanitizers import why_not
from numpy.testing import assert_allclose
from strict_cupy import xp
from strict_device import Device

from minitorch_rnn.nn.gpu import persistent, sources
from minitorch_rnn.nn.gpu.layouts import LAYOUTS

pytestmark = pytest.mark.compiler

H100 = 132, 227 << 10  # processors, bytes of shared memory of a block
CASES = [  # T, B, H; processors and bytes, so few that blocks must share the work
    pytest.param(1, 1, 1, 4, 99 << 10, id="one-number"),
    pytest.param(5, 3, 7, 4, 99 << 10, id="a-block-for-each-sequence"),
    pytest.param(4, 7, 32, 7, 15 << 10, id="two-groups"),
    pytest.param(3, 21, 37, 3, 36 << 10, id="chunks-of-sequences"),
    pytest.param(3, 9, 150, 13, 72 << 10, id="many-units"),
]
# float32: at most 600 products of numbers below 1, each rounded by 6e-8, in a sum; a loop of steps.
TOLERANCES = {"float64": dict(rtol=1e-10, atol=1e-12), "float32": dict(rtol=1e-5, atol=5e-6)}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Reference:
    """A layer's loop, forward and backward, as the equations have it; ended sequences are zero."""

    def __init__(self, mode, rng, T, B, H, ragged):
        G = LAYOUTS[mode].gates
        self.mode, self.T, self.B, self.H, self.G = mode, T, B, H, G
        self.share = rng.normal(size=(T, B, G, H))
        self.weight, self.bias_ih, self.bias_hh = (
            rng.normal(size=(G * H, *s)) / np.sqrt(H) for s in [(H,), (), ()]
        )
        self.h_0, self.c_0, self.g_h, self.g_c = rng.normal(size=(4, B, H))
        self.g = rng.normal(size=(T, B, H))
        self.ends = rng.integers(1, T + 1, B) if ragged else np.full(B, T)
        self.run()

    def run(self):
        W, mode = self.weight.reshape(self.G, self.H, self.H), self.mode
        outer, inner = (b.reshape(self.G, self.H) for b in (self.bias_ih, self.bias_hh))
        h, c, tape = self.h_0, self.c_0, []
        self.h, self.last_h, self.last_c = [h], np.zeros_like(h), np.zeros_like(h)
        for t in range(self.T):
            x, a = self.share[t] + outer, np.einsum("bk,gjk->bgj", h, W) + inner
            old_h, old_c = h, c
            if mode in ("tanh", "relu"):
                s = (x + a)[:, 0]
                h = np.tanh(s) if mode == "tanh" else np.maximum(s, 0)
            elif mode == "lstm":
                i, f, _, o = s = sigmoid(x + a).swapaxes(0, 1)
                s[2] = np.tanh((x + a)[:, 2])
                c = f * c + i * s[2]
                h = o * np.tanh(c)
            else:
                r, u = s = sigmoid(x + a).swapaxes(0, 1)[:2]
                n = np.tanh(x[:, 2] + r * a[:, 2])
                s = r, u, n, a[:, 2]
                h = n + u * (h - n)
            live, last = (t < self.ends)[:, None], (t == self.ends - 1)[:, None]
            tape.append((s, old_h, old_c, h, c))
            h = np.where(live, h, 0)
            self.h.append(h)
            self.last_h += np.where(last, h, 0)
            self.last_c += np.where(last, c, 0)
        rows = W if mode != "gru" else W[[2, 0, 1]]
        through = carry = np.zeros_like(h)
        self.d = [None] * self.T
        for t in reversed(range(self.T)):
            s, old_h, old_c, h, c = tape[t]
            live, last = (t < self.ends)[:, None], (t == self.ends - 1)[:, None]
            dh = np.where(last, self.g_h, through) + self.g[t]
            dc = np.where(last, self.g_c, carry)
            if mode == "tanh":
                d = [dh * (1 - h**2)]
            elif mode == "relu":
                d = [dh * (h > 0)]
            elif mode == "lstm":
                i, f, g, o = s
                dc = dc + dh * o * (1 - np.tanh(c) ** 2)
                d = [dc * g * i * (1 - i), dc * old_c * f * (1 - f), dc * i * (1 - g**2)]
                d.append(dh * np.tanh(c) * o * (1 - o))
                carry = dc * f
            else:
                (r, u, n, inside), dh = s, dh + np.where(last, 0, carry)
                dn = dh * (1 - u) * (1 - n**2)
                d = [dn * r, dn * inside * r * (1 - r), dh * (old_h - n) * u * (1 - u), dn]
                carry = dh * u
            self.d[t] = np.where(live[:, None], np.stack(d, 1), 0)
            through = np.einsum("bgk,gkj->bj", self.d[t][:, : self.G], rows)
        self.through, self.carry = through, carry


class Run:
    """The same on a device."""

    def __init__(self, reference, device, dtype, source=None):
        source, r, layout = source or sources()[dtype], reference, LAYOUTS[reference.mode]
        T, B, H, G = r.T, r.B, r.H, r.G
        self.kept = []  # the table knows addresses only, and keeps nothing alive

        def put(x, dtype=dtype):
            self.kept.append(xp.asarray(x, dtype))
            return self.kept[-1]

        def empty(*shape):
            return put(np.full(shape, np.nan))

        def run(way, *begin):
            table = xp.empty(256, np.uint8)
            device.kernel(source, f"begin_{way}")(3, 64, (table, T, B, H, ends, *begin))
            loop = persistent.loop(device, source, r.mode, way, B, H, np.dtype(dtype), xp)
            loop(table, weight, T, *([self.through] if way == "backward" else []))

        ends = None if (r.ends == T).all() else put(r.ends, np.int32)
        weight_hh, weight, gates = put(r.weight), empty(G * H, H), put(r.share)
        memory = empty(T + layout.remembers, B, H) if layout.carries else None
        c_0, g_c = (put(s) if layout.remembers else None for s in (r.c_0, r.g_c))
        self.h, self.last_h, self.last_c = empty(T + 1, B, H), empty(B, H), empty(B, H)
        run(
            "forward", None, empty(G + 1, H), gates, memory, self.h, self.last_h, self.last_c,
            None, None, G, layout.inner, put(r.h_0), c_0, put(r.bias_ih), put(r.bias_hh),
            weight_hh, weight, None,
        )  # fmt: skip
        self.d, self.through, self.carry = empty(T, B, layout.slots, H), empty(B, H), empty(B, H)
        run(
            "backward", put(r.g), put(r.g_h), g_c, self.through, self.carry, gates, memory,
            self.h, self.d, None, G, layout.inner, weight_hh, weight,
        )  # fmt: skip


def check(run, reference, dtype):
    names = ["h", "last_h", "d", "through"]
    names += {"lstm": ["last_c", "carry"], "gru": ["carry"]}.get(reference.mode, [])
    for name in names:
        found, wanted = getattr(run, name).get(), getattr(reference, name)
        assert_allclose(found, wanted, **TOLERANCES[dtype], err_msg=name)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("T, B, H, processors, memory", CASES)
@pytest.mark.parametrize("mode", sorted(LAYOUTS))
def test_both_ways_agree_with_a_loop_of_numpy(
    rng, mode, T, B, H, processors, memory, ragged, dtype
):
    reference, device = Reference(mode, rng, T, B, H, ragged), Device(processors, memory)
    run = Run(reference, device, dtype)
    check(run, reference, dtype)
    assert device.launches == {
        "begin_forward": 1, "begin_backward": 1, f"forward_loop_{mode}": 1,
        f"backward_loop_{mode}": 1,
    }  # fmt: skip


@pytest.mark.parametrize("way", ["forward", "backward"])
def test_the_cases_above_meet_all_that_a_plan_can_be(way):
    seen = set()
    for _, B, H, processors, memory in (case.values for case in CASES):
        for mode, itemsize in [(mode, size) for mode in LAYOUTS for size in (4, 8)]:
            found = persistent.plan(processors, memory, way, mode, B, H, itemsize)
            K = H if way == "forward" else LAYOUTS[mode].gates * H
            parts, groups = -(-H // found.units), -(-B // found.rows)
            seen |= {("parts", parts > 1), ("groups", groups > 1), ("slices", found.slices > 1)}
            seen |= {
                ("fewer units in the last", H % found.units > 0),
                ("tiles", K * itemsize > 512),
            }
            seen |= {("chunks", found.rows > found.chunk), ("aligned", K * itemsize % 16 == 0)}
            assert found.blocks == parts * groups <= processors and found.shared <= memory
    assert len(seen) == 2 * 7, sorted(seen)


@pytest.mark.parametrize("mode, T, B, H", [("lstm", 3, 32, 128), ("gru", 2, 32, 128)])
def test_the_plans_for_an_h100_are_right_too(rng, mode, T, B, H):
    reference = Reference(mode, rng, T, B, H, ragged=True)
    check(Run(reference, Device(*H100), "float32"), reference, "float32")


def test_a_loop_that_does_not_fit_is_none():
    source, how = sources()["float32"], (np.dtype("float32"), xp)
    device = Device(4, 64 << 10)
    assert persistent.loop(device, source, "lstm", "forward", 8, 64, *how) is not None
    assert persistent.loop(device, source, "lstm", "forward", 8, 128, *how) is None
    device.per_processor = 0  # as if it needed more registers than a processor has
    assert persistent.loop(device, source, "lstm", "forward", 8, 64, *how) is None


@pytest.mark.parametrize("dtype, itemsize", [("float32", 4), ("float64", 8)])
def test_the_largest_sizes_for_an_h100_are_those_of_the_documentation(dtype, itemsize):
    (line,) = re.findall(rf"{dtype}   (.*)", persistent.__doc__)
    told = iter(int(n) for n in re.findall(r"\d+", line))
    for modes, ways in [(("tanh", "relu"), 1), (("gru",), 2), (("lstm",), 2)]:
        largest = [next(told) for _ in range(ways)]
        for way, H in zip(("forward", "backward"), largest * 2, strict=False):
            for mode in modes:
                fits = [
                    persistent.plan(*H100, way, mode, 1, h, itemsize) is not None
                    for h in range(H, H + H100[0] + 1)  # on to one unit more for each processor
                ]
                assert fits[0] and not any(fits[1:]), (way, mode, H)


# Races, under ThreadSanitizer; reads and writes outside of the arrays, under AddressSanitizer.
def reports(rng, sanitizer, mode, source=None, case=(3, 7, 32, 7, 15 << 10), only=""):
    if missing := why_not(sanitizer):
        pytest.skip(missing)
    T, B, H, *device = case
    device = Device(*device)
    with device.inspected(sanitizer, only=only) as found:
        Run(Reference(mode, rng, T, B, H, ragged=True), device, "float32", source)
    return found


@pytest.mark.parametrize("sanitizer", ["thread", "address"])
@pytest.mark.parametrize("mode", sorted(LAYOUTS))
def test_no_thread_disturbs_another_or_leaves_the_arrays(rng, mode, sanitizer):
    assert reports(rng, sanitizer, mode) == []


@pytest.mark.parametrize("sanitizer", ["thread", "address"])
def test_nor_where_sequences_come_in_chunks_and_sums_in_tiles(rng, sanitizer):
    assert reports(rng, sanitizer, "lstm", case=(2, 21, 37, 3, 36 << 10)) == []


@pytest.mark.parametrize(
    "line, chunks",
    [
        ("while ((int)((unsigned)load_acquire(arrived) - steps * parts) < 0) {}", False),
        ("__threadfence();", False),
        ("__syncthreads();  // all have read the sums of the chunk before this", True),
    ],
)
def test_a_barrier_that_is_missing_is_found(rng, line, chunks):
    source = sources()["float32"]
    source = re.sub(r"\nLOOPS\((tanh|relu|gru),.*", "", source)  # the less there is to compile
    assert source.count(line) == 1
    case = (2, 21, 37, 3, 36 << 10) if chunks else (3, 7, 32, 7, 15 << 10)
    found = reports(rng, "thread", "lstm", source.replace(line, ""), case, only="forward_loop")
    assert any("data race" in report for report in found)
