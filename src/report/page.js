"use strict";
// Names and labels reach the page as text only: `make` never takes markup.
const rows = JSON.parse(document.getElementById("data").textContent);
const PAGE = 50;
const decisions = new Map();
const get = (id) => document.getElementById(id);
let shown = rows, first = 0, current = -1;

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

function options(id, values) {
  for (const value of [...new Set(values)].sort()) if (value) get(id).append(make("option", { value }, value));
}
options("outcome", rows.map((row) => row.words));
options("bank", rows.flatMap((row) => row.matches.map((found) => found.bank)));
options("done", rows.flatMap((row) => row.matches.map((found) => found.done || "unchanged")));

function filter() {
  const text = get("text").value.toLowerCase(), outcome = get("outcome").value;
  const bank = get("bank").value, done = get("done").value, distance = Number(get("distance").value);
  const limited = bank || done || distance < 256;
  shown = rows.filter((row) =>
    (!outcome || row.words === outcome) &&
    (!text || row.path.toLowerCase().includes(text) || row.matches.some((found) => found.reference.toLowerCase().includes(text))) &&
    (!limited || row.matches.some((found) =>
      (!bank || found.bank === bank) && (!done || (found.done || "unchanged") === done) && found.distance <= distance)));
  first = 0;
  current = -1;
  draw();
}

function picture(address, caption, transform, inverted) {
  const frame = make("button", { class: "frame", type: "button", "aria-label": "show or hide: " + caption,
    onclick: () => frame.classList.toggle("clear") });
  if (address) {
    const img = make("img", { src: address, alt: "" });
    if (transform) img.classList.add(transform);
    if (inverted) img.classList.add("inverted");
    frame.append(img);
  } else frame.append("no picture");
  return make("figure", {}, frame, make("figcaption", {}, caption));
}

function bar(name, intervals, length) {
  const line = make("div", { class: "bar", role: "img", "aria-label": name });
  for (const [from, to] of intervals) {
    const span = make("span");
    span.style.left = (100 * from / length) + "%";
    span.style.width = (100 * (to - from) / length) + "%";
    line.append(span);
  }
  return make("div", {}, make("small", {}, name + ", " + length.toFixed(1) + " s"), line);
}

function timeline(found) {
  if (!found.segments.length) return null;
  const box = make("div", { class: "timeline" });
  const length = (side, atLeast) => Math.max(atLeast || 0, ...found.segments.map((segment) => segment[side][1]), 0.1);
  if (found.segments.some((segment) => segment.query[1] > 0))
    box.append(bar("upload", found.segments.map((segment) => segment.query), length("query")));
  if (found.segments.some((segment) => segment.reference[1] > 0))
    box.append(bar("reference", found.segments.map((segment) => segment.reference), length("reference", found.duration)));
  for (const segment of found.segments.slice(0, 10)) box.append(make("small", {}, segment.words));
  return box;
}

function match(row, found) {
  const details = [found.done || "unchanged", found.closeness, "distance " + found.distance + " of 256", "quality " + found.quality + " of 100"];
  if (found.views[0] !== "full") details.push("part of the upload: " + found.views[0]);
  if (found.views[1] !== "full") details.push("part of the reference: " + found.views[1]);
  const labels = Object.entries(found.labels || {}).map(([key, value]) => key + "=" + value);
  if (found.source) labels.push("from " + found.source);
  return make("div", { class: "match" },
    make("strong", {}, found.bank + " / " + found.reference),
    make("div", {}, details.join(", ") + (found.action ? "; asks to " + found.action : "")),
    labels.length ? make("div", {}, labels.join(", ")) : null,
    row.picture || found.picture ? make("div", { class: "pair" },
      picture(row.picture, found.done ? "upload, change undone" : "upload", found.transform, found.inverted),
      picture(found.picture, "reference")) : null,
    timeline(found));
}

function decide(row, card, decision) {
  if (!row.matches.length) return;
  if (decisions.get(row) === decision) decisions.delete(row); else decisions.set(row, decision);
  mark(row, card);
}

function mark(row, card) {
  const decision = decisions.get(row);
  card.classList.toggle("confirmed", decision === "confirmed");
  card.classList.toggle("refused", decision === "refused");
  for (const button of card.querySelectorAll(".buttons button"))
    button.setAttribute("aria-pressed", String(button.dataset.decision === decision));
}

function card(row) {
  const article = make("article", { tabindex: "-1" },
    make("h2", {}, row.path, " ", make("span", { class: "outcome" }, "(" + row.words + ")")),
    row.error ? make("div", {}, row.error) : null);
  for (const found of row.matches.slice(0, 20)) article.append(match(row, found));
  if (row.matches.length > 20) article.append(make("p", {}, "and " + (row.matches.length - 20) + " more"));
  if (row.matches.length) {
    const buttons = make("div", { class: "buttons" });
    for (const [decision, text] of [["confirmed", "Confirm"], ["refused", "Refuse"]]) {
      const button = make("button", { type: "button", onclick: () => decide(row, article, decision) }, text);
      button.dataset.decision = decision;
      buttons.append(button);
    }
    article.append(buttons);
  }
  mark(row, article);
  return article;
}

function draw() {
  get("list").replaceChildren(...shown.slice(first, first + PAGE).map(card));
  get("shown").textContent = shown.length + " of " + rows.length + " shown";
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
  const lines = [...decisions].flatMap(([row, decision]) => row.matches.map((found) =>
    ({ path: row.path, bank: found.bank, reference: found.reference, decision })));
  const address = "data:application/json," + encodeURIComponent(JSON.stringify({ refrain_decisions: 1, decisions: lines }, null, 1));
  make("a", { href: address, download: "decisions.json" }).click();
}

get("filters").addEventListener("input", filter);
get("filters").addEventListener("submit", (event) => event.preventDefault());
get("clear").addEventListener("change", (event) => document.body.classList.toggle("clear", event.target.checked));
get("before").addEventListener("click", () => turn(-PAGE));
get("after").addEventListener("click", () => turn(PAGE));
get("export").addEventListener("click", save);
document.addEventListener("keydown", (event) => {
  if (/^(INPUT|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  const row = shown[current], card = get("list").children[current - first];
  if (event.key === "n") step(1);
  else if (event.key === "p") step(-1);
  else if (event.key === "c" && row) decide(row, card, "confirmed");
  else if (event.key === "r" && row) decide(row, card, "refused");
  else if (event.key === "v" && row) for (const frame of card.querySelectorAll(".frame")) frame.classList.toggle("clear");
});
draw();
