"""How the tests look at the page of `explain` in a browser."""

import json
import re

NEEDED = "needs a browser: pip install -e '.[browser]', and a chromium in the PATH"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
RECORDING = re.compile(r'(id="recording">)(.*?)(</script>)', re.DOTALL)

# What of the page depends on the step: the same however one came to it.
_STATE = """() => {
  const at = (id) => document.getElementById(id);
  const lit = [...document.querySelectorAll("#picture .lit")];
  const seen = document.querySelectorAll("#picture .seen-forward, #picture .seen-backward");
  return {
    number: Number(at("position").textContent.split(" ")[1]),
    of: Number(at("position").textContent.split(" ")[3]),
    place: at("place").textContent,
    slider: at("slider").valueAsNumber,
    heard: at("slider").getAttribute("aria-valuetext"),
    card: at("step").innerText,
    lit: lit.map((g) => [g.dataset.node ? "node" : "edge", g.dataset.node ?? g.dataset.edge,
                         Number(g.dataset.t)]),
    seen: [...seen].map((g) => g.outerHTML),
    numbers: [...document.querySelectorAll("#step td[title]")].map((td) => Number(td.title)),
    sent: [...document.querySelectorAll(".sent")].map((block) => block.innerText),
    pointer: document.querySelector("#picture .pointer").getAttribute("d"),
    phase: at("step").dataset.phase,
    enabled: ["first", "back", "next", "last"].filter((id) => !at(id).disabled),
    announced: at("announcer").textContent,
  };
}"""


def recording_of(file):
    """What the page in a file shows."""
    return json.loads(RECORDING.search(file.read_text(encoding="utf-8"))[2])


def state(page):
    """What the page says of the step that it shows."""
    return page.evaluate(_STATE)


def walk(page):
    """The states from the first step to the last, by the button that goes to the next."""
    return page.evaluate(
        f"""() => {{
          const [state, next, all] = [{_STATE}, document.getElementById("next"), []];
          document.getElementById("first").click();
          for (all.push(state()); !next.disabled; all.push(state())) next.click();
          return all;
        }}"""
    )


def number(page):
    return int(page.text_content("#position").split()[1])


def press(page, *buttons):
    for button in buttons:
        page.click(f"#{button}")
    return number(page)


def numbers_in(lists):
    """The numbers of nested lists, one after the other."""
    if not isinstance(lists, list):
        return [lists]
    return [x for inner in lists for x in numbers_in(inner)]
