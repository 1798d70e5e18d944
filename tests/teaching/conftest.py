"""A real browser for the page of `explain`, and recorded runs for it to show."""

import json
import shutil

import pytest
from teaching import browser

from minitorch_rnn import column


@pytest.fixture(scope="session")
def chromium():
    """A Chromium without a window; the tests that use it are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason=browser.NEEDED)
    pytest.importorskip("axe_playwright_python", reason=browser.NEEDED)
    path = next(filter(None, map(shutil.which, browser.BROWSERS)), None)
    if path is None:
        pytest.skip(browser.NEEDED)
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=browser.QUIET)
        yield started
        started.close()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory):
    """`recorded(network, steps)` is a file with the page of a run."""
    from minitorch_rnn.teaching.explain import explain

    folder = tmp_path_factory.mktemp("pages")
    return lambda network, steps: explain(network, steps=steps).write(
        folder / f"{network.name}-{steps}.html"
    )


@pytest.fixture(scope="session")
def small_run(recorded):
    return recorded(column.elman(2, 3, 2), 3)


@pytest.fixture(scope="session")
def gated_run(recorded):
    return recorded(column.lstm(2, 3, 2), 2)


@pytest.fixture(scope="session")
def long_run(recorded):
    return recorded(column.state_space(2, 4, 2, layers=2), 50)


@pytest.fixture
def changed(small_run, tmp_path):
    """`changed(change)` is the small run after change(recording)."""

    def write(change):
        recording = browser.recording_of(small_run)
        change(recording)
        data = json.dumps(recording).replace("</", "<\\/")
        whole = small_run.read_text(encoding="utf-8")
        text = browser.RECORDING.sub(lambda found: found[1] + data + found[3], whole)
        path = tmp_path / "changed.html"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def opened(chromium):
    """`opened(file, address, width=…)` is a page in a profile of its own.

    With `clock` time stands still in it. At the end of the test nothing may have gone wrong in it,
    nothing may have been written to the console, and only the file itself may have been asked for.
    """
    contexts, wrong = [], []

    def open_page(file, address="", *, width=1440, height=900, clock=False, **options):
        size = {"width": width, "height": height}
        context = chromium.new_context(viewport=size, **options)
        contexts.append(context)
        page = context.new_page()
        here = file.as_uri()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("request", lambda sent: sent.url.startswith(here) or wrong.append(sent.url))
        if clock:
            page.clock.install(time=0)
        page.goto(here + address)
        if clock:
            page.clock.pause_at(60_000)  # from here on only `run_for` lets time pass
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong
