"use strict";
// Names and labels reach the page as text only: `make` never takes markup.
const get = (id) => document.getElementById(id);
const data = JSON.parse(get("data").textContent);
const about = JSON.parse(get("about").textContent);
const PAGE = 50;
const known = new Map(), rows = [];
for (const entry of data) entry.key === undefined ? rows.push(entry) : known.set(entry.key, entry.picture);
// What is looked at and decided about is a pair: a file and one reference; a file without matches stands alone.
const pairs = rows.flatMap((row) => row.matches.length ? row.matches.map((found) => ({ row, found })) : [{ row, found: null }]);
const decisions = new Map();
let shown = pairs, first = 0, current = -1, saved = true;

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

const change = (found) => found.done || "unchanged";

function options(id, values) {
  for (const value of [...new Set(values)].sort()) if (value) get(id).append(make("option", { value }, value));
}
const founds = pairs.map((pair) => pair.found).filter(Boolean);
options("outcome", pairs.map((pair) => pair.row.words));
options("bank", founds.map((found) => found.bank));
options("done", founds.map(change));
options("kind", rows.map((row) => row.kind));

function filter() {
  const text = get("text").value.toLowerCase(), outcome = get("outcome").value, bank = get("bank").value;
  const done = get("done").value, distance = Number(get("distance").value), kind = get("kind").value;
  const decided = get("decided").value;
  shown = pairs.filter((pair) => {
    const { row, found } = pair;
    return (!outcome || row.words === outcome) && (!kind || row.kind === kind) &&
      (!decided || (decisions.get(pair) || "open") === decided && found) &&
      (!text || row.path.toLowerCase().includes(text) || (found && found.reference.toLowerCase().includes(text))) &&
      (!bank || (found && found.bank === bank)) && (!done || (found && change(found) === done)) &&
      (distance >= 256 || (found && found.distance <= distance));
  });
  first = 0;
  current = -1;
  draw();
}

// The part of a picture that a view is; `inner` is the picture's content box, if it has one.
function part(view, inner) {
  const [left, top, right, bottom] = inner || [0, 0, 1, 1];
  if (view === "content") return inner;
  if (!view.startsWith("window:")) return null;
  const [a, b, c, d] = view.slice(7).split(",").map((number) => Number(number) / 100);
  return [left + (right - left) * a, top + (bottom - top) * b, left + (right - left) * c, top + (bottom - top) * d];
}

function outline(name, area) {
  if (!area) return null;
  const box = make("span", { class: name });
  const [left, top, right, bottom] = area.map((edge) => 100 * edge);
  Object.assign(box.style, { left: left + "%", top: top + "%", width: right - left + "%", height: bottom - top + "%" });
  return box;
}

// One picture; a film is shown by the frame that lies closest to `time`.
function figure(picture, caption, view, time, transform, inverted) {
  const frame = make("button", { class: "frame", type: "button", "aria-label": "show or hide: " + caption,
    onclick: () => frame.classList.toggle("clear") });
  let source = picture && picture.src;
  if (picture && picture.frames.length)
    source = picture.frames.reduce((a, b) => Math.abs(b[0] - time) < Math.abs(a[0] - time) ? b : a)[1];
  if (source) {
    const side = Math.max(picture.width, picture.height, 1);
    const img = make("img", { src: source, alt: "" });
    const sheet = make("span", { class: "sheet" }, img, outline("content", picture.box), outline("part", part(view, picture.box)));
    sheet.style.width = 100 * picture.width / side + "%";
    sheet.style.aspectRatio = picture.width + " / " + picture.height;
    if (transform) sheet.classList.add(transform);
    if (inverted) img.classList.add("inverted");
    frame.append(sheet);
  } else frame.append("no picture");
  return make("figure", {}, frame, make("figcaption", {}, caption));
}

function bar(name, intervals, length, picture) {
  const line = make("div", { class: "bar", role: "img",
    "aria-label": name + ": " + intervals.map(([from, to]) => clock(from) + " to " + clock(to)).join(", ") });
  for (const [from, to] of intervals) {
    const span = make("span", { title: clock(from) + " to " + clock(to) });
    span.style.left = (100 * from / length) + "%";
    span.style.width = (100 * (to - from) / length) + "%";
    line.append(span);
  }
  const strip = picture && picture.frames.length > 1
    ? make("div", { class: "strip", onclick: () => strip.classList.toggle("clear") },
      ...picture.frames.map(([time, src]) => make("img", { src, alt: "", title: clock(time) })))
    : null;
  return make("div", { class: "track" }, make("small", {}, name + ", " + clock(length)), strip, line);
}

const clock = (seconds) => Math.floor(seconds / 60) + ":" + (seconds % 60).toFixed(1).padStart(4, "0");

function timeline(row, found, reference) {
  if (!found.segments.length) return null;
  const box = make("div", { class: "timeline" });
  const length = (side, atLeast) => Math.max(atLeast || 0, ...found.segments.map((segment) => segment[side][1]), 0.1);
  if (found.segments.some((segment) => segment.query[1] > 0))
    box.append(bar("this file", found.segments.map((segment) => segment.query), length("query", row.duration), row.picture));
  if (found.segments.some((segment) => segment.reference[1] > 0))
    box.append(bar("reference", found.segments.map((segment) => segment.reference), length("reference", found.duration), reference));
  for (const segment of found.segments.slice(0, 10)) box.append(make("small", {}, segment.words));
  return box;
}

const middle = (found, side) => found.segments.length ? (found.segments[0][side][0] + found.segments[0][side][1]) / 2 : 0;

function match(row, found) {
  const reference = known.get(found.key_of);
  const labels = Object.entries(found.labels || {}).map(([key, value]) => key + "=" + value);
  if (found.source) labels.push("from " + found.source);
  const box = make("div", { class: "match" },
    make("p", {}, make("strong", {}, found.closeness), ". " + found.says));
  if (row.picture || reference) {
    box.append(make("div", { class: "pair" },
      figure(row.picture, found.done ? "this file, with the change undone" : "this file", found.views[0],
        middle(found, "query"), found.transform, found.inverted),
      figure(reference, "reference", found.views[1], middle(found, "reference"))));
  }
  const line = timeline(row, found, reference);
  if (line) box.append(line);
  box.append(make("details", {}, make("summary", {}, "Details"),
    make("div", {}, "distance " + found.distance + " of 256 bits, quality " + found.quality + " of 100" +
      (found.action ? "; the bank asks to " + found.action : "")),
    make("div", {}, "looked at: " + found.views[0] + " of this file, " + found.views[1] + " of the reference"),
    labels.length ? make("div", {}, labels.join(", ")) : null));
  return box;
}

function decide(pair, card, decision) {
  if (!pair.found) return;
  if (decisions.get(pair) === decision) decisions.delete(pair); else decisions.set(pair, decision);
  saved = false;
  mark(pair, card);
  count();
}

function mark(pair, card) {
  const decision = decisions.get(pair);
  card.classList.toggle("confirmed", decision === "confirmed");
  card.classList.toggle("refused", decision === "refused");
  for (const button of card.querySelectorAll(".buttons button"))
    button.setAttribute("aria-pressed", String(button.dataset.decision === decision));
}

function card(pair) {
  const { row, found } = pair;
  const article = make("article", { tabindex: "-1" },
    make("h2", {}, row.path, " ", make("span", { class: "outcome" }, found ? "is " + row.words + ": " + found.bank + " / " + found.reference : row.words)),
    row.error ? make("div", {}, row.error) : null,
    ...row.warnings.map((text) => make("div", { class: "warning" }, "Only in part: " + text)));
  if (found) {
    article.append(match(row, found));
    const buttons = make("div", { class: "buttons" });
    for (const [decision, text] of [["confirmed", "Confirm: it is a copy"], ["refused", "Refuse: it is not"]]) {
      const button = make("button", { type: "button", onclick: () => decide(pair, article, decision) }, text);
      button.dataset.decision = decision;
      buttons.append(button);
    }
    article.append(buttons);
  }
  mark(pair, article);
  return article;
}

function count() {
  const refused = [...decisions.values()].filter((decision) => decision === "refused").length;
  get("shown").textContent = shown.length + " of " + pairs.length + " shown, " + (decisions.size - refused) + " confirmed, " + refused + " refused";
}

function draw() {
  get("list").replaceChildren(...shown.slice(first, first + PAGE).map(card));
  count();
  get("where").textContent = shown.length ? (first + 1) + " to " + Math.min(first + PAGE, shown.length) + " of " + shown.length : "nothing to show";
  get("before").disabled = first === 0;
  get("after").disabled = first + PAGE >= shown.length;
}

function turn(by) {
  first = Math.min(Math.max(first + by, 0), Math.max(shown.length - 1, 0));
  current = -1;
  draw();
  scrollTo(0, 0);
}

function step(by) {
  if (!shown.length) return;
  const at = Math.min(Math.max((current < 0 ? first - (by > 0 ? 1 : 0) : current) + by, 0), shown.length - 1);
  if (at < first || at >= first + PAGE) {
    first = at - at % PAGE;
    draw();
  }
  current = at;
  const cards = get("list").children;
  for (const other of cards) other.classList.remove("current");
  const card = cards[current - first];
  card.classList.add("current");
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

function save() {
  const list = [...decisions].map(([{ row, found }, decision]) =>
    ({ path: row.path, raw: row.raw, bank: found.bank, reference: found.reference, decision }));
  const text = JSON.stringify({ refrain_decisions: 1, folder: about.folder, decisions: list }, null, 1);
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  make("a", { href: address, download: "decisions.json" }).click();
  saved = true;
}

async function load(file) {
  try {
    const read = JSON.parse(await file.text());
    if (read.refrain_decisions !== 1) throw new Error();
    const name = (path, bank, reference) => JSON.stringify([path, bank, reference]);
    const list = new Map(read.decisions.map((one) => [name(one.path, one.bank, one.reference), one.decision]));
    for (const pair of pairs) {
      const decision = pair.found && list.get(name(pair.row.path, pair.found.bank, pair.found.reference));
      if (decision === "confirmed" || decision === "refused") decisions.set(pair, decision);
    }
    draw();
  } catch (_) {
    get("shown").textContent = "These are no decisions saved by a report.";
  }
}

get("filters").addEventListener("input", filter);
get("filters").addEventListener("submit", (event) => event.preventDefault());
get("clear").addEventListener("change", (event) => document.body.classList.toggle("clear", event.target.checked));
get("before").addEventListener("click", () => turn(-PAGE));
get("after").addEventListener("click", () => turn(PAGE));
get("export").addEventListener("click", save);
get("import").addEventListener("change", (event) => { if (event.target.files[0]) load(event.target.files[0]); });
addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
document.addEventListener("keydown", (event) => {
  if (/^(INPUT|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  const pair = shown[current], card = get("list").children[current - first];
  if (event.key === "n") step(1);
  else if (event.key === "p") step(-1);
  else if (event.key === "c" && pair) decide(pair, card, "confirmed");
  else if (event.key === "r" && pair) decide(pair, card, "refused");
  else if (event.key === "v" && pair) for (const frame of card.querySelectorAll(".frame, .strip")) frame.classList.toggle("clear");
});
draw();
document.body.dataset.ready = "yes";
