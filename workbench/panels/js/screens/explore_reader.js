// The reader: one item in full; what only one answer has is underlined, solid in the chosen one, dashed in the rejected one.
PIECES.reader = (line, shell) => {
  const head = h("h3", {}), about = h("span", { class: "wb-quiet wb-r-about" });
  const tool = (path, label, by) => named(h("button", { class: "wb-icon-button", onclick: () => line.send({ do: "step", by }) }, icon(path)), label);
  const previous = tool("M4.500 9.500 8 6l3.500 3.500", "Previous item (k)", -1), next = tool(CHEVRON, "Next item (j)", 1);
  const reason = h("span", { class: "wb-said" }), change = button("", () => (edits.why ? shell.say(edits.why) : line.send({ do: edits.item ? "unedit" : "edit" })));
  const word = h("span", {}), editor = PIECES.textEdit(line);
  change.append(word, reason);
  const bar = h("div", { class: "wb-bar" }, head, about, h("span", { class: "wb-space" }), change, previous, next);
  const body = h("div", { class: "wb-r-body" }), node = h("div", {}, bar, body);
  let shown = { item: null }, edits = { item: null, why: "" };
  function drawEdit(data) {
    const opens = data.item && data.item !== edits.item && document.activeElement === change, was = editing();
    edits = data;
    write(word, data.item ? "Undo edit" : "Edit a text"); write(reason, data.why ? `: ${data.why}` : "");
    change.setAttribute("aria-disabled", String(Boolean(data.why))); change.title = data.why;
    if (editing()) editor.draw(data);
    if (editing() !== was) draw(shown);
    if (opens && editing()) editor.focus();
  }
  const editing = () => shown.item !== null && edits.item === shown.item;
  function draw(data) {
    shown = data;
    flag(bar, "wb-hide", data.item === null);
    if (data.item === null) {
      body.replaceChildren(blank("No item is open.", "Choose a row of the table or a mark of the map: its texts are read here. j and k go to the next and the last."));
      return;
    }
    write(head, `Item ${data.item}`); write(about, data.about);
    if (editing()) {
      if (editor.node.parentNode !== body) body.replaceChildren(editor.node);
      return;
    }
    if (!data.text) {
      body.replaceChildren(h("p", { class: "wb-quiet" }, "This study has no texts: its answers are known by their ids."),
        h("div", { class: "wb-r-two" }, ["chosen", "rejected"].map((side, k) => h("div", {}, sideHead(side, k, data), h("p", {}, data.ids[side])))));
      return;
    }
    const all = ["prompt", "chosen", "rejected"].filter((name) => data[name].cut), longest = Math.max(...["prompt", "chosen", "rejected"].map((name) => data[name].length));
    body.replaceChildren(
      h("div", { class: "wb-r-prompt" }, h("div", { class: "wb-quiet" }, "Prompt"), paragraph(data.prompt, "")),
      h("div", { class: "wb-r-two" }, ["chosen", "rejected"].map((side, k) => h("div", {}, sideHead(side, k, data), paragraph(data[side], side)))),
      h("div", { class: "wb-r-key" },
        data.note ? h("span", {}, data.note) : [h("span", { class: "wb-r-chosen" }, "only in chosen"), h("span", { class: "wb-r-rejected" }, "only in rejected")],
        all.length ? button(`Show all ${count(longest)} characters`, () => line.send({ do: "whole" })) : null,
        h("span", { class: "wb-space" }), h("span", {}, `${count(data.words[0])} and ${count(data.words[1])} words`)));
  }
  return { node, parts: { "explore.reader": draw, "explore.edit": drawEdit } };
};

function sideHead(side, k, { rewards }) {
  const told = [["base", "baseline"], ["cand", "candidate"]].filter(([key]) => rewards[key]);
  return h("div", { class: "wb-r-head" }, h("span", { class: "wb-quiet" }, side === "chosen" ? "Chosen" : "Rejected"), h("span", { class: "wb-space" }),
    told.map(([key, word]) => h("span", { class: key === "cand" ? "wb-r-strong" : null, title: `reward, ${word}, ${UNITS}` }, mark(key), " ", fixed(rewards[key][k], 2))));
}

function paragraph({ runs, cut }, side) {
  return h("p", { class: "wb-r-text", dir: "auto" }, runs.map(([text, marked]) => (marked ? h("mark", { class: `wb-r-${side}` }, text) : text)), cut ? " …" : null);
}

// -- why this margin: a running sum; each bar starts where the last one ended -------------------------------------------

const SHARES = { weights: "share of the gate, sums to 1", coefficients: "effective coefficient, the gate's scale divided out" };
const SUM = { width: 396, name: 142, weight: 182, gap: 226, left: 236, right: 344, row: 24, top: 22 };

PIECES.why = (line) => {
  const which = segments("Whose margin", [["candidate", "Candidate"], ["baseline", "Baseline"]], (value) => line.send({ do: "why", why: value }));
  const how = segments("What is multiplied", [["weights", "Weights"], ["coefficients", "Coefficients"]], (value) => line.send({ do: "why", how: value }));
  how.node.title = "Gate weights are never negative and weigh the debiased scores; effective coefficients are signed and weigh the scores before debias. Both add up to the margin.";
  const picture = h("div", {}), words = h("div", { class: "wb-y-words" });
  const node = h("div", {}, h("div", { class: "wb-bar wb-y-bar" }, h("h3", {}, "Why this margin"), h("span", { class: "wb-space" }), how.node, which.node), picture, words);
  function draw(data) {
    flag(which.node, "wb-hide", !data.both); flag(how.node, "wb-hide", !data.signed || !data.rows);
    if (!data.rows) {
      picture.replaceChildren(data.why ? h("p", { class: "wb-quiet wb-y-none" }, data.why, data.margin === undefined ? "" : ` Margin ${signed(data.margin, 3)}.`)
        : h("p", { class: "wb-quiet wb-y-none" }, "The parts of an item's margin stand here, largest first, and add up to it."));
      words.replaceChildren();
      return;
    }
    which.show(data.which); how.show(data.how);
    picture.replaceChildren(sumPicture(data));
    const seeds = data.seeds ? ` Margin ${signed(data.margin, 3)}, seeds ${signed(data.seeds[0], 2)} to ${signed(data.seeds[1], 2)}.` : ` Margin ${signed(data.margin, 3)}, one seed.`;
    words.replaceChildren(data.before === null ? "" : h("p", {}, h("span", { class: "wb-tag" }, "edited, not in the study"), ` Before the edit ${signed(data.before, 3)}.`),
      h("p", {}, said(data.mass), data.penalty.length ? " " : "", said(data.penalty), seeds),
      data.null.length ? h("p", {}, `${data.null.join(", ")}: zero after debias. What the gate gives ${data.null.length > 1 ? "them" : "it"} weighs nothing and is left out.`) : "");
  }
  return { node, parts: { "explore.why": draw } };
};

function sumPicture(data) {
  const { width, name, weight, gap, left, right, row, top } = SUM, steps = [];
  let at = 0;
  for (const [label, slot, w, d, part] of data.rows) { steps.push({ label, slot, w, d, part, from: at, to: at + part }); at += part; }
  if (data.others) { steps.push({ label: `${data.others[0]} others`, slot: "rest", part: data.others[1], from: at, to: at + data.others[1] }); at += data.others[1]; }
  const ends = steps.flatMap((step) => [step.from, step.to]).concat([0, at, data.ring === null ? 0 : data.ring]);
  const low = Math.min(...ends), high = Math.max(...ends), x = (value) => left + (right - left) * (value - low) / Math.max(high - low, 1e-12);
  const y = (i) => top + row * i, height = y(steps.length) + row + 6, text = (cls, px, py, words, title) => s("text", { class: cls, x: px, y: py }, title ? s("title", {}, title) : null, words);
  const short = (label) => (label.length > 19 ? `${label.slice(0, 18)}…` : label);
  const parts = [text("wb-y-head", 0, 12, "Objective"), text("wb-y-head wb-end", weight, 12, data.how === "coefficients" ? "Coeff." : "Weight", SHARES[data.how === "coefficients" ? "coefficients" : "weights"]), text("wb-y-head wb-end", gap, 12, "Δ score"),
    text("wb-y-head", left, 12, "Running sum"), text("wb-y-head wb-end", width, 12, "Adds"),
    s("path", { class: "wb-grid", d: `M0 ${top - 4}H${width}` }), s("path", { class: "wb-zero", d: `M${x(0)} ${top}V${height - 4}` })];
  steps.forEach((step, i) => {
    const middle = y(i) + row / 2, kind = step.part < 0 ? "wb-y-bar-less" : "wb-y-bar-more";
    parts.push(s("g", { class: `wb-f-${step.slot}` },
      step.slot === "rest" ? null : s("g", { transform: `translate(0 ${middle - 5})` }, s("path", { class: "wb-shape", d: SHAPES[step.slot] })),
      s("text", { class: "wb-y-name", x: 15, y: middle + 4 }, s("title", {}, step.label), short(step.label)),
      step.w === undefined ? null : text("wb-y-number", weight, middle + 4, fixed(step.w, 3)), step.d === undefined ? null : text("wb-y-number", gap, middle + 4, signed(step.d, 2)),
      s("rect", { class: kind, x: Math.min(x(step.from), x(step.to)), y: middle - 5, width: Math.max(1, Math.abs(x(step.to) - x(step.from))), height: 10 }),
      text("wb-y-number wb-y-full", width, middle + 4, signed(step.part, 3)),
      s("path", { class: "wb-y-step", d: `M${x(step.to)} ${middle + 5}V${middle + row - 5}` })));
  });
  const last = y(steps.length) + row / 2;
  parts.push(s("path", { class: "wb-y-rule", d: `M0 ${last - row / 2}H${width}` }), text("wb-y-name wb-y-total", 15, last + 4, "Margin", UNITS),
    s("rect", { class: data.which === "candidate" ? "wb-y-sum" : "wb-y-sum-base", x: Math.min(x(0), x(at)), y: last - 3.5, width: Math.max(1, Math.abs(x(at) - x(0))), height: 7 }),
    text("wb-y-number wb-y-total", width, last + 4, signed(data.margin, 3)));
  if (data.ring !== null) parts.push(dot("base", x(data.ring), last, 4));
  const told = `${data.before === null ? "" : "Edited, not in the study. "}Margin ${signed(data.margin, 3)}: ${steps.map((step) => `${step.label} adds ${signed(step.part, 3)}`).join(", ")}.${data.ring === null ? "" : ` Baseline margin ${signed(data.ring, 3)}.`}`;
  return s("svg", { class: "wb-y-sumup", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": told }, parts);
}
