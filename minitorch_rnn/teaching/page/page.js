// Steps through the run: lights up the picture and fills the card. `show` shows a step; every
// control calls it. It follows card.js in the same script.

// ---- the picture

const picture = at("picture");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const keyOf = (kind, name, t) => `${kind} ${name} ${t}`;
const drawn = new Map(); // key -> groups of the picture
const touching = new Map(); // key -> numbers of the steps that light it
const passed = { forward: [], backward: [] }; // [first step, groups] by first step
const reached = { forward: 0, backward: 0 }; // how many of these are behind the step shown
let lit = [];

function readPicture() {
  const svg = new DOMParser().parseFromString(run.picture, "image/svg+xml").documentElement;
  picture.append(document.importNode(svg, true));
  const collect = (map, key, value) => map.set(key, [...(map.get(key) ?? []), value]);
  for (const kind of ["node", "edge"]) {
    for (const group of picture.querySelectorAll(`[data-${kind}][data-t]`)) {
      collect(drawn, keyOf(kind, group.dataset[kind], group.dataset.t), group);
    }
  }
  const known = new Set();
  steps.forEach(({ lit, phase }, number) => {
    for (const key of lit.map((where) => keyOf(...where))) {
      collect(touching, key, number);
      if (!known.has(phase + key)) passed[phase].push([number, drawn.get(key) ?? []]);
      known.add(phase + key);
    }
  });
  const marks = '<path class="pointer" d=""/><path class="pin" d=""/>';
  picture.firstElementChild.insertAdjacentHTML("beforeend", marks);
}

/** Puts a mark at a node: the pointer frames it from above, the pin sits on its corner. */
function mark(name, group) {
  const { x, y, width, height } = group?.getBBox() ?? {};
  const frame = `M${x - 7} ${y - 7}h${width + 14}v${height + 14}h${-width - 14}z`;
  const pointer = `${frame}M${x + width / 2} ${y - 7}l-7 -9h14z`;
  const pin = `M${x + width + 2} ${y - 10}l8 8l-8 8l-8 -8z`;
  picture.querySelector(`.${name}`).setAttribute("d", group ? { pointer, pin }[name] : "");
}

/** Lights up what a step is about, and returns its node, else another group, if there is one. */
function light(number) {
  const step = steps[number];
  for (const [phase, list] of Object.entries(passed)) {
    const put = (i, on) => list[i][1].forEach((g) => g.classList.toggle(`seen-${phase}`, on));
    while (list[reached[phase]]?.[0] < number) put(reached[phase]++, true);
    while (list[reached[phase] - 1]?.[0] >= number) put(--reached[phase], false);
  }
  lit.forEach((group) => group.classList.remove("lit"));
  lit = step.lit.flatMap((where) => drawn.get(keyOf(...where)) ?? []);
  lit.forEach((group) => group.classList.add("lit"));
  if (picture.dataset.phase !== step.phase) picture.dataset.phase = step.phase;
  const own = drawn.get(keyOf("node", step.node, step.t))?.[0];
  return own ?? lit.find((group) => group.dataset.node) ?? lit[0];
}

/** Scrolls the picture's own box, never the page. */
function bringIntoView(group) {
  if (!group) return;
  const [box, node] = [picture.getBoundingClientRect(), group.getBoundingClientRect()];
  const [left, top] = [node.left - box.left, node.top - box.top];
  const across = left > 40 && left + node.width < box.width - 40;
  if (across && top > 20 && top + node.height < box.height - 20) return;
  picture.scrollTo({
    left: picture.scrollLeft + left - (box.width - node.width) / 2,
    top: picture.scrollTop + top - (box.height - node.height) / 2,
    behavior: still.matches || playing ? "auto" : "smooth",
  });
}

// ---- showing and playing

let playing = 0;
let addressing = 0;
const speed = () => Number(at("speed").value);

function show(wanted) {
  const number = Math.min(Math.max(wanted, 0), steps.length - 1);
  if (number === shown.step) return;
  shown.step = number;
  const step = steps[number];
  const boxes = write(card(step));
  const group = light(number);
  at("step").dataset.phase = step.phase;
  at("position").textContent = `Step ${number + 1} of ${steps.length}`;
  at("place").textContent = [step.phase, placeOf(step)].filter(Boolean).join(", ");
  at("slider").value = number + 1;
  at("slider").ariaValueText = `${at("position").textContent}, ${at("place").textContent}`;
  at("first").disabled = at("back").disabled = number === 0;
  at("next").disabled = at("last").disabled = number === steps.length - 1;
  showFollowed();
  if (!playing || speed() <= 1) announce();
  reachable(boxes); // from here on the layout is asked for: once, after all has been written
  mark("pointer", group?.dataset.node && group);
  bringIntoView(group);
  clearTimeout(addressing); // browsers refuse hundreds of changes of the address in a row
  addressing = setTimeout(address, 200);
}

function announce() {
  const { title, says, explicit } = steps[shown.step];
  const agreed = explicit ? `${explicit.digits.toFixed(1)} digits agree.` : "";
  at("announcer").textContent = `${at("slider").ariaValueText}. ${title}. ${says} ${agreed}`;
}

function address() {
  if (location.protocol === "about:") return; // a page inside a notebook has no address
  history.replaceState(null, "", `#step=${shown.step + 1}`);
}

const fromAddress = () => go((/^#step=(\d+)$/.exec(location.hash)?.[1] || shown.step + 1) - 1);

function play() {
  if (shown.step === steps.length - 1) show(0);
  at("play").textContent = "Pause";
  playing = setTimeout(tick, 1000 / speed());
}

function tick() {
  show(shown.step + 1);
  if (shown.step < steps.length - 1) playing = setTimeout(tick, 1000 / speed());
  else pause();
}

function pause() {
  if (!playing) return;
  clearTimeout(playing);
  playing = 0;
  at("play").textContent = "Play";
  announce();
}

function go(number) {
  pause();
  show(number);
}

// ---- finding and following

function follow(node, t) {
  shown.followed = node && { name: `${node}(${t})`, key: keyOf("node", node, t) };
  mark("pin", drawn.get(shown.followed?.key)?.[0]);
  showFollowed();
}

const numbersThere = () => touching.get(shown.followed?.key) ?? [];

function showFollowed() {
  const numbers = numbersThere();
  at("follow").hidden = !shown.followed;
  const here = numbers.indexOf(shown.step) + 1;
  const count = `${here ? `${here} of ` : ""}${numbers.length} steps`;
  at("followed").textContent = shown.followed ? `◆ ${shown.followed.name}: ${count}` : "";
  at("follow-back").disabled = !(numbers[0] < shown.step);
  at("follow-next").disabled = !(numbers.at(-1) > shown.step);
}

function jump(event) {
  event.preventDefault();
  const [phase, node] = [at("jump-phase").value, at("jump-node").value];
  const t = at("jump-t").valueAsNumber;
  const there = (s) => (node ? s.node === node && s.t === t : s.node === null);
  const number = steps.findIndex((step) => step.phase === phase && there(step));
  const name = node ? `${node}(${t})` : "no node";
  at("found").textContent = number < 0 ? `No ${phase} step is at ${name}.` : "";
  if (number < 0) return;
  go(number);
  follow(node || null, t);
}

function clicked(event) {
  const group = event.target.closest("[data-node][data-t]");
  if (!group) return;
  follow(group.dataset.node, group.dataset.t);
  const numbers = numbersThere();
  at("found").textContent = numbers.length ? "" : `No step is at ${shown.followed.name}.`;
  if (numbers.length) go(numbers.find((n) => n > shown.step) ?? numbers[0]);
}

// ---- the page

/** What does not change from step to step. */
function writeRun() {
  const { name, graph, explicit } = run.divergence;
  const number = (x) => `<b title="${text(x)}">${digits(x)}</b>`;
  const row = ({ name, parameter, graph, digits }) =>
    `<tr><th scope="row">${text(name)}</th><td>${agreement(digits)}</td>` +
    `<td>${shapeOf(rowsOf(graph))}</td><td><code>${text(parameter)}</code></td></tr>`;
  const both = ({ name, graph, explicit }) =>
    `<h3>${text(name)}</h3>${together(name, [["graph", graph], ["explicit", explicit]])}`;
  return write({
    description: text(run.description),
    equations: text(run.equations.join("\n")),
    divergence: `${text(name)}: ${number(graph)} by the graph, ${number(explicit)} explicitly`,
    totals: run.totals.map(row).join(""),
    "all-totals": run.totals.map(both).join(""),
  });
}

function prepare() {
  const forward = turn < 0 ? steps.length : turn;
  at("forward-part").style.flexGrow = forward;
  at("backward-part").style.flexGrow = steps.length - forward;
  at("slider").max = steps.length;
  at("turn").disabled = turn < 0;
  at("jump-t").max = run.T - 1;
  const options = [...run.nodes.map(({ name }) => new Option(name)), new Option("no node", "")];
  at("jump-node").append(...options);
  readPicture();
}

const KEYS = { ArrowRight: "next", ArrowLeft: "back", Home: "first", End: "last", " ": "play" };
const SHIFTED = { ArrowRight: "follow-next", ArrowLeft: "follow-back" };

/** A key presses its button, unless what has the focus has a use for the key. */
function pressed(event) {
  const id = (event.shiftKey ? SHIFTED : KEYS)[event.key];
  if (!id || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("input, select, .scroll")) return;
  if (event.key === " " && event.target.closest("button, summary")) return;
  event.preventDefault();
  at(id).click();
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  at("theme").ariaPressed = dark;
}

function setExact(exact) {
  at("exact").ariaPressed = shown.exact = exact;
  reachable([...writeRun(), ...write(card(steps[shown.step]))]);
}

const CLICKS = {
  first: () => go(0),
  back: () => go(shown.step - 1),
  play: () => (playing ? pause() : play()),
  next: () => go(shown.step + 1),
  last: () => go(steps.length - 1),
  turn: () => go(turn),
  "follow-back": () => go(numbersThere().findLast((n) => n < shown.step)),
  "follow-next": () => go(numbersThere().find((n) => n > shown.step)),
  unfollow: () => follow(null),
  theme: () => setTheme(document.documentElement.dataset.theme !== "dark"),
  exact: () => setExact(!shown.exact),
};

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
setTheme(prefersDark.matches);
prepare();
writeRun();
fromAddress();
for (const [id, click] of Object.entries(CLICKS)) at(id).addEventListener("click", click);
at("slider").addEventListener("input", () => go(at("slider").valueAsNumber - 1));
at("jump").addEventListener("submit", jump);
picture.addEventListener("click", clicked);
picture.addEventListener("mousedown", (event) => {
  if (event.target.closest("[data-node]")) event.preventDefault(); // the keys stay with the page
});
document.addEventListener("keydown", pressed);
window.addEventListener("hashchange", fromAddress);
prefersDark.addEventListener("change", (event) => setTheme(event.matches));
// The first call comes at once, later ones when a box may have become too narrow for its content.
const boxes = document.getElementsByClassName("scroll");
new ResizeObserver(() => reachable([...boxes])).observe(document.body);
