// Baseline against candidate: one row a slice, the accuracy pair, the paired interval, and what it reads as in words.
const FOREST = { width: 240, pad: 10, accuracy: 124, height: 40 };

function comparison(line) {
  const lead = h("p", { class: "wb-lead" }), note = h("p", { class: "wb-quiet" }), body = h("tbody", {});
  const pin = h("button", { class: "wb-button", onclick: () => line.send({ do: "pin" }) }, "Pin as baseline");
  const accuracyAxis = h("span", {}), differenceAxis = h("span", {}), column = (...words) => h("th", { scope: "col" }, words);
  const table = h("table", { class: "wb-table wb-forest" },
    columns([0, 112, FOREST.accuracy + 16, FOREST.width + 16, 216]),
    h("thead", {}, h("tr", {}, column("Slice"), h("th", { scope: "col", class: "wb-right" }, "Pairs / families"),
      column("Accuracy, %", accuracyAxis), column("Candidate \u2212 baseline, points", differenceAxis), column("Reads as"))), body);
  const key = h("div", { class: "wb-key" }, mark("base"), "baseline", mark("cand"), "candidate",
    s("svg", { class: "wb-mark", width: 26, height: 11, "aria-hidden": "true" }, s("path", { class: "wb-interval", d: "M1 5.5H25" }),
      s("circle", { class: "wb-nil", cx: 13, cy: 5.5, r: 3.5 })), "95 % interval, families and seeds");
  const scroll = h("div", { class: "wb-scroll", tabindex: 0, role: "group", "aria-label": "Baseline against candidate, by slice" }, table);
  const full = h("div", {}, scroll, key);
  const node = h("section", { class: "wb-compare", "aria-label": "Baseline against candidate" },
    h("div", { class: "wb-lead-row" }, h("div", {}, lead, note), h("span", { class: "wb-space" }), pin), full);
  let last = "";
  function draw(state) {
    const c = state.comparison;
    flag(full, "wb-hide", !c || !c.rows); flag(pin, "wb-hide", !c || !c.rows);
    pin.disabled = Boolean(state.job && state.job.running);
    lead.replaceChildren(...said(c ? c.lead : state.waiting.lead));
    write(note, c ? c.note : state.waiting.note);
    const now = JSON.stringify(c);
    if (now === last || !c || !c.rows) { last = now; return; }
    last = now;
    const scale = scales(c.rows);
    accuracyAxis.replaceChildren(axisPicture(FOREST.accuracy, scale.accuracy, (t) => String(t)));
    differenceAxis.replaceChildren(axisPicture(FOREST.width, scale.difference, (t) => signed(t, scale.digits)));
    body.replaceChildren(...c.rows.map((row) => forestRow(row, scale)));
  }
  return { node, draw };
}

// A sentence comes as parts; every second one is bold.
const said = (parts) => parts.map((part, index) => (index % 2 ? h("b", {}, part) : part));

function scales(rows) {
  const accuracies = rows.flatMap((r) => [r.accuracy[0], r.accuracy[1]]).filter((a) => a !== null).map((a) => 100 * a);
  const spans = rows.flatMap((r) => [r.difference, r.low, r.high]).filter((d) => d !== null).map((d) => Math.abs(100 * d));
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

function forestRow(row, scale) {
  const { height } = FOREST, middle = height / 2;
  const grid = (axis) => axis.ticks.map((t) => s("path", { class: "wb-grid", d: `M${axis.at(t)} 0V${height}` }));
  const picture = (width, said, ...parts) => s("svg", { width, height, role: "img", "aria-label": said }, parts);
  const { accuracy, difference: d } = scale, pair = [];
  if (row.accuracy[0] !== null) {
    const [a, b] = row.accuracy.map((value) => accuracy.at(100 * value));
    pair.push(s("path", { class: "wb-link", d: `M${a} ${middle}H${b}` }), dot("base", a, middle, 4), dot("cand", b, middle, 4));
  }
  const tone = row.tone || "nil", x = (share) => d.at(100 * share);
  const forest = [s("path", { class: "wb-zero", d: `M${x(0)} 0V${height}` })];
  if (row.low !== null) forest.push(s("path", { class: `wb-interval wb-tone-${tone}`, d: `M${x(row.low)} ${middle}H${x(row.high)}` }));
  if (row.difference !== null) forest.push(s("circle", { class: `wb-point wb-tone-${tone}`, cx: x(row.difference), cy: middle, r: 4 }));
  const sign = { pos: "\u25b2 ", neg: "\u25bc " }[tone] || "";
  return h("tr", { class: row.whole ? "wb-whole" : null }, h("th", { scope: "row" }, row.slice),
    h("td", { class: "wb-right wb-quiet" }, `${count(row.n)} / ${count(row.families)}`),
    h("td", {}, picture(FOREST.accuracy, row.said_accuracy, grid(accuracy), pair)),
    h("td", {}, picture(FOREST.width, row.said_difference, grid(d), forest)),
    h("td", { class: "wb-reads" }, h("span", { class: `wb-verdict wb-tone-${tone}`, title: row.full }, sign + row.words),
      h("span", { class: "wb-numbers" }, row.numbers)));
}
