// What the browser tests share: a browser, `refrain`, and checks that say what was expected.
import { execFileSync, spawnSync } from "node:child_process";
import { chromium } from "playwright-core";

export function refrain(cwd, args, codes = [0]) {
  const env = { ...process.env, REFRAIN_CACHE: cwd + "/cache" };
  const ran = spawnSync(process.env.REFRAIN, args, { cwd, env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (!codes.includes(ran.status)) throw new Error(`refrain ${args.join(" ")} ended with ${ran.status}: ${ran.stderr}`);
  return ran;
}

export const browser = () => chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

let checks = 0;
export function check(what, got, expected = true) {
  checks += 1;
  if (JSON.stringify(got) !== JSON.stringify(expected))
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`);
}
export const checked = () => checks;

// A page that fails the test on any script error, any dialog and any request that leaves the file.
export async function open(context, file) {
  const page = await context.newPage();
  page.on("pageerror", (error) => { throw error; });
  page.on("dialog", (dialog) => dialog.type() === "beforeunload" ? dialog.accept() : (() => { throw new Error("a dialog: " + dialog.message()); })());
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) throw new Error("the page asks for " + request.url());
  });
  await page.goto("file://" + file);
  await page.waitForSelector("body[data-ready]");
  return page;
}
