"""The papers' experiments: each runs, always alike; the page tells what was found, and no more."""

import json
import pathlib
import re
from concurrent.futures.process import BrokenProcessPool

import pytest

from bench.papers import command, page
from bench.papers.command import NAMES, script, seed_of
from bench.papers.look import look
from bench.papers.record import Kept, read, same, write, written
from bench.papers.result import Finding

FOLDER = pathlib.Path(page.__file__).parent
FRAME = {"__init__", "command", "look", "page", "record", "result"}
SMALL = {  # sizes for a second
    "temporal_xor": {"bits": 30, "passes": 2, "cycles": 20},
    "blocked_gradient": {"bits": 30, "passes": 2},
    "letters": {"consonants": 30, "passes": 2},
    "lexical_classes": {"sentences": 30, "passes": 1},
    "jordan_plans": {"updates": 50, "most": 50, "hidden": 4, "disturbed": 8},
    "narx_latching": {"lengths": (5, 8), "trials": 2, "sequences": 4, "steps": 3, "back": 10},
    "bidirectional": {"frames": 200, "judged": 200, "passes": 2},
    "sunspots": {"most": 2},
    "embedded_reber": {"strings": 30, "passes": 20},
    "adding": {"sequences": 400, "tested": 20},
    "temporal_order": {"steps": 50, "sequences": 500, "tested": 20},
    "copying": {"share": 0.01, "judged": 1, "wait": 20},
    "anchors": {"hidden": 4, "steps": 20, "settle": 30, "back": 6},
}
KEPT = read(page.FIGURES)


def test_every_script_is_known_and_has_a_small_size():
    assert {path.stem for path in FOLDER.glob("*.py")} - FRAME == set(NAMES) == set(SMALL)


@pytest.mark.parametrize("name", NAMES)
def test_a_small_run_is_judged_and_drawn_and_a_second_one_is_the_same(name):
    from matplotlib import pyplot

    first, second = (json.dumps(script(name).run(0, **SMALL[name]), allow_nan=False) for _ in "12")
    assert first == second
    other = script(name).run(1, **SMALL[name])
    assert json.dumps(other) != first, "the seed changes nothing"
    found = [json.loads(first), other]
    findings = script(name).findings(found)
    assert any(f.asked for f in findings)
    assert all(len(f.ours) == 2 and f.what and f.paper for f in findings)
    with pyplot.rc_context(look(name)):
        shown = script(name).draw(found)
        shown.canvas.draw()
        assert shown.get_size_inches()[0] == 7
        pyplot.close(shown)


@pytest.mark.parametrize("name", NAMES)
def test_every_script_says_what_it_does_and_where_the_papers_figure_is_from(name):
    paper = script(name).PAPER
    assert paper.seeds >= 5 and paper.differs
    assert all(paper[:5]) and paper.caption
    assert re.search(r"\b(19|20)\d\d\b", paper.source)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_is_of_the_script_as_it_is_and_a_miss_has_its_reason(name):
    paper, found = script(name).PAPER, KEPT[name].found
    assert len(found) == len(KEPT[name].seconds) == paper.seeds
    findings = script(name).findings(found)
    assert page.verdict(findings) == page.REPRODUCED or paper.missed
    assert (FOLDER / f"{name}.svg").stat().st_size > 5_000


def test_all_are_kept_in_less_than_half_an_hour_and_most_are_reproduced():
    assert list(KEPT) == list(NAMES)
    verdicts = [page.verdict(script(name).findings(KEPT[name].found)) for name in NAMES]
    assert verdicts.count(page.REPRODUCED) >= 11
    assert sum(kept.wall for kept in KEPT.values()) < 1800
    assert max(kept.wall for kept in KEPT.values()) < 300


def test_the_page_is_the_one_of_the_figures():
    assert page.PAGE.read_text("utf-8") == page.markdown(KEPT), (
        "written by hand, or from other texts? `python -m bench papers --page` mends it"
    )


@pytest.mark.parametrize(
    "ours, least, most, passed, band",
    [
        ((1.0, 3.0, 2.0), 2.0, None, True, "at least 2"),
        ((1.0, 3.0, 2.0), None, 1.9, False, "at most 1.9"),
        ((1.0, 3.0, 2.0), 2.5, 4.0, False, "at least 2.5, at most 4"),
        ((float("nan"),), None, 1.0, False, "at most 1"),
        ((1.0,), None, None, True, ""),
    ],
)
def test_the_median_is_judged_by_the_band(ours, least, most, passed, band):
    finding = Finding("error", "none", ours, least, most)
    assert (finding.passed, finding.band) == (passed, band)


def test_figures_are_kept_to_the_last_bit(tmp_path):
    one = Kept({"date": "1990"}, 2, 1.5, [1.0], [{"error": 0.1 + 0.2, "curve": [1e-300, 1 / 3]}])
    (tmp_path / "kept.json").write_text(written({"anchors": one, "letters": one}))
    assert read(tmp_path / "kept.json") == {"anchors": one, "letters": one}
    assert same(one, one) and not same(one, one._replace(found=[{"error": 0.3}]))
    assert read(tmp_path / "none.json") == {}


@pytest.mark.parametrize("content", ["{", "[]", '{"anchors": {"wall": 1}}', '{"anchors": 3}'])
def test_damaged_figures_are_told_in_a_line(content, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "FIGURES", tmp_path / "papers.json")
    page.FIGURES.write_text(content)
    with pytest.raises(SystemExit, match=r"papers.json: is damaged .*; remove it to begin anew"):
        command.main(["anchors"])
    assert page.FIGURES.read_text() == content


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of its own for what is written, and one seed in this process."""

    class Here:
        def __init__(self, *_, **__): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...
        def map(self, function, *lists):
            return map(function, *lists)

    monkeypatch.setattr(command, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(command, "seed_of", lambda name, seed: seed_of(name, 0, **SMALL[name]))
    for name, path in (("FIGURES", "papers.json"), ("PAGE", "PAPERS.md"), ("_FOLDER", "")):
        monkeypatch.setattr(page, name, tmp_path / path)
    return tmp_path


def test_the_command_prints_keeps_and_draws_and_runs_again_to_the_same_bits(elsewhere, capsys):
    command.main(["anchors"])
    told = capsys.readouterr().out
    assert "paper: " in told and "of processor time" in told
    assert all(len(line) <= 80 for line in told.splitlines())
    assert {path.name for path in elsewhere.iterdir()} == {
        "papers.json", "PAPERS.md", "anchors.svg",
    }  # fmt: skip
    before = (elsewhere / "papers.json").read_text()
    command.main(["anchors", "--again"])
    assert "the same bits as kept" in capsys.readouterr().out
    changed = re.sub(r"(\d)(?=[,}\]])", lambda m: str((int(m[1]) + 1) % 10), before)
    (elsewhere / "papers.json").write_text(changed)
    with pytest.raises(SystemExit, match="not the bits that are kept: anchors"):
        command.main(["anchors", "--again"])
    assert (elsewhere / "papers.json").read_text() == changed


def test_the_page_is_made_again_without_a_run(elsewhere, monkeypatch):
    command.main(["anchors"])
    before = (elsewhere / "PAPERS.md").read_text()
    for name in ("PAPERS.md", "anchors.svg"):
        (elsewhere / name).unlink()
    monkeypatch.setattr(command, "_run", lambda *_: pytest.fail("it ran"))
    command.main(["anchors", "--page"])
    assert (elsewhere / "PAPERS.md").read_text() == before
    assert (elsewhere / "anchors.svg").exists()


def test_a_row_of_the_page_has_five_cells_whatever_its_text(elsewhere):
    command.main(["anchors"])
    rows = re.findall(r"^\|.*\|$", (elsewhere / "PAPERS.md").read_text(), re.M)
    assert any(r"\|eigenvalue\|" in row for row in rows)
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4, 6}  # all; one chapter


@pytest.mark.parametrize("options", [["--again"], ["--page"]])
def test_without_figures_there_is_nothing_to_compare_or_draw(options, elsewhere):
    with pytest.raises(SystemExit, match="no figures of anchors are kept"):
        command.main(["anchors", *options])


@pytest.mark.parametrize("package", ["matplotlib", "scipy"])
def test_a_missing_package_is_told_before_the_run(package, elsewhere, monkeypatch):
    find = command.importlib.util.find_spec
    monkeypatch.setattr(
        command.importlib.util, "find_spec", lambda name: None if name == package else find(name)
    )
    with pytest.raises(SystemExit, match=rf"{package} is missing; pip install -e '\.\[papers\]'"):
        command.main(["anchors"])
    assert not list(elsewhere.iterdir())


def test_a_folder_that_cannot_be_written_is_told_before_the_run(elsewhere, monkeypatch):
    monkeypatch.setattr(page, "FIGURES", elsewhere / "none" / "papers.json")
    with pytest.raises(SystemExit, match="none: nothing can be written there"):
        command.main(["anchors"])


def test_figures_that_do_not_fit_their_script_are_told_before_the_run(elsewhere):
    machine = {"date": "1990"}
    (elsewhere / "papers.json").write_text(
        written({"letters": Kept(machine, 1, 1.0, [1.0], [{"error": 1.0}])})
    )
    with pytest.raises(SystemExit, match="the figures of letters .* do not fit its script"):
        command.main(["anchors"])


def test_figures_that_do_not_fit_are_in_nobodys_way_where_they_are_found_anew(elsewhere):
    old = Kept({"date": "1990"}, 1, 1.0, [1.0], [{"error": 1.0}])
    (elsewhere / "papers.json").write_text(written({"letters": old, "anchors": old}))
    command.main(["anchors", "letters"])
    assert list(read(elsewhere / "papers.json")) == ["letters", "anchors"]


@pytest.mark.parametrize("error, told", [(KeyboardInterrupt, 130), (BrokenProcessPool, "killed")])
def test_an_end_before_the_end_leaves_what_was_kept(error, told, elsewhere, monkeypatch):
    command.main(["anchors"])
    before = {path.name: path.read_text() for path in elsewhere.iterdir()}

    def ended(*_):
        raise error

    monkeypatch.setattr(command, "seed_of", ended)
    with pytest.raises(SystemExit) as left:
        command.main(["anchors"])
    assert str(told) in str(left.value.code)
    assert {path.name: path.read_text() for path in elsewhere.iterdir()} == before


def test_figures_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "papers.json"
    write({"anchors": Kept({}, 1, 1.0, [1.0], [{"error": 1.0}])}, path)
    before = path.read_text()
    with pytest.raises(ValueError, match="JSON"):
        write({"anchors": Kept({}, 1, 1.0, [1.0], [{"error": float("nan")}])}, path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_seed_that_finds_a_nan_is_named(monkeypatch):
    monkeypatch.setattr(script("anchors"), "run", lambda seed: {"error": float("nan")})
    with pytest.raises(ValueError, match="anchors, seed 3: its figures are not JSON"):
        seed_of("anchors", 3)


@pytest.mark.parametrize(
    "wrong, told",
    [(["elman"], "elman: known are temporal_xor"), (["--processes", "0"], "at least 1 is needed")],
)
def test_what_is_not_known_is_told(wrong, told, capsys):
    with pytest.raises(SystemExit):
        command.main(wrong)
    assert told in capsys.readouterr().err
