"""A picture: what is drawn is in the SVG and in the PNG, safely written and where it says."""

import io
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from minitorch_rnn.errors import DataError
from minitorch_rnn.teaching.pictures import Picture, text_width
from minitorch_rnn.teaching.pictures.shapes import Path

SVG = "{http://www.w3.org/2000/svg}"


def one_of_each():
    picture = Picture("a title", "a description")
    with picture.group(node="h", t=3, title="h(3)"):
        picture.rectangle(0, 0, 60, 30, fill="#cfe8f7", stroke="#00507d", radius=6)
        picture.text(30, 20, "h(3)")
    picture.circle(100, 15, 15, fill="#b9e4d3", stroke="#005a43", dashed=True)
    picture.path([(60, 15), (85, 15)], stroke="#b34700", arrow=True)
    picture.path([(0, 60), (0, 90), (100, 90), (100, 60)], stroke="#000000", curved=True)
    return picture


def pixels(picture, scale=1.0):
    from matplotlib.image import imread

    return (imread(io.BytesIO(picture.png(scale)), format="png")[..., :3] * 255).round()


def test_the_svg_says_what_it_is_and_holds_every_shape():
    root = ET.fromstring(one_of_each().svg())
    assert root.attrib["role"] == "img" and root.attrib["aria-label"] == "a title"
    assert [root[0].tag, root[0].text] == [f"{SVG}title", "a title"]
    assert [root[1].tag, root[1].text] == [f"{SVG}desc", "a description"]
    group = root.find(f".//{SVG}g[@data-node='h']")
    assert group.attrib["data-t"] == "3" and group.find(f"{SVG}title").text == "h(3)"
    assert len(root.findall(f".//{SVG}rect")) == 2  # the paper is one
    assert len(root.findall(f".//{SVG}path")) == 3  # and the head of the arrow one
    assert "://" not in one_of_each().svg().replace("http://www.w3.org/2000/svg", "")


def test_the_canvas_holds_all_that_was_drawn_left_of_0_too():
    picture = Picture("wide")
    picture.text(0, 0, "a long text to the left", anchor="end")
    picture.path([(0, 0), (0, -200), (50, -200), (50, 0)], stroke="#000000", curved=True)
    canvas = picture.canvas
    for shape, _ in picture.shapes():
        assert canvas.left < shape.box.left and shape.box.right < canvas.right
        assert canvas.top < shape.box.top and shape.box.bottom < canvas.bottom
    assert -170 < canvas.top < -160  # the curve's own height is 150, not that of its control points
    numbers = " ".join(f"{n:g}" for n in (canvas.left, canvas.top))
    assert f'viewBox="{numbers} ' in picture.svg()


@pytest.mark.parametrize(
    "name", ['<b> & "q" \'s', "]]>", "größe", "a\nb\tc", "\x00\x1b\ud800 \uffff"]
)
def test_any_text_gives_a_file_that_parses(name):
    picture = Picture(name, name)
    with picture.group(edge=name, title=name):
        picture.text(0, 0, name)
    root = ET.fromstring(picture.svg().encode())
    group = root.find(f".//{SVG}g[@data-edge]")
    expected = "".join(c if c not in "\x00\x1b\ud800\uffff" else "\ufffd" for c in name)
    assert group.attrib["data-edge"] == expected
    assert group.find(f"{SVG}text").text == expected


def test_the_png_shows_the_shapes_of_the_svg_where_they_are():
    picture = one_of_each()
    image, canvas = pixels(picture), picture.canvas
    assert image.shape[:2] == (canvas.bottom - canvas.top, canvas.right - canvas.left)

    def at(x, y):
        return "#" + "".join(
            f"{int(c):02x}" for c in image[int(y - canvas.top), int(x - canvas.left)]
        )

    assert at(5, 8) == "#cfe8f7" and at(100, 15) == "#b9e4d3"
    assert at(70, 50) == "#ffffff"
    assert at(81, 15) == "#b34700"  # the head of the arrow
    rows, columns = np.nonzero((image < 100).all(axis=2) & (image.sum(axis=2) < 200))
    letters = (columns > 2 - canvas.left) & (columns < 58 - canvas.left) & (rows < 28 - canvas.top)
    box = next(b for b in picture.boxes() if b.text == "h(3)")
    assert abs(columns[letters].min() + canvas.left - box.left) < 3
    assert abs(columns[letters].max() + canvas.left - box.right) < 3
    assert pixels(picture, 2.0).shape[0] == 2 * image.shape[0]
    assert picture.png() == picture.png()


def test_the_style_that_a_reader_has_set_does_not_matter():
    import matplotlib

    plain = one_of_each().png()
    with matplotlib.rc_context({"font.size": 30, "path.sketch": (5, 50, 2), "savefig.dpi": 20}):
        assert one_of_each().png() == plain
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("bold", [False, True])
def test_widths_are_those_of_the_font(bold):
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    for text in ("h1(t-1)->h1", "state: read at another time", "W of Y(t-1) = 0.25", "∂h(3)/∂z(3)"):
        # Between two bars, so that what counts is the advance, not the ink.
        outer = TextPath((0, 0), f"|{text}|", size=100, prop=font).get_extents().width
        bar = TextPath((0, 0), "||", size=100, prop=font).get_extents().width
        assert text_width(text, 100, bold) == pytest.approx(outer - bar, abs=4)  # kerning, rounding


def test_what_is_not_in_the_table_counts_as_wide():
    assert text_width("積分", 10) == 20.0
    assert text_width("Ж", 10) >= 10.0
    assert text_width("e\u0301", 10) == text_width("e", 10)


def test_arrows_point_where_the_line_ends_and_the_line_stops_within_the_head():
    picture = Picture("arrow")
    picture.path([(0, 0), (50, 0)], stroke="#000000", arrow=True)
    ((path, _),) = picture.shapes()
    tip, left, right = path.head
    assert tip == (50, 0) and left[0] == right[0] < 50 and left[1] == -right[1] != 0
    assert left[0] < path.stem[-1][0] < 50


def test_outlines_are_boxes_and_lines_are_not():
    picture = Picture("outline")
    picture.path([(0, 0), (10, 5), (0, 10), (0, 0)], stroke="#000000", fill="#ffffff")
    picture.path([(0, 0), (10, 5)], stroke="#000000")
    assert [tuple(box[:4]) for box in picture.boxes()] == [(0, 0, 10, 10)]
    assert [shape.closed for shape, _ in picture.shapes() if isinstance(shape, Path)] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "points, curved", [([(0, 0)], False), ([(0, 0)] * 5, True), ([(0, 0)], True)]
)
def test_a_path_of_too_few_points_is_refused(points, curved):
    with pytest.raises(ValueError, match=rf"Picture.path: {len(points)} points"):
        Picture("path").path(points, stroke="#000000", curved=curved)


def test_a_picture_is_saved_by_its_suffix(tmp_path):
    picture = one_of_each()
    assert picture.save(tmp_path / "a.svg").read_text(encoding="utf-8") == picture.svg()
    assert picture.save(str(tmp_path / "a.PNG")).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"'.*a\.pdf' does not end in \.svg or \.png"):
        picture.save(tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


def test_a_png_that_no_program_would_open_is_refused(tmp_path):
    picture = Picture("long")
    picture.path([(0, 0), (20_000, 0)], stroke="#000000")
    with pytest.raises(ValueError, match=r"20,024 × 24 px at scale 2 make 40,048 dots"):
        picture.png()
    with pytest.raises(DataError, match=r"long\.png: .* take a smaller scale, or an SVG"):
        picture.save(tmp_path / "long.png")
    assert not (tmp_path / "long.png").exists()


def test_a_picture_that_cannot_be_written_names_the_file(tmp_path):
    for name in ("a.svg", "a.png"):
        path = tmp_path / "nowhere" / name
        with pytest.raises(DataError, match="cannot be written: No such file") as caught:
            one_of_each().save(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_picture_without_matplotlib_is_an_svg(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DataError, match=r"a\.png: PNG needs matplotlib, .* an \.svg needs nothing"):
        one_of_each().save(tmp_path / "a.png")
    one_of_each().save(tmp_path / "a.svg")


def test_a_notebook_shows_it():
    assert one_of_each()._repr_svg_() == one_of_each().svg()
    assert repr(one_of_each()) == "Picture('a title', 139 × 107)"


def test_an_empty_picture_is_a_white_sheet():
    assert (pixels(Picture("empty")) == 255).all()
