"""The page of `explain` is one file that holds everything and asks for nothing."""

import html
import html.parser
import json
import re

import pytest

import minitorch_rnn as mt
from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.column import Column, Edge, Input, Layer
from minitorch_rnn.errors import DataError
from minitorch_rnn.teaching.explain import explain

AWKWARD = Column(
    "</script><blink>{{script}} <!--<script> & \u2028 \"quoted\" ü",
    (Input("x", 1), Layer("Y", 1)), (Edge("x", "Y"),), "Y",
)  # fmt: skip


class Parts(html.parser.HTMLParser):
    """Every element with its attributes, and the text of those that hold some."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self._open = [], [], None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self._open = (tag, dict(attributes))
        self.elements.append(self._open)

    def handle_data(self, data):
        self.texts.append((self._open, data))

    def text(self, **wanted):
        """All text right inside the elements that have these attributes."""
        return "".join(
            data for place, data in self.texts
            if place and all(place[1].get(key) == value for key, value in wanted.items())
        )  # fmt: skip


@pytest.fixture(scope="module")
def page():
    return explain(COLUMNS["state-space"](2, 3, 2), steps=3)


def recording_of(page):
    return json.loads(Parts(page.html).text(id="recording"))


def test_the_recording_and_the_picture_are_in_the_page(page):
    found = recording_of(page)
    picture = found.pop("picture")
    assert found == page.recording.document()
    for t in range(3):
        for n in ("x", "h1", "Y"):
            assert re.search(rf'<g[^>]*data-node="{n}"[^>]*data-t="{t}"', picture)
    for step in found["steps"]:  # whatever lights up is in the picture
        for kind, name, t in step["lit"]:
            shown = html.escape(name)
            assert re.search(rf'<g[^>]*data-{kind}="{re.escape(shown)}"[^>]*data-t="{t}"', picture)


@pytest.mark.parametrize("name", COLUMNS)
def test_whatever_lights_up_is_in_the_picture(name):
    found = recording_of(explain(COLUMNS[name](1, 1, 1), steps=2))
    drawn = {
        (kind, html.unescape(n), int(t))
        for kind, n, t in re.findall(
            r'data-(node|edge)="([^"]*)" data-t="(-?\d+)"', found["picture"]
        )
    }
    lit = {tuple(part) for step in found["steps"] for part in step["lit"]}
    assert lit <= drawn


def test_the_page_asks_for_nothing_from_elsewhere(page):
    parts = Parts(page.html)
    for tag, attributes in parts.elements:
        assert tag not in {"iframe", "object", "embed", "base", "img"}
        for name in ("src", "href", "action", "data", "srcset"):
            assert not attributes.get(name, "").strip() or attributes[name].startswith(
                ("#", "data:")
            )
    links = set(re.findall(r"https?://[^\s\"'<\\]+", page.html))
    assert links <= {"http://www.w3.org/2000/svg"}  # the name of a namespace: nobody fetches it
    assert not re.search(r"@import|url\(\s*['\"]?(?!#|data:)|fetch\(|XMLHttp|WebSocket", page.html)
    assert re.search(r"default-src 'none'", page.html)


def test_no_name_of_the_users_leaves_its_place():
    page = explain(AWKWARD, steps=2)
    found = recording_of(page)
    assert found["title"] == f"{AWKWARD.name}: squared error"
    assert found["steps"] == page.recording.steps
    parts = Parts(page.html)
    assert [tag for tag, _ in parts.elements].count("script") == 2
    assert "<!--" not in parts.text(id="recording")  # behind it, browsers miss the end of a script
    assert not [tag for tag, _ in parts.elements if tag == "blink"]
    title = re.search("<title>(.*?)</title>", page.html, re.S)
    assert html.unescape(title[1]) == found["title"] and "<" not in title[1]


def test_it_is_written_as_one_file_of_utf_8(page, tmp_path):
    file = page.write(tmp_path / "run.html")
    assert file.read_bytes().decode("utf-8") == page.html
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.html"]
    with pytest.raises(DataError, match=r"cannot be written"):
        page.write(tmp_path / "no" / "run.html")


def test_a_name_without_a_place_in_utf_8_is_shown_with_another_character(tmp_path):
    edge = Edge("x", "Y", name="a\udc80")
    column = Column("\udc80", (Input("x", 1), Layer("Y", 1)), (edge,), "Y")
    page = explain(column, steps=1)
    assert page.write(tmp_path / "run.html").read_bytes().decode("utf-8") == page.html
    assert {step["edge"] for step in recording_of(page)["steps"]} == {"a?", None}


def test_in_a_notebook_it_stands_in_a_frame(page):
    ((tag, attributes),) = Parts(page._repr_html_()).elements
    assert tag == "iframe" and attributes["srcdoc"] == page.html


def test_a_network_is_explained_with_its_own_parameters():
    network = mt.nn.ColumnNetwork(COLUMNS["elman"](1, 2, 1))
    page = explain(network, [[1.0], [2.0]], [[0.0], [1.0]], "last output")
    first = next(s for s in recording_of(page)["steps"] if s["edge"] == "x->h")
    values = {v["name"]: v["numbers"] for v in first["values"]}
    assert values["W of x->h"] == pytest.approx(network.weight["x->h"].detach().numpy(), rel=1e-11)
    assert values["x(0)"] == [[1]]


def test_the_page_is_the_same_for_the_same_seed():
    column = COLUMNS["elman"](1, 2, 1)
    assert explain(column, seed=3).html == explain(column, seed=3).html
    assert explain(column, seed=3).html != explain(column, seed=4).html


def test_the_page_opens_in_a_browser(page, chromium, tmp_path):
    tab, told = chromium.new_page(), []
    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.goto(page.write(tmp_path / "run.html").as_uri())
    assert f"of {len(page.recording.steps)}" in tab.inner_text("#position")
    tab.click("#last")
    assert f"Step {len(page.recording.steps)}" in tab.inner_text("#position")
    assert not told
    tab.close()
