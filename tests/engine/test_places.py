"""Where operations are made: time steps, modules, nodes and edges."""

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import Place, record_places
from minitorch_rnn.engine import places as engine_places
from minitorch_rnn.engine import scope
from minitorch_rnn.errors import NonFiniteError


def graph_of(tensor):
    found, waiting = {}, [tensor]
    while waiting:
        y = waiting.pop()
        if y._index not in found and y._op is not None:
            found[y._index] = y
            waiting += [x for x in y._inputs if isinstance(x, mt.Tensor)]
    return list(found.values())


class Model(nn.Module):
    def __init__(self, rng):
        self.rnn = nn.RNN(2, 3, num_layers=2, bidirectional=True, road="graph", rng=rng)
        self.heads = [nn.Linear(6, 1, rng=rng)]

    def forward(self, x):
        return self.heads[0](self.rnn(x)[0]).sum()


def test_operations_are_placed_by_path_of_module_layer_and_time_step(rng):
    model = Model(rng)
    with record_places(model) as places:
        loss = model(np.ones((3, 1, 2)))
    found = {places.of(y) for y in graph_of(loss)}
    for layer in ("l0", "l0_reverse", "l1", "l1_reverse"):
        assert {Place(t, ("rnn", layer)) for t in range(3)} <= found
    assert Place(None, ("heads.0",)) in found and None not in found
    assert places.of(loss) == Place(None, ())


def test_without_a_model_modules_are_called_by_their_class(rng):
    model = Model(rng)
    with record_places() as places:
        loss = model(np.ones((1, 1, 2)))
    assert {place.names[:2] for place in places} >= {("Model", "RNN"), ("Model", "Linear")}
    assert places.of(loss).names == ("Model",)


def test_in_a_column_an_operation_knows_its_node_its_edge_and_its_time(rng):
    network = nn.ColumnNetwork(mt.column.state_space(2, 3, 1), rng=rng)
    with record_places() as places:
        a = network.unroll({"x": mt.ones(2, 1, 2)})
        a["Y"][1].sum()
    found = set(places)
    for t in range(2):
        assert Place(t, ("h1",)) in found and Place(t, ("h1", "h1(t-1)->h1")) in found
        assert places.of(a["h1"][t]) == Place(t, ("h1",))


def test_a_block_ends_also_by_an_error_and_notes_nothing_afterwards():
    with pytest.raises(ZeroDivisionError), record_places() as places, scope("here"):
        inside = mt.ones(1, requires_grad=True) * 2
        raise ZeroDivisionError
    outside = inside * 2
    assert places.of(inside) == Place(None, ("here",)) and places.of(outside) is None
    assert not engine_places.watchers
    assert places.of(mt.ones(1)) is None


def test_blocks_nest_and_each_notes_what_it_sees():
    with record_places() as outer:
        a = mt.ones(1, requires_grad=True) * 2
        with record_places() as inner, scope("inner"):
            b = a * 2
    assert outer.of(b) == inner.of(b) == Place(None, ("inner",))
    assert inner.of(a) is None and outer.of(a) is not None


def test_a_loop_that_an_error_left_leaves_no_time_step_behind():
    with record_places() as places:
        steps = mt.autograd.time_steps(range(3))  # kept, as a debugger keeps the frames of an error
        next(steps)
    assert engine_places.current_step() is None
    with places:
        outside = mt.ones(1, requires_grad=True) * 2
    assert places.of(outside) == Place(None, ())


def test_the_same_places_may_be_entered_again_inside():
    with record_places() as places:
        with places:
            pass
        y = mt.ones(1, requires_grad=True) * 2
    assert places.of(y) is not None and not engine_places.watchers


def test_it_goes_together_with_anomaly_mode():
    with record_places() as places, mt.autograd.detect_anomaly():
        for _ in mt.autograd.time_steps(range(2)):
            y = mt.ones(1, requires_grad=True) * 2
        with pytest.raises(NonFiniteError, match="log"):
            (y * -1).log()
    assert places.of(y).step == 1


def test_values_and_gradients_do_not_change_by_being_watched(rng):
    model, x = Model(rng), rng.normal(size=(3, 1, 2))
    plain = model(x)
    with record_places(model):
        watched = model(x)
    assert plain.item() == watched.item()


def test_places_are_noted_on_every_backend(backend, rng):
    with mt.use(backend):
        model = Model(rng)
        with record_places(model) as places:
            model(mt.ones(2, 1, 2))
    assert Place(1, ("rnn", "l1_reverse")) in set(places)
