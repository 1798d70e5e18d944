"""The ledger's heat maps: what has a colour, what is hatched, and bars in proportion."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from teaching.ledger_cases import T, account, data, of_gain

from minitorch_rnn.column import chunked
from minitorch_rnn.teaching.pictures.heat_map import scale_colour
from minitorch_rnn.teaching.pictures.shapes import Path, Rectangle


def luminance(colour):
    parts = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return np.dot([0.2126, 0.7152, 0.0722], linear)


def test_the_colours_darken_all_the_way():
    grey = [luminance(scale_colour(s)) for s in np.linspace(0, 1, 100)]
    assert np.diff(grey).max() < 0 and grey[0] < 0.8 and grey[-1] < 0.02


def rows_of(picture):
    """The rectangles of the map, by row."""
    found = {}
    for shape, about in picture.shapes():
        if "row" in about:
            found.setdefault(int(about["row"]), []).append(shape)
    return found


@pytest.mark.parametrize("name", ["state-space", "elman", "bidirectional"])
def test_cells_have_a_colour_where_something_arrives(name, rng):
    found = account(*data(name, rng))
    picture = found.picture()
    rows = rows_of(picture)
    size = 24.0
    for t in range(T):
        cells = sum(shape.width for shape in rows[t]) / size
        assert round(cells) == found.kept[found.states[0]][t].sum()


def test_a_darker_cell_is_a_larger_number():
    found = of_gain(0.5)
    row = sorted(rows_of(found.picture())[19], key=lambda shape: shape.x)
    assert len(row) > 10
    assert np.diff([luminance(shape.fill) for shape in row]).max() < 0  # nearer to the loss


def test_only_what_is_cut_off_is_hatched(rng):
    def hatches(found):
        return [s for s, about in found.picture().shapes() if about.get("hatched") == "cut"]

    assert not hatches(account(*data("state-space", rng)))
    lines = hatches(account(*data("elman", rng)))
    assert lines and all(isinstance(shape, Path) for shape in lines)
    assert all(x <= y for shape in lines for x, y in shape.points)  # below the diagonal: 34 < 48
    assert "cut off" in account(*data("elman", rng)).picture().svg()


@pytest.mark.parametrize("T", [1, 2, 24, 200, 450])
def test_pictures_of_any_length_have_one_size_and_no_text_over_another(T):
    picture = of_gain(0.97, T).picture()
    left, top, right, bottom = picture.canvas[:4]
    assert right - left < 480 and bottom - top < 700
    assert len(picture.svg()) < 400_000
    texts = [box for box in picture.boxes() if box.what == "text"]
    for i, one in enumerate(texts):
        for other in texts[:i]:
            assert not one.overlaps(other), (one.text, other.text)


def test_bars_are_as_high_as_what_a_time_step_adds():
    found = of_gain(0.5)
    label = "added at t to d weight.h1(t-1)->h1"
    bars = [s for s, about in found.picture().shapes()
            if about.get("bars") == label and isinstance(s, Rectangle)]  # fmt: skip
    norms = [np.linalg.norm(g) for g in found.contributions["weight.h1(t-1)->h1"]]
    heights = np.array([s.height for s in sorted(bars, key=lambda s: s.x)])
    kept = [n for n in norms if n > 0]
    assert_allclose(heights / heights.max(), np.array(kept) / max(kept), rtol=1e-10)


def test_a_gated_network_shows_the_weights_of_its_links_through_time(rng):
    svg = account(*data("lstm", rng)).picture("c").svg()
    assert all(f"d weight.h(t-1)-&gt;{gate}" in svg for gate in "ifgo")


def test_pictures_say_in_words_what_they_show(rng):
    found = account(*data("state-space", rng), chunked(2))
    svg = found.picture().svg()
    assert "<title>state-space: ‖∂Div(t)/∂h1(t&#x27;)‖" in svg or "∂h1(t')" in svg
    assert "chunked(k=2)" in svg and "truncated after 1 step" in svg
    assert "norm of the product" in found.picture(of="jacobian").svg()
