"""The networks of the lecture: each one's equations, parameters, fixed and blocked links."""

import re

import numpy as np
import pytest

from minitorch_rnn import column
from minitorch_rnn.column import (
    NETWORKS,
    Activation,
    bidirectional,
    complete_narx,
    cross_layer,
    delayed,
    elman,
    encoder_decoder,
    explicit_memory,
    gru,
    jordan,
    lstm,
    narx,
    narx_shaded,
    state_space,
    with_skips,
)
from minitorch_rnn.errors import ColumnError

I, H, O = 2, 3, 2

PRINTED = {  # slide or source: the network, and what it must print
    "41-42 one step": (narx(I, H, O, input_delays=0, output_delays=1), """\
narx
  h(t) = tanh(W x(t) + W Y(t-1) + b)
  Y(t) = identity(W h(t) + b)"""),
    "43 several delays": (narx(I, H, O, 2, 3, "sigmoid", "softmax"), """\
narx
  h(t) = sigmoid(W x(t) + W x(t-1) + W x(t-2) + W Y(t-1) + W Y(t-2) + W Y(t-3) + b)
  Y(t) = softmax(W h(t) + b)"""),
    "44 complete": (complete_narx(I, H, O, T_max=3), """\
complete-narx
  h(t) = tanh(W x(t) + W x(t-1) + W x(t-2) + W Y(t-1) + W Y(t-2) + b)
  Y(t) = identity(W h(t) + b)"""),
    "44 complete, of a single column": (complete_narx(I, H, O, T_max=1), """\
complete-narx
  h(t) = tanh(W x(t) + b)
  Y(t) = identity(W h(t) + b)"""),
    "45 teacher-forced": (narx(I, H, O, 1, 2).teacher_forced(), """\
narx-forced
  h(t) = tanh(W x(t) + W x(t-1) + W D(t-1) + W D(t-2) + b)
  Y(t) = identity(W h(t) + b)"""),
    "46 explicit memory": (explicit_memory(I, H, O), """\
explicit-memory
  m(t) = tanh(W Y(t-1) + W h(t-1) + W m(t-1) + b)
  h(t) = tanh(W x(t) + W m(t) + b)
  Y(t) = identity(W h(t) + b)"""),
    "47 Jordan": (jordan(I, H, O, mu=0.25), """\
jordan
  m(t) = identity([Y(t-1)] + [0.25 m(t-1)])
  h(t) = sigmoid(W x(t) + W m(t) + b)
  Y(t) = identity(W h(t) + b)"""),
    "47 Jordan, running average": (jordan(I, H, O, mu=0.25, average=True), """\
jordan-average
  m(t) = identity([0.75 Y(t-1)] + [0.25 m(t-1)])
  h(t) = sigmoid(W x(t) + W m(t) + b)
  Y(t) = identity(W h(t) + b)"""),
    "48 Elman": (elman(I, H, O), """\
elman
  h(t) = tanh(W x(t) + [W h(t-1)] + b)
  Y(t) = identity(W h(t) + b)"""),
    "50-53, 64 one layer": (state_space(I, H, O), """\
state-space
  h1(t) = tanh(W x(t) + W h1(t-1) + b)
  Y(t) = identity(W h1(t) + b)"""),
    "54, 65, 72 several layers": (state_space(I, H, O, 3, output_activation="softmax"), """\
state-space-3
  h1(t) = tanh(W x(t) + W h1(t-1) + b)
  h2(t) = tanh(W h1(t) + W h2(t-1) + b)
  h3(t) = tanh(W h2(t) + W h3(t-1) + b)
  Y(t) = softmax(W h3(t) + b)"""),
    "66 two layers with skips": (with_skips(I, H, O), """\
with-skips
  h1(t) = tanh(W x(t) + W h1(t-1) + b)
  h2(t) = tanh(W h1(t) + W h2(t-1) + W x(t) + b)
  Y(t) = identity(W h2(t) + W h1(t) + b)"""),
    "55 all skips": (with_skips(I, H, O, 3, input_to_output=True), """\
with-skips
  h1(t) = tanh(W x(t) + W h1(t-1) + b)
  h2(t) = tanh(W h1(t) + W h2(t-1) + W x(t) + b)
  h3(t) = tanh(W h2(t) + W h3(t-1) + W x(t) + W h1(t) + b)
  Y(t) = identity(W h3(t) + W x(t) + W h1(t) + W h2(t) + b)"""),
    "56 a more complex state": (cross_layer(I, H, O, 3), """\
cross-layer
  h1(t) = tanh(W x(t) + W h1(t-1) + W h2(t-1) + W h3(t-1) + b)
  h2(t) = tanh(W h1(t) + W h2(t-1) + W h1(t-1) + W h3(t-1) + b)
  h3(t) = tanh(W h2(t) + W h3(t-1) + W h1(t-1) + W h2(t-1) + b)
  Y(t) = identity(W h3(t) + b)"""),
    "57 shades of NARX": (narx_shaded(I, H, O), """\
narx-shaded
  h1(t) = tanh(W x(t) + W h1(t-1) + W Y(t-1) + b)
  h2(t) = tanh(W h1(t) + W h2(t-1) + W Y(t-1) + b)
  Y(t) = identity(W h2(t) + b)"""),
    "58 other recurrences": (delayed(I, H, O), """\
delayed
  h1(t) = tanh(W x(t) + W h1(t-1) + W h1(t-2) + W h1(t-3) + b)
  Y(t) = identity(W h1(t) + b)"""),
    "96-100 bidirectional": (bidirectional(I, H, O), """\
bidirectional
  h_f(t) = tanh(W x(t) + W h_f(t-1) + b)
  h_b(t) = tanh(W x(t) + W h_b(t+1) + b)
  Y(t) = identity(W h_f(t) + W h_b(t) + b)"""),
    "deep bidirectional": (bidirectional(I, H, O, layers=2), """\
bidirectional-2
  h_f1(t) = tanh(W x(t) + W h_f1(t-1) + b)
  h_b1(t) = tanh(W x(t) + W h_b1(t+1) + b)
  h_f2(t) = tanh(W h_f1(t) + W h_b1(t) + W h_f2(t-1) + b)
  h_b2(t) = tanh(W h_f1(t) + W h_b1(t) + W h_b2(t+1) + b)
  Y(t) = identity(W h_f2(t) + W h_b2(t) + b)"""),
    "LSTM": (lstm(I, H, O), """\
lstm
  i(t) = sigmoid(W x(t) + W h(t-1) + b)
  f(t) = sigmoid(W x(t) + W h(t-1) + b)
  g(t) = tanh(W x(t) + W h(t-1) + b)
  o(t) = sigmoid(W x(t) + W h(t-1) + b)
  kept(t) = identity(f(t) * c(t-1))
  written(t) = identity(i(t) * g(t))
  c(t) = identity(kept(t) + written(t))
  squashed(t) = tanh(c(t))
  h(t) = identity(o(t) * squashed(t))
  Y(t) = identity(W h(t) + b)"""),
    "GRU": (gru(I, H, O), """\
gru
  q(t) = identity(W h(t-1) + b)
  r(t) = sigmoid(W x(t) + W h(t-1) + b)
  z(t) = sigmoid(W x(t) + W h(t-1) + b)
  kept(t) = identity(z(t) * h(t-1))
  reset(t) = identity(r(t) * q(t))
  n(t) = tanh(W x(t) + reset(t) + b)
  replaced(t) = identity(z(t) * n(t))
  h(t) = identity(n(t) + -1 replaced(t) + kept(t))
  Y(t) = identity(W h(t) + b)"""),
    "68 encoder-decoder": (encoder_decoder(I, H, O), """\
encoder-decoder
  read(t) = tanh(W x(t) + W e(t-1) + b)
  held(t) = identity(M phase(t) * e(t-1))
  taken(t) = identity(M phase(t) * read(t))
  e(t) = identity(taken(t) + held(t))
  write(t) = tanh(W e(t) + W d(t-1) + W Y(t-1) + b)
  d(t) = identity(M phase(t) * write(t))
  Y(t) = identity(W d(t) + b)"""),
}  # fmt: skip


@pytest.mark.parametrize("net, text", PRINTED.values(), ids=PRINTED)
def test_a_network_prints_the_equations_of_its_slide(net, text):
    assert str(net) == text


COUNTS = [  # weights, then biases, then histories, counted on the slide for I, H, O = 2, 3, 2
    pytest.param(narx(I, H, O), 3 * 6 + 6 + 6, 5, 2 * 2 + 2, id="narx"),
    pytest.param(explicit_memory(I, H, O), 6 + 9 + 9 + 6 + 9 + 6, 8, 3 + 3 + 2, id="memory"),
    pytest.param(jordan(I, H, O), 6 + 6 + 6, 5, 0, id="jordan"),
    pytest.param(state_space(I, H, O, 2), 6 + 9 + 9 + 9 + 6, 8, 6, id="state-space"),
    pytest.param(with_skips(I, H, O), 6 + 9 + 9 + 9 + 6 + 6 + 6, 8, 6, id="with-skips"),
    pytest.param(delayed(I, H, O, 4), 6 + 4 * 9 + 6, 5, 4 * 3, id="delayed"),
    pytest.param(bidirectional(I, H, O), 2 * (6 + 9 + 6), 8, 6, id="bidirectional"),
    pytest.param(lstm(I, H, O), 4 * (6 + 9) + 6, 4 * 3 + 2, 6, id="lstm"),
    pytest.param(encoder_decoder(I, H, O), 6 + 3 * 9 + 6 + 6, 8, 8, id="encoder-decoder"),
    pytest.param(gru(I, H, O), 3 * (6 + 9) + 6, 4 * 3 + 2, 3, id="gru"),
]


@pytest.mark.parametrize("net, weights, biases, histories", COUNTS)
def test_a_network_learns_as_many_numbers_as_its_slide_has(net, weights, biases, histories):
    assert net.parameter_count == weights + biases + histories


def test_the_complete_narx_network_grows_linearly_with_the_length_of_the_sequence():
    for T in (1, 2, 3, 10, 50):
        weights = T * H * I + (T - 1) * H * O + O * H
        assert complete_narx(I, H, O, T_max=T).parameter_count == weights + H + O


def test_delays_and_layers_may_be_numpy_integers():
    one, two, three = (np.int64(n) for n in (1, 2, 3))
    assert narx(I, H, O, two, three) == narx(I, H, O, 2, 3)
    assert complete_narx(I, H, O, three) == complete_narx(I, H, O, 3)
    assert delayed(I, H, O, one) == delayed(I, H, O, 1)
    assert bidirectional(I, H, O, two) == bidirectional(I, H, O, 2)
    assert with_skips(I, H, O, three) == with_skips(I, H, O, 3)


def test_in_jordans_network_the_links_into_the_memory_are_fixed_and_blocked():
    for average, gain in ((False, 1.0), (True, 0.25)):
        net = jordan(I, H, O, mu=0.75, average=average)
        fixed = {e.name: net.weight(e) for e in net.blocked}
        assert fixed == {"Y(t-1)->m": gain, "m(t-1)->m": 0.75}
        assert net.into["m"] == net.blocked
        assert set(net.shapes) == {"weight.x->h", "weight.m->h", "weight.h->Y", "bias.h", "bias.Y"}


@pytest.mark.parametrize("mu", [np.float32(0.5), np.float64(0.5)])
@pytest.mark.parametrize("average", [False, True])
def test_the_memory_of_jordans_network_may_be_a_numpy_number(mu, average):
    net = jordan(I, H, O, mu=mu, average=average)
    assert net == jordan(I, H, O, mu=0.5, average=average)
    assert net.to_json() == jordan(I, H, O, mu=0.5, average=average).to_json()


def test_elmans_link_is_learned_and_blocked():
    assert [e.name for e in elman(I, H, O).blocked] == ["h(t-1)->h"]
    assert elman(I, H, O).shapes["weight.h(t-1)->h"] == (H, H)


@pytest.mark.parametrize("network, remembered", [(jordan, {"m", "Y"}), (elman, {"h"})])
def test_the_memory_behind_a_blocked_link_starts_at_zero_unless_one_says_else(network, remembered):
    assert {node.history for node in network(I, H, O).nodes} == {"zeros"}
    for history in ("given", "learned"):
        nodes = network(I, H, O, history=history).nodes
        assert {node.name for node in nodes if node.history == history} == remembered


def test_elmans_network_unblocked_is_the_state_space_network():
    lines = str(state_space(I, H, O)).replace("h1", "h").splitlines()
    assert str(elman(I, H, O).unblocked()).splitlines()[1:] == lines[1:]


def test_every_other_network_has_the_full_gradient():
    blocked = {name for name, network in NETWORKS.items() if network(I, H, O).blocked}
    assert blocked == {"jordan", "elman"}


@pytest.mark.parametrize("network", [with_skips, cross_layer])
def test_with_a_single_layer_there_is_nothing_to_skip_or_to_cross(network):
    assert network(I, H, O, layers=1).edges == state_space(I, H, O).edges


def test_each_gate_of_the_encoder_decoder_reads_its_own_phase():
    net = encoder_decoder(I, H, O)
    phases = {e.target: e.weight for e in net.edges if e.source == "phase"}
    reading, writing = ((1.0, 0.0),) * H, ((0.0, 1.0),) * H
    assert phases == {"taken": reading, "held": writing, "d": writing}


OWN = Activation("square", lambda xp, z: z * z, lambda da, y, z: 2 * da * z)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_every_network_takes_an_output_function(network):
    for function in ("softmax", OWN):
        net = network(I, H, O, output_activation=function)
        assert net.output == "Y" and net.node["Y"].activation == function
        assert net.inputs["x"].size == I and net.node["Y"].size == O


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_names_its_slide_or_its_paper(name):
    assert getattr(column, name.replace("-", "_")) is NETWORKS[name]
    source = NETWORKS[name].__doc__.partition("Source: ")[2]
    assert re.search(r"slides? \d+|\((19|20)\d\d\)", source)


WRONG = {
    "input delays": ("narx:|input_delays is -1|from 0", lambda: narx(I, H, O, -1, 1)),
    "output delays": ("narx:|output_delays is 0|from 1", lambda: narx(I, H, O, 0, 0)),
    "input delays of a word": ("narx:|input_delays is '2'", lambda: narx(I, H, O, "2", 1)),
    "history": ("narx:|'x'|history is 'ones'", lambda: narx(I, H, O, history="ones")),
    "mu nan": ("jordan:|mu is nan|a finite number", lambda: jordan(I, H, O, mu=float("nan"))),
    "mu that overflows": ("jordan:|mu is 1000|a finite", lambda: jordan(I, H, O, mu=10**400)),
    "mu that overflows an average": (
        "jordan:|mu is 1000|a finite number", lambda: jordan(I, H, O, mu=10**400, average=True)
    ),
}  # fmt: skip
for f in (state_space, with_skips, cross_layer, narx_shaded, bidirectional):
    for n in (0, -1, "2", 1.5, True, None):
        WRONG[f"{n!r} layers of {f.__name__}"] = (
            f"layers is {n!r}|from 1", lambda f=f, n=n: f(I, H, O, layers=n)
        )  # fmt: skip
for n in (0, -1, "2", 2.0, True, None):
    WRONG[f"T_max {n!r}"] = (
        f"complete_narx:|T_max is {n!r}|from 1", lambda n=n: complete_narx(I, H, O, T_max=n)
    )  # fmt: skip
    WRONG[f"delays {n!r}"] = (
        f"delayed:|delays is {n!r}|from 1", lambda n=n: delayed(I, H, O, delays=n)
    )  # fmt: skip
for mu in ("0.5", None, True, [0.5], 1j):
    for average in (False, True):
        WRONG[f"mu {mu!r}{', average' * average}"] = (
            f"jordan:|mu is {mu!r}|a finite number", lambda mu=mu, a=average: jordan(I, H, O, mu, a)
        )  # fmt: skip
for f in NETWORKS.values():
    size = "encoder_decoder: H" if f is encoder_decoder else "size"
    for n in (0, "3", 2.5, None):
        WRONG[f"{n!r} units of {f.__name__}"] = (
            f"{size} is {n!r}|from 1", lambda f=f, n=n: f(I, n, O)
        )  # fmt: skip


@pytest.mark.parametrize("parts, wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_argument_of_a_network_is_told(parts, wrong):
    with pytest.raises(ColumnError) as caught:
        wrong()
    assert [part for part in parts.split("|") if part not in str(caught.value)] == [], caught.value
