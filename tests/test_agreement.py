"""THE claim: graph = scan = slide 94 = slides 79–93 = differences = complex step = PyTorch.

And its counterpart: every seeded slip, in a derivative rule or in the backpropagation through
time, is caught by the same comparison.
"""

import inspect
import itertools
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import agreement as verification
from minitorch_rnn import bptt, verify
from minitorch_rnn.agreement.networks import targets_for
from minitorch_rnn.autograd import grad
from minitorch_rnn.bptt import slides, units
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import VARIANTS
from minitorch_rnn.engine import REGISTRY
from minitorch_rnn.nn.cells import CELLS

SIZES = [  # T, B, I, H, O, L: the smallest case first, then every size different
    pytest.param(1, 1, 1, 1, 2, 1, id="one-step"),
    pytest.param(5, 3, 4, 6, 2, 1, id="one-layer"),
    pytest.param(6, 2, 3, 5, 4, 2, id="two-layers"),
    pytest.param(7, 2, 3, 5, 4, 3, id="three-layers"),
]
OUTPUT = {"cross-entropy": "softmax", "CTC": "softmax", "squared error": "identity",
          "soft worst step": "sigmoid", "squared total": "tanh"}  # fmt: skip


def case(rng, T, B, I, H, O, L, output, **options):
    """A network, inputs, targets that are distributions, and an initial state."""
    network = mt.nn.RecurrentNetwork(I, H, O, output, num_layers=L, rng=rng, **options)
    x, D = rng.normal(size=(T, B, I)), rng.dirichlet(np.ones(O), size=(T, B))
    return network, x, D, rng.normal(size=(L, B, H))


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
@pytest.mark.parametrize("T, B, I, H, O, L", SIZES)
def test_graph_slides_units_and_complex_step_agree(
    rng, T, B, I, H, O, L, nonlinearity, bias, divergence
):
    output, div = OUTPUT.get(divergence, "identity"), DIVERGENCES[divergence]
    network, x, D, h_0 = case(rng, T, B, I, H, O, L, output, nonlinearity=nonlinearity, bias=bias)
    if div.takes == "labels":
        D = targets_for(div, (T, B, O), VARIANTS["synchronous"](T), rng)
    weights = network.state_dict()
    params = bptt.names.from_torch(weights)

    targets, roads = D if div.takes == "labels" else mt.tensor(D), {}
    for road in ("graph", "scan"):  # the graph knows its rules only
        network.rnn.road = road
        leaves = dict(network.named_parameters())
        leaves |= {n: mt.tensor(a, requires_grad=True) for n, a in (("x", x), ("h_0", h_0))}
        Y = network(leaves["x"], leaves["h_0"])[0]
        found = grad(div.value(mt, Y, targets), list(leaves.values()))
        roads[road] = {n: g.numpy() for n, g in zip(leaves, found, strict=True)}
        roads[road]["Y"] = Y.detach().numpy()
    graph = roads["graph"]
    for name, g in roads["scan"].items():
        assert_allclose(g, graph[name], rtol=1e-10, atol=1e-12, err_msg=f"scan: {name}")

    for explicit in (slides, units):  # these know the slides only
        total = dict.fromkeys(weights, 0.0)
        for b in range(B):
            h_init = {l + 1: h_0[l, b] for l in range(L)}
            trace = slides.forward(params, x[:, b], h_init, nonlinearity, output)
            outputs = np.stack(list(trace.Y.values()))
            assert_allclose(graph["Y"][:, b], outputs, rtol=1e-10, atol=1e-12)
            dY = div.gradient(graph["Y"], D)[:, b]
            d = explicit.backward(params, trace, dY, nonlinearity, output)
            total = {n: total[n] + bptt.names.gradient(d, n) for n in total}
            assert_allclose(graph["x"][:, b], d["x"], rtol=1e-10, atol=1e-12)
            initial = np.stack(list(d["h_init"].values()))
            assert_allclose(graph["h_0"][:, b], initial, rtol=1e-10, atol=1e-12)
        for name in weights:
            assert_allclose(
                graph[name], total[name], rtol=1e-10, atol=1e-12,
                err_msg=f"graph vs {explicit.__name__}: {name}",
            )  # fmt: skip

    def value(arrays):  # knows no derivative at all
        params = bptt.names.from_torch(arrays)
        Ys = [
            list(
                slides.forward(
                    params, x[:, b], {l + 1: h_0[l, b] for l in range(L)}, nonlinearity, output
                ).Y.values()
            )
            for b in range(B)
        ]
        return div.value(np, np.stack(Ys, axis=1), D)

    if L < 3:  # three layers follow in the certificate
        for name, g in mt.numeric.complex_step(value, weights).items():
            assert_allclose(graph[name], g, rtol=1e-10, atol=1e-12, err_msg=f"complex step: {name}")


@pytest.fixture(scope="module")
def certificate():
    return list(verification.layers())


def test_the_certificate_covers_every_kind_of_network(certificate):
    covered = {
        (a.network.split(", ")[0], a.network.split(", ")[1][0], "no bias" in a.network)
        for a in certificate
    }
    kinds = itertools.product(("RNN tanh", "RNN relu", "LSTM", "GRU"), "123", (True, False))
    assert covered == set(kinds)
    assert len({a.divergence for a in certificate}) == 4
    both_ways = {a.network.split(", bi")[0] for a in certificate if "bidirectional" in a.network}
    kinds = itertools.product(("RNN tanh", "LSTM", "GRU"), ("1 layer", "2 layers"))
    assert both_ways == {", ".join(kind) for kind in kinds}


def test_every_quantity_agrees_in_ten_digits_and_with_differences_in_nine(certificate):
    for agreement in certificate:
        assert agreement.agrees
        for quantity, found in agreement.digits.items():
            assert found, f"nothing was compared for {quantity}"
            exact = [digits for road, digits in found.items() if road != "differences"]
            assert min(exact) >= 10, f"{agreement.network}: {quantity}: {found}"
            assert found.get("differences", 16) >= 9, f"{agreement.network}: {quantity}: {found}"


def test_the_certificate_skips_no_road_but_a_missing_pytorch(certificate):
    for a in certificate:
        both_ways = {"rtrl"} if "bidirectional" in a.network else set()
        assert set(a.skipped) - {"torch"} == both_ways
        assert ("slides" in a.required) == (a.network.startswith("RNN") and not both_ways)
    quantities = certificate[0].digits
    assert {"x", "h_0", "Y(t)", "rnn.weight_hh_l0", "output.bias"} <= set(quantities)
    assert set(quantities["x"]) >= {"scan", "slides", "explicit", "differences", "complex step"}


@pytest.mark.torch
def test_pytorch_agrees_where_it_is_installed(certificate):
    for agreement in certificate:
        assert min(found["torch"] for found in agreement.digits.values()) >= 12


def test_the_graph_agrees_with_the_slides_on_every_backend(backend, rng):
    network, x, D, h_0 = case(rng, 4, 2, 3, 5, 2, 2, "softmax")
    agreement = verify(network, x, D, "cross-entropy", h_0)
    assert agreement.agrees, str(agreement)


def test_a_layer_without_an_output_layer_is_verified_too(rng):
    rnn = mt.nn.RNN(3, 4, num_layers=2, rng=rng)
    x, D = rng.normal(size=(5, 2, 3)), rng.normal(size=(5, 2, 4))
    assert verify(rnn, x, D, "squared total").agrees


def test_float32_is_held_to_the_digits_it_has(rng):
    network, x, D, h_0 = case(rng, 4, 2, 3, 5, 2, 1, "softmax", dtype="float32")
    agreement = verify(network, x, D, "cross-entropy", h_0)
    assert agreement.agrees
    assert max(agreement.digits["x"].values()) < 9  # so it really ran in float32


def test_any_function_of_outputs_and_targets_is_a_divergence(rng):
    network, x, D, h_0 = case(rng, 4, 2, 3, 5, 2, 1, "identity")

    def jumps(Y, D):  # neighbours in time: not a sum over t
        return ((Y[1:] - Y[:-1] - D[1:]) ** 3).sum()

    agreement = verify(network, x, D, jumps, h_0)
    assert agreement.agrees and agreement.divergence == "jumps"


def test_a_divergence_with_corners_is_verified_without_the_complex_step(rng):
    network, x, D, h_0 = case(rng, 4, 2, 3, 5, 2, 1, "identity")
    agreement = verify(network, x, D, lambda Y, D: abs(Y - D).sum(), h_0)
    assert agreement, str(agreement)
    assert "not an analytic" in agreement.skipped["complex step"]


def test_a_divergence_that_knows_tensors_only_is_told_the_remedy(rng):
    with pytest.raises(TypeError, match=r"mt\.log\(Y\) for Y\.log"):
        verify(*case(rng, 2, 1, 2, 3, 2, 1, "softmax")[:3], lambda Y, D: -(D * Y.log()).sum())


@pytest.mark.parametrize("O", [3, 8, 20])
def test_a_divergence_of_ones_own_is_judged_at_the_outputs_of_the_network(rng, O):
    network, x, D, h_0 = case(rng, 4, 2, 2, 3, O, 1, "softmax")
    agreement = verify(network, x, D, lambda Y, D: -(D * mt.log(Y)).sum(), h_0)
    assert agreement and "complex step" not in agreement.skipped, str(agreement)


def test_a_frozen_parameter_is_verified_too(rng):
    network, x, D, h_0 = case(rng, 3, 2, 2, 3, 2, 1, "softmax")
    network.output.weight.requires_grad = False
    assert "output.weight" in verify(network, x, D, "cross-entropy", h_0).digits
    assert not network.output.weight.requires_grad


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_divergence_without_a_value_is_no_disagreement(rng):
    with pytest.raises(mt.errors.NonFiniteError, match="cross-entropy of these outputs is nan"):
        verify(*case(rng, 2, 1, 2, 3, 2, 1, "identity")[:3], "cross-entropy")


@pytest.mark.parametrize("cut", [False, True])
def test_a_learned_initial_state_is_verified_as_a_parameter(rng, cut, monkeypatch):
    network, x, D, _ = case(rng, 4, 2, 3, 5, 2, 2, "softmax", initial_state="learned")
    network.rnn.h_0.update_(rng.normal(size=(2, 5)))
    if cut:
        whole = mt.nn.RNN._initial_states
        monkeypatch.setattr(
            mt.nn.RNN, "_initial_states", lambda *args: [(h.detach(),) for (h,) in whole(*args)]
        )
    agreement = verify(network, x, D, "cross-entropy")
    assert bool(agreement) is not cut
    assert "rnn.h_0" in agreement.digits


def test_a_batch_first_network_is_verified_in_the_layout_of_the_slides(rng):
    network, x, D, h_0 = case(rng, 3, 3, 2, 4, 2, 1, "softmax", batch_first=True)
    assert verify(network, x, D, "cross-entropy", h_0)


def test_a_road_that_does_not_apply_is_absent_with_its_reason(certificate):
    for row in certificate[0].rows():
        assert set(row["digits"]) | set(row["skipped"]) == set(verification.REQUIRED)
        assert not set(row["digits"]) & set(row["skipped"])


def test_a_unit_at_its_kink_is_skipped_by_differences_with_the_reason(rng):
    network, x, D, _ = case(rng, 2, 1, 3, 4, 2, 1, "identity", nonlinearity="relu", bias=False)
    x[0], h_0 = 0.0, np.zeros((1, 1, 4))  # z(0) = 0 exactly
    agreement = verify(network, x, D, "squared error", h_0)
    assert "kink" in agreement.skipped["differences"]
    assert "differences" not in agreement.digits["x"]


def test_the_table_names_what_disagrees(rng, monkeypatch):
    monkeypatch.setattr(REGISTRY["tanh"], "rules", (lambda g, y, x: g * (1 - y),))
    agreement = verify(*case(rng, 3, 2, 2, 3, 2, 1, "softmax")[:3], "cross-entropy")
    assert not agreement.agrees
    assert "DISAGREES" in str(agreement)
    rows = {row["quantity"]: row for row in agreement.rows()}
    assert rows["Y(t)"]["agrees"] and not rows["rnn.weight_hh_l0"]["agrees"]
    wrong = agreement.digits["rnn.weight_hh_l0"]  # the graph alone, so no road agrees with it
    assert all(digits < agreement.required[road] for road, digits in wrong.items())


# Seeded slips. Each must make the agreement fail on a small network of two layers.

SUM = REGISTRY["reduce_sum"].rules[0]
RULE_SLIPS = {  # primitive, number of the rule, the wrong rule
    "tanh takes 1 - y": ("tanh", 0, lambda g, y, x: g * (1 - y)),
    "relu lets everything through": ("relu", 0, lambda g, y, x: g),
    "softmax takes the diagonal of its Jacobian": (
        "softmax", 0, lambda g, y, x, axis: g * y * (1 - y),
    ),
    "linear gives its input twice the gradient": ("linear", 0, lambda g, y, x, w, b: 2 * g @ w),
    "linear gives half of the weight's gradient": (
        "linear", 1,
        lambda g, y, x, w, b: 0.5 * g.reshape(-1, len(w)).T @ x.reshape(-1, w.shape[1]),
    ),
    "linear reads only the last row for its bias": (
        "linear", 2, lambda g, y, x, w, b: g.reshape(-1, len(w))[-1],
    ),
    "add gives one operand nothing": ("add", 1, lambda g, y, a, b: 0 * g),
    "log forgets its argument": ("log", 0, lambda g, y, x: g),
    "sum spreads a mean": (
        "reduce_sum", 0, lambda g, y, x, *how: SUM(g, y, x, *how) / x.size,
    ),
    "stack gives every step the gradient of the first": (
        "stack", 0, lambda i, g, y, *args: g[0],
    ),
    "multiply takes its own operand": ("multiply", 1, lambda g, y, a, b: g * b),
}  # fmt: skip

SLIDE_SLIPS = {  # in the source of slides.backward: what stands there, what a slip makes of it
    "the future of the top layer is overwritten": ("dh[t, L] += dz_o", "dh[t, L] = dz_o"),
    "the future of a lower layer is overwritten": ("dh[t, l - 1] +=", "dh[t, l - 1] ="),
    "nothing flows back in time": ("dh[t - 1, l] = dz @ W_r[l]", "dh[t - 1, l] = 0 * dz"),
    "W_r is transposed": ("= dz @ W_r[l]", "= W_r[l] @ dz"),
    "W_c is overwritten at every step": ("dW_c[l] +=", "dW_c[l] ="),
    "W_r sees h(t) for h(t-1)": ("np.outer(dz, h[t - 1, l])", "np.outer(dz, h[t, l])"),
    "the bias sees the last step only": ("db[l] += dz", "db[l] = dz"),
    "the last step is left out": ("range(T - 1, -1, -1)", "range(T - 2, -1, -1)"),
    "the slope is taken at the wrong layer": (
        "jacobian(h[t, l], z[t, l])", "jacobian(h[t, L], z[t, L])",
    ),
    "the output's Jacobian is forgotten": ("dY[t] @ jacobian_o(Y[t], z_o[t])", "dY[t]"),
    "W_o sees the layer below": ("np.outer(dz_o, h[t, L])", "np.outer(dz_o, h[t, L - 1])"),
}  # fmt: skip


def small_agreement(divergence="cross-entropy", **options):
    rng = np.random.default_rng(1)
    output = "identity" if divergence == "squared error" else "softmax"
    # H = I, so that slips which mix up layers still have shapes that fit.
    network, x, D, h_0 = case(rng, 3, 2, 3, 3, 2, 2, output, **options)
    return verify(network, x, D, divergence, h_0)


def networks_that_use(primitive):
    if primitive == "relu":
        return {"nonlinearity": "relu"}
    return {"divergence": "squared error"} if primitive == "multiply" else {}


@pytest.mark.parametrize("slip", RULE_SLIPS)
def test_a_wrong_rule_is_caught(slip, monkeypatch):
    primitive, number, wrong = RULE_SLIPS[slip]
    op = REGISTRY[primitive]
    assert small_agreement(**networks_that_use(primitive)).agrees
    rules = list(op.rules)
    rules[number] = wrong
    monkeypatch.setattr(op, "rules", tuple(rules))
    monkeypatch.setattr(op, "variants", {})
    assert not small_agreement(**networks_that_use(primitive)).agrees


@pytest.mark.parametrize("slip", SLIDE_SLIPS)
def test_a_slip_in_the_explicit_bptt_is_caught(slip, monkeypatch):
    right, wrong = SLIDE_SLIPS[slip]
    source = inspect.getsource(slides.backward)
    assert source.count(right) == 1, "the slide's line has changed; change the slip too"
    names = dict(vars(slides))
    exec(re.sub(re.escape(right), wrong, source), names)
    monkeypatch.setattr(bptt, "backward", names["backward"])
    assert not small_agreement().agrees


def test_a_state_cut_out_of_the_graph_is_caught(monkeypatch):
    step = CELLS["tanh"].step

    def forgetful(x, state, *weights):  # Elman's blocked link, where nobody asked for it
        return step(x, tuple(h.detach() for h in state), *weights)

    monkeypatch.setitem(CELLS, "tanh", CELLS["tanh"]._replace(step=forgetful))
    assert not small_agreement().agrees


def test_pieces_that_overwrite_each_other_are_caught(monkeypatch):
    scatter = REGISTRY["scatter"]

    def last_wins(*args):
        *pieces, keys, shape, dtype = args
        out = np.zeros(shape, dtype)
        for key, piece in zip(keys, pieces, strict=True):
            out[...] = 0
            out[key] = piece
        return out

    monkeypatch.setattr(scatter, "forward", last_wins)
    monkeypatch.setattr(scatter, "variants", {})
    assert not small_agreement().agrees
