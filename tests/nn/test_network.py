"""RecurrentNetwork: its cells, sequences of several lengths, and the names of its parameters."""

import numpy as np
import pytest

from minitorch_rnn import agreement, nn

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
T, B, I, H, O = 6, 3, 2, 4, 5  # noqa: E741


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_network_is_the_layers_of_its_cell_and_an_output_layer(cell, bidirectional, rng):
    network = nn.RecurrentNetwork(
        I, H, O, "identity", cell=cell, num_layers=2, bidirectional=bidirectional
    )
    assert type(network.rnn) is LAYERS[cell]
    assert network.output.weight.shape == (O, H * (1 + bidirectional))
    x = rng.normal(size=(T, B, I))
    Y, last = network(x)
    states, expected = network.rnn(x)
    np.testing.assert_array_equal(Y.data, network.output(states).data)
    pairs = zip(last, expected, strict=True) if cell == "lstm" else [(last, expected)]
    for one, other in pairs:
        np.testing.assert_array_equal(one.data, other.data)


@pytest.mark.parametrize("cell", LAYERS)
def test_a_short_sequence_has_the_outputs_it_has_alone(cell, rng):
    network = nn.RecurrentNetwork(I, H, O, cell=cell, bidirectional=True)
    x, lengths = rng.normal(size=(T, B, I)), [6, 3, 1]
    for outputs in (network(x, lengths=lengths), network.logits(x, lengths=lengths)):
        assert outputs[0].shape == (T, B, O)
    Y = network(x, lengths=lengths)[0].data
    for b, n in enumerate(lengths):
        alone = network(x[:n, b : b + 1])[0].data
        np.testing.assert_allclose(Y[:n, b : b + 1], alone, rtol=1e-12)


def test_without_a_cell_it_is_the_network_of_slide_72():
    same = [nn.RecurrentNetwork(I, H, O, rng=np.random.default_rng(0), **cell)
            for cell in ({}, {"cell": "rnn"})]  # fmt: skip
    first, second = (network.state_dict() for network in same)
    assert list(first) == list(second) and type(same[0].rnn) is nn.RNN
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])


def test_a_cell_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="cell is 'LSTM'; known are 'rnn', 'lstm', 'gru'"):
        nn.RecurrentNetwork(I, H, O, cell="LSTM")


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_all_roads_agree_on_the_gradients_of_a_network_of_gates(cell, rng):
    network = nn.RecurrentNetwork(I, H, O, cell=cell, rng=rng)
    x, D = rng.normal(size=(T, B, I)), rng.dirichlet(np.ones(O), size=(T, B))
    assert agreement.verify(network, x, D, "cross-entropy").agrees
