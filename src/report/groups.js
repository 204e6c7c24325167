"use strict";
// Names reach the page as text only: `make` never takes markup.
const get = (id) => document.getElementById(id);
const groups = JSON.parse(get("data").textContent);
const PAGE = 25;
let shown = groups, first = 0, current = -1;

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

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 1000 && at < 4) { bytes /= 1000; at += 1; }
  return (at ? bytes.toFixed(1) : bytes) + " " + units[at];
}

function file(one) {
  const frame = make("button", { class: "frame", type: "button", "aria-label": "show or hide: " + one.path,
    onclick: () => frame.classList.toggle("clear") });
  const picture = one.picture, source = picture && (picture.src || (picture.frames.length && picture.frames[Math.floor(picture.frames.length / 2)][1]));
  if (source) {
    const sheet = make("span", { class: "sheet" }, make("img", { src: source, alt: "" }));
    sheet.style.width = 100 * picture.width / Math.max(picture.width, picture.height, 1) + "%";
    sheet.style.aspectRatio = picture.width + " / " + picture.height;
    frame.append(sheet);
  } else frame.append("no picture");
  const facts = [one.width + " x " + one.height, size(one.bytes)];
  if (one.duration) facts.push(one.duration.toFixed(1) + " s");
  if (one.modified) facts.push(new Date(one.modified).toISOString().slice(0, 10));
  return make("div", { class: "row " + one.proposal }, make("figure", {}, frame),
    make("div", {}, make("strong", {}, one.says), make("div", {}, one.path), make("div", {}, facts.join(", ")),
      ...(one.warnings || []).map((text) => make("div", { class: "warning" }, "Only in part: " + text)),
      ...(one.links || []).map((link) => make("div", {}, "also called " + link))));
}

function card(group) {
  return make("article", { tabindex: "-1" },
    make("h2", {}, "Group " + group.group, make("span", { class: "outcome" }, ": " + group.files.length + " files, " + size(group.removable_bytes) + " could be free")),
    ...group.files.slice(0, 50).map(file),
    group.files.length > 50 ? make("p", {}, "and " + (group.files.length - 50) + " more, listed in the plan") : null);
}

function filter() {
  const text = get("text").value.toLowerCase(), kind = get("kind").value, same = get("same").value;
  shown = groups.filter((group) => (!kind || group.kind === kind) &&
    (!same || (same === "same") === group.files.every((one) => one.identical)) &&
    (!text || group.files.some((one) => one.path.toLowerCase().includes(text))));
  const order = get("order").value;
  if (order === "bytes") shown = [...shown].sort((a, b) => b.removable_bytes - a.removable_bytes);
  if (order === "files") shown = [...shown].sort((a, b) => b.files.length - a.files.length);
  first = 0;
  current = -1;
  draw();
}

function draw() {
  get("list").replaceChildren(...shown.slice(first, first + PAGE).map(card));
  get("shown").textContent = shown.length + " of " + groups.length + " groups shown";
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
  current = Math.min(Math.max((current < 0 ? first - (by > 0 ? 1 : 0) : current) + by, 0), shown.length - 1);
  if (current < first || current >= first + PAGE) {
    first = current - current % PAGE;
    draw();
  }
  const cards = get("list").children;
  for (const other of cards) other.classList.remove("current");
  const card = cards[current - first];
  card.classList.add("current");
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

get("filters").addEventListener("input", filter);
get("filters").addEventListener("submit", (event) => event.preventDefault());
get("clear").addEventListener("change", (event) => document.body.classList.toggle("clear", event.target.checked));
get("before").addEventListener("click", () => turn(-PAGE));
get("after").addEventListener("click", () => turn(PAGE));
document.addEventListener("keydown", (event) => {
  if (/^(INPUT|SELECT)$/.test(event.target.tagName) || event.ctrlKey || event.metaKey || event.altKey) return;
  const card = get("list").children[current - first];
  if (event.key === "n") step(1);
  else if (event.key === "p") step(-1);
  else if (event.key === "v" && card) for (const frame of card.querySelectorAll(".frame")) frame.classList.toggle("clear");
});
draw();
document.body.dataset.ready = "yes";
