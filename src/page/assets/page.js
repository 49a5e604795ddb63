"use strict";
// Sorting, filters, charts and the explorer of a page. No text becomes markup: elements are made with
// textContent, and charts encode the names that they are given.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  // The palette of the figures (Okabe and Ito); symbols and dashes tell series apart without colour.
  const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#808080", "#b8a800"];
  const SYMBOLS = ["circle", "rect", "triangle", "diamond", "pin", "arrow"];
  const DASHES = ["solid", [8, 4], [2, 3], [12, 4], [5, 3], [16, 7]];
  const INK = "#1a1a1a", SOFT = "#555", GRID = "#dcdcdc";
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // The same as `shown` in table.rs.
  const shown = (value) => {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value)) return String(value);
    const size = Math.abs(value);
    const decimals = size >= 999.95 ? 0 : size >= 99.995 ? 1 : size >= 9.9995 ? 2 : size >= 0.99995 ? 3 : size >= 0.0001 ? 4 : -1;
    return decimals < 0 ? value.toExponential(2) : value.toFixed(decimals);
  };

  // -- tables --------------------------------------------------------------------------------------
  const PAGE_ROWS = 200;
  const collator = new Intl.Collator("en", { numeric: true });
  const distinct = (rows, column) => [...new Set(rows.map((row) => row[column]).filter((v) => v !== null))];

  const enhance = (spec) => {
    const table = document.getElementById(spec.id);
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const state = { column: -1, ascending: true, words: "", picks: new Map(), limit: PAGE_ROWS };
    const count = element("output", { "aria-live": "polite" });
    const more = element("button", { type: "button", class: "more" }, "Show more rows");

    const visible = () => {
      const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
      let rows = spec.rows.filter((row) => {
        for (const [column, pick] of state.picks) if (String(row[column]) !== pick) return false;
        if (words.length === 0) return true;
        const text = row.map((cell) => (cell === null ? "" : typeof cell === "number" ? shown(cell) : cell)).join("\u0001").toLowerCase();
        return words.every((word) => text.includes(word));
      });
      if (state.column >= 0) {
        const c = state.column, sign = state.ascending ? 1 : -1;
        // What is absent stands last in either direction.
        rows = rows.map((row, i) => [row, i]).sort(([a, i], [b, j]) => {
          const [x, y] = [a[c], b[c]];
          if (x === null || y === null) return (x === null) - (y === null) || i - j;
          const order = typeof x === "number" && typeof y === "number" ? x - y : collator.compare(String(x), String(y));
          return sign * order || i - j;
        }).map(([row]) => row);
      }
      return rows;
    };
    const show = () => {
      const rows = visible();
      body.replaceChildren(...rows.slice(0, state.limit).map((row) => {
        const line = element("tr");
        row.forEach((cell, c) => {
          const made = element("td", spec.numeric[c] ? { class: "n" } : {}, shown(cell));
          if (cell === "missed" || cell === "not served") made.classList.add("bad");
          line.append(made);
        });
        return line;
      }));
      count.value = rows.length === spec.rows.length ? `${rows.length} rows` : `${rows.length} of ${spec.rows.length} rows`;
      more.hidden = rows.length <= state.limit;
      heads.forEach((head, c) => {
        if (c === state.column) head.setAttribute("aria-sort", state.ascending ? "ascending" : "descending");
        else head.removeAttribute("aria-sort");
      });
    };
    heads.forEach((head, c) => {
      const button = element("button", { type: "button" }, head.textContent);
      button.addEventListener("click", () => {
        state.ascending = state.column === c ? !state.ascending : true;
        state.column = c;
        show();
      });
      head.replaceChildren(button);
    });
    more.addEventListener("click", () => { state.limit *= 5; show(); });
    const holder = table.closest(".table");
    if (spec.rows.length > 3) {
      const controls = element("div", { class: "controls" });
      const search = element("input", { type: "search", placeholder: "words in a row" });
      search.addEventListener("input", () => { state.words = search.value; show(); });
      controls.append(element("label", {}, "Filter", search));
      spec.columns.forEach((name, c) => {
        if (spec.numeric[c]) return;
        const values = distinct(spec.rows, c);
        if (values.length < 2 || values.length > 40 || values.length === spec.rows.length) return;
        const select = choice(values.map(String).sort(collator.compare), "all");
        select.addEventListener("change", () => {
          if (select.value === "") state.picks.delete(c);
          else state.picks.set(c, select.value.slice(1));
          show();
        });
        controls.append(element("label", {}, name, select));
      });
      controls.append(count);
      holder.prepend(controls);
    }
    holder.querySelector(".scroll").after(more);
    addEventListener("beforeprint", () => {
      state.kept = state.limit;
      // What lies in files beside the page is no reason for hundreds of sheets.
      state.limit = holder.closest("#tables") ? 60 : 2000;
      show();
      const rows = visible().length;
      if (rows > state.limit) table.caption.textContent = `${spec.title} (the first ${state.limit} of ${rows} rows)`;
      state.pieces = pieces(table, spec);
      table.classList.toggle("screen", state.pieces.length > 0);
      holder.append(...state.pieces);
    });
    addEventListener("afterprint", () => {
      state.limit = state.kept;
      for (const piece of state.pieces) piece.remove();
      table.classList.remove("screen");
      table.caption.textContent = spec.title;
      show();
    });
    show();
  };

  // A table that is wider than a sheet of paper, in pieces that each begin with the columns that name a row; a browser would
  // shrink the whole page for it and cut it all the same. Widths are guessed: paper is laid out after this.
  const PAPER_PT = 500, LETTER_PT = 4.3, PADDING_PT = 7;
  const pieces = (table, spec) => {
    const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent));
    const longest = (text) => Math.max(...text.split(" ").map((word) => word.length));
    const widths = spec.columns.map((name, c) => LETTER_PT * rows.reduce((most, row) => Math.max(most, spec.numeric[c] ? row[c].length : Math.min(60, longest(row[c]))), longest(name) + 1) + PADDING_PT);
    const names = [0, 1, 2, 3].filter((c) => c === 0 || (c < widths.length && !spec.numeric[c]));
    while (names.length > 1 && names.reduce((sum, c) => sum + widths[c], 0) > PAPER_PT / 2) names.pop();
    const start = names.reduce((sum, c) => sum + widths[c], 0);
    const groups = [[]];
    let used = start;
    for (let c = 1; c < widths.length; c++) {
      if (names.includes(c)) continue;
      if (used + widths[c] > PAPER_PT && groups.at(-1).length > 0) { groups.push([]); used = start; }
      groups.at(-1).push(c);
      used += widths[c];
    }
    if (groups.length < 2) return [];
    return groups.map((group, i) => {
      const kept = [...names, ...group];
      const head = kept.map((c) => element("th", { scope: "col", ...(spec.numeric[c] ? { class: "n" } : {}) }, spec.columns[c]));
      const body = rows.map((row) => element("tr", {}, ...kept.map((c) => element("td", spec.numeric[c] ? { class: "n" } : {}, row[c]))));
      return element("table", { class: "printed" }, element("caption", {}, `${table.caption.textContent}, part ${i + 1} of ${groups.length}`), element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
    });
  };

  // A list to choose from; with `all`, its first entry has the value "", the others "=…".
  const choice = (values, all) => {
    const select = element("select");
    if (all !== undefined) select.append(element("option", { value: "" }, all));
    for (const value of values) {
      select.append(element("option", { value: (all === undefined ? "" : "=") + value }, value));
    }
    return select;
  };

  // A choice with its name among the controls of an explorer; `entries` are pairs of a key and what is shown.
  const addChoice = (controls, name, entries, value, change) => {
    const select = element("select");
    for (const [key, text] of entries) select.append(element("option", { value: String(key) }, text));
    select.value = String(value);
    select.addEventListener("change", () => change(select.value));
    controls.append(element("label", {}, name, select));
  };

  // -- charts --------------------------------------------------------------------------------------
  const title = (name, gap) => ({ name, nameLocation: "middle", nameGap: gap, nameTextStyle: { color: INK, fontSize: 12 } });
  const look = { axisLabel: { color: INK, hideOverlap: true }, axisLine: { show: true, lineStyle: { color: SOFT } }, splitLine: { lineStyle: { color: GRID } } };
  const LEGEND = { type: "scroll", top: 4, left: 62, right: 84, itemWidth: 26, textStyle: { color: INK }, formatter: (name) => (name.length > 40 ? `${name.slice(0, 39)}…` : name) };
  const base = (holder) => ({
    animation: !still, animationDuration: 200, color: COLOURS,
    textStyle: { fontFamily: "system-ui, 'DejaVu Sans', sans-serif" },
    // The caption; the numbers are in tables.
    aria: { enabled: true, label: { description: holder.getAttribute("aria-label") } },
    grid: { left: 62, right: 18, top: 54, bottom: 78 },
    // Beside the tools: what stands above a line of the chart is below both.
    legend: LEGEND,
    toolbox: { right: 4, top: 6, itemSize: 13, feature: { dataZoom: { title: { zoom: "Zoom to a rectangle", back: "Zoom back" }, brushStyle: { color: "rgba(0,114,178,.15)" } }, restore: { title: "Whole chart" } } },
  });
  const slider = (axis) => ({ type: "slider", [axis]: 0, height: 16, bottom: 6, brushSelect: false, filterMode: "none", labelFormatter: (v, s) => (s || shown(v)), showDetail: false });
  const inside = (axis) => ({ type: "inside", [axis]: 0, filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false });

  // A logarithmic axis ends at powers of ten; these keep it close to the data instead.
  const ends = (values, log) => {
    const kept = values.filter((v) => v !== null && (!log || v > 0));
    if (!log || kept.length === 0) return {};
    return { min: Math.min(...kept) / 1.3, max: Math.max(...kept) * 1.3 };
  };
  const plain = (v) => (v >= 0.0001 && v < 1e7 ? String(v) : shown(v));
  const logLabel = { axisLabel: { color: INK, hideOverlap: true, formatter: (v) => { const p = Math.log10(v); return Math.abs(p - Math.round(p)) < 1e-6 || v < 0 ? plain(Number(v.toPrecision(3))) : plain(Number(v.toPrecision(2))); } } };

  // Which colour, symbol and dashes a series has: its own, or those of its place.
  const looks = (s, i) => s.look ?? i;
  const bars = (spec, holder) => {
    const values = spec.series.flatMap((s) => s.values).concat(spec.marks ? spec.marks.values : []);
    const series = spec.series.map((s, i) => ({
      name: s.name, type: "bar", color: COLOURS[looks(s, i) % COLOURS.length], data: s.values.map((v) => (spec.log && !(v > 0) ? null : v)), barMaxWidth: 34,
      stack: spec.stacked ? "all" : undefined, emphasis: { focus: "series" },
    }));
    if (spec.marks) {
      series.push({
        name: spec.marks.name, type: "scatter", data: spec.marks.values, symbol: "rect", z: 5,
        symbolSize: [Math.max(10, Math.min(46, 0.7 * (holder.clientWidth - 90) / spec.groups.length)), 3], itemStyle: { color: INK },
      });
    }
    return {
      ...base(holder),
      tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, confine: true, valueFormatter: shown },
      xAxis: { type: "category", data: spec.groups, ...look, axisLabel: { color: INK, interval: 0, hideOverlap: true, overflow: "truncate", width: Math.max(30, (holder.clientWidth - 90) / spec.groups.length - 4) } },
      yAxis: { type: spec.log ? "log" : "value", ...title(spec.y, 46), ...look, ...(spec.log ? logLabel : {}), ...ends(values, spec.log) },
      dataZoom: [slider("xAxisIndex"), inside("xAxisIndex")],
      series,
    };
  };

  const lines = (spec, holder) => {
    const xs = spec.series.flatMap((s) => s.points.map((p) => p[0])).concat(spec.up.map((m) => m.at));
    const ys = spec.series.flatMap((s) => s.points.map((p) => p[1])).concat(spec.across.map((m) => m.at));
    const axis = (name, log, values, gap, scale) => ({
      type: log ? "log" : "value", scale, ...title(name, gap), ...look, ...(log ? logLabel : {}), ...ends(spec.alone ? xs.concat(ys) : values, log),
    });
    const marks = [
      ...spec.up.map((m) => ({ xAxis: m.at, label: { formatter: m.words } })),
      ...spec.across.map((m) => ({ yAxis: m.at, label: { formatter: m.words, position: m.below ? "insideStartBottom" : "insideEndTop" } })),
    ];
    if (spec.alone) {
      const all = xs.concat(ys).filter((v) => v > 0);
      const [low, high] = [Math.min(...all), Math.max(...all)];
      marks.push([{ coord: [low, low], label: { formatter: "equal", position: "end" } }, { coord: [high, high] }]);
      // Both lines of a band are straight on equal axes, logarithmic or not.
      const side = (part) => marks.push([{ coord: [low, low * part], label: { show: false }, lineStyle: { color: SOFT, type: [2, 3] } }, { coord: [high, high * part] }]);
      if (spec.band) { side(1 + spec.band); side(1 - spec.band); }
    }
    const series = spec.series.map((s, i) => ({
      name: s.name, type: spec.alone ? "scatter" : "line", data: s.points,
      symbol: SYMBOLS[looks(s, i) % SYMBOLS.length], symbolSize: spec.alone ? 9 : 5, showSymbol: s.points.length < 3,
      step: spec.steps ? "end" : undefined, lineStyle: { width: 2, type: DASHES[looks(s, i) % DASHES.length] },
      emphasis: { focus: "series" },
      ...(s.said ? { tooltip: { valueFormatter: (v, i) => s.said[i] ?? shown(v) } } : {}),
    }));
    // A band is an area stacked on a line that is not drawn.
    const bands = spec.series.flatMap((s, i) => {
      if (!s.band) return [];
      const part = (data, more) => ({ name: s.name, type: "line", band: true, stack: `band ${i}`, stackStrategy: "all", data, symbol: "none", silent: true, tooltip: { show: false }, lineStyle: { opacity: 0 }, z: 1, ...more });
      return [
        part(s.band.map(([low], k) => [s.points[k][0], low]), {}),
        part(s.band.map(([low, high], k) => [s.points[k][0], high - low]), { areaStyle: { color: COLOURS[looks(s, i) % COLOURS.length], opacity: 0.18 } }),
      ];
    });
    series.forEach((s, i) => { s.color = COLOURS[looks(spec.series[i], i) % COLOURS.length]; });
    if (series.length > 0 && marks.length > 0) {
      series[0].markLine = { silent: true, symbol: "none", animation: false, lineStyle: { color: INK, type: [4, 4] }, label: { color: INK }, data: marks };
    }
    const shares = spec.y.startsWith("share of ") ? { min: 0, max: 1 } : {};
    return {
      ...base(holder),
      tooltip: { trigger: spec.alone ? "item" : "axis", confine: true, valueFormatter: shown, axisPointer: { label: { formatter: (p) => shown(p.value) } } },
      xAxis: axis(spec.x, spec.logX, xs, 26, true),
      yAxis: { ...axis(spec.y, spec.logY, ys, 46, false), ...shares },
      dataZoom: [slider("xAxisIndex"), inside("xAxisIndex")],
      series: [...series, ...bands],
    };
  };

  const OPTIONS = { bars, lines };
  const drawn = new Map();
  const draw = (holder, option) => {
    let chart = drawn.get(holder);
    if (!chart) {
      // SVG is sharp in print and at any zoom.
      chart = echarts.init(holder, null, { renderer: "svg" });
      drawn.set(holder, chart);
      resizes.observe(holder);
    }
    chart.setOption(option, true);
  };
  const forget = (holder) => {
    resizes.unobserve(holder);
    drawn.get(holder)?.dispose();
    drawn.delete(holder);
  };
  const resizes = new ResizeObserver((entries) => {
    // Without a width, a chart would be drawn in one that nobody sees.
    for (const entry of entries) if (entry.contentRect.width > 0) drawn.get(entry.target)?.resize();
  });
  const waiting = new Map(data.charts.map((spec) => [document.getElementById(spec.id), spec]));
  const drawWaiting = (holder, more = {}) => {
    const spec = waiting.get(holder);
    if (spec === undefined) return;
    waiting.delete(holder);
    draw(holder, { ...OPTIONS[spec.kind](spec, holder), ...more });
  };
  // A chart is drawn when it comes near the window, and all are before the page is printed.
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { near.unobserve(entry.target); drawWaiting(entry.target); }
    }
  }, { rootMargin: "400px" });
  for (const holder of waiting.keys()) near.observe(holder);
  const all = (more) => { for (const holder of [...waiting.keys()]) drawWaiting(holder, more); };
  // The page is laid out for paper only after this event: charts get the size that they will have there
  // (A4 less its margins), and scale with their boxes on other paper.
  addEventListener("beforeprint", () => {
    all({ animation: false });
    for (const [holder, chart] of drawn) {
      // Paper has no use for what is there to be clicked at.
      const { dataZoom: zooms, legend: [legend], series, xAxis: [across] } = chart.getOption();
      const width = holder.closest(".charts") ? 330 : 690;
      const option = { animation: false, toolbox: { show: false }, dataZoom: zooms.map((zoom) => (zoom.type === "slider" ? { show: false } : {})), grid: { bottom: 50 } };
      if (across.type === "category") option.xAxis = { axisLabel: { width: (width - 90) / across.data.length - 4 } };
      if (legend && legend.show !== false) {
        // Every name, in as many rows as they need.
        const names = [...new Set(series.map((s) => s.name))];
        const rows = Math.ceil(1.15 * names.reduce((sum, name) => sum + 42 + 7 * name.length, 0) / (width - 70));
        option.legend = { ...LEGEND, type: "plain", right: 4 };
        option.grid.top = Math.min(110, 34 + 20 * rows);
      }
      chart.setOption(option, { replaceMerge: option.legend ? ["legend"] : [] });
      chart.resize({ width, height: 235, animation: { duration: 0 } });
      // No frame comes before the page is printed.
      chart.getZr().refreshImmediately();
      holder.querySelector("svg").setAttribute("viewBox", `0 0 ${width} 235`);
    }
  });
  addEventListener("afterprint", () => {
    for (const [holder, chart] of drawn) {
      holder.querySelector("svg").removeAttribute("viewBox");
      const { dataZoom: zooms, legend: [legend], xAxis: [across] } = chart.getOption();
      const option = { toolbox: { show: true }, dataZoom: zooms.map((zoom) => (zoom.type === "slider" ? { show: true } : {})), grid: { bottom: zooms.some((zoom) => zoom.type === "slider") ? 78 : 52 } };
      if (across.type === "category") option.xAxis = { axisLabel: { width: Math.max(30, (holder.clientWidth - 90) / across.data.length - 4) } };
      if (legend && legend.show !== false) {
        option.legend = LEGEND;
        option.grid.top = 54;
      }
      chart.setOption(option, { replaceMerge: option.legend ? ["legend"] : [] });
      chart.resize({ width: "auto", height: "auto", animation: { duration: 0 } });
    }
  });

  // -- explorer ------------------------------------------------------------------------------------
  const explorer = () => {
    // The means of a sweep have an explorer of their own.
    const tables = data.tables.filter((t) => t.rows.length > (data.sweep ? 50 : 1) && t.numeric.some(Boolean) && t.title !== data.sweep?.table);
    const section = document.getElementById("explorer");
    if (tables.length === 0) {
      section.hidden = true;
      document.querySelector('nav a[href="#explorer"]').parentElement.remove();
      return;
    }
    const controls = document.getElementById("explorer-controls");
    const holder = document.getElementById("explorer-chart");
    const caption = document.getElementById("explorer-caption");
    const preferred = tables.find((t) => t.title === "Workloads") || tables.reduce((a, b) => (b.rows.length * b.columns.length > a.rows.length * a.columns.length ? b : a));
    const state = { table: preferred, x: 0, y: 0, split: -1, as: "points", filters: new Map() };

    const first = (names, wanted) => names.find((c) => wanted.some((w) => state.table.columns[c].toLowerCase().includes(w)));
    const start = () => {
      const columns = state.table.columns.map((_, c) => c);
      const numbers = columns.filter((c) => state.table.numeric[c]);
      const words = columns.filter((c) => !state.table.numeric[c]);
      state.y = first(numbers, ["p99", "missed", "cost", "measured", "latency", "mean %"]) ?? numbers[numbers.length - 1];
      state.x = first(numbers.filter((c) => c !== state.y), ["slo (ms)", "rate", "predicted", "sm"]) ?? words[0] ?? numbers[0];
      state.split = first(words, ["strategy", "recipe", "predictor", "model"]) ?? -1;
      state.as = state.table.numeric[state.x] ? "points" : "bars";
      state.filters = new Map();
    };
    const pick = (name, entries, value, change) => addChoice(controls, name, entries, value, (v) => { change(v); build(); });
    const build = () => {
      const t = state.table;
      const focused = document.activeElement && controls.contains(document.activeElement) ? [...controls.querySelectorAll("select")].indexOf(document.activeElement) : -1;
      controls.replaceChildren();
      if (tables.length > 1) pick("Table", tables.map((u, i) => [i, u.title]), tables.indexOf(t), (v) => { state.table = tables[Number(v)]; start(); });
      const columns = t.columns.map((name, c) => [c, name]);
      const numbers = columns.filter(([c]) => t.numeric[c]);
      // Measured numbers differ in every row: only settings are worth splitting and filtering by.
      const few = (c) => { const n = distinct(t.rows, c).length; return t.numeric[c] ? n <= 12 && 3 * n <= t.rows.length : n <= 40; };
      const words = columns.filter(([c]) => few(c));
      pick("Across (x)", columns, state.x, (v) => { state.x = Number(v); if (!t.numeric[state.x]) state.as = "bars"; });
      pick("Up (y)", numbers, state.y, (v) => { state.y = Number(v); });
      pick("Split by", [[-1, "nothing"], ...words], state.split, (v) => { state.split = Number(v); });
      const kinds = t.numeric[state.x] ? [["points", "points"], ["lines", "lines through means"], ["bars", "bars of means"]] : [["bars", "bars of means"]];
      pick("Drawn as", kinds, state.as, (v) => { state.as = v; });
      for (const [c, name] of words) {
        const values = distinct(t.rows, c);
        if (values.length < 2 || c === state.y) continue;
        const entries = [["", "all"], ...values.map((v) => ["=" + v, shown(v)])];
        pick("Only " + name, entries, state.filters.get(c) ?? "", (v) => { if (v === "") state.filters.delete(c); else state.filters.set(c, v); });
      }
      if (focused >= 0) controls.querySelectorAll("select")[focused]?.focus();
      plot();
    };
    const means = (rows) => {
      const sums = new Map();
      for (const row of rows) {
        const [sum, n] = sums.get(row[state.x]) ?? [0, 0];
        sums.set(row[state.x], [sum + row[state.y], n + 1]);
      }
      return new Map([...sums].map(([x, [sum, n]]) => [x, sum / n]));
    };
    const plot = () => {
      const t = state.table;
      const rows = t.rows.filter((row) => row[state.x] !== null && row[state.y] !== null && [...state.filters].every(([c, v]) => "=" + row[c] === v));
      const groups = state.split < 0 ? [["all rows", rows]] : distinct(rows, state.split).map((v) => [shown(v), rows.filter((row) => row[state.split] === v)]);
      const [x, y] = [t.columns[state.x], t.columns[state.y]];
      const values = rows.map((row) => row[state.y]);
      const log = values.every((v) => v > 0) && Math.max(...values) > 50 * Math.min(...values);
      caption.textContent = `${y} against ${x}${state.split < 0 ? "" : ", by " + t.columns[state.split]}: ${rows.length} of ${t.rows.length} rows of ${t.title}${state.as === "points" ? "" : ", means of rows with the same " + x}.`;
      if (state.as === "bars") {
        const sorted = distinct(rows, state.x).sort((a, b) => (typeof a === "number" ? a - b : collator.compare(a, b)));
        const series = groups.map(([name, own]) => { const m = means(own); return { name, values: sorted.map((v) => m.get(v) ?? null) }; });
        draw(holder, bars({ groups: sorted.map(shown), series, y, log, stacked: false, marks: null }, holder));
      } else {
        const series = groups.map(([name, own]) => ({
          name, points: state.as === "points" ? own.map((row) => [row[state.x], row[state.y]]) : [...means(own)].sort((a, b) => a[0] - b[0]),
        }));
        const option = lines({ series, x, y, logX: false, logY: log, steps: false, alone: false, up: [], across: [] }, holder);
        if (state.as === "points") for (const s of option.series) { s.type = "scatter"; s.symbolSize = 9; option.tooltip.trigger = "item"; }
        else for (const s of option.series) s.showSymbol = true;
        draw(holder, option);
      }
    };
    start();
    build();
  };

  for (const spec of data.tables) enhance(spec);
  explorer();
  // For sweep.js, for tests and for people at the console.
  window.igniterPage = { drawn: () => drawn.size, waiting: () => waiting.size, all, data, element, addChoice, shown, distinct, collator, draw, forget, lines, bars, COLOURS, DASHES };
})();
