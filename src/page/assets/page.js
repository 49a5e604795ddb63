"use strict";
// Sorting, filters, charts and the explorer of a page. No text becomes markup: elements are made with
// textContent, and charts encode the names that they are given.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  // The colours of the figures; symbols and dashes tell series apart without them.
  const COLOURS = data.colours;
  const SYMBOLS = ["circle", "rect", "triangle", "diamond", "path://M0 0L20 0L10 18Z", "path://M0 4L4 0L10 6L16 0L20 4L14 10L20 16L16 20L10 14L4 20L0 16L6 10Z"];
  const DASHES = ["solid", [8, 4], [2, 3], [12, 4], [5, 3], [16, 7]];
  // Hatchings of bars, in the order of the colours: none, rising, falling, lying, crossed, upright.
  const hatch = (rotation, more = {}) => ({ symbol: "rect", symbolSize: 1, color: "rgba(255,255,255,.75)", dashArrayX: [1, 0], dashArrayY: [1.5, 5], rotation, ...more });
  const HATCHES = [undefined, hatch(-Math.PI / 4), hatch(Math.PI / 4), hatch(0), hatch(0, { symbol: "circle", symbolSize: 0.8, dashArrayX: [[5, 5], [0, 5, 5, 0]], dashArrayY: [5, 0] }), hatch(Math.PI / 2)];
  // What charts are drawn with: dark on light, or the other way round; paper is always light.
  const LIGHT = { ink: "#1a1a1a", soft: "#555", grid: "#dcdcdc", back: "#fff" }, DARK = { ink: "#e8e8e8", soft: "#a8a8a8", grid: "#3a3d42", back: "#1f2226" };
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  let theme = darkness.matches ? DARK : LIGHT;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // What the reader has chosen stands behind the # of the address, so that a link shows the same.
  const chosen = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  const remember = (key, value) => {
    if (value === null || value === undefined || value === "") chosen.delete(key);
    else chosen.set(key, value);
    const words = chosen.toString();
    try { history.replaceState(null, "", words === "" ? location.pathname + location.search : "#" + words); } catch { /* A page in a frame may have no address of its own. */ }
  };
  const recall = (key) => chosen.get(key);
  const recallJson = (key) => { try { return JSON.parse(chosen.get(key)); } catch { return null; } };

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
    const state = { column: -1, ascending: true, words: recall(`${spec.id}.words`) ?? "", picks: new Map(), limit: PAGE_ROWS };
    const sorted = /^(\d+)([ad])$/.exec(recall(`${spec.id}.sort`) ?? "");
    if (sorted && Number(sorted[1]) < spec.columns.length) [state.column, state.ascending] = [Number(sorted[1]), sorted[2] === "a"];
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
        remember(`${spec.id}.sort`, `${c}${state.ascending ? "a" : "d"}`);
        show();
      });
      head.replaceChildren(button);
    });
    more.addEventListener("click", () => { state.limit *= 5; show(); });
    const holder = table.closest(".table");
    if (spec.rows.length > 3) {
      const controls = element("div", { class: "controls" });
      const search = element("input", { type: "search", placeholder: "words in a row" });
      search.value = state.words;
      search.addEventListener("input", () => { state.words = search.value; remember(`${spec.id}.words`, state.words); show(); });
      controls.append(element("label", {}, "Filter", search));
      spec.columns.forEach((name, c) => {
        if (spec.numeric[c]) return;
        const values = distinct(spec.rows, c);
        if (values.length < 2 || values.length > 40 || values.length === spec.rows.length) return;
        const select = choice(values.map(String).sort(collator.compare), "all");
        const kept = recall(`${spec.id}.${c}`);
        if (kept !== null && values.map(String).includes(kept)) { state.picks.set(c, kept); select.value = "=" + kept; }
        select.addEventListener("change", () => {
          if (select.value === "") state.picks.delete(c);
          else state.picks.set(c, select.value.slice(1));
          remember(`${spec.id}.${c}`, state.picks.get(c));
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
      state.limit = 60;
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
  const title = (name, gap) => ({ name, nameLocation: "middle", nameGap: gap, nameTextStyle: { color: theme.ink, fontSize: 12 } });
  const look = () => ({ axisLabel: { color: theme.ink, hideOverlap: true }, axisLine: { show: true, lineStyle: { color: theme.soft } }, splitLine: { lineStyle: { color: theme.grid } } });
  const legend = () => ({ type: "scroll", top: 4, left: 62, right: 84, itemWidth: 26, textStyle: { color: theme.ink }, pageTextStyle: { color: theme.ink }, pageIconColor: theme.ink, formatter: (name) => (name.length > 40 ? `${name.slice(0, 20)}…${name.slice(-19)}` : name) });
  const base = (holder) => ({
    animation: !still, animationDuration: 200, color: COLOURS,
    textStyle: { fontFamily: "system-ui, 'DejaVu Sans', sans-serif" },
    // The caption; the numbers are below the chart.
    aria: { enabled: true, label: { description: holder.getAttribute("aria-label") } },
    grid: { left: 62, right: 18, top: 54, bottom: 78 },
    // Beside the tools: what stands above a line of the chart is below both.
    legend: legend(),
    toolbox: { right: 4, top: 6, itemSize: 13, iconStyle: { borderColor: theme.soft }, feature: { dataZoom: { title: { zoom: "Zoom to a rectangle", back: "Zoom back" }, brushStyle: { color: "rgba(0,114,178,.15)" } }, restore: { title: "Whole chart" } } },
  });
  const tip = () => ({ confine: true, valueFormatter: shown, backgroundColor: theme.back, borderColor: theme.soft, textStyle: { color: theme.ink } });
  const slider = (axis) => ({ type: "slider", [axis]: 0, height: 16, bottom: 6, brushSelect: false, filterMode: "none", labelFormatter: (v, s) => (s || shown(v)), showDetail: false });
  const inside = (axis) => ({ type: "inside", [axis]: 0, filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false });

  // A logarithmic axis ends at powers of ten; these keep it close to the data instead.
  const ends = (values, log) => {
    const kept = values.filter((v) => v !== null && (!log || v > 0));
    if (!log || kept.length === 0) return {};
    return { min: Math.min(...kept) / 1.3, max: Math.max(...kept) * 1.3 };
  };
  const plain = (v) => (v >= 0.0001 && v < 1e7 ? String(v) : shown(v));
  const logLabel = () => ({ axisLabel: { color: theme.ink, hideOverlap: true, formatter: (v) => { const p = Math.log10(v); return Math.abs(p - Math.round(p)) < 1e-6 || v < 0 ? plain(Number(v.toPrecision(3))) : plain(Number(v.toPrecision(2))); } } });

  // Which colour, symbol and dashes a series has: its own, or those of its place.
  const looks = (s, i) => s.look ?? i;
  // The looks of names: a known strategy or model has its own in every chart, others have the first that are free.
  const looksOf = (names) => {
    const known = names.every((name) => data.models.includes(name)) ? data.models : data.strategies;
    const taken = new Set(names.map((name) => known.indexOf(name)).filter((place) => place >= 0));
    return names.map((name) => {
      if (known.includes(name)) return known.indexOf(name);
      let free = 0;
      while (taken.has(free)) free += 1;
      taken.add(free);
      return free;
    });
  };
  // Groups that are shown at first where there are too many to tell apart.
  const GROUPS = 60;
  const bars = (spec, holder) => {
    const values = spec.series.flatMap((s) => s.values).concat(spec.marks ? spec.marks.values : []);
    const shownGroups = Math.max(1, Math.min(spec.groups.length, GROUPS));
    const slot = Math.max(4, (holder.clientWidth - 90) / shownGroups);
    const labels = spec.labels ?? spec.groups;
    // A name is written across where there is room, else it rises.
    const longest = labels.reduce((most, label) => Math.max(most, label.length), 1);
    const turned = 6.6 * longest > slot - 4 ? (slot < 22 ? 90 : 40) : 0;
    const high = turned === 0 ? 0 : Math.min(118, 6.6 * longest * (turned === 90 ? 1 : 0.65));
    const series = spec.series.map((s, i) => {
      const n = looks(s, i);
      const made = { name: s.name, color: COLOURS[n % COLOURS.length], data: s.values.map((v) => (spec.log && !(v > 0) ? null : v)), emphasis: { focus: "series" } };
      // A bar needs a zero to start from; a logarithmic axis has none.
      return spec.log
        ? { ...made, type: "scatter", itemStyle: { opacity: 1 }, symbol: SYMBOLS[n % SYMBOLS.length], symbolSize: 8, symbolOffset: [(i - (spec.series.length - 1) / 2) * Math.min(12, slot / (spec.series.length + 1)), 0] }
        : { ...made, type: "bar", barMaxWidth: 34, stack: spec.stacked ? "all" : undefined, itemStyle: { decal: HATCHES[n % HATCHES.length] } };
    });
    if (spec.marks) {
      series.push({
        name: spec.marks.name, type: "scatter", data: spec.marks.values, symbol: "rect", z: 5,
        symbolSize: [Math.max(6, Math.min(46, 0.7 * slot)), 3], itemStyle: { color: theme.ink, opacity: 1 }, color: theme.ink,
      });
    }
    const made = base(holder);
    // Few groups need no slider; the rectangle and Ctrl with the wheel zoom as well.
    const slides = spec.groups.length > 24;
    if (spec.log) made.legend.itemWidth = 14;
    const zoom = spec.groups.length > GROUPS ? { startValue: 0, endValue: GROUPS - 1 } : {};
    return {
      ...made,
      grid: { ...made.grid, bottom: (slides ? made.grid.bottom : made.grid.bottom - 28) + high },
      tooltip: { ...tip(), trigger: "axis", axisPointer: { type: "shadow" } },
      xAxis: { type: "category", data: spec.groups, ...look(), axisLabel: { color: theme.ink, interval: turned === 0 ? 0 : "auto", hideOverlap: true, rotate: turned, formatter: (_, i) => labels[i] ?? "" } },
      yAxis: { type: spec.log ? "log" : "value", ...title(spec.y, 46), ...look(), ...(spec.log ? logLabel() : {}), ...ends(values, spec.log) },
      dataZoom: [...(slides ? [{ ...slider("xAxisIndex"), ...zoom }] : []), { ...inside("xAxisIndex"), ...zoom }],
      series,
    };
  };

  const lines = (spec, holder) => {
    const xs = spec.series.flatMap((s) => s.points.map((p) => p[0])).concat(spec.up.map((m) => m.at));
    const ys = spec.series.flatMap((s) => s.points.map((p) => p[1])).concat(spec.across.map((m) => m.at));
    const axis = (name, log, values, gap, scale) => ({
      type: log ? "log" : "value", scale, ...title(name, gap), ...look(), ...(log ? logLabel() : {}), ...ends(spec.alone ? xs.concat(ys) : values, log),
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
      const side = (part) => marks.push([{ coord: [low, low * part], label: { show: false }, lineStyle: { color: theme.soft, type: [2, 3] } }, { coord: [high, high * part] }]);
      if (spec.band) { side(1 + spec.band); side(1 - spec.band); }
    }
    const dotted = spec.alone || spec.dots;
    const series = spec.series.map((s, i) => ({
      name: s.name, type: dotted ? "scatter" : "line", data: s.points, itemStyle: { opacity: 1 },
      symbol: SYMBOLS[looks(s, i) % SYMBOLS.length], symbolSize: dotted ? 9 : 5, showSymbol: s.points.length < 3,
      step: spec.steps ? "end" : undefined, lineStyle: { width: 2, type: DASHES[(s.dashes ?? looks(s, i)) % DASHES.length] },
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
      series[0].markLine = { silent: true, symbol: "none", animation: false, lineStyle: { color: theme.ink, type: [4, 4] }, label: { color: theme.ink }, data: marks };
    }
    const shares = spec.y.startsWith("share of ") ? { min: 0, max: 1 } : {};
    return {
      ...base(holder),
      tooltip: { ...tip(), trigger: dotted ? "item" : "axis", axisPointer: { label: { formatter: (p) => shown(p.value) } } },
      xAxis: axis(spec.x, spec.logX, xs, 26, true),
      yAxis: { ...axis(spec.y, spec.logY, ys, 46, false), ...shares },
      dataZoom: [slider("xAxisIndex"), inside("xAxisIndex")],
      series: [...series, ...bands],
    };
  };

  const OPTIONS = { bars, lines };
  // Holder → its chart, how its options are made for a holder of some width, and what it shows.
  const drawn = new Map();
  const draw = (holder, make, spec) => {
    let entry = drawn.get(holder);
    if (!entry) {
      // SVG is sharp in print and at any zoom.
      entry = { chart: echarts.init(holder, null, { renderer: "svg" }) };
      drawn.set(holder, entry);
      resizes.observe(holder);
      addTools(holder);
    }
    Object.assign(entry, { make, spec });
    entry.chart.setOption(make(holder), true);
    entry.refresh?.();
  };
  const forget = (holder) => {
    resizes.unobserve(holder);
    drawn.get(holder)?.chart.dispose();
    drawn.delete(holder);
  };
  const resizes = new ResizeObserver((entries) => {
    // Without a width, a chart would be drawn in one that nobody sees.
    for (const entry of entries) if (entry.contentRect.width > 0) drawn.get(entry.target)?.chart.resize();
  });
  darkness.addEventListener("change", () => {
    theme = darkness.matches ? DARK : LIGHT;
    for (const [holder, { chart, make }] of drawn) chart.setOption(make(holder), true);
  });

  // A chart for paper and for files: without what is there to be clicked at, every name of the legend in as many rows as
  // they need, and the part that the reader has zoomed to.
  const onPaper = ({ chart, make }, holder, width) => {
    const label = { clientWidth: width, getAttribute: (name) => holder.getAttribute(name) };
    const kept = theme;
    theme = LIGHT;
    const option = make(label);
    theme = kept;
    const zooms = chart.getOption().dataZoom ?? [];
    option.animation = false;
    option.toolbox = { show: false };
    option.dataZoom = option.dataZoom.map((zoom, i) => ({ ...zoom, start: zooms[i]?.start, end: zooms[i]?.end, startValue: undefined, endValue: undefined, ...(zoom.type === "slider" ? { show: false } : {}) }));
    option.grid = { ...option.grid, bottom: option.grid.bottom - (option.dataZoom.some((zoom) => zoom.type === "slider") ? 28 : 0) };
    if (option.legend?.show !== false) {
      const names = [...new Set(option.series.map((s) => s.name))];
      const rows = Math.ceil(1.15 * names.reduce((sum, name) => sum + 42 + 7 * Math.min(40, name.length), 0) / (width - 70));
      option.legend = { ...option.legend, type: "plain", right: 4, textStyle: { color: LIGHT.ink } };
      option.grid.top = Math.min(110, 34 + 20 * rows);
    }
    return option;
  };

  // What a chart shows as rows of a table, the head first.
  const rowsOf = (spec) => {
    if (spec.kind === "bars" || spec.groups) {
      const all = spec.marks ? [...spec.series, spec.marks] : spec.series;
      return [["", ...all.map((s) => `${s.name}: ${spec.y}`)], ...spec.groups.map((group, i) => [group, ...all.map((s) => s.values[i])])];
    }
    const band = spec.series.some((s) => s.band);
    const rows = spec.series.flatMap((s) => s.points.map(([x, y], i) => [s.name, x, y, ...(band ? s.band?.[i] ?? [null, null] : [])]));
    return [["", spec.x, spec.y, ...(band ? ["low", "high"] : [])], ...rows];
  };
  const csv = (rows) => rows.map((row) => row.map((cell) => {
    const text = cell === null || cell === undefined ? "" : String(cell);
    return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(",")).join("\n") + "\n";
  const save = (name, type, content) => {
    const address = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    const link = element("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  };
  const FILE = { width: 860, height: 440 };
  const svgOf = (holder) => {
    const made = echarts.init(null, null, { renderer: "svg", ssr: true, ...FILE });
    made.setOption({ ...onPaper(drawn.get(holder), holder, FILE.width), backgroundColor: "#fff" });
    const text = made.renderToSVGString();
    made.dispose();
    return text;
  };
  const pngOf = (svg) => new Promise((done, failed) => {
    const picture = new Image();
    picture.onload = () => {
      const canvas = element("canvas", { width: 2 * FILE.width, height: 2 * FILE.height });
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(done, "image/png");
    };
    picture.onerror = failed;
    picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
  });
  // Below a chart: its numbers as a table, and files of it.
  const NUMBERS = 500;
  const addTools = (holder) => {
    const name = (holder.getAttribute("aria-label") ?? "chart").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "chart";
    const tools = element("div", { class: "tools" });
    const button = (words, label, act) => {
      const made = element("button", { type: "button", "aria-label": label }, words);
      made.addEventListener("click", act);
      tools.append(made);
      return made;
    };
    let numbers = null;
    const fill = () => {
      const [head, ...rows] = rowsOf(drawn.get(holder).spec);
      const body = element("tbody", {}, ...rows.slice(0, NUMBERS).map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, shown(cell))))));
      const caption = rows.length > NUMBERS ? `The first ${NUMBERS} of ${rows.length} rows; CSV has all.` : "The numbers of the chart";
      numbers.replaceChildren(element("table", {}, element("caption", {}, caption), element("thead", {}, element("tr", {}, ...head.map((h) => element("th", { scope: "col" }, h)))), body));
    };
    const toggle = button("Numbers", "Show the numbers of this chart as a table", () => {
      if (numbers) { numbers.remove(); numbers = null; } else {
        numbers = element("div", { class: "scroll numbers-of", tabindex: "0", role: "region", "aria-label": "The numbers of the chart" });
        fill();
        tools.after(numbers);
      }
      toggle.setAttribute("aria-expanded", String(numbers !== null));
    });
    toggle.setAttribute("aria-expanded", "false");
    drawn.get(holder).refresh = () => { if (numbers) fill(); };
    button("CSV", "Save the numbers of this chart as CSV", () => save(`${name}.csv`, "text/csv", csv(rowsOf(drawn.get(holder).spec))));
    button("SVG", "Save this chart as SVG", () => save(`${name}.svg`, "image/svg+xml", svgOf(holder)));
    button("PNG", "Save this chart as PNG", async () => save(`${name}.png`, "image/png", await pngOf(svgOf(holder))));
    const caption = holder.parentElement.querySelector("figcaption");
    (caption ?? holder).after(tools);
  };

  const waiting = new Map(data.charts.map((spec) => [document.getElementById(spec.id), spec]));
  const drawWaiting = (holder) => {
    const spec = waiting.get(holder);
    if (spec === undefined) return;
    waiting.delete(holder);
    // Names that rise need room below.
    if (spec.labels?.length > 12 && spec.labels.some((label) => label.length > 8)) holder.classList.add("tall");
    draw(holder, (place) => OPTIONS[spec.kind](spec, place), spec);
  };
  // A chart is drawn when it comes near the window, and all that can be seen are before the page is printed.
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { near.unobserve(entry.target); drawWaiting(entry.target); }
    }
  }, { rootMargin: "400px" });
  const expect = (holder, spec) => { if (spec) waiting.set(holder, spec); near.observe(holder); };
  for (const holder of waiting.keys()) expect(holder);
  // Whether a chart is in no part that is folded, and has a size.
  const unfolded = (holder) => holder.clientWidth > 0 && !holder.closest("details:not([open])");
  const all = () => { for (const holder of [...waiting.keys()]) if (unfolded(holder)) drawWaiting(holder); };
  // The page is laid out for paper only after this event: charts get the size that they will have there
  // (A4 less its margins), and scale with their boxes on other paper.
  addEventListener("beforeprint", () => {
    all();
    for (const [holder, entry] of drawn) {
      if (!unfolded(holder)) continue;
      entry.printed = true;
      const width = holder.closest(".charts, .glance") ? 330 : 690;
      entry.chart.setOption(onPaper(entry, holder, width), true);
      entry.chart.resize({ width, height: 235, animation: { duration: 0 } });
      // No frame comes before the page is printed.
      entry.chart.getZr().refreshImmediately();
      holder.querySelector("svg").setAttribute("viewBox", `0 0 ${width} 235`);
    }
  });
  addEventListener("afterprint", () => {
    for (const [holder, { chart, make, printed }] of drawn) {
      if (!printed) continue;
      drawn.get(holder).printed = false;
      holder.querySelector("svg").removeAttribute("viewBox");
      chart.resize({ width: "auto", height: "auto", animation: { duration: 0 } });
      chart.setOption(make(holder), true);
    }
  });

  // -- workloads one by one ------------------------------------------------------------------------
  const workloadList = () => {
    const list = document.getElementById("workload-list");
    const table = data.tables.find((t) => t.title === "Workloads");
    if (!list || !table || table.rows.length === 0) return;
    const at = (name) => table.columns.indexOf(name);
    const [strategy, workload, model, slo, rate, verdict, p99] = ["strategy", "workload", "model", "SLO (ms)", "rate (req/s)", "verdict", "P99 (ms)"].map(at);
    const placements = data.tables.find((t) => t.title === "Placements");
    const groups = new Map();
    for (const row of table.rows) {
      if (!groups.has(row[workload])) groups.set(row[workload], []);
      groups.get(row[workload]).push(row);
    }
    const misses = (row) => row[verdict] === "missed" || row[verdict] === "not served";
    const part = (row) => (row[p99] === null ? null : row[p99] / row[slo]);
    const percent = (row) => { const p = part(row); return p === null ? row[verdict] : p < 9.995 ? `${Math.round(100 * p)} %` : `${shown(p)}×`; };
    const placed = (row) => {
      if (!placements) return "";
      const [s, w, gpu, sm, batch] = ["strategy", "workload", "GPU", "SM share (%)", "batch"].map((name) => placements.columns.indexOf(name));
      return placements.rows.filter((p) => p[s] === row[strategy] && p[w] === row[workload]).map((p) => `GPU ${p[gpu]} with ${p[sm]} % and batches of ${p[batch]}`).join(" + ");
    };
    const fill = (details, name, rows) => {
      const lines = rows.map((row) => {
        const numbers = ["mean (ms)", "P50 (ms)", "P90 (ms)", "P99 (ms)", "max (ms)", "violations (%)", "throughput (req/s)"].filter((c) => at(c) >= 0).map((c) => `${c.replace(/ \((.*)\)$/, "")} ${shown(row[at(c)])}${row[at(c)] === null ? "" : " " + /\((.*)\)$/.exec(c)[1]}`);
        const words = [placed(row), ...(row[p99] === null ? [] : numbers)].filter(Boolean).join("; ");
        return element("li", misses(row) ? { class: "bad" } : {}, element("b", {}, row[strategy]), `: SLO ${row[verdict]}${words === "" ? "" : "; " + words}`);
      });
      details.append(element("ul", { class: "numbers" }, ...lines));
      const charts = data.workloads[name] ?? [];
      const box = element("div", { class: "charts" });
      for (const spec of charts) {
        const holder = element("div", { class: "chart", role: "img", tabindex: "0", "aria-label": `${name}: ${spec.caption}` });
        box.append(element("figure", {}, holder, element("figcaption", {}, spec.caption)));
        waiting.set(holder, spec);
      }
      details.append(box);
      for (const holder of box.querySelectorAll(".chart")) near.observe(holder);
      if (charts.length === 0) details.append(element("p", { class: "note" }, "No charts: only the workloads that say most have some. The files of the folder hold every distribution."));
    };
    const worst = (rows) => Math.max(0, ...rows.filter(misses).map((row) => part(row) ?? Infinity));
    const open = new Set(recallJson("open") ?? []);
    const all = [...groups].map(([name, rows], i) => ({ name, rows, i, missed: rows.some(misses), worst: worst(rows) })).sort((a, b) => (a.worst === b.worst ? a.i - b.i : b.worst - a.worst));
    for (const one of all) {
      const { name, rows, missed } = one;
      const CHIPS = 6;
      const chips = rows.slice(0, CHIPS).map((row) => element("span", { class: misses(row) ? "chip bad" : "chip" }, `${misses(row) ? "✗" : "✓"} ${row[strategy]} ${percent(row)}`));
      if (rows.length > CHIPS) chips.push(element("span", { class: "chip" }, `+${rows.length - CHIPS}`));
      const about = `${rows[0][model]} · SLO ${shown(rows[0][slo])} ms · ${shown(rows[0][rate])} req/s`;
      const summary = element("summary", {}, element("b", {}, name), element("span", { class: "note" }, about), element("span", { class: "chips" }, ...chips));
      one.details = element("details", { class: missed ? "workload missed" : "workload" }, summary);
      one.details.addEventListener("toggle", () => {
        if (one.details.open && one.details.children.length === 1) fill(one.details, name, rows);
        if (one.details.open) open.add(name); else open.delete(name);
        remember("open", open.size === 0 ? null : JSON.stringify([...open].slice(0, 20)));
      });
      if (open.has(name)) one.details.open = true;
      one.text = `${name} ${about} ${rows.map((row) => `${row[strategy]} ${row[verdict]}`).join(" ")}`.toLowerCase();
    }
    list.append(...all.map((one) => one.details));
    const controls = document.getElementById("workload-controls");
    const count = element("output", { "aria-live": "polite" });
    const search = element("input", { type: "search", placeholder: "name, model, verdict" });
    const only = element("input", { type: "checkbox" });
    search.value = recall("workloads") ?? "";
    only.checked = recall("misses") === "1";
    const show = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      for (const one of all) {
        const kept = (!only.checked || one.missed) && words.every((word) => one.text.includes(word));
        one.details.hidden = !kept;
        n += kept ? 1 : 0;
      }
      count.value = n === all.length ? `${n} workloads` : `${n} of ${all.length} workloads`;
    };
    search.addEventListener("input", () => { remember("workloads", search.value); show(); });
    only.addEventListener("change", () => { remember("misses", only.checked ? "1" : null); show(); });
    controls.append(element("label", {}, "Search", search));
    if (all.some((one) => one.missed) && !all.every((one) => one.missed)) controls.append(element("label", { class: "check" }, only, "Misses only"));
    controls.append(count);
    // Arrows go from one to the next.
    list.addEventListener("keydown", (event) => {
      if (!["ArrowDown", "ArrowUp"].includes(event.key) || event.target.tagName !== "SUMMARY") return;
      const shownOnes = all.filter((one) => !one.details.hidden).map((one) => one.details.firstChild);
      const next = shownOnes[shownOnes.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
      if (next) { event.preventDefault(); next.focus(); }
    });
    show();
  };

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
    const keep = () => remember("explorer", JSON.stringify([tables.indexOf(state.table), state.x, state.y, state.split, state.as, [...state.filters]]));
    const restore = () => {
      const kept = recallJson("explorer");
      if (!Array.isArray(kept) || !tables[kept[0]]) return;
      state.table = tables[kept[0]];
      start();
      const within = (c) => Number.isInteger(c) && c >= 0 && c < state.table.columns.length;
      const [, x, y, split, as, filters] = kept;
      if (!within(x) || !within(y) || !state.table.numeric[y]) return;
      Object.assign(state, { x, y, split: within(split) ? split : -1, as: ["points", "lines", "bars"].includes(as) && (as === "bars" || state.table.numeric[x]) ? as : "bars", filters: new Map(Array.isArray(filters) ? filters.filter((f) => within(f?.[0])) : []) });
    };

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
    const pick = (name, entries, value, change) => addChoice(controls, name, entries, value, (v) => { change(v); keep(); build(); });
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
      const kinds = state.split < 0 ? [0] : looksOf(distinct(t.rows, state.split).map(shown));
      const place = new Map(state.split < 0 ? [] : distinct(t.rows, state.split).map((v, i) => [shown(v), kinds[i]]));
      const groups = state.split < 0 ? [["all rows", rows]] : distinct(rows, state.split).map((v) => [shown(v), rows.filter((row) => row[state.split] === v)]);
      const [x, y] = [t.columns[state.x], t.columns[state.y]];
      const values = rows.map((row) => row[state.y]);
      const log = values.every((v) => v > 0) && Math.max(...values) > 50 * Math.min(...values);
      caption.textContent = `${y} against ${x}${state.split < 0 ? "" : ", by " + t.columns[state.split]}: ${rows.length} of ${t.rows.length} rows of ${t.title}${state.as === "points" ? "" : ", means of rows with the same " + x}.`;
      if (state.as === "bars") {
        const sorted = distinct(rows, state.x).sort((a, b) => (typeof a === "number" ? a - b : collator.compare(a, b)));
        const series = groups.map(([name, own]) => { const m = means(own); return { name, look: place.get(name) ?? 0, values: sorted.map((v) => m.get(v) ?? null) }; });
        const spec = { groups: sorted.map(shown), series, y, log, stacked: false, marks: null };
        draw(holder, (place) => bars(spec, place), spec);
      } else {
        const series = groups.map(([name, own]) => ({
          name, look: place.get(name) ?? 0, points: state.as === "points" ? own.map((row) => [row[state.x], row[state.y]]) : [...means(own)].sort((a, b) => a[0] - b[0]),
        }));
        const spec = { series, x, y, logX: false, logY: log, steps: false, alone: false, up: [], across: [] };
        const points = state.as === "points";
        draw(holder, (place) => {
          const option = lines(spec, place);
          if (points) for (const s of option.series) { s.type = "scatter"; s.symbolSize = 9; option.tooltip.trigger = "item"; }
          else for (const s of option.series) s.showSymbol = true;
          return option;
        }, spec);
      }
    };
    start();
    restore();
    build();
  };

  // -- the page as a whole -------------------------------------------------------------------------
  const folds = () => {
    [...document.querySelectorAll("details.fold")].forEach((fold, i) => {
      const first = fold.open, kept = recall(`fold${i}`);
      if (kept !== null) fold.open = kept === "1";
      fold.addEventListener("toggle", () => remember(`fold${i}`, fold.open === first ? null : fold.open ? "1" : "0"));
    });
  };
  // The address keeps what is chosen: sections are gone to without it.
  const links = () => {
    for (const link of document.querySelectorAll('nav a[href^="#"]')) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        const section = document.querySelector(link.getAttribute("href"));
        section.scrollIntoView();
        section.setAttribute("tabindex", "-1");
        section.focus({ preventScroll: true });
        remember("at", section.id);
      });
    }
    const at = recall("at");
    if (at) document.getElementById(at)?.scrollIntoView();
  };
  const copy = () => {
    for (const code of document.querySelectorAll(".command code, .advice code")) {
      const button = element("button", { type: "button", class: "copy", "aria-label": "Copy the command" }, "Copy");
      button.addEventListener("click", async () => {
        const range = document.createRange();
        range.selectNodeContents(code);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        try { await navigator.clipboard.writeText(code.textContent); button.textContent = "Copied"; } catch { button.textContent = "Selected: press Ctrl+C"; }
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      code.after(" ", button);
    }
  };

  folds();
  for (const spec of data.tables) enhance(spec);
  workloadList();
  explorer();
  copy();
  links();
  // For sweep.js, for tests and for people at the console.
  window.igniterPage = { drawn: () => drawn.size, waiting: () => waiting.size, all, data, element, addChoice, shown, distinct, collator, draw, forget, lines, bars, looksOf, remember, recallJson, svgOf, COLOURS, DASHES };
})();
