"""The drawing of a graph: what it says, what it folds, and that nothing overlaps or is cut."""

import functools
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn.errors import DTypeError, GraphError
from minitorch_rnn.teaching.pictures.graphs.drawing import draw_graph
from minitorch_rnn.teaching.pictures.graphs.folding import folded
from minitorch_rnn.teaching.pictures.graphs.layout import Size, laid_out
from minitorch_rnn.teaching.pictures.graphs.nodes import graph_of, graph_table
from minitorch_rnn.teaching.pictures.shapes import Path, Rectangle


class Place(NamedTuple):
    step: int | None
    names: tuple


class Places:
    """Stands in for what `record_places` gives."""

    def __init__(self):
        self.known = {}

    def of(self, tensor):
        return self.known.get(id(tensor))

    def note(self, step, *names):
        """A function that notes a tensor, and gives it back."""

        def noted(tensor):
            self.known[id(tensor)] = Place(step, names)
            return tensor

        return noted


def texts(picture):
    return [box.text for box in picture.boxes() if box.what == "text"]


def heads(picture):
    """How many boxes have each headline."""
    return Counter(shape.text for shape, _ in picture.shapes() if getattr(shape, "bold", False))


def small():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    w = mt.tensor([[1.0, 2.0], [0.1, 0.2]], requires_grad=True)
    loss = (mt.tanh(w @ x + 0.5) * x).sum()
    loss.backward(retain_graph=True)
    return draw_graph(loss, {"x": x, "w": w})


def bidirectional(**options):
    rnn = mt.nn.RNN(2, 3, num_layers=2, bidirectional=True, road="graph")
    with mt.autograd.record_places(rnn) as places:
        loss = rnn(mt.randn(200, 2, 2))[0].sum()
    return draw_graph(loss, rnn, places, **options)


def diamond():
    x = mt.tensor(2.0, requires_grad=True)
    y = mt.exp(x)
    return draw_graph(y * y + mt.log(y) * 3.0)


def recurrent(kind, T, layers=1, **options):
    rnn = getattr(mt.nn, kind)(2, 3, num_layers=layers, road="graph")
    output, _ = rnn(mt.randn(T, 2, 2))
    return draw_graph((output * output).sum(), rnn, **options)


def wild(rng, n=400):
    nodes = [mt.tensor([1.0], requires_grad=True)]
    for _ in range(n):
        a, b = nodes[rng.integers(max(0, len(nodes) - 30), len(nodes))], nodes[
            rng.integers(len(nodes))]  # fmt: skip
        nodes.append(mt.tanh(a + b) if rng.random() < 0.5 else mt.tanh(a * b))
    return draw_graph(mt.stack(nodes).sum())


PICTURES = {
    "small": small,
    "diamond": diamond,
    "leaf": lambda: draw_graph(mt.tensor([1.0], requires_grad=True)),
    "LSTM": lambda: recurrent("LSTM", 3, fold=False),
    "GRU": lambda: recurrent("GRU", 40, layers=2),
    "RNN of 12 steps": lambda: recurrent("RNN", 12, fold=False),
    "RNN of 200 steps": lambda: recurrent("RNN", 200),
    "RNN of 200 steps, two layers": lambda: recurrent("RNN", 200, layers=2),
    "bidirectional": bidirectional,
    "LSTM as a column": lambda: of_column(mt.column.lstm(2, 3, 1), 30),
    "Elman": lambda: of_column(mt.column.elman(2, 3, 1), 30),
    "feedback": lambda: of_column(mt.column.narx(1, 3, 1), 30),
    "wild": lambda: wild(np.random.default_rng(0)),
}


def of_column(column, T, **options):
    """A column unrolled, every activation a node of its own."""
    network = mt.nn.ColumnNetwork(column)
    with mt.autograd.record_places(network) as places:
        lines = network.unroll({"x": mt.randn(T, 1, column.node["x"].size)})
        outputs = lines[column.output]
        loss = mt.stack([outputs[t] for t in range(T)]).sum()
    return draw_graph(loss, network, places, **options)


@functools.cache
def drawn(name):
    return PICTURES[name]()


@pytest.fixture(params=PICTURES)
def picture(request):
    return drawn(request.param)


def rectangles(picture):
    """The boxes of operations and of leaves, by what they are; of a fold the sheet in front."""
    found = {}
    for shape, data in picture.shapes():
        if isinstance(shape, Rectangle) and ("node" in data or "leaf" in data):
            key = (data.get("node"), data.get("leaf"))
            while key in found and "leaf" in data:
                key = (*key, "again")
            found[key] = shape.box  # the last of a fold
    return found


def test_no_boxes_and_no_texts_overlap(picture):
    texts = [box for box in picture.boxes() if box.what == "text"]
    for some in (list(rectangles(picture).values()), texts):
        for i, a in enumerate(some):
            assert not any(a.overlaps(b) for b in some[i + 1 :]), a


def test_every_label_is_inside_its_box(picture):
    boxes = rectangles(picture)
    for shape, data in picture.shapes():
        if hasattr(shape, "bold") and ("node" in data or "leaf" in data):
            text = shape.box
            around = [b for key, b in boxes.items() if key[0] == data.get("node")]
            assert any(
                b.left <= text.left and text.right <= b.right
                and b.top <= text.top and text.bottom <= b.bottom
                for b in around
            ), text.text  # fmt: skip


def test_everything_is_on_the_canvas(picture):
    canvas = picture.canvas
    for box in picture.boxes():
        assert canvas.left < box.left and box.right < canvas.right
        assert canvas.top < box.top and box.bottom < canvas.bottom


def test_no_line_crosses_a_box_or_a_text(picture):
    boxes = [*rectangles(picture).values(), *(b for b in picture.boxes() if b.what == "text")]
    left, top, right, bottom = np.array([box[:4] for box in boxes]).T
    for shape, data in picture.shapes():
        if isinstance(shape, Path) and "edge" in data:
            x, y = np.array(shape.sampled())[:, :, None].transpose(1, 0, 2)
            inside = (left + 1 < x) & (x < right - 1) & (top + 1 < y) & (y < bottom - 1)
            assert not inside.any(), (data, boxes[inside.any(axis=0).argmax()])


def test_all_lines_run_down(picture):
    for shape, data in picture.shapes():
        if isinstance(shape, Path) and "edge" in data:
            heights = [y for _, y in shape.sampled()]
            assert heights == sorted(heights)


def test_the_svg_is_xml_and_the_png_a_picture(picture):
    ElementTree.fromstring(picture.svg())
    if len(picture.boxes()) < 150:
        assert picture.png(0.3).startswith(b"\x89PNG")


def test_an_operation_shows_its_name_the_shape_of_its_result_and_its_bytes():
    x = mt.tensor([1.0, 2.0, 3.0], requires_grad=True)
    shown = texts(draw_graph(mt.exp(x)))
    assert shown[:2] == ["exp", "(3,) · 24 B"]


def test_gradients_of_few_numbers_are_written_out_and_others_have_their_norm():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    w = mt.tensor(np.full(9, 0.5), requires_grad=True)
    y = mt.exp(x)
    y.retain_grad()
    loss = (y * 2.0).sum() + w.sum()
    assert not any("∇ " in text for text in texts(draw_graph(loss))[:-1])
    loss.backward(retain_graph=True)
    shown = texts(draw_graph(loss))
    assert "∇ [2, 2]" in shown and "∇ [5.44, 14.8]" in shown and "‖∇‖ 3" in shown


def test_a_shared_leaf_stands_at_each_user_with_its_gradient_at_the_first():
    w = mt.tensor([2.0, 3.0], requires_grad=True)
    loss = mt.tanh(w * mt.exp(w)).sum()
    loss.backward(retain_graph=True)
    picture = draw_graph(loss, {"w": w})
    leaves = [data for _, data in picture.shapes() if data.get("leaf") == "w"]
    assert len({data["node"] for data in leaves}) == 2
    assert sum("∇ [" in text for text in texts(picture)) == 1


def test_names_are_those_of_a_module_or_of_a_mapping_and_constants_differ():
    layer = mt.nn.Linear(2, 3)
    picture = draw_graph(layer(mt.ones(4, 2)).sum(), layer)
    kinds = {data["leaf"]: data["kind"] for _, data in picture.shapes() if "leaf" in data}
    assert kinds == {"weight": "leaf", "bias": "leaf", "constant": "constant"}


def test_a_named_result_shows_its_name():
    x = mt.tensor(1.0, requires_grad=True)
    h = mt.tanh(x)
    assert "hidden" in texts(draw_graph(h * h, {"hidden": h}))


def test_a_value_that_is_used_twice_by_one_operation_says_so():
    x = mt.exp(mt.tensor(1.0, requires_grad=True))
    assert "×2" in texts(draw_graph(x * x))


def test_what_is_read_of_a_tensor_is_shown():
    x = mt.exp(mt.tensor(np.ones((5, 4)), requires_grad=True))
    assert "getitem [1:3, :]" in heads(draw_graph(x[1:3, :]))


@pytest.mark.parametrize("T", [7, 8, 200])
def test_the_middle_of_a_recurrent_network_is_one_box(T):
    picture = recurrent("RNN", T)
    few = T - 4
    assert any(text.startswith(f"{few} × (2 linear") for text in texts(picture))
    assert heads(picture)["tanh"] == 4
    assert f"×{few}" in texts(picture), "values that the fold gives to the stack"


def test_a_short_network_is_not_folded():
    assert heads(recurrent("RNN", 6))["tanh"] == 6
    assert heads(recurrent("RNN", 12, fold=False))["tanh"] == 12


def test_places_give_the_time_steps_of_a_fold():
    places, h = Places(), mt.tensor([0.1], requires_grad=True)
    w = mt.tensor([0.5], requires_grad=True)
    for t in range(200):
        noted = places.note(t, "cell")
        h = noted(mt.tanh(noted(w * h)))
    picture = draw_graph(h.sum(), {"w": w}, places)
    assert "cell, t = 2 … 197" in heads(picture)
    assert "196 × (multiply, tanh)" in texts(picture)
    assert "cell, t = 1" in texts(picture) and "cell, t = 198" in texts(picture)
    assert "cell, t = 3" not in texts(picture)


def test_two_passes_of_one_module_are_two_folds():
    places, w = Places(), mt.tensor([0.5], requires_grad=True)
    run = [w] * 20
    for _ in range(2):
        h, above = w, run
        run = []
        for t in range(20):
            noted = places.note(t, "rnn")
            h = noted(mt.tanh(noted(above[t] + h)))
            run.append(h)
    picture = draw_graph(mt.stack(run).sum(), None, places)
    assert heads(picture)["rnn, t = 2 … 17"] == 2


def test_a_column_is_folded_by_node_and_step():
    shown = heads(of_column(mt.column.elman(2, 3, 1), 30))
    assert shown["h, t = 2 … 27"] == 1 and shown["Y, t = 2 … 27"] == 1


def test_nodes_that_feed_each_other_are_folded_into_one_box():
    shown = heads(of_column(mt.column.narx(1, 3, 1), 30))
    assert sum("t = 2 … 27" in head for head in shown) == 1


def test_a_network_is_folded_by_layer_and_direction():
    shown = heads(bidirectional())
    for layer in ("l0", "l0_reverse", "l1", "l1_reverse"):
        assert shown[f"{layer}, t = 2 … 197"] == 1
    assert shown["tanh"] == 4 * 4


def test_of_nested_modules_the_innermost_is_named_by_its_path():
    model = mt.nn.Sequential(mt.nn.Sequential(mt.nn.Linear(2, 3), mt.nn.Tanh()), mt.nn.Linear(3, 1))
    with mt.autograd.record_places(model) as places:
        loss = model(mt.ones(4, 2))
    assert {"0.0", "0.1", "1"} <= set(texts(draw_graph(loss, model, places)))


def test_modules_can_be_folded():
    shown = heads(of_column(mt.column.elman(2, 3, 1), 30, fold="modules"))
    assert set(shown) == {"h, t = 0 … 29", "Y, t = 0 … 29", "stack", "sum"}


@pytest.mark.parametrize("fold", [True, "modules"])
@pytest.mark.parametrize("seed", range(5))
def test_a_fold_loses_no_operation_and_closes_no_cycle(seed, fold):
    rng = np.random.default_rng(seed)
    places, nodes = Places(), [mt.tensor(0.0, requires_grad=True)]
    for i in range(300):
        a, b = (nodes[j] for j in rng.integers(max(0, i - 40), len(nodes), 2))
        nodes.append(mt.add(a, b) if i % 2 else mt.multiply(a, b))
        if rng.random() < 0.8:
            places.note(i // 10, "abc"[rng.integers(3)])(nodes[-1])
    graph = graph_of(mt.stack(nodes).sum())
    groups, links = folded(graph, places, fold)
    members = sorted(i for group in groups for i in group.members)
    assert members == list(range(len(graph.nodes)))
    assert len(groups) < len(graph.nodes)
    assert all(source < target for source, target in links)
    values = sum(len(inputs) for inputs in graph.inputs)
    owner = {i: k for k, group in enumerate(groups) for i in group.members}
    inside = sum(owner[i] == owner[j] for i, inputs in enumerate(graph.inputs) for j in inputs)
    assert sum(links.values()) + inside == values


def test_a_hundred_thousand_operations_are_drawn_without_recursion():
    y = mt.tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        y = y + 1.0
    picture = draw_graph(y)
    assert "99,996 × (add)" in texts(picture)
    assert len(heads(picture)) <= 3


def test_a_long_graph_without_repetitions_is_folded_all_the_same():
    picture = wild(np.random.default_rng(1), 3000)
    assert 20 < sum(heads(picture).values()) <= 80


def test_a_long_graph_is_not_drawn_one_by_one():
    y = mt.tensor(1.0, requires_grad=True)
    for _ in range(2001):
        y = y + 1.0
    with pytest.raises(GraphError, match="2,001 operations came with fold=False"):
        draw_graph(y, fold=False)


def test_a_freed_graph_says_to_draw_earlier():
    x = mt.tensor([1.0], requires_grad=True)
    loss = mt.exp(x).sum()
    loss.backward()
    with pytest.raises(GraphError, match=r"Call draw_graph before backward\(\), or keep"):
        draw_graph(loss)


def test_a_graph_that_was_kept_can_be_drawn_and_drawing_changes_nothing():
    x = mt.tensor([1.0], requires_grad=True)
    loss = mt.exp(x).sum()
    loss.backward(retain_graph=True)
    before = x.grad.item()
    assert draw_graph(loss).svg() == draw_graph(loss).svg()
    assert x.grad.item() == before
    loss.backward()


def test_a_graph_on_any_backend_can_be_drawn(backend):
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    loss = mt.tanh(x * mt.ones(2))[:1].sum()
    loss.backward(retain_graph=True)
    picture = draw_graph(loss)
    assert "∇ [0.42, 0]" in texts(picture)
    assert "getitem [:1]" in heads(picture)


@pytest.mark.parametrize(
    "wrong, error, says",
    [
        (lambda x: draw_graph((x, x)), DTypeError, r"\(output, h_n\), take one"),
        (lambda x: draw_graph(x, names=["x"]), TypeError, "names is a list"),
        (lambda x: draw_graph(x, fold="module"), ValueError, "fold is 'module'"),
    ],
)
def test_what_it_cannot_draw_is_told(wrong, error, says):
    with pytest.raises(error, match=says):
        wrong(mt.exp(mt.tensor(1.0, requires_grad=True)))


def test_bytes_are_those_of_results_and_constants_and_shared_memory_counts_once():
    x = mt.tensor(np.ones((4, 6)), requires_grad=True)
    y = mt.exp(x)  # 192
    part = y[:, :3]  # a view: nothing
    z = part * np.ones(3) * 2.0  # 24 of the constant, 96 and 96
    rows = dict(line.split(None, 1) for line in graph_table(z.sum()).splitlines())
    assert rows["exp"].split() == ["1", "192", "B"]
    assert rows["getitem"].split() == ["1", "0", "B"]
    assert rows["multiply"].split() == ["2", "216", "B"]
    assert rows["total"].split() == ["5", "416", "B"]


def test_a_constant_that_is_used_twice_counts_once():
    x, c = mt.tensor(np.ones(3), requires_grad=True), mt.tensor(np.ones(3))
    assert graph_of(x * c * c).saved == [48, 24]


def test_what_a_scan_keeps_for_its_rule_is_counted():
    lstm = mt.nn.LSTM(2, 3)
    output, _ = lstm(mt.randn(50, 4, 2))
    # The states h and c and the four gates of every step, and x.
    assert sum(graph_of(output.sum()).saved) >= 50 * 4 * (6 * 3 + 2) * 8


def test_lines_cross_no_more_than_they_must():
    size = Size(20.0, 20.0, 30.0)
    links = [(0, 3), (1, 2), (2, 4), (3, 4)]
    layout = laid_out([size] * 5, links, dict.fromkeys(links, 10.0))
    across = [x for x, _ in layout.centres]
    assert (across[0] < across[1]) == (across[3] < across[2])
    ends = [layout.lines[link][-1][0] for link in links]
    assert (across[3] < across[2]) == (ends[3] < ends[2]), "they enter in the order they come in"


def test_the_numbers_of_the_title_and_of_the_description_are_those_of_the_table():
    rnn = mt.nn.RNN(2, 3, road="graph")
    output, _ = rnn(mt.randn(20, 4, 2))
    loss = output.sum()
    total = graph_table(loss).splitlines()[-1]
    picture = draw_graph(loss)
    assert re.search(r"(\d+) operations", picture.title)[1] == total.split()[1]
    assert " ".join(total.split()[2:]) in picture.description
