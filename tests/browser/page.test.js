// Opens pages of real runs in Debian's Chromium.
//
//   IGNITER      the program                       [default: target/debug/igniter]
//   CHROMIUM     the browser                       [default: /usr/bin/chromium]
//   SCREENSHOTS  a folder for pictures to look at  [default: none are kept]
//
// The test of paper draws the PDF with poppler's tools (apt-get install poppler-utils); without them it is skipped.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
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

// Two axes, one with a name that looks like markup, two strategies, two seeds.
const SWEEP = `
version = 1
name = "${HOSTILE}"
scenario = "scenario.toml"
strategies = ["igniter", "ffd"]
[seeds]
first = 1
count = 2
[[axis]]
name = "load"
path = "rate_scale"
values = [0.5, 0.75, 1]
[[axis]]
name = "${HOSTILE}"
path = "slo_scale"
values = [1, 2]
`;

// What NVML could have said.
const SAMPLES = "time_s,gpu,power_w,sm_clock_mhz,busy_pct,memory_busy_pct,energy_j,temperature_c,throttle,missed\n"
  + Array.from({ length: 40 }, (_, i) => `${i * 1.5},0,${100 + (i % 7)},${1900 - (i % 5)},${50 + i},10,${i},40,0x0,0`).join("\n") + "\n";

before(async () => {
  writeFileSync(join(work, "scenario.toml"), SCENARIO);
  writeFileSync(join(work, "pairs.csv"), PAIRS);
  // 1: a workload misses its SLO.
  const made = spawnSync(igniter, ["compare", join(work, "scenario.toml"), "-o", join(work, "compare"), "--quiet"]);
  assert.ok(made.status === 0 || made.status === 1, String(made.stderr));
  execFileSync(igniter, ["accuracy", "--colocated", join(work, "pairs.csv"), "-o", join(work, "accuracy"), "--quiet"]);
  execFileSync(igniter, ["report", join(work, "accuracy"), "-o", join(work, "accuracy.html"), "--quiet"]);
  execFileSync(igniter, ["report", join(work, "compare"), "-o", join(work, "compare.html"), "--quiet"]);
  spawnSync(igniter, ["compare", join(work, "scenario.toml"), "--set", "rate_scale=0.8", "-o", join(work, "lighter"), "--quiet"]);
  execFileSync(igniter, ["diff", join(work, "compare"), join(work, "lighter"), "-o", join(work, "diff.html"), "--quiet"]);
  spawnSync(igniter, ["frontier", join(work, "scenario.toml"), "--step", "50", "--to", "100", "-o", join(work, "frontier"), "--quiet"]);
  writeFileSync(join(work, "sweep.toml"), SWEEP);
  execFileSync(igniter, ["sweep", join(work, "sweep.toml"), "-o", join(work, "sweep"), "--quiet"]);
  execFileSync(igniter, ["plot", join(work, "sweep"), "--x", "load"]);
  execFileSync(igniter, ["report", join(work, "sweep"), "-o", join(work, "sweep.html"), "--quiet"]);
  // A run of `validate` that is kept, its second workload renamed.
  cpSync(join(root, "results/validate-emulated"), join(work, "validate"), { recursive: true });
  for (const file of ["comparison.json", "comparison.csv", "cdf.csv", "latency_series.csv"]) {
    const path = join(work, "validate", file);
    writeFileSync(path, readFileSync(path, "utf8").replaceAll("W2", HOSTILE));
  }
  writeFileSync(join(work, "validate", "gpus.csv"), SAMPLES);
  // A folder whose files differ from those of its manifest is refused; without one, its page shows what is there.
  rmSync(join(work, "validate", "manifest.json"));
  execFileSync(igniter, ["report", join(work, "validate"), "-o", join(work, "validate.html"), "--quiet"]);
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
  // A machine with much else to do is no failure.
  context.setDefaultTimeout(180_000);
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

// Waits for what a function says in the page: no test depends on how long something takes.
const until = (page, what, argument) => page.waitForFunction(what, argument, { polling: 50 });

// Waits until all charts of a page are drawn: nothing moves any more, and a look later they are what they were.
async function settled(page, selector = ".chart") {
  await page.evaluate(() => { window.seen = null; });
  await page.waitForFunction((selector) => {
    const charts = [...document.querySelectorAll(selector)].map((holder) => echarts.getInstanceByDom(holder));
    if (charts.length === 0 || !charts.every((chart) => chart?.getDom().querySelector("svg path") && chart.getZr().animation.isFinished())) return false;
    const now = charts.map((chart) => chart.getDom().innerHTML).join();
    const same = window.seen === now;
    window.seen = now;
    return same;
  }, selector, { polling: 100 });
}

// What the charts of a page hold: marks of data, not only axes.
async function drawnCharts(page) {
  // Parts that are folded have no size.
  await page.evaluate(() => { for (const fold of document.querySelectorAll("details.fold")) fold.open = true; });
  await page.evaluate(() => window.igniterPage.all());
  await settled(page, "main .chart:not(#workload-list *)");
  return page.$$eval("main .chart:not(#workload-list *)", (charts) => charts.map((chart) => ({
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
  assert.ok(charts.length >= 10, `${charts.length} charts`);
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
  // The tooltip of each group; those that miss their SLO come first.
  const groups = await chart.evaluate((holder) => echarts.getInstanceByDom(holder).getOption().xAxis[0].data);
  assert.ok(groups.includes(HOSTILE));
  for (const [i, name] of groups.entries()) {
    await page.mouse.move(box.x + 62 + (i + 0.5) / groups.length * (box.width - 80), box.y + 0.5 * box.height);
    await until(page, (name) => [...document.querySelectorAll("#latencies .chart div")].some((d) => d.style.visibility !== "hidden" && d.textContent.includes(name)), name);
  }
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

test("the first screen answers: verdict, cards with signed differences, plan and chart", async () => {
  const { page, finish } = await open("compare.html");
  const bottom = (selector) => page.locator(selector).first().evaluate((e) => e.getBoundingClientRect().bottom);
  assert.match(await page.locator(".verdict").textContent(), /SLOs.*with \d+ GPUs?\b/);
  for (const part of [".verdict", ".cards", ".glance .plan", ".glance .chart"]) assert.ok(await bottom(part) <= 900, `${part} ends at ${await bottom(part)}`);
  const cards = await page.locator(".card").allTextContents();
  assert.equal(cards.length, 2);
  assert.match(cards[1], /GPUs\d+ [+−±]\d+.*\$\/h[\d.]+ [+−±][\d.]+.*SLOs missed\d+ of 4 [+−±]\d+/);
  assert.match(await page.locator(".command code").textContent(), / compare .*scenario\.toml/);
  assert.ok(await page.evaluate(() => document.documentElement.scrollHeight) < 6000);
  await shoot(page, "first-screen");
  await finish();
});

test("workloads: misses first, found by name, unfolded by keyboard, kept in the address", async () => {
  const { page, finish } = await open("compare.html");
  const names = () => page.locator("#workload-list .workload:not([hidden]) summary b").allTextContents();
  const missed = await page.locator("#workload-list .workload").evaluateAll((all) => all.map((one) => one.classList.contains("missed")));
  assert.deepEqual(missed, [...missed].sort((a, b) => b - a), "misses come first");
  assert.equal((await names()).length, 4);
  await page.getByLabel("Search", { exact: true }).fill("vgg");
  assert.deepEqual(await names(), ["W3"]);
  await page.getByLabel("Search", { exact: true }).fill("");
  await page.locator("#workload-list summary").first().focus();
  await page.keyboard.press("ArrowDown");
  const second = (await names())[1];
  assert.equal(await page.evaluate(() => document.activeElement.querySelector("b").textContent), second);
  await page.keyboard.press("Enter");
  await until(page, () => document.querySelector("#workload-list details[open] .chart svg path"));
  assert.equal(await page.locator("#workload-list details[open] .numbers li").count(), 2);
  // The same page by its address shows the same.
  const address = page.url();
  assert.ok(address.includes("open="));
  await page.goto("about:blank");
  await page.goto(address);
  assert.equal(await page.locator("#workload-list details[open] summary b").textContent(), second);
  await finish();
});

test("a chart is saved as SVG, PNG and CSV, and shows its numbers", async () => {
  const { page, finish } = await open("compare.html");
  await drawnCharts(page);
  const figure = page.locator("#latencies figure").first();
  const save = async (name) => {
    const [download] = await Promise.all([page.waitForEvent("download"), figure.getByRole("button", { name }).click()]);
    return readFileSync(await download.path());
  };
  const svg = String(await save(/as SVG/));
  assert.ok(svg.startsWith("<svg") && svg.includes("P99 latency (ms)") && !svg.includes("<img"));
  assert.deepEqual([...(await save(/as PNG/)).subarray(1, 4)], [...Buffer.from("PNG")]);
  const csv = String(await save(/as CSV/)).trim().split("\n");
  assert.equal(csv[0], ",igniter: P99 latency (ms),ffd: P99 latency (ms),SLO: P99 latency (ms)");
  assert.equal(csv.length, 5);
  await figure.getByRole("button", { name: /numbers of this chart as a table/ }).click();
  assert.equal(await figure.locator("tbody tr").count(), 4);
  await finish();
});

test("what is chosen stays in the address: sorting, filters, folds, explorer", async () => {
  const { page, finish } = await open("compare.html");
  await table(page, "Workloads").getByRole("button", { name: "P99 (ms)", exact: true }).click();
  await table(page, "Workloads").getByLabel("strategy").selectOption({ label: "ffd" });
  await page.locator(".fold summary", { hasText: "Predicted and simulated" }).click();
  await page.getByLabel("Up (y)").selectOption({ label: "violations (%)" });
  const caption = await page.locator("#explorer-caption").textContent();
  const column99 = await column(page, "Workloads", "P99 (ms)");
  const address = page.url();
  await page.goto("about:blank");
  await page.goto(address);
  assert.deepEqual(await column(page, "Workloads", "P99 (ms)"), column99);
  assert.equal(column99.length, 4);
  assert.equal(await page.locator("#explorer-caption").textContent(), caption);
  assert.equal(await page.locator(".fold", { hasText: "Predicted and simulated" }).getAttribute("open"), "");
  // A section is gone to without losing it.
  await page.locator('nav a[href="#gpus"]').click();
  assert.ok(page.url().includes("at=gpus") && page.url().includes("explorer="));
  await finish();
});

test("dark mode: charts and text are light on dark, files stay light", async () => {
  const { page, finish } = await open("compare.html", { colorScheme: "dark" });
  await drawnCharts(page);
  const luminance = (colour) => { const [r, g, b] = colour.match(/\d+/g).map(Number); return 0.3 * r + 0.6 * g + 0.1 * b; };
  const [ink, back] = await page.evaluate(() => { const style = getComputedStyle(document.body); return [style.color, style.backgroundColor]; });
  assert.ok(luminance(ink) > 200 && luminance(back) < 50, `${ink} on ${back}`);
  assert.ok(await page.locator('#latencies .chart svg text[fill="#e8e8e8"]').count() > 3);
  const svg = await page.evaluate(() => window.igniterPage.svgOf(document.querySelector("#latencies .chart")));
  assert.ok(svg.includes("#1a1a1a") && !svg.includes("#e8e8e8"));
  await shoot(page, "dark", { fullPage: true });
  await finish();
});

test("a thousand workloads with names that differ in the middle", async () => {
  const many = Array.from({ length: 1000 }, (_, i) => `[[workload]]\nname = "service-${String(i).padStart(4, "0")}-of-the-shop-推荐"\nmodel = "${["alexnet", "resnet50", "vgg19", "ssd"][i % 4]}"\nslo_ms = ${40 + (i % 5) * 10}\nrate_rps = ${5 + (i % 7)}\n`).join("");
  writeFileSync(join(work, "many.toml"), SCENARIO.slice(0, SCENARIO.indexOf("[[workload]]")).replace("duration_s = 6", "duration_s = 3") + many);
  const made = spawnSync(igniter, ["compare", join(work, "many.toml"), "-o", join(work, "many"), "--quiet"]);
  assert.ok(made.status === 0 || made.status === 1, String(made.stderr));
  const { page, finish } = await open("many/report.html");
  assert.ok(statSync(join(work, "many/report.html")).size < 5e6);
  assert.equal(await page.locator("#workload-list .workload").count(), 1000);
  await page.getByLabel("Search", { exact: true }).fill("service-0777");
  assert.equal(await page.locator("#workload-list .workload:not([hidden])").count(), 1);
  assert.ok(await page.evaluate(() => document.documentElement.scrollHeight) < 9000);
  await page.locator("#latencies .chart").first().scrollIntoViewIfNeeded();
  await until(page, () => document.querySelector("#latencies .chart svg text"));
  const labels = await page.locator("#latencies .chart").first().evaluate((holder) => [...holder.querySelectorAll("svg text")].map((t) => t.textContent).filter((t) => t.includes("…")));
  assert.ok(labels.length > 3 && new Set(labels).size === labels.length, labels.join(" "));
  await shoot(page, "many", { fullPage: true });
  await finish();
});

test("two folders side by side: what differs, with sign", async () => {
  const { page, finish } = await open("diff.html");
  assert.match(await page.locator(".verdict").first().textContent(), /numbers differ .* better, \d+ worse/);
  const changes = (await column(page, "What differs", "change B − A")).map(Number);
  assert.ok(changes.length > 5 && changes.every((change) => change !== 0));
  assert.ok((await column(page, "What differs", "B is")).includes("better"));
  await table(page, "What differs").locator("label", { hasText: /^what/ }).locator("select").selectOption({ label: "P99 (ms)" });
  assert.ok((await column(page, "What differs", "what")).every((what) => what === "P99 (ms)"));
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
  // The axis shows another range.
  await until(page, (whole) => [...document.querySelector("#gpus .chart").querySelectorAll("svg text")].map((t) => t.textContent).join("|") !== whole, whole);
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
  await settled(page, "#explorer-chart");
  assert.ok(await page.locator("#explorer-chart svg path").count() > 5);
  await shoot(page, "explorer");
  await finish();
});

test("a phone needs no sideways scrolling of the page", async () => {
  for (const name of ["compare", "sweep", "validate", "accuracy", "diff", "frontier/report"]) {
    const { page, finish } = await open(`${name}.html`, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
    await drawnCharts(page);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${name}: ${width} px wide`);
    await shoot(page, `phone-${name.replace("/", "-")}`, { fullPage: true });
    await finish();
  }
});

test("a sweep: what is chosen is drawn, by keyboard alone", async () => {
  const { page, finish } = await open("sweep.html");
  assert.equal(await page.locator("h1").textContent(), HOSTILE);
  const caption = page.locator("#sweep-caption");
  assert.match(await caption.textContent(), /SLO attainment \(%\) over Load: 12 of 12 rows/);
  await drawnCharts(page);
  // A panel for each value of the second axis, each with two lines and their bands.
  assert.deepEqual(await page.locator("#sweep-panels h3").allTextContents(), [`${HOSTILE} = 1`, `${HOSTILE} = 2`]);
  const lines = () => page.$$eval("#sweep-panels .chart", (all) => all.map((c) => [...c.querySelectorAll("path")].filter((p) => p.getAttribute("fill") === "none" && ["#0072b2", "#e69f00"].includes(p.getAttribute("stroke"))).length));
  assert.ok((await lines()).every((n) => n >= 2), `${await lines()} lines`);
  const filled = (color) => page.$$eval("#sweep-panels .chart path", (all, color) => all.filter((p) => p.getAttribute("fill") === color && p.getAttribute("fill-opacity") === "0.18").length, color);
  assert.ok(await filled("#0072b2") > 0, "a band");
  await shoot(page, "sweep", { fullPage: true });
  // A line goes when its box is cleared.
  await page.locator("#sweep-legend input").nth(1).focus();
  await page.keyboard.press("Space");
  assert.match(await caption.textContent(), /: 6 of 12 rows/);
  assert.equal(await page.locator("#sweep-legend input").nth(1).evaluate((box) => box === document.activeElement), true, "the focus stays");
  await page.keyboard.press("Space");
  // Tab to the choice of the panels, and take away the panels: the other axis is then held at a value.
  await page.getByLabel("A panel for each").focus();
  await page.keyboard.press("Home");
  await until(page, () => document.getElementById("sweep-caption").textContent.includes("= 1: 6 of 12 rows"));
  await page.locator("#sweep-controls").getByLabel(`Only ${HOSTILE}`).selectOption({ label: "2" });
  assert.match(await caption.textContent(), /= 2: 6 of 12 rows/);
  const choice = (name) => page.locator("#sweep-controls").getByLabel(name);
  await choice("Up (y)").selectOption({ label: "Cost ($/h)" });
  assert.match(await caption.textContent(), /Cost \(\$\/h\) over/);
  assert.equal(await page.getByLabel("Target (%)").count(), 0);
  await choice("Across (x)").selectOption({ label: "strategy" });
  await settled(page, "#sweep-panels .chart");
  assert.ok(await page.locator("#sweep-panels svg path").count() > 5);
  await finish();
});

test("a sweep: the numbers are those of the table", async () => {
  const { page, finish } = await open("sweep.html");
  const points = readFileSync(join(work, "sweep", "points.csv"), "utf8").trim().split("\n").map((line) => line.split(","));
  const at = (name) => points[0].indexOf(name);
  await page.locator("#sweep details summary").click();
  const rows = await page.$$eval("#sweep-numbers tbody tr", (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.equal(rows.length, points.length - 1);
  for (const [i, row] of rows.entries()) {
    const point = points[i + 1];
    assert.equal(row[0], point[at("strategy")]);
    const shown = Number(row[3].split(" ")[0]), mean = Number(point[at("attainment_pct")]);
    assert.ok(Math.abs(shown - mean) <= 0.001 * mean, `${row} of ${point}`);
  }
  // Where the target is met, strategy by strategy, changes with the target.
  const met = () => page.$$eval("#sweep-target tbody td", (cells) => cells.map((cell) => cell.textContent).join("|"));
  const strict = await met();
  await page.getByLabel("Target (%)").fill("1");
  await page.getByLabel("Target (%)").press("Enter");
  assert.equal(await met(), "igniter|always|always|ffd|always|always");
  assert.notEqual(strict, await met());
  const loaded = await page.locator(".picture img").first().evaluate((img) => { img.loading = "eager"; return img.decode().then(() => img.naturalWidth); });
  assert.ok(loaded > 100, "the figures of the folder");
  await finish();
});

test("a validation: charts of both arms, of the GPUs, and of every workload", async () => {
  const { page, finish } = await open("validate.html");
  const charts = await drawnCharts(page);
  assert.equal(charts.length, 5 + 4 + 2 * 3 + 1);
  for (const chart of charts) assert.ok(chart.shapes > 5 && chart.words > 3 && chart.height > 100, JSON.stringify(chart));
  assert.match(await page.locator("#summary").textContent(), /9 of 9 checks passed/);
  assert.ok((await column(page, "Workloads", "workload")).includes(HOSTILE));
  assert.ok((await page.locator("#workloads h3").allTextContents()).includes(HOSTILE));
  await shoot(page, "validate", { fullPage: true });
  await finish();
});

// Sheets of A4 less the margins of the page's style, in px of 1/96 inch.
const SHEET = (210 - 2 * 14) / 25.4 * 96;

test("on paper every chart lies within the sheet and has ink", async () => {
  for (const file of ["compare.html", "sweep.html", "validate.html", "accuracy.html"]) {
    const { page, finish } = await open(file, { viewport: { width: Math.floor(SHEET), height: 980 } });
    await page.emulateMedia({ media: "print" });
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    // What is wider than the sheet makes the browser shrink the page and cut it.
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= SHEET, `${file} fits`);
    const charts = page.locator(".chart:visible");
    const n = await charts.count();
    assert.ok(n >= 2, `${file}: ${n} charts`);
    for (let i = 0; i < n; i++) {
      const chart = charts.nth(i);
      const name = `${file}: ${await chart.getAttribute("aria-label")}`;
      const box = await chart.boundingBox();
      assert.ok(box.x >= 0 && box.x + box.width <= SHEET && box.height > 150 && box.height < 980, `${name}: ${JSON.stringify(box)}`);
      // Nothing that the chart draws is beyond its own edges, and something of it has colour.
      const drawn = await chart.evaluate((holder) => {
        const frame = holder.getBoundingClientRect();
        const marks = [...holder.querySelectorAll("svg text, svg path")].filter((m) => m.getBoundingClientRect().width > 0);
        const beyond = marks.filter((m) => { const b = m.getBoundingClientRect(); return m.tagName === "text" && (b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1); });
        return { marks: marks.length, beyond: beyond.map((m) => m.textContent) };
      });
      assert.ok(drawn.marks > 5, `${name}: ${drawn.marks} marks`);
      assert.deepEqual(drawn.beyond, [], `${name}: words are cut`);
    }
    await finish();
  }
});

// The pixels of a PPM file, as { width, height, at(x, y) → [r, g, b] }.
function ppm(path) {
  const bytes = readFileSync(path);
  const [, width, height] = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.subarray(0, 40).toString("latin1")).map(Number);
  const from = bytes.length - 3 * width * height;
  return { width, height, at: (x, y) => bytes.subarray(from + 3 * (y * width + x), from + 3 * (y * width + x) + 3) };
}

// Coloured and dark points where a chart stands that has its caption at `word`: above it, 62 mm high and as wide as the
// sheet or half of it.
function inkAbove(sheet, { x: left, y: bottom }) {
  const top = Math.round(bottom - 62 / 25.4 * 72);
  let colour = 0, dark = 0;
  if (top < 30) return { colour, dark };
  for (let y = top; y < bottom - 4; y++) {
    for (let x = Math.round(left); x < left + 230; x++) {
      const [r, g, b] = sheet.at(Math.min(x, sheet.width - 1), y);
      if (Math.max(r, g, b) - Math.min(r, g, b) > 60) colour++;
      if (Math.max(r, g, b) < 120) dark++;
    }
  }
  return { colour, dark };
}

const poppler = spawnSync("pdftoppm", ["-v"]).status === 0;

test("the PDF has every chart in colour, and nothing in its margins", { skip: poppler ? false : "no pdftoppm: install poppler-utils" }, async () => {
  for (const file of ["compare.html", "sweep.html", "validate.html", "accuracy.html"]) {
    const { page, finish } = await open(file);
    const captions = await page.$$eval("figure:has(.chart) figcaption", (all) => all.filter((c) => !c.closest("#explorer") && !c.closest("details:not([open])")).map((c) => c.textContent));
    const pdf = join(work, "print.pdf"), pages = join(work, "print");
    writeFileSync(pdf, await page.pdf({ format: "A4" }));
    if (process.env.SCREENSHOTS) cpSync(pdf, join(process.env.SCREENSHOTS, `${file}.pdf`));
    rmSync(pages, { recursive: true, force: true });
    mkdirSync(pages);
    execFileSync("pdftoppm", ["-r", "72", pdf, join(pages, "page")]);
    // Where each word stands, in points, page by page.
    const words = execFileSync("pdftotext", ["-bbox", pdf, "-"], { encoding: "utf8", maxBuffer: 1e8 })
      .split("<page ").slice(1).map((text) => [...text.matchAll(/<word xMin="([\d.]+)" yMin="([\d.]+)"[^>]*>([^<]*)</g)].map(([, x, y, word]) => ({ x: Number(x), y: Number(y), word: word.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&apos;", "'").replaceAll("&#39;", "'") })));
    const sheets = readdirSync(pages).sort().map((name) => ppm(join(pages, name)));
    assert.equal(sheets.length, words.length);
    if (file === "compare.html") {
      assert.ok(sheets.length <= 6, `${sheets.length} sheets`);
      // No sheet but the last is half empty: something stands in its lower half.
      for (const [i, list] of words.slice(0, -1).entries()) assert.ok(list.some((word) => word.y > 421), `sheet ${i + 1} is half empty`);
    }
    for (const [i, sheet] of sheets.entries()) {
      for (let y = 0; y < sheet.height; y++) {
        for (const x of [...Array(36).keys(), ...Array.from({ length: 36 }, (_, k) => sheet.width - 1 - k)]) {
          assert.ok(sheet.at(x, y).every((v) => v > 200), `${file}, page ${i + 1}: ink in the margin at ${x}, ${y}`);
        }
      }
    }
    const used = new Set();
    for (const caption of captions) {
      // The first line of a caption, whatever is taken for a space.
      const wanted = caption.replaceAll(/\s+/g, "").slice(0, 25);
      const found = words.flatMap((list, i) => list.map((word, k) => ({ ...word, i, k, text: list.slice(k, k + 12).map((w) => w.word).join("") })))
        .filter((word) => word.text.startsWith(wanted) && !used.has(`${word.i} ${word.k}`));
      assert.ok(found.length > 0, `${file}: ${wanted}`);
      // A table may say the same: the chart is where there is colour above.
      const ink = found.map((word) => inkAbove(sheets[word.i], word));
      const at = ink.findIndex(({ colour, dark }) => colour > 40 && dark > 40);
      assert.ok(at >= 0, `${file}: ${wanted}: ${JSON.stringify(ink)}`);
      used.add(`${found[at].i} ${found[at].k}`);
    }
    await finish();
  }
});

test("print has every chart, all rows, and no controls", async () => {
  const { page, finish } = await open("compare.html");
  await page.emulateMedia({ media: "print" });
  assert.ok(!(await page.locator("nav").isVisible()) && !(await page.locator("#explorer").isVisible()));
  await page.emulateMedia({ media: null });
  const pdf = await page.pdf({ format: "A4" });
  const sizes = await page.$$eval(".chart svg", (all) => all.map((svg) => svg.viewBox.baseVal && svg.viewBox.baseVal.width));
  assert.ok(sizes.every((width) => !width), "the screen has its own sizes again");
  // Charts that were never near the window are drawn before printing; those that are folded are not printed.
  assert.equal(await page.evaluate(() => window.igniterPage.waiting()), await page.locator("details:not([open]) .chart").count());
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
  for (const file of ["compare.html", "accuracy.html", "sweep.html", "validate.html", "diff.html", "frontier/report.html"]) {
    const { page, finish } = await open(file);
    await drawnCharts(page);
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    const violations = found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 5).join(", ")}`);
    assert.deepEqual(violations, [], file);
    await finish();
  }
});

test("numbers and names stay what the files say", async () => {
  const folder = join(work, "odd");
  mkdirSync(folder);
  writeFileSync(join(folder, "odd.csv"), "workload,seed,requests,share,half\n007,18446744073709551615,12345678,2.50049999,0.03125\n1e3,1,2,1,2\n");
  writeFileSync(join(folder, "odd.json"), JSON.stringify({ version: "0.10", id: "0012", n: 12345678 }));
  execFileSync(igniter, ["report", folder, "-o", join(work, "odd.html"), "--quiet"]);
  const cells = (page) => page.$$eval("tbody tr", (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
  const { page, finish } = await open("odd.html");
  const shown = await cells(page);
  const still = await open("odd.html", { javaScriptEnabled: false });
  assert.deepEqual(shown, await still.page.locator("tbody tr").evaluateAll((rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent))), "the script shows what stood there");
  assert.deepEqual(shown, [
    ["id", "0012"], ["n", "12345678"], ["version", "0.10"],
    ["007", "18446744073709551615", "12345678", "2.500", "0.0313"], ["1e3", "1", "2", "1", "2"],
  ]);
  await still.page.context().close();
  await finish();
});

test("without scripts all is readable", async () => {
  const { page } = await open("compare.html", { javaScriptEnabled: false });
  assert.ok((await page.content()).includes("Charts, sorting and filters need scripts"));
  assert.ok(await page.locator("#plans .share").count() >= 8);
  assert.equal(await page.locator("caption", { hasText: "Workloads" }).count(), 1);
  assert.ok(await page.locator("#plans .share").first().isVisible());
  await page.context().close();
});

test("results of accuracy: charts, tables, values, explorer", async () => {
  const { page, finish } = await open("accuracy.html");
  const rows = await column(page, "accuracy.csv", "model");
  assert.equal(rows.length, 4);
  const charts = await drawnCharts(page);
  assert.equal(charts.length, 3 + 1);
  assert.ok(charts.every((chart) => chart.shapes > 5), JSON.stringify(charts));
  assert.ok((await column(page, "accuracy.json", "key")).some((key) => key.includes("mape")));
  await page.locator("#explorer").scrollIntoViewIfNeeded();
  await settled(page, "#explorer-chart");
  assert.ok(await page.locator("#explorer-chart svg path").count() > 5);
  await shoot(page, "accuracy", { fullPage: true });
  await finish();
});

test("what was tested is what was made", () => {
  assert.ok(readFileSync(join(work, "compare.html"), "utf8").includes("Apache ECharts 6.1.0"));
});
