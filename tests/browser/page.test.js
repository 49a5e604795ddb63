// Opens pages of real runs in Debian's Chromium.
//
//   IGNITER      the program                       [default: target/debug/igniter]
//   CHROMIUM     the browser                       [default: /usr/bin/chromium]
//   SCREENSHOTS  a folder for pictures to look at  [default: none are kept]
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import axe from "axe-core";
import { chromium } from "playwright-core";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const igniter = resolve(root, process.env.IGNITER ?? "target/debug/igniter");
const HOSTILE = "<img src=x onerror=document.title='owned'>";
const work = mkdtempSync(join(tmpdir(), "igniter-browser-"));
let browser;

const SCENARIO = `
version = 1
name = "${HOSTILE}"
seed = 1
duration_s = 6
warmup_s = 1
cooldown_s = 1
[[gpu]]
kind = "v100"
price_per_hour = 3.06
[[workload]]
name = "${HOSTILE}"
model = "alexnet"
slo_ms = 10
rate_rps = 1200
[[workload]]
name = "W2"
model = "resnet50"
slo_ms = 20
rate_rps = 400
arrival = { process = "poisson" }
[[workload]]
name = "W3"
model = "vgg19"
slo_ms = 20
rate_rps = 300
[[workload]]
name = "a-workload-with-a-very-long-name-that-has-to-go-somewhere"
model = "ssd"
slo_ms = 25
rate_rps = 150
`;

// Two measured pairs; what they say does not matter here.
const PAIRS = `run,member,model,batch,sm_pct,latency_ms
1,0,alexnet,4,50,3.1
1,1,vgg19,4,50,14.9
2,0,resnet50,8,40,15.2
2,1,ssd,2,60,12.1
`;

before(async () => {
  writeFileSync(join(work, "scenario.toml"), SCENARIO);
  writeFileSync(join(work, "pairs.csv"), PAIRS);
  // 1: a workload misses its SLO.
  const made = spawnSync(igniter, ["compare", join(work, "scenario.toml"), "-o", join(work, "compare"), "--quiet"]);
  assert.ok(made.status === 0 || made.status === 1, String(made.stderr));
  execFileSync(igniter, ["accuracy", "--colocated", join(work, "pairs.csv"), "-o", join(work, "accuracy"), "--quiet"]);
  execFileSync(igniter, ["report", join(work, "accuracy"), "-o", join(work, "accuracy.html"), "--quiet"]);
  execFileSync(igniter, ["report", join(work, "compare"), "-o", join(work, "compare.html"), "--quiet"]);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
});

after(async () => {
  await browser?.close();
  rmSync(work, { recursive: true, force: true });
});

// Opens a page; `finish` fails the test on any message of the console, error, or request.
async function open(file, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => wrong.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrong.push(`error: ${error}`));
  page.on("request", (request) => {
    if (!/^(file|data|about):/.test(request.url())) wrong.push(`request: ${request.url()}`);
  });
  await page.goto(pathToFileURL(join(work, file)).href);
  const finish = async () => {
    assert.equal(await page.evaluate(() => document.images.length - document.querySelectorAll(".picture img").length), 0);
    assert.notEqual(await page.title(), "owned");
    assert.deepEqual(wrong, []);
    await context.close();
  };
  return { page, finish };
}

async function shoot(page, name, options = {}) {
  if (!process.env.SCREENSHOTS) return;
  mkdirSync(process.env.SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), ...options });
}

// What the charts of a page hold: marks of data, not only axes.
async function drawnCharts(page) {
  await page.evaluate(() => window.igniterPage.all());
  await page.waitForTimeout(600);
  return page.$$eval(".chart", (charts) => charts.map((chart) => ({
    label: chart.getAttribute("aria-label"),
    shapes: chart.querySelectorAll("svg path").length,
    words: chart.querySelectorAll("svg text").length,
    height: chart.getBoundingClientRect().height,
  })));
}

// The texts of one column of the table with a caption.
const column = (page, caption, head) => page.evaluate(([caption, head]) => {
  const table = [...document.querySelectorAll("table")].find((t) => t.caption.textContent === caption);
  const index = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent === head);
  return [...table.tBodies[0].rows].map((row) => row.cells[index].textContent);
}, [caption, head]);

const table = (page, caption) => page.locator(".table").filter({ has: page.locator("caption", { hasText: caption }) });

test("a comparison: every chart is drawn, nothing is loaded, nothing complains", async () => {
  const { page, finish } = await open("compare.html");
  const charts = await drawnCharts(page);
  assert.ok(charts.length >= 20, `${charts.length} charts`);
  for (const chart of charts) {
    assert.ok(chart.shapes > 5 && chart.words > 3 && chart.height > 100, JSON.stringify(chart));
  }
  assert.ok(statSync(join(work, "compare.html")).size < 3e6);
  await shoot(page, "desktop", { fullPage: true });
  await finish();
});

test("the page that compare leaves beside its tables works too", async () => {
  const { page, finish } = await open("compare/report.html");
  assert.ok((await drawnCharts(page)).every((chart) => chart.shapes > 5));
  await finish();
});

test("a name that looks like markup stays text, in tooltips too", async () => {
  const { page, finish } = await open("compare.html");
  assert.equal(await page.locator("h1").textContent(), HOSTILE);
  assert.ok((await column(page, "Workloads", "workload")).includes(HOSTILE));
  await drawnCharts(page);
  const chart = page.locator("#latencies .chart").first();
  await chart.scrollIntoViewIfNeeded();
  const box = await chart.boundingBox();
  for (const part of [0.12, 0.2, 0.4, 0.6, 0.9]) {
    await page.mouse.move(box.x + part * box.width, box.y + 0.5 * box.height);
    await page.waitForTimeout(150);
  }
  await page.mouse.move(box.x + 0.12 * box.width, box.y + 0.5 * box.height);
  await page.waitForTimeout(300);
  const tip = await chart.evaluate((c) => [...c.querySelectorAll("div")].map((d) => d.textContent).join(" "));
  assert.ok(tip.includes(HOSTILE), `the tooltip shows the name: ${tip}`);
  await shoot(page, "tooltip");
  await finish();
});

test("columns sort in both directions, by mouse and by keyboard", async () => {
  const { page, finish } = await open("compare.html");
  const numbers = async () => (await column(page, "Workloads", "P99 (ms)")).map(Number);
  const button = table(page, "Workloads").getByRole("button", { name: "P99 (ms)", exact: true });
  await button.click();
  const rising = await numbers();
  assert.ok(rising.length === 8 && new Set(rising).size > 3);
  assert.deepEqual(rising, [...rising].sort((a, b) => a - b));
  await button.focus();
  await page.keyboard.press("Enter");
  assert.deepEqual(await numbers(), [...rising].reverse());
  const head = table(page, "Workloads").locator("th[aria-sort]");
  assert.equal(await head.getAttribute("aria-sort"), "descending");
  await finish();
});

test("filters by word and by value leave the rows that match", async () => {
  const { page, finish } = await open("compare.html");
  const workloads = table(page, "Workloads");
  await workloads.getByLabel("Filter").fill("resnet");
  assert.deepEqual(await column(page, "Workloads", "model"), ["resnet50", "resnet50"]);
  assert.equal(await workloads.locator("output").textContent(), "2 of 8 rows");
  await workloads.getByLabel("Filter").fill("");
  await workloads.getByLabel("strategy").selectOption({ label: "ffd" });
  assert.deepEqual(await column(page, "Workloads", "strategy"), ["ffd", "ffd", "ffd", "ffd"]);
  await finish();
});

test("charts zoom", async () => {
  const { page, finish } = await open("compare.html");
  await drawnCharts(page);
  const chart = page.locator("#gpus .chart").first();
  await chart.scrollIntoViewIfNeeded();
  const words = () => chart.evaluate((c) => [...c.querySelectorAll("svg text")].map((t) => t.textContent).join("|"));
  const whole = await words();
  const box = await chart.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.keyboard.down("Control");
  await page.mouse.wheel(0, -400);
  await page.keyboard.up("Control");
  await page.waitForTimeout(500);
  assert.notEqual(await words(), whole, "the axis shows another range");
  await finish();
});

test("the explorer draws what is chosen", async () => {
  const { page, finish } = await open("compare.html");
  await page.locator("#explorer").scrollIntoViewIfNeeded();
  const caption = page.locator("#explorer-caption");
  assert.match(await caption.textContent(), /P99 \(ms\) against SLO \(ms\), by strategy: 8 of 8 rows of Workloads/);
  await page.getByLabel("Up (y)").selectOption({ label: "violations (%)" });
  await page.getByLabel("Drawn as").selectOption({ label: "lines through means" });
  await page.getByLabel("Only strategy").selectOption({ label: "igniter" });
  assert.match(await caption.textContent(), /violations \(%\) against SLO \(ms\), by strategy: 4 of 8 rows/);
  await page.getByLabel("Across (x)").selectOption({ label: "workload" });
  await page.waitForTimeout(400);
  assert.ok(await page.locator("#explorer-chart svg path").count() > 5);
  await shoot(page, "explorer");
  await finish();
});

test("a phone needs no sideways scrolling of the page", async () => {
  const { page, finish } = await open("compare.html", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
  await drawnCharts(page);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `${width} px wide`);
  await shoot(page, "phone", { fullPage: true });
  await finish();
});

test("print has every chart, all rows, and no controls", async () => {
  const { page, finish } = await open("compare.html");
  await page.emulateMedia({ media: "print" });
  assert.ok(!(await page.locator("nav").isVisible()) && !(await page.locator("#explorer").isVisible()));
  await page.emulateMedia({ media: null });
  const pdf = await page.pdf({ format: "A4" });
  // Charts that were never near the window are drawn before printing.
  assert.equal(await page.evaluate(() => window.igniterPage.waiting()), 0);
  assert.ok(pdf.length > 50_000, `${pdf.length} bytes`);
  if (process.env.SCREENSHOTS) writeFileSync(join(process.env.SCREENSHOTS, "print.pdf"), pdf);
  await finish();
});

test("nothing moves where less motion is asked for", async () => {
  const { page, finish } = await open("compare.html", { reducedMotion: "reduce" });
  assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior), "auto");
  await finish();
});

test("what a checker of accessibility finds", async () => {
  for (const file of ["compare.html", "accuracy.html"]) {
    const { page, finish } = await open(file);
    await drawnCharts(page);
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const violations = found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 5).join(", ")}`);
    assert.deepEqual(violations, [], file);
    await finish();
  }
});

test("without scripts all is readable", async () => {
  const { page, finish } = await open("compare.html", { javaScriptEnabled: false });
  assert.ok(await page.getByText("Charts, sorting and filters need scripts").isVisible());
  assert.ok(await page.locator("#plans .share").count() >= 8);
  assert.equal(await page.locator("caption", { hasText: "Workloads" }).count(), 1);
  await page.context().close();
  void finish;
});

test("results of accuracy: table, values, figure, explorer", async () => {
  const { page, finish } = await open("accuracy.html");
  const rows = await column(page, "accuracy.csv", "model");
  assert.equal(rows.length, 4);
  assert.equal(await page.locator(".picture img").count(), 1);
  const loaded = await page.locator(".picture img").evaluate((img) => { img.loading = "eager"; return img.decode().then(() => img.naturalWidth); });
  assert.ok(loaded > 100);
  assert.ok((await column(page, "accuracy.json", "key")).some((key) => key.includes("mape")));
  await page.locator("#explorer").scrollIntoViewIfNeeded();
  await page.waitForTimeout(500);
  assert.ok(await page.locator("#explorer-chart svg path").count() > 5);
  await shoot(page, "accuracy", { fullPage: true });
  await finish();
});

test("what was tested is what was made", () => {
  assert.ok(readFileSync(join(work, "compare.html"), "utf8").includes("Apache ECharts 6.1.0"));
});
