"""Columns as JSON: what is written is read again, and whatever else is read is told clearly."""

import json
import reprlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitorch_rnn.column import NETWORKS, Activation, Column, Edge, Input, Layer, Product
from minitorch_rnn.errors import ColumnError

EVERYTHING = Column(
    "every — field",
    (
        Input("x", 2, "given"), Layer("h", 3, "relu", False, "learned"), Product("p", 3, "sigmoid"),
        Layer("r", 3, direction="backward"), Layer("Y", 2, "softmax", history="learned"),
    ),
    (
        Edge("x", "h", (0, 1), weight=[[1, 2], [3, 4], [5, 6.5]]), Edge("h", "p"),
        Edge("h", "h", range(1, 4), name="R"), Edge("h", "h", 4, shares="R[1]"),
        Edge("x", "p"), Edge("x", "r"), Edge("r", "r", 1, weight=0.1), Edge("r", "Y"),
        Edge("Y", "h", 2, gradient="blocked"), Edge("p", "Y"),
    ),
    "Y",
)  # fmt: skip
COLUMNS = [EVERYTHING, *(network(2, 3, 2) for network in NETWORKS.values())]


@pytest.mark.parametrize("net", COLUMNS, ids=lambda net: net.name)
def test_a_column_is_read_as_it_was_written(net):
    again = Column.from_json(net.to_json())
    assert again == net and again.shapes == net.shapes and again.to_json() == net.to_json()


def test_what_has_its_default_is_not_written():
    net = Column(
        "elman",
        (Input("x", 2), Layer("h", 3, "tanh", True), Layer("Y", 1, "identity", bias=False)),
        (Edge("x", "h", 0), Edge("h", "h", 1, "blocked"), Edge("h", "Y", weight=[[0, 1, 2]])),
        "Y",
    )
    assert json.loads(net.to_json()) == {
        "name": "elman",
        "nodes": [
            {"kind": "input", "name": "x", "size": 2},
            {"kind": "layer", "name": "h", "size": 3},
            {"kind": "layer", "name": "Y", "size": 1, "activation": "identity", "bias": False},
        ],
        "edges": [
            {"source": "x", "target": "h"},
            {"source": "h", "target": "h", "delay": 1, "gradient": "blocked"},
            {"source": "h", "target": "Y", "weight": [[0.0, 1.0, 2.0]]},
        ],
        "output": "Y",
    }


def document():
    """What a person would write: nodes without kind are layers, and edges need no name."""
    return {
        "name": "net",
        "nodes": [
            {"kind": "input", "name": "x", "size": 2, "history": "learned"},
            {"name": "h", "size": 3, "activation": "relu", "bias": True, "history": "zeros"},
            {"kind": "product", "name": "p", "size": 3, "direction": "forward"},
            {"name": "Y", "size": 2, "activation": "softmax"},
        ],
        "edges": [
            {"source": "x", "target": "h", "delay": [0, 1], "gradient": "full"},
            {"source": "h", "target": "h", "delay": 1, "weight": 0.5, "name": "R"},
            {"source": "h", "target": "p", "weight": "learned", "shares": None},
            {"source": "p", "target": "p", "delay": 1, "shares": "h->p"},
            {"source": "p", "target": "Y", "weight": [[1, 0, 0], [0, 1, 0]]},
        ],
        "output": "Y",
    }


def changed(place, value):
    """The document with another value at a place, such as "nodes 0 size"; "" is the whole."""
    whole = [document()]
    keys = [0, *(int(key) if key.isdigit() else key for key in place.split())]
    inside = whole
    for key in keys[:-1]:
        inside = inside[key]
    inside[keys[-1]] = value
    return json.dumps(whole[0])


def test_a_document_written_by_hand_means_what_it_says():
    net = Column.from_json(json.dumps(document()))
    assert net == Column(
        "net",
        (
            Input("x", 2, "learned"), Layer("h", 3, "relu"), Product("p", 3),
            Layer("Y", 2, "softmax"),
        ),
        (
            Edge("x", "h", (0, 1)), Edge("h", "h", 1, weight=0.5, name="R"), Edge("h", "p"),
            Edge("p", "p", 1, shares="h->p"), Edge("p", "Y", weight=[[1, 0, 0], [0, 1, 0]]),
        ),
        "Y",
    )  # fmt: skip


NOT_JSON = {
    "empty": "", "words": "a column", "cut off": '{"name": "net"', "Python": "{'name': 'net'}",
    "deep lists": "[" * 100_000, "deep objects": '{"a":' * 100_000, "many digits": "1" * 5_000,
}  # fmt: skip


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_told_as_such(text):
    with pytest.raises(ColumnError, match="^from_json: this is not JSON: "):
        Column.from_json(text)


@pytest.mark.parametrize("text", [b"\xff\xfe\xff", b"{}", bytearray(b"{}"), None, 5, {}])
def test_what_is_no_string_is_told_by_its_type(text):
    told = f"^from_json: this is {type(text).__name__}; a string is needed"
    with pytest.raises(ColumnError, match=told):
        Column.from_json(text)


NESTED = json.loads("[" * 100 + "]" * 100)

WRONG = [  # place, value there, parts of the message
    ("", [document()], "the column is|an object is needed"),
    ("", [], "the column is []|an object is needed"),
    ("", None, "the column is None"),
    ("", 5, "the column is 5"),
    ("", {}, "the column|none|name, nodes, edges, output"),
    ("", {"name": "net", "nodes": [], "edges": []}, "name, nodes, edges;|needed are|output"),
    ("extra", 1, "name, nodes, edges, output, extra;|needed are"),
    ("name", None, "name is None|a string"),
    ("name", ["net"], "name is ['net']|a string"),
    ("nodes", {"x": 2}, "nodes is {'x': 2}|a list is needed"),
    ("nodes", "x", "nodes is 'x'|a list is needed"),
    ("nodes", [], "names the node 'h'|none"),
    ("nodes", NESTED, "nodes[0] is [|an object is needed"),
    ("nodes 1", "h", "nodes[1] is 'h'|an object is needed"),
    ("nodes 1", {}, "nodes[1] lacks the field 'name'"),
    ("nodes 1", {"name": "h"}, "nodes[1] lacks the field 'size'"),
    ("nodes 1 units", 3, "nodes[1] has the field 'units'|name, size, activation"),
    ("nodes 0 bias", False, "nodes[0] has the field 'bias'|name, size, history"),
    ("nodes 2 bias", False, "nodes[2] has the field 'bias'"),
    ("nodes 1 kind", "lstm", "nodes[1]|'lstm'|input, layer, product"),
    ("nodes 1 kind", ["layer"], "nodes[1]|['layer']|input, layer, product"),
    ("nodes 1 kind", None, "nodes[1]|None|input, layer, product"),
    ("nodes 1 name", 5, "named 5|letters"),
    ("nodes 1 name", ["h"], "named ['h']"),
    ("nodes 1 name", None, "named None"),
    ("nodes 1 size", "3", "'h'|size is '3'|whole number"),
    ("nodes 1 size", 3.0, "'h'|size is 3.0"),
    ("nodes 1 size", [3], "'h'|size is [3]"),
    ("nodes 1 size", None, "'h'|size is None"),
    ("nodes 1 activation", 5, "'h'|activation is 5"),
    ("nodes 1 activation", {"f": "tanh"}, "'h'|activation is {'f': 'tanh'}"),
    ("nodes 1 activation", None, "'h'|activation is None"),
    ("nodes 1 bias", 1, "'h'|bias is 1|True or False"),
    ("nodes 1 history", [], "'h'|history is []"),
    ("nodes 2 direction", {}, "'p'|direction is {}"),
    ("edges", None, "edges is None|a list is needed"),
    ("edges 1", ["h", "h"], "edges[1] is ['h', 'h']|an object is needed"),
    ("edges 1", {"target": "h"}, "edges[1] lacks the field 'source'"),
    ("edges 1 delays", [1], "edges[1] has the field 'delays'|source, target, delay"),
    ("edges 1 source", ["h"], "names the node ['h']|x, h, p, Y"),
    ("edges 1 target", 5, "names the node 5|x, h, p, Y"),
    ("edges 1 delay", {}, "Edge('h', 'h'|delay {}"),
    ("edges 1 delay", None, "Edge('h', 'h'|delay None"),
    ("edges 1 delay", "1", "Edge('h', 'h'|delay '1'"),
    ("edges 1 delay", [[1]], "Edge('h', 'h'|delay [1]"),
    ("edges 1 delay", [], "Edge('h', 'h'|no delay"),
    ("edges 1 gradient", ["full"], "Edge('h', 'h'|gradient ['full']"),
    ("edges 1 weight", {"a": 1}, "Edge('h', 'h'|weight {'a': 1}|'learned', a number or a matrix"),
    ("edges 1 weight", None, "Edge('h', 'h'|weight None|'learned', a number or a matrix"),
    ("edges 1 weight", True, "Edge('h', 'h'|weight True|'learned', a number or a matrix"),
    ("edges 1 weight", [1, 2, 3], "Edge('h', 'h'|weight [1, 2, 3]|list of its rows"),
    ("edges 1 weight", ["a", "b", "c"], "Edge('h', 'h'|weight ['a', 'b', 'c']|list of its rows"),
    ("edges 1 weight", [[True] * 3] * 3, "Edge('h', 'h'|weight [[True, True, True], |rows"),
    ("edges 1 weight", NESTED, "Edge('h', 'h'|weight [[[[[[[...]]]]]]]|list of its rows"),
    ("edges 1 weight", [], "Edge('h', 'h'|0 rows of nothing|(3, 3)"),
    ("edges 1 weight", [[]], "Edge('h', 'h'|1 rows of 0|(3, 3)"),
    ("edges 1 weight", float("nan"), "Edge('h', 'h'|is nan"),
    ("edges 1 weight", float("inf"), "Edge('h', 'h'|is inf"),
    ("edges 1 weight", 10**400, "Edge('h', 'h'|is 1000|0..."),
    ("edges 4 weight", [[1, 0, 0], [0, 1, -(10**400)]], "Edge('p', 'Y'|is -1000"),
    ("edges 4 weight", 0.5, "Edge('p', 'Y'|number|'p' has 3|'Y' has 2"),
    ("edges 4 weight", 10**400, "Edge('p', 'Y'|is 1000|a finite number"),
    ("edges 4 weight", [[1, 0], [0, 1]], "Edge('p', 'Y'|2 rows of 2|(2, 3)"),
    ("edges 1 name", 5, "Edge('h', 'h'|name 5"),
    ("edges 1 name", ["R"], "Edge('h', 'h'|name ['R']"),
    ("edges 1 name", "", "Edge('h', 'h'|name ''"),
    ("edges 0 name", 5, "Edge('x', 'h', delay=[0, 1]|name 5"),
    ("edges 0 name", ["a"], "Edge('x', 'h', delay=[0, 1]|name ['a']"),
    ("edges 0 name", "", "Edge('x', 'h', delay=[0, 1]|name ''"),
    ("edges 3 shares", 5, "Edge('p', 'p'|5|x->h, x(t-1)->h, R, h->p"),
    ("edges 3 shares", ["h->p"], "Edge('p', 'p'|['h->p']"),
    ("output", [], "output is []|h, p, Y"),
    ("output", None, "output is None|h, p, Y"),
    ("output", {"name": "Y"}, "output is {'name': 'Y'}"),
]


@pytest.mark.parametrize("place, value, parts", WRONG, ids=lambda value: reprlib.repr(value))
def test_a_wrong_document_is_told_by_the_place_of_the_mistake(place, value, parts):
    with pytest.raises(ColumnError) as caught:
        Column.from_json(changed(place, value))
    assert [part for part in parts.split("|") if part not in str(caught.value)] == [], caught.value


def test_an_edge_whose_name_is_null_is_named_after_its_nodes():
    assert Column.from_json(changed("edges 1 name", None)).edges[2].name == "h(t-1)->h"


def test_only_names_that_somebody_gave_are_written():
    net = Column.from_json(json.dumps(document()))
    names = [entry.get("name") for entry in json.loads(net.to_json())["edges"]]
    assert names == [None, None, "R", None, None, None]
    forced = NETWORKS["narx"](2, 3, 2).teacher_forced()  # its weights keep the names of the others
    assert json.loads(forced.to_json())["edges"][3]["name"] == "Y(t-1)->h"
    assert Column.from_json(forced.to_json()) == forced


def test_a_python_function_cannot_be_written():
    own = Activation("cube", lambda xp, z: z**3, lambda da, y, z: 3 * da * z**2)
    net = Column("net", (Input("x", 2), Layer("Y", 2, own)), (Edge("x", "Y"),), "Y")
    with pytest.raises(ColumnError, match="net: node 'Y' has the activation 'cube'.*JSON"):
        net.to_json()


def places(value, here=""):
    """Every place in a document, as `changed` takes it."""
    yield here.strip()
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], f"{here} {key}")


# Python's own limit lies between these depths, and what is read must not be walked beyond it.
@pytest.mark.parametrize("opened, closed", [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("place", sorted(places(document())))
def test_what_is_nested_almost_too_deep_to_be_read_is_told(place, opened, closed):
    before, after = changed(place, "HERE").split('"HERE"')

    def told(depth):
        with pytest.raises(ColumnError):
            Column.from_json(f"{before}{opened * depth}0{closed * depth}{after}")
        return True

    with ThreadPoolExecutor(1) as thread:  # whose stack is shallow, as that of a program is
        assert all(thread.map(told, range(900, 1001)))


WORDS = ["x", "h", "p", "Y", "R", "h->p", "learned", "zeros", "full", "blocked", "backward",
         "input", "layer", "product", "softmax", "name", "nodes", "size", "delay"]  # fmt: skip
LEAVES = [st.none(), st.booleans(), st.integers(-1, 4), st.integers(-(10**400), 10**400),
          st.floats(), st.sampled_from(WORDS), st.text(max_size=5)]  # fmt: skip
KEYS = st.sampled_from(WORDS) | st.text(max_size=3)
VALUES = st.one_of(LEAVES) | st.recursive(
    st.one_of(LEAVES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(places(document()))), VALUES)
def test_a_document_with_any_other_value_is_a_column_or_a_column_error(place, value):
    try:
        net = Column.from_json(changed(place, value))
    except ColumnError as error:
        assert str(error)
    else:
        assert Column.from_json(net.to_json()) == net and str(net) and net.parameter_count
