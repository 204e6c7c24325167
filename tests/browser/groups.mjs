// The report of duplicates as a person uses it: filters, blur, keyboard; wide and narrow, light and dark; names with markup.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser, check, checked, open, refrain } from "./common.mjs";

const shots = process.argv[2];
mkdirSync(shots, { recursive: true });
const dir = mkdtempSync(join(tmpdir(), "refrain-browser-"));
const fixtures = process.env.FIXTURES;
const EVIL = `<img src=x onerror="document.title='owned'"><script>document.title='owned'<.jpg`;
cpSync(join(fixtures, "uploads"), join(dir, "up"), { recursive: true });
cpSync(join(fixtures, "removed"), join(dir, "up/known"), { recursive: true });
cpSync(join(fixtures, "removed/reef.jpg"), join(dir, "up", EVIL));
const ran = refrain(dir, ["dedupe", "--json", "--turned", "--reference", "up/known", "--report", "same.html", "up"]);
const groups = ran.stdout.trim().split("\n").map((line) => JSON.parse(line)).filter((line) => line.group);

const chromium = await browser();
for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [400, "light"], [400, "dark"]]) {
  const context = await chromium.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await open(context, join(dir, "same.html"));
  const count = () => page.locator("article").count();
  check("every group is there", await count(), Math.min(groups.length, 25));
  check("nothing is wider than the window", await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  check("what is proposed is said", await page.locator("article .row strong").first().textContent(), "Stays: it is in a reference folder");
  await page.screenshot({ path: join(shots, `groups-${width}-${scheme}.png`) });
  await page.fill("#text", "onerror");
  check("names are text", [await count() >= 1, await page.title(), await page.locator("article img[src=x]").count()], [true, "Duplicates", 0]);
  await page.fill("#text", "");
  await page.selectOption("#kind", "video");
  check("films only", await count(), groups.filter((group) => group.kind === "video").length);
  await page.selectOption("#kind", "");
  await page.selectOption("#same", "same");
  check("the same bytes only", await count(), groups.filter((group) => group.files.every((file) => file.identical)).length);
  await page.selectOption("#same", "");
  await page.selectOption("#order", "bytes");
  check("most to gain first", await page.locator("article h2").first().evaluate((h2) => h2.firstChild.textContent),
    "Group " + groups.reduce((a, b) => b.removable_bytes > a.removable_bytes ? b : a).group);
  await page.selectOption("#order", "");
  const blurred = () => page.locator("article .sheet img").first().evaluate((img) => getComputedStyle(img).filter.includes("blur"));
  check("pictures are blurred", await blurred());
  await page.locator("h1").click();
  await page.keyboard.press("n");
  await page.keyboard.press("v");
  check("until asked for", await blurred(), false);
  await page.locator("article").first().screenshot({ path: join(shots, `group-${width}-${scheme}.png`) });
  await context.close();
}
await chromium.close();
rmSync(dir, { recursive: true });
console.log(`${checked()} checks of the report of duplicates`);
