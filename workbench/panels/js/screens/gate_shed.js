// The watershed as a picture: drawn, read column by column, picked from and brushed. 
const hundred = (x) => `${Math.round(100 * x)}`;

// The end of its axis: its highest column.
const heightOf = (one) => Math.max(0.05, ...one.hills.flatMap((hill) => hill.lead.map((lead, i) => lead + hill.foot[i])));

// A watershed as SVG: hills, valley numbers, ticks, labels that never overlap, the selection and the primary item.
function watershed(one, { width, plot, marks, near, high = heightOf(one), labelled = true }) {
  const left = labelled ? 34 : 0, right = labelled ? 6 : 0, span = width - left - right, x = (at) => left + span * at / one.n;
  const labels = labelled ? placed(one, x, left, width) : { rows: 0, list: [] }, top = 4 + 30 * labels.rows, base = top + plot;
  const y = (share) => base - plot * share / high, parts = [];
  const step = high > 0.6 ? 0.25 : high > 0.3 ? 0.1 : 0.05;
  if (labelled) for (let t = 0; t <= high + 1e-9; t += step) {
    parts.push(s("path", { class: t ? "wb-grid" : "wb-zero", d: `M${left} ${y(t)}H${width - right}` }),
      s("text", { class: "wb-end", x: left - 6, y: y(t) + 4 }, hundred(t) + (t + step > high ? " %" : "")));
  }
  let ticks = "";
  for (const hill of one.hills) {
    const n = hill.lead.length, at = (i) => x(hill.start + i * (hill.end - hill.start) / n);
    const steps = (value) => hill[value[0]].map((_, i) => {
      const up = y(value.reduce((sum, key) => sum + hill[key][i], 0)).toFixed(1);
      return `${i ? "L" : ""}${at(i).toFixed(1)} ${up}H${at(i + 1).toFixed(1)}`;
    }).join("");
    const area = (value) => `M${at(0).toFixed(1)} ${base}L${steps(value)}V${base}Z`;
    parts.push(s("g", { class: `wb-f-${hill.slot}` }, s("title", {}, `${nameOf(hill)}: ${hill.share}`),
      s("path", { class: "wb-g-full", d: area(["lead", "foot"]) }), s("path", { class: "wb-g-bed", d: area(["foot"]) }),
      s("path", { class: "wb-g-tint", d: area(["foot"]) })));
    for (const i of hill.ticks) ticks += `M${((at(i) + at(i + 1)) / 2).toFixed(1)} ${base + 3}v4`;
  }
  parts.push(s("path", { class: "wb-g-edge",
    d: one.hills.slice(1).map((hill) => `M${x(hill.start).toFixed(1)} ${top}V${base - 0.5}`).join("") }));
  if (one.seeds > 1) parts.push(s("path", { class: "wb-g-tick", d: ticks }));
  if (labelled) parts.push(valleys(one, x, base, near, left), labels.list.map((label) => drawnLabel(label, y, top)));
  const chosen = marks || { runs: [], at: null };
  if (chosen.runs.length) parts.push(s("path", { class: "wb-g-runs", d: chosen.runs.map(([a,
    b]) => `M${x(a).toFixed(1)} ${base + 9.5}H${Math.max(x(b), x(a) + 1).toFixed(1)}`).join("") }));
  if (chosen.at !== null) {
    const at = x(chosen.at + 0.5);
    parts.push(s("path", { class: "wb-g-here", d: `M${at} ${top}V${base}` }), s("path", { class: "wb-g-point",
      d: `M${at - 4.5} ${base + 16}h9L${at} ${base + 9}Z` }));
  }
  const cursor = s("path", { class: "wb-g-cursor", d: "" }), brush = s("rect", { class: "wb-g-brush", y: top, height: plot, width: 0 });
  const foot = labelled ? 32 : 12, height = base + foot;
  const picture = s("svg", { class: "wb-g-shed", width, height, role: "img", "aria-label": one.words }, parts, brush, cursor);
  const host = h("div", { class: "wb-g-host", tabindex: 0, role: "group",
    "aria-label": "Columns: arrow keys move, Enter looks at the prompt" }, picture);
  host.geometry = { left, span, top, base, cursor, brush };
  return host;
}
const nameOf = (hill) => hill.name || `${hill.members.length} others`;

// Labels in rows above the hills, each with a line down to its peak. No label covers another or another's line: of several
// orders of placing them one after the other, the one with the fewest rows.
const ROWS = 6, APART = 12;
function placed(one, x, left, width) {
  const labels = one.hills.map((hill) => {
    const name = nameOf(hill), cut = hill.name ? name.indexOf("-") : -1;
    const source = cut > 0 ? name.slice(0, cut) : "", word = `${cut > 0 ? name.slice(cut + 1) : name} ${hill.share}`;
    const heights = hill.lead.map((lead, i) => lead + hill.foot[i]), peak = heights.indexOf(Math.max(...heights));
    const foot = x(hill.start + (peak + 0.5) * (hill.end - hill.start) / heights.length);
    return { source, word, foot, at: foot, top: heights[peak], wide: Math.max(textWidth(word, true), textWidth(source)) + 8 };
  });
  for (let round = 0; round < 20; round += 1) {  // lines keep apart: where peaks are closer, they slant
    labels.forEach((label, i) => {
      const gap = i ? APART - (label.at - labels[i - 1].at) : 0;
      if (gap > 0) { label.at += gap / 2; labels[i - 1].at -= gap / 2; }
    });
    for (const label of labels) label.at = Math.max(left - 20, Math.min(width - 4, label.at));
  }
  const orders = [labels, [...labels].reverse(), [...labels].sort((a, b) => b.wide - a.wide), [...labels].sort((a, b) => a.wide - b.wide)];
  const tries = orders.flatMap((order) => [0, 0.7, 3].map((care) => greedy(order, labels, left, width, care)));
  const best = tries.reduce((a, b) => (b.cost < a.cost ? b : a));
  return { rows: 1 + Math.max(0, ...best.boxes.map((box) => box.row)), list: best.boxes };
}
function greedy(order, labels, left, width, care) {
  const boxes = [], inside = (at, box) => box.from - 3 < at && at < box.to + 3;
  const clash = (a, b) => (a.row === b.row ? a.from < b.to && b.from < a.to : a.row > b.row ? inside(a.at, b) : inside(b.at, a));
  let cost = 0;
  for (const label of order) {
    const starts = [label.at - label.wide / 2, label.at - label.wide + 5, label.at - 5].map((from) => Math.max(left - 30, Math.min(from,
      width - label.wide)));
    let best = null;
    for (let row = 0; row < ROWS; row += 1) starts.forEach((from, k) => {
      const box = { ...label, row, from, to: from + label.wide };
      const covers = labels.filter((other) => other !== label && inside(other.at, box)).length;
      const price = row + 0.3 * covers + care * Math.max(0, covers - row) + 0.1 * k + 100 * boxes.filter((other) => clash(box,
        other)).length;
      if (!best || price < best.price) best = { ...box, price };
    });
    boxes.push(best);
    cost += best.row + (best.price >= 100 ? 100 : 0);
  }
  return { boxes, cost: cost + 2 * Math.max(0, ...boxes.map((box) => box.row)) };
}
function drawnLabel(label, y, top) {
  const bottom = top - 4 - 30 * label.row, middle = (label.from + label.to) / 2;
  return s("g", {}, s("path", { class: "wb-g-leader", d: `M${label.at} ${bottom}V${top - 2}L${label.foot} ${y(label.top)}` }),
    label.source ? s("text", { class: "wb-mid", x: middle, y: bottom - 16 }, label.source) : null,
    s("text", { class: "wb-mid wb-g-name", x: middle, y: bottom - 3 }, label.word));
}
let pen = null;
function textWidth(text, bold) {
  pen = pen || document.createElement("canvas").getContext("2d");
  pen.font = `${bold ? 600 : 400} ${bold ? 12 : 11}px "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", Arial, "Liberation Sans", sans-serif`;
  return pen.measureText(text).width;
}
function valleys(one, x, base, near, left) {
  const drawn = [], word = `within ${near}`;
  let last = left + textWidth(word) + 10;
  for (const hill of one.hills.filter((each) => each.valley !== null)) {
    const at = x(hill.end), half = textWidth(String(hill.valley), true) / 2 + 3;
    if (at - half < last) continue;
    last = at + half;
    drawn.push(s("text", { class: "wb-mid wb-g-name", x: at, y: base + 28 }, count(hill.valley)));
  }
  return drawn.length ? [s("text", { x: left, y: base + 28 }, word), drawn] : [];
}

// Reading, picking and selecting columns with the pointer or the keys.
function columnsOf(host, one, line, about, tell) {
  const { left, span, top, base, cursor, brush } = host.geometry, picture = host.querySelector("svg");
  const x = (at) => left + span * at / one.n, clamp = (at) => Math.max(0, Math.min(one.n - 1, at));
  const under = (event) => clamp(Math.floor(one.n * (event.clientX - picture.getBoundingClientRect().left - left) / span));
  let from = null, here = null;
  function point(at) {
    here = at;
    cursor.setAttribute("d", at === null ? "" : `M${x(at + 0.5)} ${top}V${base}`);
    tell(at === null ? "" : columnWords(one, at));
  }
  function sweep(to) {
    const [a, b] = [Math.min(from, to), Math.max(from, to)], on = from !== null && b - a > 0;
    brush.setAttribute("x", x(a)); brush.setAttribute("width", on ? x(b + 1) - x(a) : 0);
    if (on) tell(`${count(b - a + 1)} prompts`);
  }
  picture.addEventListener("pointerdown", (event) => { if (event.button === 0) { from = under(event);
    picture.setPointerCapture(event.pointerId); } });
  picture.addEventListener("pointermove", (event) => { point(under(event)); if (from !== null) sweep(here); });
  picture.addEventListener("pointerleave", () => { if (from === null) point(null); });
  picture.addEventListener("pointercancel", () => { from = null; brush.setAttribute("width", 0); });
  picture.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const to = under(event), far = Math.abs(x(to) - x(from)) >= 4 && to !== from;
    if (far) line.send({ do: "columns", from, to, ...about }); else line.send({ do: "column", at: to, ...about });
    from = null; brush.setAttribute("width", 0);
  });
  host.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 20, PageUp: -20 }[event.key];
    if (by) point(here === null ? 0 : clamp(here + by * (event.shiftKey ? 10 : 1)));
    else if (event.key === "Enter" && here !== null) line.send({ do: "column", at: here, ...about });
    else return;
    event.preventDefault();
  });
}
function columnWords(one, at) {
  const hill = one.hills.find((each) => at < each.end) || one.hills[one.hills.length - 1];
  const i = Math.min(hill.lead.length - 1, Math.floor((at - hill.start) * hill.lead.length / (hill.end - hill.start)));
  const lead = `${hundred(hill.lead[i])} points ahead`;
  if (!one.whole) return `${nameOf(hill)}, ${lead}`;
  const rival = one.names[one.rivals[at]];
  return `${one.names[one.leaders[at]]}, ${lead}${rival ? ` of ${rival}` : ""}`;
}

PIECES.shed = { watershed, heightOf, columnsOf, textWidth };
