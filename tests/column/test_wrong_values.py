"""Whatever Python can put in a field of a column and does not belong there: a ColumnError."""

import dataclasses
import math

import numpy as np
import pytest

from minitorch_rnn.column import Activation, Column, Edge, Input, Layer, Product
from minitorch_rnn.errors import ColumnError

NODES = (Input("x", 2), Layer("h", 3), Product("p", 3), Layer("Y", 1, "identity"))
EDGES = (Edge("x", "h"), Edge("h", "p"), Edge("h", "h", 1, name="R"), Edge("p", "Y"))


def changed(old=None, new=None, output="Y", name="net"):
    """The network of the nodes and edges above with another one in the place of `old`."""
    nodes, edges = ([new if part is old else part for part in all] for all in (NODES, EDGES))
    return Column(name, nodes, edges, output)


def message(wrong, *arguments, **fields):
    """What a ColumnError says, in no more than a few lines."""
    with pytest.raises(ColumnError) as caught:
        wrong(*arguments, **fields)
    assert len(str(caught.value)) < 600
    return str(caught.value)


def short(value):
    """A name for a test; Python shows no integer of more than 4300 digits."""
    return "huge" if isinstance(value, int) and abs(value) > 10**9 else repr(value)


def test_the_network_that_is_changed_below_is_a_column():
    assert changed().parameter_count == 6 + 9 + 9 + 3 + 3 + 1


FIXED = [  # weights of h->h, which needs a number or 3 rows of 3, and what is said of them
    ({"a": 1}, "the weight {'a': 1};"), (["a", "b", "c"], "the weight ['a', 'b', 'c'];"),
    ([["a"] * 3] * 3, "the weight [['a', 'a', 'a'], ['a', 'a', 'a'], ['a', 'a', 'a']];"),
    ("fixed", "the weight 'fixed';"), (None, "the weight None;"), (1j, "the weight 1j;"),
    (True, "the weight True;"), ([[True] * 3] * 3, "the weight [[True, True, True], "),
    (b"abc", "the weight b'abc';"), ([b"abc"] * 3, "the weight [b'abc', b'abc', b'abc'];"),
    ([1, 2, 3], "the weight [1, 2, 3];"), ([[1], 2, [3]], "the weight [[1], 2, [3]];"),
    (range(3), "the weight range(0, 3);"), (np.ones(3), "the weight [1.0, 1.0, 1.0];"),
    (np.array(True), "the weight True;"), (np.full((3, 3), True), "the weight [[True, True, True]"),
    (np.array(["a"]), "the weight ['a'];"), (np.ones((3, 3, 3)), "the weight [[[1.0, "),
    (np.full((3, 3), 1j), "the weight [[1j, "), (np.ones((2, 3)), "2 rows of 3;"),
    (np.ones((40, 50)), "40 rows of 50;"), (np.ones((0, 3)), "0 rows of nothing;"),
    ([], "0 rows of nothing;"), ([[]] * 3, "3 rows of 0;"), ([[1, 2]] * 300, "300 rows of 2;"),
    (math.nan, "is nan;"), (-math.inf, "is -inf;"), (np.float32("inf"), "is inf;"),
    (np.full((3, 3), math.nan), "is nan;"), ([[1] * 3, [1] * 3, [1, 1, math.inf]], "is inf;"),
    (10**400, "is 1000"), (-(10**400), "is -1000"), ([[10**400] * 3] * 3, "is 1000"),
    (10**5000, "too large to show;"), ("w" * 1000, "the weight 'www"), (Layer, "the weight <class"),
    (np.ndarray, "the weight <class"), (list(np.ones((2, 3))), "2 rows of 3;"),
    (list(np.full((3, 3), math.nan)), "is nan;"), ([[np.True_] * 3] * 3, "the weight [["),
    (list(np.ones((3, 3, 3))), "the weight [[[1.0, "), ([np.ones(3), 1, [1] * 3], "the weight [["),
]  # fmt: skip


@pytest.mark.parametrize("weight, part", FIXED, ids=[part for _, part in FIXED])
def test_a_wrong_weight_is_told_by_its_edge_and_cut_short(weight, part):
    told = message(changed, EDGES[2], Edge("h", "h", 1, weight=weight))
    assert told.startswith("net: Edge('h', 'h', delay=1, weight=") and part in told, told


@pytest.mark.parametrize("weight", [10**400, math.nan], ids=["10**400", "nan"])
def test_a_number_that_is_not_finite_is_told_before_the_sizes(weight):
    told = message(changed, EDGES[0], Edge("x", "h", weight=weight))
    assert told.startswith("net: Edge('x', 'h', weight=")
    assert f"is {'nan' if weight != weight else '1000'}" in told and "a finite number" in told


@pytest.mark.parametrize("weight", [0.5, 10**300, np.float32(2)], ids=["0.5", "10**300", "NumPy's"])
def test_a_number_joins_no_nodes_of_two_sizes_however_large_it_is(weight):
    told = message(changed, EDGES[0], Edge("x", "h", weight=weight))
    assert told.startswith("net: Edge('x', 'h', weight=")
    assert "'x' has 2 units, 'h' has 3" in told


DELAYS = [
    -1, 1.0, True, None, "1", b"1", {}, {1: 2}, 1j, int, -(10**400), 10**400, 10**5000,
    [1, -2], (1, 2.0), [[1]], ["1"], [1, None], [1, True], [int], {1, -2}, frozenset({1, 2.5}),
    {1, "a"}, {"a", "b"}, {1, None}, {1, (2,)}, {1j, 2}, np.array(1.5), np.array([1.0, 2.0]),
    np.array([1, -2]), np.array([True]), np.array([[1, 2], [3, 4]]), np.array(["a"]), np.float64(1),
    np.True_, [], (), set(), range(0), np.array([], int),
]  # fmt: skip


@pytest.mark.parametrize("delay", DELAYS, ids=short)
def test_a_wrong_delay_is_told_by_its_edge(delay):
    told = message(changed, EDGES[2], Edge("h", "h", delay))
    assert told.startswith("net: Edge('h', 'h'") and "delay" in told


@pytest.mark.parametrize("delay", [0, 1, [1], (1, 2), {1, 2}])
@pytest.mark.parametrize("name", [5, ["a"], "", "a.b", True, b"a", {}])
def test_a_wrong_name_of_an_edge_is_told_however_many_delays_it_has(name, delay):
    told = message(changed, EDGES[2], Edge("h", "h", delay, name=name))
    assert f"has the name {name!r}; a string without '.'" in told


NOT_NODES = [("h", 3), "h", None, 5, {"name": "h"}, Layer, Input, Edge, Activation, EDGES[0]]
NOT_EDGES = [("h", "h", 1), "h->h", None, 5, {"source": "h"}, Edge, Layer, NODES[1]]


@pytest.mark.parametrize("wrong", [None, 5, NODES[0], EDGES[0], Layer])
def test_what_holds_no_nodes_or_no_edges_is_told(wrong):
    assert message(Column, "net", wrong, EDGES, "Y").startswith("net: nodes is ")
    assert message(Column, "net", NODES, wrong, "Y").startswith("net: edges is ")


@pytest.mark.parametrize("wrong", [*NOT_NODES, changed()])
def test_what_is_no_node_is_told(wrong):
    assert " is not a node; make it by Input, Layer or Product." in message(
        changed, NODES[1], wrong
    )


@pytest.mark.parametrize("wrong", [*NOT_EDGES, changed()])
def test_what_is_no_edge_is_told(wrong):
    assert " is not an edge; make it by Edge." in message(changed, EDGES[2], wrong)


@pytest.mark.parametrize("activation", [np.ones(3), Activation, math.tanh, 5, None, ["tanh"], {}])
def test_a_wrong_activation_is_told_by_its_node(activation):
    told = message(changed, NODES[1], Layer("h", 3, activation))
    assert told.startswith("net: node 'h': activation is ") and "or an Activation of your" in told


SIZES = [0, -1, True, 1.0, "3", None, [3], np.float64(3), np.array([3, 3]), -(10**400), 10**400,
         10**5000]  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=short)
@pytest.mark.parametrize("node", NODES, ids=lambda node: node.name)
def test_a_wrong_size_is_told_by_its_node(node, size):
    told = message(changed, node, dataclasses.replace(node, size=size))
    assert told.startswith(f"net: node {node.name!r}: size is ")


FIELDS = [(part, field.name) for part in (*NODES, *EDGES) for field in dataclasses.fields(part)]


@pytest.mark.parametrize(
    "wrong", [np.ones((2, 2)), np.array([0.5, 1.5]), [[]], {"a": {}}, object()]
)
@pytest.mark.parametrize("part, field", FIELDS)
def test_an_array_or_another_object_in_any_field_is_told(part, field, wrong):
    new = dataclasses.replace(part, **{field: wrong})
    assert repr(new) and message(changed, part, new)


@pytest.mark.parametrize(
    "wrong", [None, 5, ["Y"], {}, np.array(["h", "Y"]), np.array(["Y"]), NODES[3]]
)
def test_a_wrong_name_of_the_network_or_of_its_output_is_told(wrong):
    assert message(changed, name=wrong).startswith("Column: name is ")
    assert message(changed, output=wrong).startswith("net: the output is ")


@pytest.mark.parametrize(
    "weight",
    [
        np.eye(3),
        list(np.eye(3)),
        tuple(np.eye(3, dtype=int)),
        [np.eye(3)[0], (0, 1, 0), [0, np.int64(0), np.float32(1)]],
    ],
    ids=["array", "list", "tuple", "mixed"],
)
def test_the_rows_of_a_weight_may_be_numpy_arrays_and_are_kept_as_numbers(weight):
    net = changed(EDGES[2], Edge("h", "h", 1, weight=weight))
    plain = changed(EDGES[2], Edge("h", "h", 1, weight=[[1, 0, 0], [0, 1, 0], [0, 0, 1]]))
    assert net == plain and repr(net) == repr(plain) and net.to_json() == plain.to_json()


@pytest.mark.parametrize("number", [np.int64(1), np.float32(1), np.float64(1), np.array(1)])
def test_a_weight_of_one_number_may_be_numpys(number):
    def net(weight):
        nodes, edges = (Input("x", 1), Layer("Y", 1)), (Edge("x", "Y", weight=weight),)
        return Column("net", nodes, edges, "Y")

    assert net(number) == net(1.0) and net(number).to_json() == net(1.0).to_json()
    if not isinstance(number, np.ndarray):
        assert net([[number]]) == net([[1.0]])
        assert net([[number]]).to_json() == net([[1.0]]).to_json()


def test_sizes_and_delays_may_be_numpy_integers_and_are_kept_as_numbers():
    def net(integer):
        nodes = (Input("x", integer(100)), Layer("Y", integer(100)))
        edges = (Edge("x", "Y", integer(0)), Edge("Y", "Y", [integer(1), integer(4)]))
        return Column("net", nodes, edges, "Y")

    for integer in (np.int64, np.int8, np.uint8):
        assert net(integer) == net(int) and repr(net(integer)) == repr(net(int))
        assert net(integer).parameter_count == 3 * 100**2 + 100
        assert net(integer).to_json() == net(int).to_json()
