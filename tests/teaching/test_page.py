"""The page of `explain` in a real browser: every control, and what it shows of a step."""

import itertools

import pytest
from teaching.browser import number, numbers_in, press, recording_of, state, walk


def turn_of(recording):
    """Number of the first backward step, counted from 1."""
    return [step["phase"] for step in recording["steps"]].index("backward") + 1


def test_the_buttons_go_to_their_steps(opened, small_run):
    recording = recording_of(small_run)
    page, count = opened(small_run), len(recording["steps"])
    assert state(page)["enabled"] == ["next", "last"] and number(page) == 1
    assert state(page)["of"] == count
    assert press(page, "next") == 2
    assert press(page, "next", "next") == 4
    assert press(page, "back") == 3
    assert press(page, "last") == count
    assert state(page)["enabled"] == ["first", "back"]
    assert press(page, "turn") == turn_of(recording)
    assert press(page, "first") == 1


def test_the_slider_goes_to_every_step_and_says_which(opened, small_run):
    page, steps = opened(small_run), recording_of(small_run)["steps"]
    for wanted in (2, len(steps), 17, 1):
        page.fill("#slider", str(wanted))
        shown = state(page)
        assert shown["number"] == shown["slider"] == wanted
        assert shown["heard"] == f"Step {wanted} of {len(steps)}, {shown['place']}"
        assert shown["place"].startswith(steps[wanted - 1]["phase"])
    page.focus("#slider")
    page.keyboard.press("ArrowRight")
    assert number(page) == 2
    page.keyboard.press("End")
    assert number(page) == len(steps)


def test_the_keys_press_the_buttons(opened, small_run):
    page, steps = opened(small_run, clock=True), recording_of(small_run)["steps"]
    for key, wanted in [("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", len(steps)),
                        ("ArrowRight", len(steps)), ("Home", 1), ("ArrowLeft", 1)]:  # fmt: skip
        page.keyboard.press(key)
        assert number(page) == wanted
    page.keyboard.press("Space")
    page.clock.run_for(2100)
    assert number(page) == 3
    page.keyboard.press("Space")
    page.clock.run_for(2100)
    assert number(page) == 3
    for key in ("ArrowRight", "Home", "End", "Space", "Shift"):
        assert page.locator("#keys kbd").filter(has_text={"ArrowRight": "→"}.get(key, key)).count()


def test_a_key_is_left_to_what_has_the_focus(opened, small_run):
    page = opened(small_run)
    page.focus("#next")
    page.keyboard.press("Space")
    assert number(page) == 2 and page.inner_text("#play") == "Play"
    page.focus("#jump-t")
    page.keyboard.press("ArrowRight")
    page.focus("#speed")
    page.keyboard.press("Home")
    assert number(page) == 2
    page.keyboard.press("Control+ArrowRight")
    page.focus("#next")
    page.keyboard.press("Alt+Shift+ArrowRight")
    assert number(page) == 2


@pytest.mark.parametrize("speed, after", [("0.5", 2000), ("1", 1000), ("3", 334), ("10", 100),
                                          ("30", 34)])  # fmt: skip
def test_playing_has_the_chosen_speed(opened, small_run, speed, after):
    page = opened(small_run, clock=True)
    page.select_option("#speed", speed)
    press(page, "play")
    assert page.inner_text("#play") == "Pause"
    page.clock.run_for(after - 4)
    assert number(page) == 1
    page.clock.run_for(4)
    assert number(page) == 2
    page.clock.run_for(3 * after)
    assert number(page) == 5
    press(page, "play")
    page.clock.run_for(10 * after)
    assert number(page) == 5


def test_playing_stops_at_the_last_step_and_begins_anew_from_there(opened, small_run):
    count = len(recording_of(small_run)["steps"])
    page = opened(small_run, f"#step={count - 1}", clock=True)
    press(page, "play")
    page.clock.run_for(5000)
    assert number(page) == count and page.inner_text("#play") == "Play"
    press(page, "play")
    assert number(page) == 1
    page.clock.run_for(1001)
    assert number(page) == 2
    assert press(page, "next") == 3  # every other control stops it
    page.clock.run_for(5000)
    assert number(page) == 3


def test_a_jump_goes_to_the_first_step_of_a_phase_at_a_node_and_a_time(opened, gated_run):
    page, recording = opened(gated_run), recording_of(gated_run)
    names = [node["name"] for node in recording["nodes"]]
    found = []
    for phase, name, t in itertools.product(("forward", "backward"), names, range(2)):
        there = [i for i, step in enumerate(recording["steps"], 1)
                 if (step["phase"], step["node"], step["t"]) == (phase, name, t)]  # fmt: skip
        before = number(page)
        page.select_option("#jump-phase", phase)
        page.select_option("#jump-node", name)
        page.fill("#jump-t", str(t))
        page.click("#jump button")
        assert number(page) == (there[0] if there else before)
        said = "" if there else f"No {phase} step is at {name}({t})."
        assert page.text_content("#found") == said
        found += there[:1]
    assert len(set(found)) > 3 * len(names)
    page.select_option("#jump-node", "")
    page.click("#jump button")
    backward = turn_of(recording) - 1
    anywhere = [i for i, s in enumerate(recording["steps"], 1) if s["node"] is None]
    assert number(page) == min(i for i in anywhere if i > backward)


def test_a_clicked_node_is_followed_from_step_to_step(opened, small_run):
    page, steps = opened(small_run), recording_of(small_run)["steps"]
    there = [i for i, step in enumerate(steps, 1) if ["node", "h", 1] in step["lit"]]
    assert len(there) > 4 and there[0] > 2
    assert page.is_hidden("#follow")
    page.click('[data-node="h"][data-t="1"]')
    assert number(page) == there[0]
    assert page.inner_text("#followed") == f"◆ h(1): 1 of {len(there)} steps"
    assert page.is_disabled("#follow-back")
    assert press(page, "follow-next") == there[1]
    page.keyboard.press("Shift+ArrowRight")
    assert number(page) == there[2]
    page.keyboard.press("Shift+ArrowLeft")
    assert number(page) == there[1]
    assert press(page, "follow-back") == there[0]
    page.click('[data-node="h"][data-t="1"]')
    assert number(page) == there[1]
    press(page, "last")
    assert page.is_disabled("#follow-next")
    page.click('[data-node="h"][data-t="1"]')
    assert number(page) == there[0]
    assert page.get_attribute(".pin", "d")
    page.click("#unfollow")
    assert page.is_hidden("#follow") and not page.get_attribute(".pin", "d")
    page.keyboard.press("Shift+ArrowRight")
    assert number(page) == there[0]


def test_the_address_names_the_step(opened, small_run):
    page = opened(small_run, "#step=12")
    assert number(page) == 12
    press(page, "next")
    page.wait_for_url("**#step=13")
    for address, wanted in [("step=5", 5), ("step=0", 1), ("nothing", 1), ("step=99999", "last")]:
        page.evaluate("address => { location.hash = address }", address)
        page.wait_for_timeout(50)
        assert number(page) == (state(page)["of"] if wanted == "last" else wanted)
    assert number(opened(small_run, "#step=x")) == 1


def test_a_step_is_shown_the_same_however_one_came_to_it(opened, gated_run):
    forth, page = walk(opened(gated_run)), opened(gated_run)
    order = list(range(len(forth)))
    for i in order[::17] + order[::-13] + [0, len(forth) - 1]:
        page.fill("#slider", str(i + 1))
        assert state(page) == forth[i]
    for i in reversed(order):
        assert state(page) == forth[i]
        page.keyboard.press("ArrowLeft")


def test_every_step_shows_all_that_was_recorded_of_it(opened, gated_run):
    steps = recording_of(gated_run)["steps"]
    for step, shown in zip(steps, walk(opened(gated_run)), strict=True):
        lit = {tuple(key) for key in shown["lit"]}
        assert lit <= {tuple(key) for key in step["lit"]}
        assert bool(lit) == bool(step["lit"])
        assert shown["phase"] == step["phase"]
        for said in (step["says"], step["operation"], f"Slide {step['slide']}"):
            assert said in shown["card"]
        for said in (step["title"], step["equation"]):
            for line in said.split("; "):
                assert " ".join(line.split()) in shown["card"]
        for said in (step["title"], step["says"], f"Step {shown['number']} of"):
            assert said in shown["announced"]
        assert sorted(shown["numbers"]) == sorted(everything(step))


def everything(step):
    """Every number of a step."""
    lists = [value["numbers"] for value in step["values"]]
    lists += [step[key]["numbers"] for key in ("result", "incoming") if step[key]]
    compared = step["result"] if step["phase"] == "forward" else step["incoming"]
    lists += [step["explicit"]["numbers"]] if step["explicit"] and compared else []
    lists += [jacobian["rows"] for jacobian in step["jacobians"] if jacobian["rows"]]
    keys = ("numbers", "before", "after", "explicit")
    lists += [sent[key] for sent in step["outgoing"] for key in keys if sent[key] is not None]
    return numbers_in(lists)


def test_contributions_say_how_they_are_written_and_where(opened, gated_run):
    steps, ways = recording_of(gated_run)["steps"], set()
    for step, shown in zip(steps, walk(opened(gated_run)), strict=True):
        for sent, text in zip(step["outgoing"], shown["sent"], strict=True):
            assert text.startswith(f"{sent['to']} {sent['how']}") and sent["says"] in text
            assert ("parameter" in text.split("\n")[:2]) == sent["parameter"]
            assert ("\nbefore" in text) == (sent["before"] is not None)
            digits = sent["digits"]
            assert digits is None or f"✓ {digits:.1f} digits agree" in text
            ways.add((sent["how"], sent["parameter"]))
    assert ways == set(itertools.product(("=", "+="), (False, True)))


def test_the_totals_stand_in_a_table_with_their_numbers_below(opened, small_run):
    page, totals = opened(small_run), recording_of(small_run)["totals"]
    rows = page.locator("#totals tr").all_inner_texts()
    for total, row in zip(totals, rows, strict=True):
        for said in (total["name"], total["parameter"], f"{total['digits']:.1f} digits agree"):
            assert said in row
    page.click("summary")
    titles = page.eval_on_selector_all("#all-totals td[title]", "all => all.map(td => td.title)")
    expected = numbers_in([[total["graph"], total["explicit"]] for total in totals])
    assert list(map(float, titles)) == expected
    equations = "\n".join(recording_of(small_run)["equations"])
    assert page.inner_text("#equations") == equations
