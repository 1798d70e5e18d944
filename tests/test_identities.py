"""The identities of the lecture, each a test by its name: float64, to 1e-12."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import bptt
from minitorch_rnn.agreement.networks import draw_histories
from minitorch_rnn.bptt import divergences, rtrl, slides, truncated, units
from minitorch_rnn.bptt.divergences import DIVERGENCES
from minitorch_rnn.column import (
    NETWORKS,
    VARIANTS,
    Activation,
    chunked,
    per_loss_window,
    phases,
    williams_peng,
)

T, B, I, H, O = 6, 2, 3, 5, 4
SAME = {"rtol": 1e-12, "atol": 1e-13}
FORWARD = [name for name in NETWORKS if name != "bidirectional"]


def drawn(column, rng, T=T):
    """A column's parameters, inputs, trace, and dDIV/dY(t) of a divergence that is no sum."""
    network = mt.nn.ColumnNetwork(column, rng=rng)
    draw_histories(network, rng)
    params = network.state_dict()
    x = {n: rng.normal(size=(T, B, node.size)) for n, node in column.inputs.items()}
    trace = bptt.column.forward(column, params, x)
    D = rng.normal(size=trace.Y.shape)
    return params, x, trace, DIVERGENCES["soft worst step"].gradient(trace.Y, D)


def same(a, b, names=None):
    for name in names or a:
        assert_allclose(a[name], b[name], **SAME, err_msg=name)


def everything(found):
    """Gradients of any kind in one dictionary."""
    return (
        found.parameters
        | {f"history({n})": h for n, h in found.histories.items()}
        | {f"dz({n})": g for n, g in found.dz.items()}
        | {f"da({n})": g for n, g in found.da.items()}
    )


@pytest.mark.parametrize("L", [1, 2, 3])
def test_slide_94_is_the_components_is_the_general_recurrence_is_the_graph(rng, L):
    column = mt.column.state_space(I, H, O, L, output_activation="softmax")
    params, x, trace, dY = drawn(column, rng)
    general = bptt.column.backward(column, params, trace, dY)

    network = mt.nn.ColumnNetwork(column)
    network.load_state_dict(params)
    X = mt.tensor(x["x"], requires_grad=True)
    network(X)[0].backward(dY)
    graph = {name: p.grad.numpy() for name, p in network.named_parameters()}
    same(general.parameters, graph)
    assert_allclose(X.grad.numpy(), general.da["x"], **SAME)

    named = as_on_the_slides(params, L)
    for explicit in (slides, units):
        total = dict.fromkeys(params, 0.0)
        for b in range(B):
            h_init = {l: params[f"history.h{l}"][0] for l in range(1, L + 1)}
            on_slides = slides.forward(named, x["x"][:, b], h_init)
            d = explicit.backward(named, on_slides, dY[:, b])
            assert_allclose(general.da["x"][:, b], d["x"], **SAME)
            d["history"] = {l: d["h_init"][l][None] for l in d["h_init"]}
            total = {name: total[name] + slide_gradient(d, name, L) for name in params}
        same(total, general.parameters)


@pytest.mark.torch
@pytest.mark.parametrize("name", NETWORKS)
def test_the_general_recurrence_is_pytorch(rng, name):
    from minitorch_rnn.agreement import pytorch
    from minitorch_rnn.column import Window

    column = NETWORKS[name](I, H, O, output_activation="softmax")
    params, x, trace, dY = drawn(column, rng)
    found = bptt.column.backward(column, params, trace, dY)
    theirs = pytorch.gradients(column, params, x, {}, dY, [Window(range(T), -1)])
    same(everything(found), theirs, [*params, *(f"dz({n})" for n in found.dz)])


def as_on_the_slides(params, L):
    layers = range(1, L + 1)
    return {
        "W_c": {l: params[f"weight.{'x' if l == 1 else f'h{l - 1}'}->h{l}"] for l in layers},
        "W_r": {l: params[f"weight.h{l}(t-1)->h{l}"] for l in layers},
        "b": {l: params[f"bias.h{l}"] for l in layers},
        "W_o": params[f"weight.h{L}->Y"],
        "b_o": params["bias.Y"],
    }


def slide_gradient(d, name, L):
    """The slides' gradient of what a state-space column calls `name`."""
    kind, _, of = name.partition(".")
    if of in ("Y", f"h{L}->Y"):
        return d["b_o" if kind == "bias" else "W_o"]
    l = int(of.split("->")[-1].removeprefix("h"))
    if kind == "weight":
        return d["W_r" if "(t-1)" in of else "W_c"][l]
    return d["b" if kind == "bias" else "history"][l]


def test_a_summed_divergence_is_a_general_one(rng):
    column = mt.column.state_space(I, H, O)
    network = mt.nn.ColumnNetwork(column, rng=rng)
    x, D = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))

    def whole(xp, Y, D):  # of the whole series at once
        return 0.5 * ((Y - D).reshape(-1, O) ** 2).sum()

    Y = mt.tensor(network(x)[0].detach().numpy(), requires_grad=True)
    whole(mt, Y, mt.tensor(D)).backward()
    assert_allclose(Y.grad.numpy(), divergences.SQUARED.gradient(Y.detach().numpy(), D), **SAME)
    assert mt.verify(network, x, D, lambda Y, D: whole(None, Y, D))


def test_a_scalar_activation_is_a_vector_one_with_a_diagonal_jacobian(rng):
    def diagonal(da, y, z):
        J = np.einsum("...i,ij->...ij", 1 - y * y, np.eye(y.shape[-1]))
        return np.einsum("...i,...ij->...j", da, J)

    tanh = Activation("tanh by its Jacobian", lambda xp, z: xp.tanh(z), diagonal)
    scalar = mt.column.cross_layer(I, H, O)
    vector = dataclasses.replace(
        scalar,
        nodes=tuple(
            dataclasses.replace(node, activation=tanh) if node.activation == "tanh" else node
            for node in scalar.nodes
        ),
    )
    params, _, trace, dY = drawn(scalar, rng)
    found = bptt.column.backward(scalar, params, trace, dY)
    same(everything(found), everything(bptt.column.backward(vector, params, trace, dY)))


def test_a_brnn_with_zero_backward_weights_is_the_forward_rnn(rng):
    both, one = mt.column.bidirectional(I, H, O), mt.column.state_space(I, H, O)
    params, x, trace, dY = drawn(both, rng)
    for name in params:
        if "h_b" in name:
            params[name][...] = 0
    name_in_one = {
        "weight.x->h_f": "weight.x->h1", "weight.h_f(t-1)->h_f": "weight.h1(t-1)->h1",
        "weight.h_f->Y": "weight.h1->Y", "bias.h_f": "bias.h1", "bias.Y": "bias.Y",
        "history.h_f": "history.h1",
    }  # fmt: skip
    plain = {theirs: params[ours] for ours, theirs in name_in_one.items()}
    trace = bptt.column.forward(both, params, x)
    alone = bptt.column.forward(one, plain, x)
    assert_allclose(trace.Y, alone.Y, **SAME)
    d = bptt.column.backward(both, params, trace, dY)
    d_alone = bptt.column.backward(one, plain, alone, dY)
    for ours, theirs in name_in_one.items():
        assert_allclose(d.parameters[ours], d_alone.parameters[theirs], **SAME, err_msg=ours)
    assert_allclose(d.da["x"], d_alone.da["x"], **SAME)


def test_a_brnn_of_the_reversed_input_is_the_reversed_brnn_with_swapped_nets(rng):
    column = mt.column.bidirectional(I, H, O)
    params, x, trace, dY = drawn(column, rng)

    def swapped(name):
        swap = name.translate(str.maketrans("fb", "bf")) if "h_" in name else name
        swap = swap.replace("fias", "bias")
        return swap.replace("(t-1)", "(t*1)").replace("(t+1)", "(t-1)").replace("(t*1)", "(t+1)")

    mirrored = {swapped(name): p for name, p in params.items()}
    assert set(mirrored) == set(params)
    backwards = bptt.column.forward(column, mirrored, x["x"][::-1])
    assert_allclose(backwards.Y[::-1], trace.Y, **SAME)
    d = bptt.column.backward(column, params, trace, dY)
    d_mirrored = bptt.column.backward(column, mirrored, backwards, dY[::-1])
    for name in params:
        assert_allclose(d.parameters[name], d_mirrored.parameters[swapped(name)], **SAME)
    assert_allclose(d.da["x"], d_mirrored.da["x"][::-1], **SAME)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_five_variants_are_masks_and_a_masked_step_contributes_exactly_0(rng, variant):
    masks = VARIANTS[variant](T)
    ins, outs = np.array(masks.inputs), np.array(masks.outputs)
    network = mt.nn.ColumnNetwork(mt.column.narx_shaded(I, H, O), rng=rng)
    x, D = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, O))
    masked = divergences.masked(divergences.SQUARED, masks.outputs)

    def run(x, D):
        X = mt.tensor(x, requires_grad=True)
        Y, _ = network(X, variant=masks)
        Y.requires_grad_()
        value = masked.value(mt, Y, mt.tensor(D))
        sources = [X, *network.parameters()]
        slopes = mt.autograd.grad(value, sources, allow_unused=True, retain_graph=True)
        (dY,) = mt.autograd.grad(value, Y)
        return value.item(), [None if g is None else g.numpy() for g in (*slopes, dY)]

    value, (dX, *rest) = run(x, D)
    *_, dY = rest
    assert not dX[~ins].any() and not dY[~outs].any()  # exactly
    assert outs.all() or dY[outs].any()
    x[~ins], D[~outs] = np.nan, np.nan
    again, (dX_again, *rest_again) = run(x, D)
    assert again == value and (dX_again == dX).all()
    for a, b in zip(rest, rest_again, strict=True):
        assert (a is None and b is None) or (a == b).all()


def test_the_encoder_decoder_contributes_exactly_0_where_it_is_gated(rng):
    column = mt.column.encoder_decoder(I, H, O)
    params, x, _, dY = drawn(column, rng)
    variant = VARIANTS["delayed"](T)
    x["phase"] = np.array(phases(variant, B))
    outs = np.array(variant.outputs)
    trace = bptt.column.forward(column, params, x)
    d = bptt.column.backward(column, params, trace, np.where(outs[:, None, None], dY, 0))
    assert not trace.at("d")[~outs].any()  # the decoder is silent while the encoder reads
    assert (trace.at("e")[outs] == trace.at("e")[2]).all()  # and the encoder keeps what it read
    assert not d.da["x"][outs].any() and not d.dz["write"][~outs].any()
    assert d.da["x"][~outs].all()


@pytest.mark.parametrize("name", FORWARD)
def test_all_columns_are_identical(rng, name):
    # One column more, with no divergence there, changes no gradient of the first T.
    column = NETWORKS[name](I, H, O)
    params, x, trace, dY = drawn(column, rng)
    exact = everything(bptt.column.backward(column, params, trace, dY))
    longer = {n: np.concatenate([v, rng.normal(size=(1, *v.shape[1:]))]) for n, v in x.items()}
    trace = bptt.column.forward(column, params, longer)
    masked = bptt.column.backward(column, params, trace, np.pad(dY, ((0, 1), (0, 0), (0, 0))))
    for quantity, g in everything(masked).items():
        if quantity.startswith("d"):  # dz and da have a column more, which is exactly 0
            assert not g[T:].any(), quantity
            g = g[:T]
        assert_allclose(g, exact[quantity], **SAME, err_msg=quantity)


def test_all_columns_are_identical_and_the_backward_net_starts_where_the_longer_one_was(rng):
    column = mt.column.bidirectional(I, H, O)
    params, longer, trace, dY = drawn(column, rng, T + 1)
    dY[T] = 0
    more = bptt.column.backward(column, params, trace, dY)
    end = trace.at("h_b")[T:]  # h_b(T), which the shorter sequence takes for its h_b(∞)
    shorter = bptt.column.forward(column, params, longer["x"][:T], {"h_b": end})
    assert_allclose(shorter.Y, trace.Y[:T], **SAME)
    less = bptt.column.backward(column, params, shorter, dY[:T])
    assert_allclose(less.da["x"], more.da["x"][:T], **SAME)
    assert_allclose(less.histories["h_b"], more.da["h_b"][T:], **SAME)
    for node in ("h_f", "Y"):
        assert_allclose(less.dz[node], more.dz[node][:T], **SAME)


def test_one_layer_of_delay_1_is_nn_rnn_with_the_sum_of_its_biases(rng):
    rnn = mt.nn.RNN(I, H, rng=rng)
    state = rnn.state_dict()
    column = mt.column.Column(
        "rnn",
        (mt.column.Input("x", I), mt.column.Layer("h", H, history="given")),
        (mt.column.Edge("x", "h"), mt.column.Edge("h", "h", 1)),
        "h",
    )
    network = mt.nn.ColumnNetwork(column)
    network.load_state_dict({
        "weight.x->h": state["weight_ih_l0"], "weight.h(t-1)->h": state["weight_hh_l0"],
        "bias.h": state["bias_ih_l0"] + state["bias_hh_l0"],
    })  # fmt: skip
    x, h_0 = rng.normal(size=(T, B, I)), rng.normal(size=(1, B, H))
    v = rng.normal(size=(T, B, H))
    ours, _ = network(x, {"h": h_0})
    theirs, _ = rnn(x, h_0)
    assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), **SAME)
    (ours * v).sum().backward()
    (theirs * v).sum().backward()
    for a, b in [
        (network.weight["x->h"], rnn.weight_ih_l0), (network.bias["h"], rnn.bias_ih_l0),
        (network.weight["h(t-1)->h"], rnn.weight_hh_l0), (network.bias["h"], rnn.bias_hh_l0),
    ]:  # fmt: skip
        assert_allclose(a.grad.numpy(), b.grad.numpy(), **SAME)


@pytest.mark.parametrize("name", FORWARD)
def test_real_time_recurrent_learning_is_bptt(rng, name):
    column = NETWORKS[name](I, H, O)
    params, _, trace, dY = drawn(column, rng)
    found = bptt.column.backward(column, params, trace, dY).parameters
    same(found, rtrl.gradients(column, params, trace, dY))


FULL = [chunked(T), chunked(T + 3), per_loss_window(T), williams_peng(T, 1), williams_peng(T, 4)]


@pytest.mark.parametrize("truncation", FULL, ids=lambda t: t.name)
@pytest.mark.parametrize("name", FORWARD)
def test_truncation_at_k_of_at_least_T_is_full_bptt(rng, name, truncation):
    column = NETWORKS[name](I, H, O)
    params, _, trace, dY = drawn(column, rng)
    full = bptt.column.backward(column, params, trace, dY)
    same(everything(full), everything(truncated.backward(column, params, trace, dY, truncation)))


def test_a_per_loss_window_of_0_is_the_blocked_elman_net(rng):
    elman, open_ = mt.column.elman(I, H, O), mt.column.elman(I, H, O).unblocked()
    params, _, trace, dY = drawn(elman, rng)
    blocked = bptt.column.backward(elman, params, trace, dY)
    window = truncated.backward(open_, params, trace, dY, per_loss_window(0))
    same(everything(blocked), everything(window))
    assert not window.histories["h"].any()


@pytest.mark.parametrize("k", [1, 2, 4, 5])
@pytest.mark.parametrize("name", FORWARD)
def test_williams_peng_with_h_equal_to_h_prime_is_chunked(rng, name, k):
    assert williams_peng(k, k).windows(T) == chunked(k).windows(T)
    column = NETWORKS[name](I, H, O)
    params, _, trace, dY = drawn(column, rng)
    a, b = (
        truncated.backward(column, params, trace, dY, t) for t in (williams_peng(k, k), chunked(k))
    )
    same(everything(a), everything(b))


@pytest.mark.parametrize("a, b", [(chunked(2), per_loss_window(2)),
                                  (per_loss_window(2), williams_peng(3, 2)),
                                  (chunked(2), williams_peng(3, 2))])  # fmt: skip
def test_the_three_definitions_of_truncation_do_not_agree(rng, a, b):
    column = mt.column.state_space(I, H, O)
    params, _, trace, dY = drawn(column, rng)
    first, second = (
        truncated.backward(column, params, trace, dY, t).parameters["weight.h1(t-1)->h1"]
        for t in (a, b)
    )
    assert np.abs(first - second).max() > 1e-3
