"""Columns: every way of declaring one wrongly, and what a right one says of itself."""

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest

from minitorch_rnn import column
from minitorch_rnn.column import NETWORKS, Activation, Column, Edge, Input, Layer, Product
from minitorch_rnn.errors import ColumnError

NODES = (Input("x", 2), Layer("h", 3), Layer("Y", 1, "identity"))
EDGES = (Edge("x", "h"), Edge("h", "Y"))
OWN = Activation("cube", lambda xp, z: z**3, lambda da, y, z: da * 3 * z**2)


def joined(*more, nodes=NODES, output="Y", name="net"):
    """x -> h -> Y, and whatever else is wanted."""
    return Column(name, nodes, EDGES + more, output)


def hidden(h, *more):
    """The same with another node h."""
    return joined(*more, nodes=(NODES[0], h, NODES[2]))


def two_ways(*edges):
    """A forward node f and a backward node b between x and Y."""
    nodes = (Input("x", 2), Layer("f", 3), Layer("b", 3, direction="backward"), Layer("Y", 1))
    return Column("net", nodes, (Edge("x", "f"), Edge("x", "b"), Edge("f", "Y"), *edges), "Y")


WRONG = {
    "a name that is no string": ("Column:|name is 5", lambda: joined(name=5)),
    "not a node": ("net:|('x', 2)|Input, Layer or Product",
                   lambda: joined(nodes=(("x", 2), *NODES[1:]))),
    "node name with a digit first": ("net:|'1h'|digit", lambda: hidden(Layer("1h", 3))),
    "node name with a dot": ("net:|'h.1'|letters", lambda: hidden(Layer("h.1", 3))),
    "duplicate node": ("net:|two nodes|'h'", lambda: joined(nodes=(*NODES, Product("h", 3)))),
    "size 0": ("node 'h'|size is 0|from 1", lambda: hidden(Layer("h", 0))),
    "size True": ("node 'x'|size is True", lambda: joined(nodes=(Input("x", True), *NODES[1:]))),
    "history": ("node 'h'|history is 'ones'|'zeros', 'given', 'learned'",
                lambda: hidden(Layer("h", 3, history="ones"))),
    "direction": ("node 'h'|direction is 'up'|'forward', 'backward'",
                  lambda: hidden(Layer("h", 3, direction="up"))),
    "activation": ("node 'h'|'than'|'identity', 'relu', 'sigmoid', 'softmax', 'tanh'|Activation",
                   lambda: hidden(Layer("h", 3, "than"))),
    "softmax of size 1": ("node 'Y'|softmax|size 1|sigmoid|size 2",
                          lambda: joined(nodes=(*NODES[:2], Layer("Y", 1, "softmax")))),
    "bias": ("node 'h'|bias is 'no'|True or False", lambda: hidden(Layer("h", 3, bias="no"))),
    "unknown source": ("Edge('g', 'h')|node 'g'|x, h, Y", lambda: joined(Edge("g", "h"))),
    "unknown target": ("Edge('h', 'g')|node 'g'|x, h, Y", lambda: joined(Edge("h", "g"))),
    "negative delay": ("Edge('h', 'h', delay=-1)|delay -1|from 0|backward",
                       lambda: joined(Edge("h", "h", -1))),
    "delay 1.0": ("Edge('h', 'h', delay=1.0)|delay 1.0", lambda: joined(Edge("h", "h", 1.0))),
    "delay True": ("Edge('h', 'h', delay=True)|delay True", lambda: joined(Edge("h", "h", True))),
    "one of several delays": ("delay=[1, -2]|delay -2", lambda: joined(Edge("h", "h", [1, -2]))),
    "empty delays": ("Edge('h', 'h', delay=[])|no delay", lambda: joined(Edge("h", "h", []))),
    "weight 'fixed'": ("Edge('h', 'h'|'fixed'|'learned', a number or a matrix",
                       lambda: joined(Edge("h", "h", 1, weight="fixed"))),
    "number between two sizes": ("Edge('x', 'h', delay=1|number 0.5|'x' has 2|'h' has 3",
                                 lambda: joined(Edge("x", "h", 1, weight=0.5))),
    "matrix of another shape": ("Edge('x', 'h'|2 rows of 3;|3 units in 'h'|2 in 'x'|(3, 2)",
                                lambda: joined(Edge("x", "h", 1, weight=[[1, 2, 3], [4, 5, 6]]))),
    "ragged matrix": ("Edge('x', 'h'|3 rows of 1 and 2;|(3, 2)",
                      lambda: joined(Edge("x", "h", 1, weight=[[1, 2], [3], [4, 5]]))),
    "matrix with inf": ("'Y'|is inf", lambda: joined(Edge("Y", "Y", 1, weight=[[math.inf]]))),
    "edge into an input": ("Edge('h', 'x', delay=1|the input 'x'|data",
                           lambda: joined(Edge("h", "x", 1))),
    "gradient": ("Edge('h', 'h', delay=1, gradient='none'|'full' and 'blocked'",
                 lambda: joined(Edge("h", "h", 1, gradient="none"))),
    "duplicate edge": ("Edge('x', 'h', name='again')|already|from 'x' to 'h'|delay 0",
                       lambda: joined(Edge("x", "h", name="again"))),
    "duplicate in a range": ("Edge('h', 'h', delay=2|already|delay 2",
                             lambda: joined(Edge("h", "h", 2), Edge("h", "h", range(1, 4)))),
    "two edges of one name": ("Edge('h', 'h'|two edges|'x->h'",
                              lambda: joined(Edge("h", "h", 1, name="x->h"))),
    "shares of unknown": ("Edge('h', 'h'|'W'|x->h, h->Y, h(t-1)->h",
                          lambda: joined(Edge("h", "h", 1, shares="W"))),
    "shares of a sharing edge": ("Edge('h', 'h', delay=3|'h(t-2)->h'|of its own", lambda: joined(
        Edge("h", "h", 1), Edge("h", "h", 2, shares="h(t-1)->h"),
        Edge("h", "h", 3, shares="h(t-2)->h"))),
    "fixed and shared": ("Edge('h', 'h', delay=2|'h(t-1)->h'|other none", lambda: joined(
        Edge("h", "h", 1), Edge("h", "h", 2, weight=1.0, shares="h(t-1)->h"))),
    "shares of another shape": ("Edge('h', 'h'|(3, 3)|'x->h'|(3, 2)",
                                lambda: joined(Edge("h", "h", 1, shares="x->h"))),
    "no input": ("net:|no Input", lambda: Column("net", NODES[1:], EDGES[1:], "Y")),
    "unknown output": ("net:|output is 'Z'|h, Y", lambda: joined(output="Z")),
    "an input as output": ("net:|output is 'x'|h, Y", lambda: joined(output="x")),
    "no incoming edge": ("node 'm'|no edge", lambda: joined(nodes=(*NODES, Product("m", 3)))),
    "history that is not read": ("node 'h'|history 'given'|no edge|'zeros'",
                                 lambda: hidden(Layer("h", 3, history="given"))),
    "self-loop of delay 0": ("delay 0|cycle|h -> h|needs a delay", lambda: joined(Edge("h", "h"))),
    "cycle of delay 0": ("delay 0|cycle|Y -> h -> Y|needs a delay", lambda: joined(Edge("Y", "h"))),
    "forward and backward": ("'f', which runs forward|'b', which runs backward",
                             lambda: two_ways(Edge("f", "b"), Edge("b", "f", 1))),
    "teacher forcing without feedback": ("net:|teacher_forced|output 'Y'|at least 1|none",
                                         lambda: joined(Edge("h", "h", 1)).teacher_forced()),
    "teacher forcing, name taken": ("net-forced:|two nodes|'h'",
                                    lambda: joined(Edge("Y", "h", 1)).teacher_forced("h")),
}  # fmt: skip


@pytest.mark.parametrize("parts, wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_column_is_told_by_its_node_or_its_edge(parts, wrong):
    with pytest.raises(ColumnError) as caught:
        wrong()
    assert isinstance(caught.value, ValueError)
    assert [part for part in parts.split("|") if part not in str(caught.value)] == [], caught.value


SEVERAL = [range(1, 4), [1, 2, 3], (1, 2, 3), {1, 2, 3}, frozenset({1, 2, 3}), np.arange(1, 4),
           [np.int64(1), np.int8(2), 3], iter((1, 2, 3))]  # fmt: skip


@pytest.mark.parametrize("several", SEVERAL, ids=lambda several: type(several).__name__)
def test_several_delays_become_one_edge_each_with_a_weight_of_its_own(several):
    net = joined(Edge("h", "h", several))
    assert {(e.name, e.delay): net.weight(e) for e in net.edges[2:]} == {
        ("h(t-1)->h", 1): "weight.h(t-1)->h",
        ("h(t-2)->h", 2): "weight.h(t-2)->h",
        ("h(t-3)->h", 3): "weight.h(t-3)->h",
    }
    assert net == joined(Edge("h", "h", 1), Edge("h", "h", 2), Edge("h", "h", 3))
    assert {type(e.delay) for e in net.edges} == {int}


@pytest.mark.parametrize("unordered", [set, frozenset])
def test_a_set_of_delays_is_written_out_in_order_and_a_list_as_it_stands(unordered):
    for several in ({64, 1, 8, 1000, 3}, {np.int64(64), 1, np.int64(8)}):
        net = joined(Edge("h", "h", unordered(several), name="R"))
        assert [(e.delay, e.name) for e in net.edges[2:]] == [
            (d, f"R[{d}]") for d in sorted(several)
        ]
    assert [e.delay for e in joined(Edge("h", "h", [64, 1, 8])).edges[2:]] == [64, 1, 8]


def test_an_edge_is_named_after_its_nodes_and_the_time_it_reads():
    net = two_ways(Edge("f", "f", 1), Edge("b", "b", (1, 2)), Edge("b", "Y", 3))
    own = ["f(t-1)->f", "b(t+1)->b", "b(t+2)->b", "b(t-3)->Y"]
    assert [e.name for e in net.edges] == ["x->f", "x->b", "f->Y", *own]


def test_the_name_of_several_edges_counts_their_delays():
    net = joined(Edge("h", "h", (1, 3), name="R"), Edge("Y", "h", 1, name="feedback"))
    assert [e.name for e in net.edges[2:]] == ["R[1]", "R[3]", "feedback"]


def test_a_node_is_read_as_far_back_as_its_longest_delay():
    assert joined().reach == {"x": (0, 0), "h": (0, 0), "Y": (0, 0)}
    net = joined(Edge("x", "Y", 2), Edge("h", "h", (1, 3)), Edge("Y", "h", 1), Edge("Y", "Y", 2))
    assert net.reach == {"x": (2, 0), "h": (3, 0), "Y": (2, 0)}


def test_a_backward_node_reads_the_future():
    net = two_ways(Edge("x", "b", 2), Edge("b", "b", 1), Edge("b", "Y", 1), Edge("x", "f", 1))
    assert net.reach == {"x": (1, 2), "f": (0, 0), "b": (1, 1), "Y": (0, 0)}
    learned = dataclasses.replace(net, nodes=(Input("x", 2, "learned"), *net.nodes[1:]))
    assert learned.shapes["history.x"] == (1 + 2, 2)


def test_every_parameter_has_the_shape_its_nodes_need():
    shared, fixed = Edge("h", "h", 2, shares="h(t-1)->h"), Edge("Y", "Y", 1, weight=0.5)
    net = hidden(Layer("h", 3, history="learned"), Edge("h", "h", 1), shared, fixed)
    assert net.shapes == {
        "weight.x->h": (3, 2), "weight.h->Y": (1, 3), "weight.h(t-1)->h": (3, 3),
        "bias.h": (3,), "bias.Y": (1,), "history.h": (2, 3),
    }  # fmt: skip
    assert net.parameter_count == 6 + 3 + 9 + 3 + 1 + 6
    for h in (Product("h", 3), Layer("h", 3, bias=False)):
        assert hidden(h).parameter_count == 6 + 3 + 1


def test_a_shared_weight_is_that_of_its_owner_learned_or_fixed():
    for weight, found in (("learned", "weight.h(t-1)->h"), (2, 2.0)):
        net = joined(Edge("h", "h", 1, weight=weight), Edge("h", "h", 2, shares="h(t-1)->h"))
        assert [net.weight(e) for e in net.edges[2:]] == [found, found]


def test_a_fixed_matrix_may_be_an_array():
    values = np.arange(6.0).reshape(3, 2)
    net = joined(Edge("x", "h", 1, weight=values))
    assert net.edges[2].weight == ((0.0, 1.0), (2.0, 3.0), (4.0, 5.0))
    assert net == joined(Edge("x", "h", 1, weight=values.tolist()))


COMPONENTS = [
    pytest.param(joined(), [(("h",), False, False), (("Y",), False, False)], id="no recurrence"),
    pytest.param(joined(Edge("h", "h", 1)), [(("h",), True, False), (("Y",), False, False)],
                 id="recurrent below"),
    pytest.param(joined(Edge("Y", "h", 1)), [(("h", "Y"), True, False)], id="output fed back"),
    pytest.param(two_ways(Edge("b", "b", 1), Edge("b", "f", 1)),
                 [(("b",), True, True), (("f",), False, False), (("Y",), False, False)],
                 id="backward first"),
    pytest.param(Column("net", reversed(NODES), reversed((*EDGES, Edge("Y", "h", 1))), "Y"),
                 [(("h", "Y"), True, False)], id="declared from the top"),
]  # fmt: skip


@pytest.mark.parametrize("net, parts", COMPONENTS)
def test_nodes_are_computed_after_what_they_depend_on(net, parts):
    assert [tuple(part) for part in net.components] == parts


def test_teacher_forcing_reads_the_target_where_the_output_was_fed_back():
    open_loop = joined(Edge("Y", "h", 1), nodes=(*NODES[:2], Layer("Y", 1, history="given")))
    forced = open_loop.teacher_forced()
    assert forced.node["D"] == Input("D", 1, history="given")
    assert forced.node["Y"].history == "zeros" and forced.shapes == open_loop.shapes
    assert [(e.source, e.name) for e in forced.edges[2:]] == [("D", "Y(t-1)->h")]
    assert [e.name for e in joined(Edge("h", "h", 1), output="h").feedback] == ["h(t-1)->h"]


def test_unblocked_leaves_the_full_gradient_everywhere():
    net = joined(Edge("h", "h", 1, gradient="blocked"))
    assert [e.name for e in net.blocked] == ["h(t-1)->h"]
    assert net.unblocked() == joined(Edge("h", "h", 1)) and net.unblocked().blocked == ()


PRINTED = [joined(Edge("x", "h", 1, weight=np.ones((3, 2))), Edge("h", "h", 1), name="it's"),
           hidden(Layer("h", 3, "relu", False, "given"), Edge("h", "h", 2, "blocked", name="R"),
                  Edge("h", "h", 1, shares="R")),
           two_ways(Edge("b", "b", 1, weight=0.25), Edge("b", "Y"))]  # fmt: skip
PRINTED += [network(2, 3, 2) for network in NETWORKS.values()]


@pytest.mark.parametrize("net", PRINTED, ids=lambda net: net.name)
def test_a_representation_evaluates_to_an_equal_column(net):
    again = eval(repr(net), vars(column).copy())
    assert again == net and hash(again) == hash(net) and repr(again) == repr(net)
    assert pickle.loads(pickle.dumps(net)) == net == copy.deepcopy(net)


def test_an_edge_with_an_array_for_a_weight_shows_it():
    edge = Edge("x", "h", 1, weight=np.array([[1.5, 2.0], [0.0, 1.0]]))
    assert repr(edge) == "Edge('x', 'h', delay=1, weight=array([[1.5, 2. ],\n       [0. , 1. ]]))"
    assert repr(Layer("h", 3, np.ones(1))) == "Layer('h', 3, activation=array([1.]))"


def test_a_representation_leaves_out_what_has_its_default():
    assert repr(Input("x", 2)) == "Input('x', 2)"
    assert repr(Layer("h", 3, bias=False)) == "Layer('h', 3, bias=False)"
    assert repr(Product("m", 3, direction="forward")) == "Product('m', 3)"
    assert repr(Edge("x", "h", 0, name="W")) == "Edge('x', 'h', name='W')"


OTHERS = [joined(name="other"), joined(output="h"), joined(Edge("h", "h", 1)),
          joined(Edge("h", "h", 1, "blocked")), joined(Edge("h", "h", 1, name="R")),
          hidden(Layer("h", 3, OWN)), hidden(Layer("h", 3, "relu")), hidden(Product("h", 3)),
          hidden(Layer("h", 4))]  # fmt: skip


def test_columns_that_say_something_else_are_not_equal():
    assert joined() == joined() and len({joined(), joined(), *OTHERS}) == 1 + len(OTHERS)


@pytest.mark.parametrize("part", [*NODES, Product("m", 3), *EDGES, OWN, joined()])
def test_nothing_can_be_assigned(part):
    for field in dataclasses.fields(part):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, field.name, getattr(part, field.name))
    with pytest.raises(dataclasses.FrozenInstanceError):
        part.another = 1
