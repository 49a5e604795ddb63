"use strict";
// The explorer of a sweep: a number over an axis, a line for each strategy, a panel for each value of another axis, and
// every other axis fixed at one value. As in page.js, no text becomes markup.
(() => {
  const { data, element, addChoice, shown, distinct, draw, forget, lines, bars, looksOf, remember, recallJson, COLOURS, DASHES } = window.igniterPage;
  const sweep = data.sweep;
  const table = sweep && data.tables.find((t) => t.title === sweep.table);
  if (!table || table.rows.length === 0) return;
  const $ = (id) => document.getElementById(id);
  const sorted = (rows, c) => {
    const values = distinct(rows, c);
    return table.numeric[c] ? values.sort((a, b) => a - b) : values;
  };
  // Settings are shown as they were written.
  const plain = (value) => (typeof value === "number" ? String(Number(value.toPrecision(7))) : shown(value));
  const varies = (d) => distinct(table.rows, d.column).length > 1;
  const axes = sweep.axes.filter(varies), makers = sweep.makers.filter(varies);
  const words = new Map([...sweep.axes, ...sweep.makers, ...sweep.metrics].map((d) => [d.column, d.words]));
  const metric = (c) => sweep.metrics.find((m) => m.column === c);
  // What tells lines apart: one column, or all of who made the row.
  const splits = makers.length > 1 ? [{ columns: makers.map((d) => d.column), words: makers.map((d) => d.words).join(" and ") }] : [];
  for (const d of [...makers, ...axes]) splits.push({ columns: [d.column], words: d.words });
  if (splits.length === 0) splits.push({ columns: [sweep.makers[0].column], words: sweep.makers[0].words });

  // Whether a column has one value wherever those columns have one each: axes that move together need no choice.
  const follows = (column, columns) => {
    const seen = new Map();
    return table.rows.every((row) => {
      const key = JSON.stringify(columns.map((c) => row[c]));
      if (!seen.has(key)) seen.set(key, row[column]);
      return seen.get(key) === row[column];
    });
  };

  const state = { x: (axes[0] ?? splits[0]).column ?? splits[0].columns[0], y: sweep.metrics[0]?.column ?? -1, split: 0, panels: -1, scale: "even", bands: true, target: sweep.target, held: new Map(), hidden: new Set() };
  if (state.y < 0) return;
  const independent = axes.filter((d) => d.column !== state.x && !follows(d.column, [state.x]));
  if (independent.length > 0 && distinct(table.rows, independent[0].column).length <= 9) state.panels = independent[0].column;

  const keep = () => remember("sweep", JSON.stringify({ ...state, held: [...state.held], hidden: [...state.hidden] }));
  const kept = recallJson("sweep");
  const known = (c) => c === -1 || words.has(c);
  if (kept && known(kept.x) && metric(kept.y) && splits[kept.split] && known(kept.panels)) {
    Object.assign(state, { x: kept.x, y: kept.y, split: kept.split, panels: kept.panels, scale: kept.scale === "log" ? "log" : "even", bands: kept.bands !== false, target: typeof kept.target === "number" ? kept.target : null, held: new Map(Array.isArray(kept.held) ? kept.held : []), hidden: new Set(Array.isArray(kept.hidden) ? kept.hidden : []) });
  }

  const controls = $("sweep-controls");
  const field = (name, input) => controls.append(element("label", {}, name, input));
  const pick = (name, entries, value, change) => addChoice(controls, name, entries, value, (v) => { change(v); keep(); build(); });
  const entries = (list) => list.map((d) => [d.column, d.words]);

  const build = () => {
    const focused = controls.contains(document.activeElement) ? [...controls.querySelectorAll("select, input")].indexOf(document.activeElement) : -1;
    controls.replaceChildren();
    const xMetric = metric(state.x), yMetric = metric(state.y);
    pick("Up (y)", entries(sweep.metrics), state.y, (v) => { state.y = Number(v); });
    pick("Across (x)", entries([...axes, ...makers, ...sweep.metrics]), state.x, (v) => { state.x = Number(v); });
    pick("A line for each", splits.map((s, i) => [i, s.words]), state.split, (v) => { state.split = Number(v); state.hidden.clear(); });
    const split = splits[state.split].columns;
    const panels = [...axes, ...makers].filter((d) => d.column !== state.x && !split.includes(d.column) && distinct(table.rows, d.column).length <= 30);
    if (!panels.some((d) => d.column === state.panels)) state.panels = -1;
    pick("A panel for each", [[-1, "nothing"], ...entries(panels)], state.panels, (v) => { state.panels = Number(v); });
    if (table.numeric[state.x]) {
      const scales = [["even", "linear"]];
      if (table.rows.every((row) => row[state.x] > 0)) scales.push(["log", "logarithmic"]);
      else state.scale = "even";
      pick("Scale of x", scales, state.scale, (v) => { state.scale = v; });
    }
    // Axes that nothing shows are fixed at one value, those that follow from what is chosen excepted.
    const chosen = [state.x, ...split];
    if (state.panels >= 0) chosen.push(state.panels);
    let rows = table.rows;
    const said = [];
    for (const d of [...axes, ...makers]) {
      if (chosen.includes(d.column) || (!xMetric && follows(d.column, chosen))) continue;
      const values = sorted(rows, d.column);
      if (!values.includes(state.held.get(d.column))) state.held.set(d.column, xMetric ? null : values[0]);
      const held = state.held.get(d.column);
      const all = xMetric ? [["all", "all"]] : [];
      if (values.length > 1) pick("Only " + d.words, [...all, ...values.map((v, i) => [i, plain(v)])], held === null ? "all" : values.indexOf(held), (v) => { state.held.set(d.column, v === "all" ? null : values[Number(v)]); });
      if (held === null) continue;
      rows = rows.filter((row) => row[d.column] === held);
      chosen.push(d.column);
      said.push(`${d.words} = ${plain(held)}`);
    }
    if (yMetric.percent) {
      const input = element("input", { type: "number", min: "0", max: "100", step: "any" });
      input.value = state.target === null ? "" : String(state.target);
      input.addEventListener("change", () => { state.target = input.value === "" ? null : Number(input.value); keep(); build(); });
      field("Target (%)", input);
    }
    if (!xMetric && table.numeric[state.x]) {
      const box = element("input", { type: "checkbox" });
      box.checked = state.bands;
      box.addEventListener("change", () => { state.bands = box.checked; keep(); build(); });
      controls.append(element("label", { class: "check" }, box, "Confidence bands"));
    }
    if (focused >= 0) controls.querySelectorAll("select, input")[focused]?.focus();
    plot(rows, split, said, { xMetric, yMetric });
  };

  const named = (row, split) => split.map((c) => plain(row[c])).join(" / ");
  let holders = [];
  const plot = (rows, split, said, { xMetric, yMetric }) => {
    const [x, y] = [state.x, state.y];
    const names = [...new Set(table.rows.map((row) => named(row, split)))];
    legend(names);
    const panels = state.panels < 0 ? [null] : sorted(rows, state.panels);
    const kept = rows.filter((row) => row[x] !== null && row[y] !== null);
    const drawn = kept.filter((row) => !state.hidden.has(named(row, split)));
    const target = yMetric.percent ? state.target : null;
    const range = reach(drawn, yMetric, target, state.bands && !xMetric);
    holders.forEach(forget);
    const box = $("sweep-panels");
    box.className = panels.length > 1 ? "charts" : "";
    const frames = panels.map((value) => {
      const holder = element("div", { class: "chart", role: "img", tabindex: "0", "aria-label": `${words.get(y)} over ${words.get(x)}${value === null ? "" : `, ${words.get(state.panels)} = ${plain(value)}`}; the numbers are in the table below` });
      const frame = element("div", { class: "panel" });
      if (value !== null) frame.append(element("h3", {}, `${words.get(state.panels)} = ${plain(value)}`));
      frame.append(holder);
      return [frame, holder];
    });
    box.replaceChildren(...frames.map(([frame]) => frame));
    holders = frames.map(([, holder]) => holder);
    panels.forEach((value, i) => {
      const own = drawn.filter((row) => value === null || row[state.panels] === value);
      const spec = table.numeric[x] ? overNumbers(own, names, split, { xMetric, yMetric, target }) : overWords(own, names, split);
      const make = (place) => {
        const option = spec.groups ? bars(spec, place) : lines(spec, place);
        for (const s of option.series) {
          if (s.band || spec.groups) continue;
          s.showSymbol = true;
          if (xMetric) { s.type = "scatter"; s.symbolSize = 9; option.tooltip.trigger = "item"; }
        }
        Object.assign(option.yAxis, range);
        // The legend is a list of boxes above, the title of the panel a heading.
        option.legend = { show: false };
        option.grid = { left: 62, right: 22, top: 34, bottom: option.grid.bottom - (option.dataZoom.some((z) => z.type === "slider") ? 26 : 0) };
        option.dataZoom = option.dataZoom.filter((z) => z.type === "inside");
        return option;
      };
      draw(holders[i], make, spec);
    });
    const seeds = distinct(kept, sweep.seeds);
    const bands = state.bands && !xMetric && table.numeric[x] ? ` Bands: ${shown(100 * sweep.confidence)} % confidence intervals of the mean over ${seeds.length === 1 ? shown(seeds[0]) : "the"} seeds.` : "";
    $("sweep-caption").textContent = `${words.get(y)} over ${words.get(x)}${said.length > 0 ? ", " + said.join(", ") : ""}: ${drawn.length} of ${table.rows.length} rows of ${sweep.table}.${bands}`;
    numbers(drawn, names, split, yMetric);
    $("sweep-target").replaceChildren();
    if (target !== null && !xMetric && table.numeric[x]) met(drawn, names, split, panels, target);
  };

  // The boxes that show and hide lines, which say how each looks.
  const legend = (names) => {
    const kinds = looksOf(names);
    const list = $("sweep-legend");
    const focused = [...list.querySelectorAll("input")].indexOf(document.activeElement);
    list.replaceChildren(...names.map((name, i) => {
      const box = element("input", { type: "checkbox" });
      box.checked = !state.hidden.has(name);
      box.addEventListener("change", () => { if (box.checked) state.hidden.delete(name); else state.hidden.add(name); keep(); build(); });
      const line = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      for (const [key, value] of [["width", "34"], ["height", "10"], ["aria-hidden", "true"]]) line.setAttribute(key, value);
      const stroke = document.createElementNS("http://www.w3.org/2000/svg", "path");
      const dashes = DASHES[kinds[i] % DASHES.length];
      for (const [key, value] of [["d", "M1 5H33"], ["stroke", COLOURS[kinds[i] % COLOURS.length]], ["stroke-width", "3"], ["stroke-dasharray", dashes === "solid" ? "none" : dashes.join(" ")]]) stroke.setAttribute(key, value);
      line.append(stroke);
      return element("li", box.checked ? {} : { class: "off" }, element("label", {}, box, line, name));
    }));
    if (focused >= 0) list.querySelectorAll("input")[focused]?.focus();
  };

  // All panels have the same axis up; percents end at 100.
  const reach = (rows, m, target, bands) => {
    const values = rows.flatMap((row) => (bands ? [row[m.column], row[m.low], row[m.high]] : [row[m.column]])).filter((v) => v !== null);
    if (m.percent) {
      const low = Math.max(0, Math.min(...values, (target ?? 99) - 1));
      const step = [1, 2, 5, 10, 20].find((s) => (100 - low) / s <= 6) ?? 20;
      return { min: Math.floor(low / step) * step, max: 100 };
    }
    return values.length > 0 && Math.max(...values) > 0 ? { min: 0, max: nice(Math.max(...values)) } : {};
  };
  const nice = (v) => {
    const unit = 10 ** Math.floor(Math.log10(v));
    return [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((s) => s * unit).find((s) => s >= v) ?? v;
  };

  const overNumbers = (rows, names, split, { xMetric, yMetric, target }) => {
    const kinds = looksOf(names);
    const series = names.map((name, k) => {
      const own = rows.filter((row) => named(row, split) === name).sort((a, b) => a[state.x] - b[state.x]);
      const made = { name, look: kinds[k], points: own.map((row) => [row[state.x], row[state.y]]), said: own.map((row) => interval(row, yMetric)) };
      if (state.bands && !xMetric && own.every((row) => row[yMetric.low] !== null && row[yMetric.high] !== null)) made.band = own.map((row) => [row[yMetric.low], row[yMetric.high]]);
      return made;
    });
    return {
      series, x: words.get(state.x), y: words.get(state.y), logX: state.scale === "log" && rows.every((row) => row[state.x] > 0), logY: false, steps: false, alone: false, up: [],
      across: target === null ? [] : [{ at: target, words: `${shown(target)} %`, below: true }],
    };
  };
  const overWords = (rows, names, split) => {
    const groups = sorted(rows, state.x);
    const kinds = looksOf(names);
    const series = names.map((name, k) => {
      const own = rows.filter((row) => named(row, split) === name);
      return { name, look: kinds[k], values: groups.map((v) => own.find((row) => row[state.x] === v)?.[state.y] ?? null) };
    });
    return { groups: groups.map(plain), series, y: words.get(state.y), log: false, stacked: false, marks: null };
  };
  const interval = (row, m) => (row[m.low] === null ? shown(row[m.column]) : `${shown(row[m.column])} (${shown(row[m.low])} – ${shown(row[m.high])})`);

  const small = (title, head, rows) => {
    const made = element("table", {}, element("caption", {}, title), element("thead", {}, element("tr", {}, ...head.map((h) => element("th", { scope: "col" }, h)))));
    made.append(element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell))))));
    return made;
  };
  const numbers = (rows, names, split, m) => {
    const more = state.panels < 0 ? [] : [state.panels];
    const head = [...split, ...more, state.x].filter((c, i, all) => all.indexOf(c) === i);
    const body = rows.map((row) => [...head.map((c) => plain(row[c])), interval(row, m)]);
    $("sweep-numbers").replaceChildren(small("", [...head.map((c) => words.get(c)), `${words.get(m.column)}, mean (interval)`], body));
  };
  // Up to, or from, which x each line meets the target.
  const met = (rows, names, split, panels, target) => {
    const cell = (name, value) => {
      const own = rows.filter((row) => named(row, split) === name && (value === null || row[state.panels] === value)).sort((a, b) => a[state.x] - b[state.x]);
      const good = own.map((row) => row[state.y] >= target);
      if (own.length === 0) return "–";
      if (good.every(Boolean)) return "always";
      if (!good.some(Boolean)) return "never";
      const first = good.indexOf(true), last = good.lastIndexOf(true);
      if (first === 0 && good.indexOf(false) > last) return `up to ${plain(own[last][state.x])}`;
      if (last === good.length - 1 && good.lastIndexOf(false) < first) return `from ${plain(own[first][state.x])}`;
      return `at ${good.filter(Boolean).length} of ${good.length}`;
    };
    const visible = names.filter((name) => !state.hidden.has(name));
    const head = panels[0] === null ? [words.get(state.y)] : panels.map((v) => `${words.get(state.panels)} = ${plain(v)}`);
    $("sweep-target").replaceChildren(small(`At least ${shown(target)} %: at which ${words.get(state.x)}`, [splits[state.split].words, ...head], visible.map((name) => [name, ...panels.map((v) => cell(name, v))])));
  };

  build();
})();
