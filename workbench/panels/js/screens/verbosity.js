// The Verbosity screen: objectives against length, before and after; reward against length; pairs whose answers are as long.
SCREENS.verbosity = (line) => {
  const main = lengths(line), cloud = clouds(line), pairs = matchedPairs();
  const below = h("div", { class: "wb-v-below" }, cloud.node, pairs.node), node = h("div", { class: "wb-v" }, main.node, below);
  let state = null;
  return {
    node,
    parts: {
      verbosity: (data, settled) => { state = data; main.draw(data, settled); flag(below, "wb-hide", data.blank && !data.rows); },
      "verbosity.reward": cloud.draw, "verbosity.item": cloud.star, "verbosity.matched": pairs.draw,
    },
    settle: () => state && main.draw(state, true),
  };
};
const NAMES = { base: "baseline", cand: "candidate", ghost: "not retrained" };
const lackOf = (data) => blank(data.lacking.fact, data.lacking.why);

// One row of marks on an axis: an interval behind each, baseline above candidate, a link between the two.
function track(marks, { width, at, zero, band, word, height = 28 }) {
  const kinds = Object.entries(marks).filter(([, mark]) => mark[0] !== null);
  const spread = kinds.filter(([, mark]) => mark[1] !== null).length > 1;
  const parts = [], level = (kind) => height / 2 + (spread ? { base: -4, cand: 4, ghost: 4 }[kind] : 0);
  if (band) parts.push(s("rect", { class: "wb-v-band", x: at(-band), y: 0, width: at(band) - at(-band), height }));
  if (zero) parts.push(s("path", { class: "wb-zero", d: `M${at(0)} 0V${height}` }));
  if (marks.base && marks.ghost && !marks.cand) parts.push(s("path", { class: "wb-link",
    d: `M${at(marks.base[0])} ${level("base")}L${at(marks.ghost[0])} ${level("ghost")}` }));
  for (const [kind, [, low, high]] of kinds) if (low !== null) parts.push(s("path", { class: `wb-v-ends wb-v-${kind}`,
    d: `M${at(low)} ${level(kind)}H${at(high)}` }));
  for (const [kind, [value]] of kinds) parts.push(dot(kind, at(value), level(kind), 4));
  const inside = (low, high) => (low === null ? "" : ` [${fixed(low, 2)}, ${fixed(high, 2)}]`);
  const said = kinds.map(([kind, [value, low, high]]) => `${NAMES[kind]} ${fixed(value, 2)}${inside(low, high)}`).join(", ");
  const label = `${word}: ${said || "no number"}`;
  return s("svg", { width, height, role: "img", "aria-label": label }, s("title", {}, label), parts);
}

// -- objectives -----------------------------------------------------------------------------------------------------------

function lengths(line) {
  const meta = h("span", { class: "wb-quiet" }), lead = h("p", { class: "wb-lead" }), notes = h("div", { class: "wb-quiet wb-v-notes" });
  const set = (values) => line.send({ do: "view", ...values }), debias = PIECES.debias(line);
  const view = segments("Which correlation", [["pooled", "Pooled"], ["within", "Within prompts"], ["section", "By section"]],
    (v) => set({ by: v }));
  const retrain = h("button", { class: "wb-primary", onclick: () => line.send({ do: "retrain" }) }, "Retrain");
  const prove = button("Test equivalence", () => set({ test: true })), host = h("div", { class: "wb-v-rows" }), key = h("div", { class: "wb-key" });
  const node = h("section", { class: "wb-v-main", "aria-label": "Objectives against length" },
    h("div", { class: "wb-bar wb-v-bar" }, h("h3", {}, "Verbosity"), meta, h("span", { class: "wb-space" }), debias.node, retrain,
      view.node, prove,
      button("Export", () => line.send({ do: "export" }), { title: "Put this figure into the tray (e)" })), lead, host, key, notes);
  let last = "", drawn = null, waiting = 0;
  new ResizeObserver(() => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => { if (drawn && !drawn.blank) lay(drawn); });
  }).observe(host);
  function lay(state) {
    host.replaceChildren(...(state.rows.length ? [h("div", { class: "wb-scroll", tabindex: 0, role: "group",
      "aria-label": "Objectives against length" }, table(state))] : []));
  }
  function draw(state, settled) {
    drawn = state;
    debias.draw(state.debias, settled);
    if (settled) view.show(state.view);
    flag(view.buttons[2], "wb-hide", !state.sections);
    flag(retrain, "wb-hide", !state.edited); retrain.disabled = state.running; retrain.title = state.running
      ? "A job is running: this one would wait" : "";
    for (const part of [lead, key, notes, meta]) flag(part, "wb-hide", state.blank);
    flag(prove, "wb-hide", !state.test || state.test.asked);
    if (state.test) prove.title = `Is what is left of ${state.test.nuisance} within \u00b1${share(state.band).replace("+", "")}? ${state.test.how}: takes some seconds`;
    const now = JSON.stringify(state);
    if (now === last) return;
    last = now;
    if (state.blank) { host.replaceChildren(blank(state.blank.fact, state.blank.why)); return; }
    write(meta, state.meta);
    lead.replaceChildren(...said(state.lead));
    notes.replaceChildren(...state.notes.map((note) => h("p", {}, note)));
    lay(state);
    const two = state.rows.some((row) => row.marks.some((marks) => marks.cand)),
      dashed = state.rows.some((row) => row.marks.some((marks) => marks.ghost));
    key.replaceChildren(mark("base"), "baseline", ...(two ? [mark("cand"), "candidate"] : []), ...(dashed ? [mark("ghost"),
      "the edit, not retrained"] : []),
      h("span", { class: "wb-v-swatch" }), `within \u00b1${share(state.band).replace("+", "")}`);
  }
  function table(state) {
    const many = state.columns.length > 1 || state.view === "section", pad = 8;
    const test = state.test, asked = test && test.asked, wide = host.clientWidth || 1000, narrow = wide < 760;
    const name = state.rows.some((row) => row.swap) ? 186 : narrow ? 120 : 150, does = narrow ? 132 : 170;
    const group = wide < 726 ? 34 : 104;  // the words of groups are hidden there
    const rest = group + 12 + name + (many ? 0 : 120) + (state.penalties ? 60 + does : 0) + (asked ? 132 : 0), room = wide - rest;
    const width = Math.max(narrow || many ? 110 : 200, Math.min(many ? 170 : 380, Math.floor(room / state.columns.length) - 12));
    const at = (rho) => width / 2 + (width / 2 - pad) * Math.max(-1, Math.min(1, rho / state.axis));
    const axis = s("svg", { class: "wb-axis-row", width, height: 14, "aria-hidden": "true" }, [-1, 0, 1].map((end) =>
      s("text", { class: ["", "wb-mid", "wb-end"][end + 1], x: at(end * state.axis), y: 11 }, end ? share(end * state.axis) : "0")));
    const head = (one) => h("th", { scope: "col", class: "wb-v-head", title: one.words },
      many ? `${one.name}, ${count(one.families)} families` : `${count(one.n)} rows, ${count(one.families)} families`,
        axis.cloneNode(true));
    const ask = asked ? h("span", { title: test.how }, `|\u03c1| with ${test.nuisance} < ${share(state.band).replace("+", "")}`) : null;
    const cells = columns([group, name, ...state.columns.map(() => width + 12), ...(many ? [] : [120]),
      ...(state.penalties ? [60, does] : []), ...(asked ? [132] : [])]);
    return h("table", { class: "wb-table wb-v-table" }, cells,
      h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, "Objective"), state.columns.map(head), many ? null : h("th",
        { scope: "col", class: "wb-right" }, "\u03c1"),
        state.penalties ? [h("th", { scope: "col", class: "wb-right" }, "\u03bb"), h("th", { scope: "col" }, "What debias does")] : null,
          asked ? h("th", { scope: "col" }, ask) : null)),
      h("tbody", {}, state.rows.map((row) => h("tr", { class: row.first ? "wb-first" : null },
        row.first ? h("th", { class: `wb-group wb-f-${row.slot}`, scope: "rowgroup", rowspan: row.first }, h("span",
          { class: "wb-band" }), shape(row.slot), h("span", { class: "wb-word" }, row.group)) : null,
        h("th", { scope: "row", class: "wb-name", title: called(row) }, called(row)),
        row.marks.map((marks) => h("td", {}, track(marks, { width, at, zero: true, band: state.band, word: called(row) }))),
        many ? null : h("td", { class: "wb-right" }, numbers(row.marks[0])),
        state.penalties ? rooted(row.penalty, state.solved) : null, asked ? verdict(row.verdict, test) : null))));
  }
  const called = (row) => (row.swap ? `${row.name} \u2192 ${row.swap}` : row.name);
  const numbers = (marks) => ["base", "cand", "ghost"].filter((kind) => marks[kind] && marks[kind][0] !== null).map((kind, i) =>
    [i ? " \u2192 " : "", h("span", { class: kind === "ghost" ? "wb-dashed" : null }, share(marks[kind][0]))]);
  const rooted = (penalty, solved) => penalty ? [
    h("td", { class: "wb-right" }, h("span", { class: solved ? "wb-dashed" : null }, penalty.roots.map((root) => signed(root, 2)
      || "0").join(", "))),
    h("td", { title: penalty.words }, penalty.rewards ? h("b", {}, penalty.words) : penalty.words)] : [h("td", {}), h("td", {})];
  const verdict = (found, test) => h("td", found && found.interval[0] !== null
    ? { title: `\u03c1 ${fixed(found.rho, 2)}, 90 % interval ${fixed(found.interval[0], 3)} to ${fixed(found.interval[1], 3)}` } : {},
    !test.done ? "testing\u2026" : !found ? DASH : found.equivalent ? "shown" : found.words.replace(/:.*/, ""));
  return { node, draw };
}

// -- reward against length -------------------------------------------------------------------------------------------------

const CLOUD = { height: 236, left: 40, right: 10, top: 8, bottom: 34, layers: 12 };
function clouds(line) {
  const host = h("div", { class: "wb-v-clouds" }), note = h("p", { class: "wb-quiet" });
  const node = h("section", { class: "wb-v-reward", "aria-label": "Reward against length" },
    h("div", { class: "wb-bar" }, h("h3", {}, "Reward against length"), h("span", { class: "wb-quiet" },
      "click a point to look at its pair")), host, note);
  let data = null, arrays = [], stars = {}, waiting = 0;
  new ResizeObserver(() => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(paint); }).observe(host);
  function draw(found, settled, buffers) {
    data = found;
    arrays = (buffers || []).map((view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)));
    paint();
  }
  function star(found) { stars = found.marks || {}; paint(); }
  function paint() {
    if (!data) return;
    flag(note, "wb-hide", data.lacking);
    if (data.lacking) { host.replaceChildren(lackOf(data)); return; }
    const { series } = data, width = Math.max(240, Math.floor((host.clientWidth - 16 * (series.length - 1)) / Math.max(1, series.length)));
    const scale = scales(width);
    host.replaceChildren(...series.map((one, k) => h("div", {},
      h("div", { class: "wb-v-sign" }, mark(one.sign), h("b", {}, one.sign === "base" ? "Baseline" : "Candidate"), h("span",
        { class: "wb-space" }),
        h("span", { class: "wb-quiet", title: one.words }, one.rho && one.rho[0] !== null
          ? `Spearman \u03c1 ${share(one.rho[0])}${one.rho[1] === null ? "" : ` [${share(one.rho[1])}, ${share(one.rho[2])}]`}` : one.words || "")),
      cloud(one, arrays[k], stars[one.sign], scale, width))));
    const cut = series.find((one) => one.n < one.of);
    write(note, (cut ? `${count(cut.n)} of ${count(cut.of)} answers drawn, at random. ` : series.length
      ? `${count(series[0].n)} answers, each once. ` : "")
      + (Object.keys(stars).length ? "Stars: the chosen (filled) and the rejected answer (hollow) of the pair that is looked at." : ""));
  }
  function scales(width) {
    const xs = [], ys = [];
    for (const all of arrays) for (let i = 0; i < all.length; i += 2) { xs.push(pressed(all[i])); ys.push(all[i + 1]); }
    const span = (values) => { let low = Infinity, high = -Infinity; for (const v of values) { if (v < low) low = v;
      if (v > high) high = v; } const room = 0.03 * (high - low) || 0.5; return [low - room, high + room]; };
    const [x0, x1] = span(xs), [y0, y1] = span(ys), { left, right, top, bottom, height } = CLOUD;
    return {
      x: (v) => left + (width - left - right) * (pressed(v) - x0) / (x1 - x0), y: (v) => top
        + (height - top - bottom) * (y1 - v) / (y1 - y0),
      xt: data.log ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].filter((t) => Math.log(t) >= x0
        && Math.log(t) <= x1) : even(x0, x1), yt: even(y0, y1),
    };
  }
  const pressed = (v) => (data.log ? Math.log(Math.max(v, 1)) : v);
  function even(low, high) {
    const raw = (high - low) / 4, unit = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5,
      10].map((m) => m * unit).find((size) => size >= raw), out = [];
    for (let i = Math.ceil(low / step); i * step <= high; i += 1) out.push(Number((i * step).toPrecision(6)));
    return out;
  }
  function cloud(one, all, pair, scale, width) {
    const { height, left, right, top, bottom, layers } = CLOUD, base = height - bottom, paths = Array(layers).fill("");
    for (let i = 0; i < all.length; i += 2) paths[(i / 2) % layers] += `M${scale.x(all[i]).toFixed(1)} ${scale.y(all[i + 1]).toFixed(1)}h0`;
    const parts = [scale.yt.map((t) => [s("path", { class: t === 0 ? "wb-zero" : "wb-grid", d: `M${left} ${scale.y(t)}H${width - right}` }),
      s("text", { class: "wb-end", x: left - 6, y: scale.y(t) + 4 }, String(t).replace("-", MINUS))]),
    thin(scale.xt, scale, width).map((t) => s("text", { class: "wb-mid", x: scale.x(t), y: base + 15 }, data.log
      ? count(t) : String(t).replace("-", MINUS))),
    s("text", { class: "wb-end", x: width - right, y: base + 30 }, data.log ? `${data.word}, log` : data.word), s("text", { x: left,
      y: base + 30 }, "reward \u2191"),
    paths.map((d) => s("path", { class: `wb-v-points wb-v-p-${one.sign}`, d }))];
    if (pair) {
      const [a, b] = pair.map(([x, y]) => [scale.x(x), scale.y(y)]);
      parts.push(s("path", { class: "wb-v-tie", d: `M${a[0]} ${a[1]}L${b[0]} ${b[1]}` }), s("path", { class: "wb-v-star",
        d: starAt(...b) }), s("path", { class: "wb-v-star wb-v-chosen", d: starAt(...a) }));
    }
    const rho = one.rho && one.rho[0] !== null ? `, Spearman ${fixed(one.rho[0], 2)}` : "";
    const picture = s("svg", { class: "wb-v-cloud", width, height, role: "img",
      "aria-label": `Reward of the ${NAMES[one.sign]} against ${data.word} of ${one.n} answers${rho}` }, parts);
    picture.addEventListener("click", (event) => {
      const box = picture.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
      let best = -1, near = 24 ** 2;
      for (let i = 0; i < all.length; i += 2) {
        const far = (scale.x(all[i]) - px) ** 2 + (scale.y(all[i + 1]) - py) ** 2;
        if (far < near) { near = far; best = i / 2; }
      }
      if (best >= 0) line.send({ do: "point", sign: one.sign, at: best });
    });
    return picture;
  }
  // Ticks that keep 34 px from one another.
  const thin = (ticks, scale) => { let last = -Infinity; return ticks.filter((t) => { const ok = scale.x(t) - last >= 34;
    if (ok) last = scale.x(t); return ok; }); };
  return { node, draw, star };
}
function starAt(x, y) {
  let d = "";
  for (let i = 0; i < 10; i += 1) {
    const r = i % 2 ? 3.2 : 7.6, a = Math.PI * (i / 5 - 0.5);
    d += `${i ? "L" : "M"}${(x + r * Math.cos(a)).toFixed(1)} ${(y + r * Math.sin(a)).toFixed(1)}`;
  }
  return `${d}Z`;
}

// -- pairs whose answers are as long -----------------------------------------------------------------------------------------

function matchedPairs() {
  const lead = h("p", { class: "wb-lead" }), host = h("div", {}), note = h("p", { class: "wb-quiet" });
  const node = h("section", { class: "wb-v-matched", "aria-label": "Accuracy on pairs whose answers are as long" },
    h("div", { class: "wb-bar" }, h("h3", {}, "Where length cannot decide")), lead, host, note);
  const points = (x) => percent(x);
  function draw(data) {
    for (const part of [lead, note]) flag(part, "wb-hide", data.lacking || data.waiting);
    if (data.lacking || data.waiting) { host.replaceChildren(data.lacking ? lackOf(data) : blank("Measuring matched pairs.",
      "Families are resampled.")); return; }
    const whole = data.rows.find((row) => row.whole) || data.rows[0], width = 112, { base, cand } = whole.marks;
    const values = data.rows.flatMap((row) => Object.values(row.marks).flat()).filter((v) => v !== null), low = Math.min(0.5,
      Math.floor(10 * Math.min(...values, 0.9)) / 10);
    const at = (v) => 6 + (width - 12) * (v - low) / (1 - low);
    const middle = base[0] === null ? "no number" : cand
      ? `${points(base[0])} \u2192 ${points(cand[0])} %` : `${points(base[0])} % [${points(base[1])}, ${points(base[2])}]`;
    lead.replaceChildren(...said([`On ${count(whole.n)} pairs whose answers are as long, accuracy is `, middle, cand
      ? `: ${whole.words}.` : "."]));
    write(note, `${count(whole.n)} of ${count(data.of)} dev pairs: the longer answer has at most ${Math.round(100 * (Math.exp(data.caliper) - 1))} % more words. `
      + `On all pairs: ${points(data.whole.base)}${data.whole.cand === undefined ? "" : ` \u2192 ${points(data.whole.cand)}`} %. Intervals resample families${cand ? " and seeds; the difference is paired" : ""}.`);
    const axis = s("svg", { width, height: 14, "aria-hidden": "true" }, [low, 1].map((t) => s("text", { class: "wb-mid", x: at(t),
      y: 11 }, String(Math.round(100 * t)))));
    host.replaceChildren(h("table", { class: "wb-table wb-v-pairs" }, columns([88, 70, width + 12, 0]),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Slice"), h("th", { scope: "col", class: "wb-right",
        title: "Pairs / families" }, "Pairs / fam."), h("th", { scope: "col" }, "Accuracy, %", axis), h("th", { scope: "col" }, cand
        ? "Candidate \u2212 baseline" : "Reads as"))),
      h("tbody", {}, data.rows.map((row) => {
        const sign = { pos: "\u25b2 ", neg: "\u25bc " }[row.tone] || "", { base: b } = row.marks;
        return h("tr", { class: row.whole ? "wb-whole" : null }, h("th", { scope: "row", title: row.slice }, row.slice), h("td",
          { class: "wb-right wb-quiet" }, `${count(row.n)} / ${count(row.families)}`),
          h("td", {}, track(row.marks, { width, at, word: `${row.slice}, accuracy`, height: 30 })),
          h("td", { class: "wb-reads" }, h("span", { class: `wb-verdict wb-tone-${row.tone || "nil"}`, title: row.words }, cand ? sign
            + row.words : b[0] === null ? row.words : `${points(b[0])} [${points(b[1])}, ${points(b[2])}]`),
            h("span", { class: "wb-numbers" }, cand ? row.numbers : row.words && b[0] !== null ? row.words : "")));
      }))));
  }
  return { node, draw };
}
