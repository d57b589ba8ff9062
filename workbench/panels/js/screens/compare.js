// The Compare screen: the forest of slices on the left, what the change broke on the right, and beneath it which edit did it.
const FOREST = { width: 208, pad: 10, accuracy: 108, height: 44, seeds: 12 };

SCREENS.compare = (line, shell) => {
  const lead = h("p", { class: "wb-lead" }), note = h("p", { class: "wb-quiet" });
  const pin = button("Pin as baseline", () => line.send({ do: "pin" }), { title: "Hold everything against the candidate (b)" });
  const view = forest(line), list = PIECES.flips(line, shell), which = blameView(line);
  const full = h("div", { class: "wb-c-two" }, h("section", { class: "wb-c-forest", "aria-label": "Baseline against candidate" }, view.node, which.node), list.node);
  const node = h("div", { class: "wb-compare" },
    h("div", { class: "wb-c-lead" }, h("div", {}, lead, note), h("span", { class: "wb-space" }), pin), full);
  const busy = (job) => { pin.disabled = Boolean(job && job.running); };
  function draw(state) {
    const c = state.comparison, there = Boolean(c && c.rows);
    flag(full, "wb-hide", !there); flag(pin, "wb-hide", !there);
    lead.replaceChildren(...said(c ? c.lead : state.waiting.lead));
    write(note, (c ? c.note : state.waiting.note) + (there && state.stale ? " The last edits are not in it: retrain first." : ""));
    if (there) view.draw(c, state);
    busy(shell.head && shell.head.job);
  }
  return {
    node, parts: { compare: draw, "compare.blame": which.draw, ...list.parts }, reply: list.reply,
    job: busy,
  };
};

// -- the forest: one row a slice, the accuracy pair, the paired interval, single seeds, the noise floor, and the words --

function forest(line) {
  const body = h("tbody", {}), accuracyAxis = h("span", {}), differenceAxis = h("span", {}), reads = h("span", {});
  const column = (...words) => h("th", { scope: "col" }, words);
  const table = h("table", { class: "wb-table wb-forest" },
    columns([0, 100, FOREST.accuracy + 16, FOREST.width + 16, 186]),
    h("thead", {}, h("tr", {}, column("Slice"), h("th", { scope: "col", class: "wb-right" }, "Pairs / families"),
      column("Accuracy, %", accuracyAxis), column("Candidate \u2212 baseline, points", differenceAxis), column("Reads as ", reads))), body);
  const sign = (width, ...parts) => s("svg", { class: "wb-mark", width, height: 11, "aria-hidden": "true" }, parts);
  const floorKey = h("span", { class: "wb-hide" }, sign(16, s("rect", { class: "wb-c-band", width: 16, height: 11 })), "noise floor");
  const key = h("div", { class: "wb-key" }, mark("base"), "baseline", mark("cand"), "candidate",
    sign(26, s("path", { class: "wb-interval", d: "M1 5.5H25" }), s("circle", { class: "wb-nil", cx: 13, cy: 5.5, r: 3.5 })), "95 % interval, families and seeds",
    sign(16, s("path", { class: "wb-c-seed", d: "M3 1V10M8 1V10M13 1V10" })), "single seeds", floorKey);
  const scroll = h("div", { class: "wb-scroll", tabindex: 0, role: "group", "aria-label": "Baseline against candidate, by slice" }, table);
  const floor = h("div", { class: "wb-c-floor" }), node = h("div", {}, scroll, key, floor);
  let last = "";
  function draw(c, state) {
    drawFloor(floor, state, line);
    const now = JSON.stringify(c);
    if (now === last) return;
    last = now;
    const rows = c.noise ? [...c.rows, c.noise] : c.rows, scale = scales(rows);
    write(reads, c.holm ? `(${c.holm})` : "");
    flag(floorKey, "wb-hide", !c.noise);
    accuracyAxis.replaceChildren(axisPicture(FOREST.accuracy, scale.accuracy, (t) => String(t)));
    differenceAxis.replaceChildren(axisPicture(FOREST.width, scale.difference, (t) => signed(t, scale.digits)));
    body.replaceChildren(...rows.map((row) => forestRow(row, scale, c.noise)));
  }
  return { node, draw };
}

function drawFloor(box, state, line) {
  const m = state.measure;
  flag(box, "wb-hide", !m || m.state === "measured");
  if (!m || m.state === "measured") return;
  const ask = m.state === "none" ? button("Measure the noise floor", () => line.send({ do: "noise" }), { title: m.why }) : null;
  box.replaceChildren(h("span", { class: "wb-quiet" }, ...said(m.words), m.state === "none" ? ` ${m.why}` : ""), h("span", { class: "wb-space" }), ask || "");
}

function scales(rows) {
  const accuracies = rows.flatMap((r) => [r.accuracy[0], r.accuracy[1]]).filter((a) => a !== null).map((a) => 100 * a);
  const spans = rows.flatMap((r) => [r.difference, r.low, r.high, ...r.seeds, ...(r.floor || [])]).filter((d) => d !== null).map((d) => Math.abs(100 * d));
  const reach = roundUp(Math.max(...spans, 1)), low = 10 * Math.floor(Math.min(...accuracies, 90) / 10);
  const across = (width, from, to) => (value) => FOREST.pad + (width - 2 * FOREST.pad) * (value - from) / (to - from);
  return {
    digits: reach % 2 ? 1 : 0,
    accuracy: { at: across(FOREST.accuracy, low, 100), ticks: [low, (low + 100) / 2, 100] },
    difference: { at: across(FOREST.width, -reach, reach), ticks: [-reach / 2, 0, reach / 2] },
  };
}
function roundUp(x) {
  const unit = 10 ** Math.floor(Math.log10(x));
  return [1, 2, 4, 6, 10].map((m) => m * unit).find((size) => size >= 1.02 * x) || 10 * unit;
}

function axisPicture(width, scale, word) {
  return s("svg", { class: "wb-axis-row", width, height: 14, "aria-hidden": "true" },
    scale.ticks.map((tick) => s("text", { class: "wb-tick wb-mid", x: scale.at(tick), y: 11 }, word(tick))));
}

function forestRow(row, scale, noise) {
  const { height, seeds } = FOREST, middle = height / 2 - (row.seeds.length > 1 ? 4 : 0), x = (share) => scale.difference.at(100 * share);
  const grid = (axis) => axis.ticks.map((t) => s("path", { class: "wb-grid", d: `M${axis.at(t)} 0V${height}` }));
  const picture = (width, told, ...parts) => s("svg", { width, height, role: "img", "aria-label": told }, parts);
  const { accuracy, difference: d } = scale, pair = [], floor = row === noise;
  if (row.accuracy[0] !== null) {
    const [a, b] = row.accuracy.map((value) => accuracy.at(100 * value));
    pair.push(s("path", { class: "wb-link", d: `M${a} ${height / 2}H${b}` }), dot("base", a, height / 2, 4), dot(floor ? "base" : "cand", b, height / 2, 4));
  }
  const tone = row.tone || "nil", parts = [];
  const band = floor ? [row.low, row.high] : row.floor;  // each slice has a floor of its own
  if (band && band[0] !== null) parts.push(s("rect", { class: "wb-c-band", x: x(band[0]), width: x(band[1]) - x(band[0]), y: 0, height }));
  parts.push(s("path", { class: "wb-zero", d: `M${x(0)} 0V${height}` }));
  if (row.low !== null) parts.push(s("path", { class: `wb-interval wb-tone-${tone}`, d: `M${x(row.low)} ${middle}H${x(row.high)}` }));
  if (row.difference !== null) {
    const kind = row.exploratory ? "wb-c-loose" : floor ? "wb-base" : `wb-point wb-tone-${tone}`;
    parts.push(s("circle", { class: kind, cx: x(row.difference), cy: middle, r: 4 }));
  }
  if (row.seeds.length > 1) parts.push(s("path", { class: "wb-c-seed", d: row.seeds.map((one) => `M${x(one).toFixed(1)} ${middle + seeds - 3}v6`).join("") }));
  const sign = { pos: "\u25b2 ", neg: "\u25bc " }[tone] || "";
  return h("tr", { class: row.whole ? "wb-whole" : floor ? "wb-c-last" : null },
    h("th", { scope: "row" }, row.slice, row.about ? h("span", { class: "wb-numbers" }, row.about) : null),
    h("td", { class: "wb-right wb-quiet" }, `${count(row.n)} / ${count(row.families)}`),
    h("td", {}, picture(FOREST.accuracy, row.said_accuracy, grid(accuracy), pair)),
    h("td", {}, picture(FOREST.width, row.said_difference, grid(d), parts)),
    h("td", { class: "wb-reads" }, h("span", { class: `wb-verdict wb-tone-${tone}`, title: row.full }, sign + row.words),
      h("span", { class: "wb-numbers" }, row.numbers)));
}

// -- which edit did it --------------------------------------------------------------------------------------------------

function blameView(line) {
  const node = h("div", { class: "wb-c-blame" });
  function draw(state) {
    flag(node, "wb-hide", state.state === "none");
    if (state.state === "none") return;
    flag(node, "wb-c-told", state.state === "told");
    node.replaceChildren(h("h3", {}, "Which edit did it?"), ...bodyOf(state));
  }
  function bodyOf(state) {
    if (state.state === "refused") return [h("p", { class: "wb-quiet" }, state.why)];
    if (state.state === "asked") {
      const cost = state.runs ? `${state.runs} more ${state.runs === 1 ? "training" : "trainings"}, ${about(Math.max(state.cost, 1))}` : "everything is trained already";
      return [h("span", { class: "wb-quiet" }, `${state.edits} edits, shared out exactly: ${cost}.`), button("Find out", () => line.send({ do: "blame", on: true }))];
    }
    if (state.state === "works") {
      const stop = h("button", { class: "wb-link-button", onclick: () => line.send({ do: "blame", on: false }) }, "Cancel");
      const bar = h("i", { style: `width:${100 * state.fraction}%` });
      return [h("span", { class: "wb-progress", role: "progressbar", "aria-label": "Trainings", "aria-valuemin": 0, "aria-valuemax": 100,
        "aria-valuenow": Math.round(100 * state.fraction) }, bar), h("span", { class: "wb-quiet" }, state.words ? `training ${state.words}` : "starting"), stop];
    }
    const points = (x) => (x === null ? DASH : signed(100 * x, 1));
    return [h("table", { class: "wb-table" }, h("caption", { class: "wb-said" }, "What each edit adds"), columns([0, 170]),
      h("tbody", {}, state.rows.map((row) => h("tr", { title: row.words }, h("th", { scope: "row" }, row.edit),
        h("td", { class: "wb-right" }, h("b", {}, points(row.numbers[0])), row.numbers[1] === null ? ` ${row.words}` : ` [${points(row.numbers[1])}, ${points(row.numbers[2])}]`))))),
      h("p", { class: "wb-quiet" }, state.how)];
  }
  return { node, draw };
}
