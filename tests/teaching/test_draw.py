"""Drawings of columns: all is there, nothing overlaps, and no link runs through a node."""

import functools
import itertools
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from minitorch_rnn.agreement import COLUMNS, draw_column
from minitorch_rnn.column import Column, Edge, Input, Layer, Product, jordan, state_space
from minitorch_rnn.errors import ColumnError
from minitorch_rnn.teaching.draw import draw
from minitorch_rnn.teaching.pictures.shapes import Path

SVG = "{http://www.w3.org/2000/svg}"

LONG = Column(
    'größer als < & "alles"',
    (
        Input("Eingabe_αβγ", 2, "given"),
        Layer("a_state_with_a_long_name", 3),
        Product("積", 3, history="learned"),
        Layer("Y", 1, "identity"),
    ),
    (
        Edge("Eingabe_αβγ", "a_state_with_a_long_name", [0, 3], name='<x> & "y"'),
        Edge("a_state_with_a_long_name", "積", weight=-0.12345678),
        Edge("積", "積", 12, weight=np.eye(3)),
        Edge("積", "a_state_with_a_long_name", 1, name="w]]>" * 20),
        Edge("積", "Y", gradient="blocked"),
    ),
    "Y",
)


NAMED = {name: make(5, 3, 6) for name, make in COLUMNS.items()}
NAMED["state-space of three layers"] = state_space(2, 3, 1, layers=3)
NAMED["odd names"] = LONG
DRAWN = {f"random {n}": draw_column(np.random.default_rng([7, n])) for n in range(30)}
SUBJECTS = NAMED | DRAWN
# Every column rolled and over four steps; those with a name also over one, and folded.
CASES = [
    *((name, T) for name in SUBJECTS for T in (None, 4)),
    *((name, T) for name in NAMED for T in (1, 200)),
]


@functools.cache
def drawing(name, T=None):
    return draw(SUBJECTS[name], T)


def node_boxes(picture):
    """The outermost box of every node, by name and t."""
    boxes = {}
    for shape, data in picture.shapes():
        if "node" in data and not hasattr(shape, "text"):
            boxes.setdefault((data["node"], data.get("t")), shape.box)
    return boxes


def links(picture):
    for shape, data in picture.shapes():
        if isinstance(shape, Path) and "edge" in data:
            yield shape, data


def ends(column, data):
    """The nodes at which a link may arrive."""
    edge = next(e for e in column.edges if e.name == data["edge"])
    if "t" not in data:
        return {(edge.source, None), (edge.target, None)}
    t = int(data["t"])
    return {(edge.source, str(t + column.offset(edge))), (edge.target, str(t))}


@pytest.mark.parametrize("name, T", CASES)
def test_nothing_overlaps_and_nothing_is_cut(name, T):
    picture = drawing(name, T)
    nodes, texts = node_boxes(picture), [b for b in picture.boxes() if b.what == "text"]
    for one, other in itertools.combinations(texts, 2):
        assert not one.overlaps(other), f"{one.text!r} and {other.text!r} overlap"
    for one, other in itertools.combinations(nodes, 2):
        assert not nodes[one].overlaps(nodes[other]), f"{one} and {other} overlap"
    left, top, width, height = map(
        float, re.search(r'viewBox="(\S+) (\S+) (\S+) (\S+)"', picture.svg()).groups()
    )
    for box in (*texts, *nodes.values()):
        assert left <= box.left and box.right <= left + width, f"{box} is cut"
        assert top <= box.top and box.bottom <= top + height, f"{box} is cut"
    for text in texts:
        data = dict(text.data)
        if "node" in data:
            around = nodes[data["node"], data.get("t")]
            assert around.left + 3 < text.left and text.right < around.right - 3, text
            assert around.top < text.top and text.bottom < around.bottom + 0.01, text
        else:
            for node, box in nodes.items():
                assert not box.overlaps(text), f"{text.text!r} lies on {node}"


@pytest.mark.parametrize("name, T", CASES)
def test_no_link_runs_through_a_node(name, T):
    column, picture = SUBJECTS[name], drawing(name, T)
    nodes = node_boxes(picture)
    for path, data in links(picture):
        x, y = np.array(path.sampled(40)).T
        its_own = ends(column, data)
        for node, box in nodes.items():
            # Ports of a hexagon lie within its box.
            margin = 4.0 if node in its_own else 0.0
            across = (box.left + margin < x) & (x < box.right - margin)
            down = (box.top + margin < y) & (y < box.bottom - margin)
            assert not (across & down).any(), f"{data} runs through {node}"


@pytest.mark.parametrize("name, T", [case for case in CASES if case[0] in NAMED])
def test_no_link_of_a_network_with_a_name_runs_through_the_label_of_another(name, T):
    picture = drawing(name, T)
    labels = [box for box in picture.boxes() if box.what == "text" and "edge" in dict(box.data)]
    times = [b for b in picture.boxes() if b.text.startswith("t = ") or b.text == "…"]
    for path, data in links(picture):
        x, y = np.array(path.sampled(40)).T
        for box in (*labels, *times):
            if dict(box.data) != data:
                through = (box.left < x) & (x < box.right) & (box.top < y) & (y < box.bottom)
                assert not through.any(), f"{data} runs through {box.text!r} of {box.data}"


def texts_of(svg):
    return ["".join(text.itertext()) for text in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_unrolled_drawing_has_every_node_and_every_edge_at_every_time(name):
    column, T = SUBJECTS[name], 4
    whole = draw(LONG, T, fold=False) if name == "odd names" else drawing(name, T)
    svg = ET.fromstring(whole.svg())
    found = {kind: set() for kind in ("node", "edge")}
    for group in svg.iter(f"{SVG}g"):
        for kind in found:
            if f"data-{kind}" in group.attrib:
                found[kind].add((group.attrib[f"data-{kind}"], int(group.attrib["data-t"])))
    read = {(e.source, t + column.offset(e)) for e in column.edges for t in range(T)}
    assert found["edge"] == {(e.name, t) for e in column.edges for t in range(T)}
    assert found["node"] == {(n.name, t) for n in column.nodes for t in range(T)} | read


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_rolled_drawing_has_every_node_and_edge_once_and_names_the_delays(name):
    column, picture = SUBJECTS[name], drawing(name)
    nodes, edges, said = [], {}, {}
    for shape, data in picture.shapes():
        if "node" in data and hasattr(shape, "text"):
            nodes.append(data["node"])
        if isinstance(shape, Path) and "edge" in data:
            edges[data["edge"]] = shape
        elif hasattr(shape, "text") and "edge" in data:
            said[data["edge"]] = shape.text
    assert set(nodes) == {n.name for n in column.nodes}
    for edge in column.edges:
        assert edges[edge.name].dashed == (edge.gradient == "blocked")
        if edge.delay:
            assert said[edge.name].endswith(f"t{column.offset(edge):+d}")
    assert set(edges) == {e.name for e in column.edges}


@pytest.mark.parametrize("name", SUBJECTS)
def test_edges_have_one_colour_if_they_share_a_weight_and_at_every_time(name):
    column, colours = SUBJECTS[name], {}
    for path, data in links(drawing(name, 4)):
        edge = next(e for e in column.edges if e.name == data["edge"])
        weight = column.weight(edge)
        colours.setdefault(weight if isinstance(weight, str) else "fixed", set()).add(path.stroke)
    assert all(len(some) == 1 for some in colours.values()), colours
    learned = [colour for weight, (colour,) in colours.items() if weight != "fixed"]
    assert len(set(learned)) == min(len(learned), 16)  # so many colours there are
    assert not colours.get("fixed", set()) & set(learned)


@pytest.mark.parametrize("name", ["lstm", "odd names", "random 0"])
@pytest.mark.parametrize("T", [None, 4])
def test_a_drawing_is_the_same_bytes_on_every_run(name, T):
    again = Column(**vars_of(SUBJECTS[name]))
    assert draw(again, T).svg() == drawing(name, T).svg()


def vars_of(column):
    return {field: getattr(column, field) for field in ("name", "nodes", "edges", "output")}


def test_a_drawing_does_not_depend_on_the_seed_of_hashes():
    program = (
        "import hashlib; from minitorch_rnn.column import lstm; from minitorch_rnn.teaching.draw "
        "import draw; print(hashlib.sha256(draw(lstm(2, 3, 1), 3).svg().encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_a_long_sequence_is_shortened_in_the_middle():
    picture = draw(state_space(2, 3, 1), T=200)
    times = {int(data["t"]) for _, data in picture.shapes() if "node" in data}
    assert times == {-1, 0, 1, 2, 197, 198, 199}
    assert {"t = 3 … 196", "…"} <= set(texts_of(picture.svg()))
    # A link out of the dots has its arrow, one into them has none.
    arrows = {data["t"]: path.arrow for path, data in links(picture) if "h1(t-1)" in data["edge"]}
    assert arrows == {str(t): t != 3 for t in (0, 1, 2, 3, 197, 198, 199)}


def test_the_longest_sequence_takes_no_longer():
    picture = draw(COLUMNS["bidirectional"](2, 3, 1), T=10**6)
    assert "h_b(1000000)" in texts_of(picture.svg())


def test_a_long_sequence_is_drawn_whole_if_asked():
    picture = draw(state_space(2, 3, 1), T=40, fold=False)
    assert {int(d["t"]) for _, d in picture.shapes() if "node" in d} == set(range(-1, 40))
    assert "…" not in texts_of(picture.svg())


def test_of_long_delays_only_the_columns_that_are_read_are_shown():
    column = Column("far", (Input("x", 1), Layer("Y", 1)), (Edge("x", "Y", [0, 20]),), "Y")
    for T, before in ((2, {-20, -19}), (30, {-20, -19, -18, -3, -2, -1})):
        times = {int(d["t"]) for _, d in draw(column, T).shapes() if "node" in d}
        assert {t for t in times if t < 0} == before


def test_sequences_of_up_to_seven_steps_are_drawn_whole():
    for T, shown in ((7, 7), (8, 6)):
        picture = draw(state_space(2, 3, 1), T=T)
        assert len({d["t"] for _, d in picture.shapes() if d.get("node") == "x"}) == shown


def test_time_runs_from_left_to_right_and_layers_from_the_bottom_up():
    boxes = node_boxes(draw(state_space(2, 3, 1, layers=2), T=3))
    for name, above in (("x", "h1"), ("h1", "h2"), ("h2", "Y")):
        assert boxes[above, "1"].bottom < boxes[name, "1"].top
    for t, later in (("-1", "0"), ("0", "1"), ("1", "2")):
        assert boxes["h1", t].right < boxes["h1", later].left
        assert boxes["h1", t].top == boxes["h1", later].top


def test_what_a_backward_net_reads_after_the_end_stands_on_the_right():
    column = COLUMNS["bidirectional"](2, 3, 1)
    boxes = node_boxes(draw(column, T=3))
    assert boxes["h_b", "3"].left > boxes["h_b", "2"].right
    assert ("h_f", "3") not in boxes and ("h_b", "-1") not in boxes


def test_the_legend_names_what_occurs_and_nothing_else():
    said = texts_of(draw(jordan(2, 3, 1), T=2).svg())
    assert {"memory: fixed weights", "input", "layer", "output"} <= set(said)
    assert "blocked: no gradient flows back" in said
    assert "fixed weight: 1 where no number stands" in said
    assert "W of x->h" in said and "0.5" in said
    other = texts_of(draw(state_space(2, 3, 1), T=2).svg())
    assert "state: read at another time" in other
    assert not any("memory" in text or "fixed" in text or "blocked" in text for text in other)


def test_kinds_of_nodes_differ_in_their_outlines_too():
    outlines = set()
    for subject in COLUMNS:
        column, shapes = SUBJECTS[subject], {}
        for shape, data in drawing(subject).shapes():
            if "node" in data and not hasattr(shape, "text"):
                shapes.setdefault(data["node"], []).append(shape)
        for name, some in shapes.items():
            assert (len(some) == 2) == (name == column.output)
            outlines.add((type(some[0]).__name__, getattr(some[0], "radius", 0), some[0].fill))
    assert (
        len({(kind, radius) for kind, radius, _ in outlines}) == 4
    )  # square, round, pill, hexagon
    fills = sorted(luminance(fill) for _, _, fill in outlines)
    assert all(fill > 0.6 for fill in fills), "dark text stands on it"


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_odd_names_are_written_as_they_are():
    svg = draw(LONG, T=2).svg()
    root = ET.fromstring(svg)
    assert root.find(f"{SVG}title").text == 'größer als < & "alles", unrolled over 2 time steps'
    assert root.find(f"{SVG}desc").text == str(LONG)
    edges = {g.attrib["data-edge"] for g in root.iter(f"{SVG}g") if "data-edge" in g.attrib}
    assert edges == {e.name for e in LONG.edges}


@pytest.mark.parametrize("T", [0, -1, 2.5, "3", True])
def test_steps_that_are_none_are_refused(T):
    with pytest.raises(ColumnError, match="T, the number of steps"):
        draw(state_space(2, 3, 1), T=T)


def test_a_column_of_inputs_alone_can_be_drawn():
    with pytest.raises(ColumnError):
        Column("nothing", (Input("x", 1),), (), "x")
    lone = Column("lone", (Input("x", 1), Layer("Y", 1)), (Edge("x", "Y", 1),), "Y")
    for T in (None, 1, 3):
        assert math.isfinite(draw(lone, T).canvas.right)


def test_what_nobody_could_look_at_is_refused_at_once():
    with pytest.raises(ColumnError, match="3,003 nodes and links"):
        draw(state_space(2, 3, 1, layers=1000))
    with pytest.raises(ColumnError, match="100,000 time steps of 6 .*600,000"):
        draw(state_space(2, 3, 1), T=100_000, fold=False)
    folded = [draw(state_space(2, 3, 1), T=T).svg().count("data-node") for T in (100, 100_000)]
    assert folded[0] == folded[1]
