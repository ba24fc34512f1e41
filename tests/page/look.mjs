// Opens pages in the system's Chromium and prints what it saw of each, as one JSON object on standard output.
// usage: node look.mjs JOBS    JOBS is JSON: [{url, width, scheme, script, shot, now, tabs, replace}]
import {copyFileSync, readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {chromium} from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: flags});

async function look({url, width, scheme = "light", script = true, shot, now, tabs = 0, replace}) {
  const context = await browser.newContext({
    viewport: {width, height: 800}, colorScheme: scheme, javaScriptEnabled: script, serviceWorkers: "block"});
  const page = await context.newPage();
  const asked = [], said = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (problem) => said.push(String(problem)));
  page.on("dialog", (dialog) => { said.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  if (now) await page.clock.setFixedTime(new Date(now));
  if (replace) await page.clock.install();
  await page.goto(url);
  if (replace) {
    copyFileSync(...replace);
    await page.clock.runFor(31000);
    await page.waitForFunction(() => document.getElementById("said").textContent);
  }
  const focus = [];
  for (let press = 0; press < tabs; press++) {
    await page.keyboard.press("Tab");
    focus.push(await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return {text: document.activeElement.textContent.trim(), outline: `${style.outlineStyle} ${style.outlineWidth}`};
    }));
  }
  const seen = {
    title: await page.title(),
    headline: await page.locator("h1").innerText(),
    text: await page.locator("body").innerText(),
    tone: await page.locator("#page").getAttribute("class"),
    ground: await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
    overflow: await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
    tree: await page.locator("body").ariaSnapshot(),
    focus, asked, said};
  if (shot) await page.screenshot({path: shot, fullPage: true});
  if (script) {
    await context.newCDPSession(page).then((cdp) => cdp.send("Page.setBypassCSP", {enabled: true}));
    await page.evaluate(axe);
    const found = await page.evaluate(() => axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa",
      "wcag22aa", "best-practice"]}));
    seen.violations = found.violations.map((one) => [one.id, ...one.nodes.map((node) => `${node.html} ${node.failureSummary}`)]);
    seen.rules = found.passes.length;
  }
  await context.close();
  return seen;
}

try {
  const seen = [];
  for (const job of JSON.parse(process.argv[2])) seen.push(await look(job));
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
