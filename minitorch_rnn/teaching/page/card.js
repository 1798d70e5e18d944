// The recorded run, and one step of it as HTML: numbers, tables and the card beside the picture.

const at = (id) => document.getElementById(id);
const run = JSON.parse(at("recording").textContent);
const { steps } = run;
const turn = steps.findIndex((step) => step.phase === "backward");
const shown = { step: -1, exact: false, followed: null };

// ---- numbers

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const text = (value) => String(value).replace(/[&<>"]/g, (c) => ENTITIES[c]);
const lines = (value) => String(value).split(/; +/).map(text).join(";<br>");

/** Four significant digits, or all of them; the minus sign is as wide as a digit. */
function digits(x) {
  if (typeof x !== "number") return "not finite";
  const size = Math.abs(x);
  const short = size >= 1e4 || size < 1e-3 ? x.toExponential(3) : x.toPrecision(4);
  const whole = String(x);
  const best = shown.exact || whole.length <= short.length ? whole : short;
  return best.replaceAll("-", "−").replace("+", "");
}

/** Nested lists as rows of a table: a number is 1 × 1, a vector one row, (T, B, n) T·B rows. */
function rowsOf(numbers) {
  if (!Array.isArray(numbers)) return [[numbers]];
  if (!Array.isArray(numbers[0])) return [numbers];
  return Array.isArray(numbers[0][0]) ? numbers.flatMap(rowsOf) : numbers;
}

const shapeOf = (rows) => `${rows.length} × ${rows[0]?.length ?? 0}`;
const LONG = 24; // rows and columns that are shown until every digit is asked for

/** A table of numbers in a box that scrolls; `labels` name the rows in place of their indices. */
function table(rows, name, labels) {
  const [height, width] = [rows.length, rows[0]?.length ?? 0];
  if (!height || !width) return '<p class="quiet">no numbers</p>';
  const most = shown.exact ? Infinity : LONG;
  const rest = `<p class="quiet">of ${shapeOf(rows)}: “Every digit” shows them all</p>`;
  const dots = width > most ? "<td>…</td>" : "";
  const label = (i) => `<th scope="row">${labels ? text(labels[i]) : i}</th>`;
  const cells = (row) => row.slice(0, most).map((x) => `<td title="${text(x)}">${digits(x)}</td>`);
  const indexed = labels || height > 1;
  const line = (row, i) => `<tr>${indexed ? label(i) : ""}${cells(row).join("")}${dots}</tr>`;
  const columns = rows[0].slice(0, most).map((_, j) => `<th scope="col">${j}</th>`).join("");
  const head = `<tr>${indexed ? "<td></td>" : ""}${columns}${dots}</tr>`;
  return (
    `<div class="scroll" role="group" aria-label="${text(name)}"><table class="numbers">` +
    `<caption class="unseen">${text(name)}</caption>${width > 1 ? `<thead>${head}</thead>` : ""}` +
    `<tbody>${rows.slice(0, most).map(line).join("")}</tbody></table></div>` +
    (height > most || width > most ? rest : "")
  );
}

const beside = (items) => items.length && `<div class="beside">${items.join("")}</div>`;

function figure(name, numbers, note = shapeOf(rowsOf(numbers))) {
  const caption = `<b>${text(name)}</b> <span class="quiet">${note}</span>`;
  return `<figure><figcaption>${caption}</figcaption>${table(rowsOf(numbers), name)}</figure>`;
}

/** Quantities of one shape, to compare: vectors above each other, matrices beside each other. */
function together(name, pairs) {
  const named = pairs.filter(([, numbers]) => (numbers ?? null) !== null);
  const all = named.map(([, numbers]) => rowsOf(numbers));
  if (all.some((rows) => rows.length > 1)) return beside(named.map((pair) => figure(...pair)));
  return table(all.flat(), name, named.map(([label]) => label));
}

function agreement(number) {
  if ((number ?? null) === null) return "";
  const [look, sign] = number >= 10 ? ["good", "✓"] : ["bad", "✗ only"];
  return `<p class="agreement ${look}">${sign} ${number.toFixed(1)} digits agree</p>`;
}

// ---- a step's card

/** A value of the graph, with that of the explicit BPTT where there is one. */
function against(value, explicit) {
  const other = explicit && explicit.name !== value.name && `explicitly ${text(explicit.name)}`;
  const shape = `<span class="quiet">${value.shape.join(" × ")}</span>`;
  const pairs = [["graph", value.numbers], ["explicit", explicit?.numbers]];
  const name = `<p class="name"><b>${text(value.name)}</b> ${other || ""} ${shape}</p>`;
  return name + together(value.name, pairs) + agreement(explicit?.digits);
}

function jacobian({ of, rows, omitted }) {
  if (!rows) return `<figure><b>${text(of)}</b><p>${text(omitted)}</p></figure>`;
  const [above, below] = text(of).split("/").map((name) => name.replace("∂", ""));
  return figure(of, rows, `a row for each number of ${above}, a column for each of ${below}`);
}

function sent({ to, how, numbers, before, after, explicit, digits: agreed, parameter, says }) {
  const pairs = [["before", before], ["sent", numbers], ["explicit", explicit], ["after", after]];
  const tag = parameter ? '<span class="tag">parameter</span>' : "";
  return (
    `<div class="sent"><h4><span class="how">${text(to)} ${text(how)}</span>${tag}</h4>` +
    `<p>${text(says ?? "")}</p>${together(`${to} ${how}`, pairs)}${agreement(agreed)}</div>`
  );
}

const timeOf = (step) => (step.t === null ? "" : `t = ${step.t}`);
const placeOf = (step) => [step.node, timeOf(step)].filter(Boolean).join(", ");

/** What the card says of a step: id of an element -> HTML, nothing for what is to be hidden. */
function card(step) {
  const back = step.phase === "backward";
  const tags = [back ? "← backward" : "→ forward", placeOf(step), step.edge, step.operation];
  const operands = back && step.result ? [...step.values, step.result] : step.values;
  const values = operands.map((v) => figure(v.name, v.numbers, v.shape.join(" × ")));
  const section = (heading, content) => content && `<h3>${heading}</h3>${content}`;
  const compared = (value) => value && against(value, step.explicit);
  return {
    tags: tags.filter(Boolean).map((tag) => `<span class="tag">${text(tag)}</span>`).join(""),
    slide: step.slide ? `Slide ${text(step.slide)}` : "In general",
    equation: lines(step.equation),
    here: step.t === null ? "Here" : `With ${timeOf(step)}`,
    headline: lines(step.title),
    says: text(step.says),
    incoming: section("Arrives", compared(step.incoming)),
    jacobians: section("Local Jacobian", beside(step.jacobians.map(jacobian))),
    values: section(back ? "Taken at" : "Goes in", beside(values)),
    result: !back && section("Comes out", compared(step.result)),
    outgoing: section("Sent on", step.outgoing.map(sent).join("")),
  };
}

const written = {};

/** Writes what has changed, and nothing else; returns the boxes that are new. */
function write(parts) {
  const changed = Object.entries(parts).filter(([id, html]) => written[id] !== html);
  for (const [id, html] of changed) {
    written[id] = html;
    at(id).innerHTML = html || "";
    at(id).hidden = !html;
  }
  return changed.flatMap(([id]) => [...at(id).querySelectorAll(".scroll")]);
}

/** Lets the keyboard into the boxes that have something to scroll. */
function reachable(boxes) {
  const over = boxes.map((b) => b.scrollWidth > b.clientWidth || b.scrollHeight > b.clientHeight);
  boxes.forEach((box, i) => (box.tabIndex = over[i] ? 0 : -1));
}
