// The report of a scan as a person uses it: filters, blur, timeline, keyboard, decisions out and in again; wide and
// narrow, light and dark; names with markup in them; ten thousand pairs.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser, check, checked, open, refrain } from "./common.mjs";

const shots = process.argv[2];
mkdirSync(shots, { recursive: true });
const dir = mkdtempSync(join(tmpdir(), "refrain-browser-"));
const fixtures = process.env.FIXTURES;
const EVIL = `<img src=x onerror="document.title='owned'"><script>document.title='owned'<`;

// a store, uploads of which one has a script for a name, and the report
refrain(dir, ["add", "--store", "s", "--bank", "removed", join(fixtures, "removed")]);
refrain(dir, ["add", "--store", "s", "--bank", "other & <b>", "--id", EVIL, "--label", `${EVIL}=${EVIL}`, "--source", EVIL,
  join(fixtures, "uploads/other-tree.jpg")]);
cpSync(join(fixtures, "uploads"), join(dir, "up"), { recursive: true });
cpSync(join(fixtures, "uploads/other-tree.jpg"), join(dir, "up", EVIL.replaceAll("/", "_") + ".jpg"));
writeFileSync(join(dir, "up/torn.jpg"), "not a picture");
const scan = ["scan", "--store", "s", "--json", "--report", "found.html", "--references", join(fixtures, "removed"), "up"];
const lines = refrain(dir, scan, [2]).stdout.trim().split("\n").map((line) => JSON.parse(line));
const pairs = lines.flatMap((line) => line.matches.map((found) => ({ line, found })));

const chromium = await browser();
const started = Date.now();
for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [400, "light"], [400, "dark"]]) {
  const context = await chromium.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, acceptDownloads: true });
  const page = await open(context, join(dir, "found.html"));
  const count = () => page.locator("article").count();
  const settle = () => page.waitForTimeout(50);
  const all = pairs.length + lines.filter((line) => line.outcome !== "no_match" && !line.matches.length).length;
  check("every pair is there", await count(), Math.min(all, 50));
  check("nothing is wider than the window", await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  const [back] = await page.evaluate(() => [getComputedStyle(document.body).backgroundColor]);
  const pair = await page.locator("article .pair").first().evaluate((pair) => [...pair.children].map((figure) => figure.offsetTop));
  check("side by side, however narrow", pair[0] === pair[1]);
  check("light is light and dark is dark", back.match(/\d+/g).slice(0, 3).every((v) => (scheme === "light") === (v > 127)));
  await page.screenshot({ path: join(shots, `report-${width}-${scheme}.png`) });

  // names are text
  await page.fill("#text", "onerror");
  check("the file with a script for a name is found by its name", await count() >= 1);
  check("and runs nothing", [await page.title(), await page.locator("article img[src=x]").count()], ["What the scan found", 0]);
  await page.locator("article details").first().click();
  await page.screenshot({ path: join(shots, `names-${width}-${scheme}.png`) });
  await page.fill("#text", "");

  // filters
  const filtered = async (id, value, expected) => {
    await page.selectOption("#" + id, value);
    await settle();
    check(`filter ${id} = ${value}`, await count(), expected);
    await page.selectOption("#" + id, "");
  };
  await filtered("outcome", "could not be read", lines.filter((line) => line.outcome === "unreadable").length);
  await filtered("bank", "other & <b>", pairs.filter((pair) => pair.found.bank !== "removed").length);
  await filtered("done", "mirrored", pairs.filter((pair) => pair.found.transform === "flip_y" && !pair.found.inverted).length);
  await filtered("kind", "video", lines.filter((line) => line.kind === "video" && line.outcome !== "no_match").reduce((sum, line) => sum + Math.max(line.matches.length, 1), 0));
  await page.fill("#distance", "4");
  await settle();
  check("filter by distance", await count(), pairs.filter((pair) => pair.found.distance <= 4).length);
  await page.fill("#distance", "256");

  // blur: on until asked for, one by one or all
  await page.fill("#text", "gears-turned");
  const blurred = () => page.locator("article .sheet img").first().evaluate((img) => getComputedStyle(img).filter.includes("blur"));
  check("pictures are blurred", await blurred());
  await page.locator("article .frame").first().click();
  check("until asked for", await blurred(), false);
  await page.locator("article .frame").first().click();
  await page.check("#clear");
  check("or all of them", await blurred(), false);
  await page.locator("article").first().screenshot({ path: join(shots, `film-${width}-${scheme}.png`) });
  const turned = await page.locator("article .sheet").first().evaluate((sheet) => new DOMMatrix(getComputedStyle(sheet).transform).b);
  check("what was turned left is turned back right", Math.round(turned), 1);

  // the timeline
  const bars = page.locator("article .bar");
  check("a bar for this file and one for the reference", await bars.count(), 2);
  check("a filmstrip for each", await page.locator("article .strip img").count(), 16);
  const found = pairs.find((pair) => pair.line.path === "up/gears-turned.mp4").found;
  const share = await bars.nth(1).locator("span").first().evaluate((span) => span.getBoundingClientRect().width / span.parentElement.clientWidth);
  const [from, to] = found.segments[0].reference;
  const length = await page.evaluate(() => Number(document.querySelectorAll(".track small")[1].textContent.split(":").pop()));
  check("the interval is as long as it should be", Math.abs(share - (to - from) / length) < 0.02);

  // the content box and the part that matched
  await page.fill("#text", "gears-wide");
  const box = await page.locator("article .sheet .content").first().evaluate((box) => box.offsetHeight * box.offsetWidth < 0.9 * box.parentElement.offsetHeight * box.parentElement.offsetWidth);
  check("the bars are outside of the content box", box);
  await page.fill("#text", "two-in-one");
  check("both halves of the collage are outlined", await page.locator("article .sheet .part").count() >= 2);
  await page.screenshot({ path: join(shots, `parts-${width}-${scheme}.png`) });
  await page.fill("#text", "");
  await page.uncheck("#clear");

  // the keyboard
  const focus = () => page.evaluate(() => [...document.querySelectorAll("article")].findIndex((card) => card.classList.contains("current")));
  await page.locator("h1").click();
  for (const [key, at] of [["n", 0], ["n", 1], ["n", 2], ["p", 1]]) {
    await page.keyboard.press(key);
    check(`after ${key}`, await focus(), at);
  }
  const name = async (at) => (await page.locator("article h2").nth(at).evaluate((h2) => h2.firstChild.textContent)).trim();
  const [refused, confirmed] = [await name(1), await name(2)];
  await page.keyboard.press("v");
  check("v shows the pictures", await page.locator("article").nth(1).locator(".frame.clear").count() >= 1);
  await page.keyboard.press("r");
  await page.keyboard.press("n");
  await page.keyboard.press("c");
  check("refused", await page.locator("article.refused").count(), 1);
  check("confirmed", await page.locator("article.confirmed").count(), 1);
  await page.keyboard.press("n");
  await page.keyboard.press("r");
  await page.keyboard.press("r");
  check("twice is not at all", await page.locator("article.refused").count(), 1);
  await page.selectOption("#decided", "refused");
  check("decisions can be filtered by", [await count(), await name(0)], [1, refused]);
  await page.selectOption("#decided", "");
  await page.screenshot({ path: join(shots, `decided-${width}-${scheme}.png`) });

  // decisions out, into another window, and into the store
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#export")]);
  const file = join(dir, `decisions-${width}-${scheme}.json`);
  await download.saveAs(file);
  const written = JSON.parse(readFileSync(file, "utf8"));
  check("what was saved", written.decisions.map((one) => [one.path, one.decision]), [[refused, "refused"], [confirmed, "confirmed"]]);
  await page.close();
  const again = await open(context, join(dir, "found.html"));
  await again.setInputFiles("#import", file);
  await again.waitForSelector("article.refused");
  check("loaded again", [await again.locator("article.refused").count(), await again.locator("article.confirmed").count()], [1, 1]);
  await again.setInputFiles("#import", join(dir, "found.html"));
  await again.waitForFunction(() => document.getElementById("shown").textContent.includes("no decisions"));
  await context.close();
  refrain(dir, ["decide", "--store", "s", file]);
  const later = refrain(dir, scan.filter((arg) => arg !== "--report" && arg !== "found.html" && arg !== "--references" && !arg.startsWith(fixtures)), [2]);
  const line = later.stdout.trim().split("\n").map((text) => JSON.parse(text)).find((one) => one.path === refused);
  check("the refused pair is not shown again", line.matches.some((one) => one.reference === written.decisions[0].reference && one.bank === written.decisions[0].bank), false);
  // take it back for the next window
  written.decisions.forEach((one) => { one.decision = "confirmed"; });
  writeFileSync(file, JSON.stringify(written));
  refrain(dir, ["decide", "--store", "s", file]);
}
console.log(`${checked()} checks in ${((Date.now() - started) / 1000).toFixed(1)} s at 1280 and 400 pixels, light and dark; screenshots in ${shots}`);

// ten thousand pairs: the same entries under other names
const page = readFileSync(join(dir, "found.html"), "utf8");
const [before, rest] = page.split(`id="data" type="application/json">`);
const end = rest.indexOf("</script>");
const entries = JSON.parse(rest.slice(0, end));
const rows = entries.filter((entry) => entry.matches && entry.matches.length === 1), many = entries.filter((entry) => entry.key);
let weight = 0;
for (let at = 0; at < 10_000; at += 1) {
  const row = rows[at % rows.length];
  weight += JSON.stringify(row.picture).length;
  many.push({ ...row, path: `${at}-${row.path}`, picture: weight < 40 << 20 ? row.picture : null });
}
const large = join(dir, "large.html");
writeFileSync(large, before + `id="data" type="application/json">` + JSON.stringify(many).replaceAll("<", "\\u003c") + rest.slice(end));
const context = await chromium.newContext({ viewport: { width: 1280, height: 900 } });
const begun = performance.now();
const opened = await open(context, large);
await opened.waitForFunction(() => document.querySelectorAll("article img").length > 0 && [...document.querySelectorAll("article img")].slice(0, 4).every((img) => img.complete));
const ready = performance.now() - begun;
check("ten thousand pairs", (await opened.locator("#shown").textContent()).startsWith("10000 of 10000"));
const frames = await opened.evaluate(() => new Promise((resolve) => {
  const times = [];
  let last = performance.now();
  const tick = (now) => {
    times.push(now - last);
    last = now;
    scrollBy(0, 40);
    if (scrollY + innerHeight >= document.body.scrollHeight - 50 || times.length > 400) resolve(times.sort((a, b) => a - b));
    else requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}));
const filterTime = await opened.evaluate(() => {
  const begun = performance.now();
  document.getElementById("text").value = "99";
  document.getElementById("filters").dispatchEvent(new Event("input"));
  document.body.offsetHeight;
  return performance.now() - begun;
});
const bytes = readFileSync(large).length;
console.log(`10,000 pairs, ${(bytes / 1e6).toFixed(0)} MB: open in ${(ready / 1000).toFixed(2)} s; scrolling: ${frames.length} frames, ` +
  `95 in 100 within ${frames[Math.floor(frames.length * 0.95)].toFixed(1)} ms, longest ${frames.at(-1).toFixed(1)} ms; a filter takes ${filterTime.toFixed(0)} ms`);
await chromium.close();
rmSync(dir, { recursive: true });
