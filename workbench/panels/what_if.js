// The What-if panel: objectives on the left, this edit on the right, baseline against candidate beneath.
// It draws the one trait `state` and hears of a running job by message; the kernel does all the reckoning.
const RHO = { width: 142, pad: 8 };

function render({ model, el }) {
  const root = h("div", { class: "wb", role: "region", "aria-label": "What-if panel" });
  const silence = h("div", { class: "wb-note wb-hide", role: "status" },
    h("b", {}, "The kernel does not answer. "), "What is drawn is its last state. It is busy, or it is gone: then run this cell again.");
  const line = lineOf(model, (silent) => {
    flag(silence, "wb-hide", !silent); flag(root, "wb-cold", silent);
    if (silent && model.get("state").objectives) list.draw(model.get("state"), true);  // back from what was asked to what is
  });
  const head = header(line), list = objectives(line), side = aside(line), below = comparison(line);
  root.append(silence, head.node, h("div", { class: "wb-two" }, list.node, side.node, below.node));
  // Keys pressed here are the panel's: the notebook would move or cut a cell.
  root.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation(); });
  el.append(root);

  function draw() {
    const state = model.get("state");
    if (!state || !state.objectives) return;
    const settled = line.hear(state.ack);
    head.draw(state);
    list.draw(state, settled);
    side.draw(state, settled);
    below.draw(state);
  }
  const heard = (message) => { if (message && message.job) { side.job(message.job); head.job(message.job); } };
  model.on("change:state", draw);
  model.on("msg:custom", heard);
  draw();
  line.send({ do: "hello" });
  return () => { model.off("change:state", draw); model.off("msg:custom", heard); line.close(); };
}

// -- header: study, baseline, candidate, the tree of edits ------------------------------------------------------------

function header(line) {
  const study = h("b", {}), hash = h("code", {}), baseline = h("b", {}), candidate = h("b", {}), stale = h("span", { class: "wb-quiet" });
  const candidateMark = h("span", {}), tree = h("div", { class: "wb-tree", role: "group", "aria-label": "History of edits" });
  const undo = named(h("button", { class: "wb-icon-button", onclick: () => line.send({ do: "undo" }) }, icon(UNDO)), "Undo");
  const redo = named(h("button", { class: "wb-icon-button", onclick: () => line.send({ do: "redo" }) }, icon(REDO)), "Redo");
  const node = h("div", { class: "wb-head" },
    h("span", { class: "wb-who wb-study" }, study, hash),
    h("span", { class: "wb-who" }, mark("base"), h("span", { class: "wb-quiet" }, "Baseline"), baseline),
    h("span", { class: "wb-who" }, candidateMark, h("span", { class: "wb-quiet" }, "Candidate"), candidate, stale),
    h("span", { class: "wb-space" }), tree, undo, redo);
  let steps = "";
  function draw(state) {
    write(study, state.study.name); write(hash, state.study.hash);
    write(baseline, state.baseline.label); write(candidate, state.candidate ? state.candidate.label : "none yet");
    candidate.title = state.candidate ? state.candidate.label : "";
    flag(candidate, "wb-none", !state.candidate);
    write(stale, state.candidate && state.candidate.note ? state.candidate.note : "");
    candidateMark.replaceChildren(mark(state.candidate ? "cand" : "ghost"));
    undo.disabled = !state.history.undo; redo.disabled = !state.history.redo;
    const key = JSON.stringify(state.history.steps);
    if (key !== steps) { steps = key; drawTree(tree, state.history.steps, line); }
  }
  return { node, draw, job() {} };
}

function drawTree(tree, steps, line) {
  const width = 28 * steps.length, y = (step) => 14 + 7 * (step.lane % 2 ? Math.ceil(step.lane / 2) : -step.lane / 2);
  const x = (index) => 14 + 28 * index, place = new Map(steps.map((step, index) => [step.at, index]));
  const edges = [], dots = [];
  steps.forEach((step, index) => {
    const from = place.get(step.parent);
    if (from !== undefined) {
      const middle = (x(from) + x(index)) / 2, [a, b] = [y(steps[from]), y(step)];
      edges.push(s("path", { class: "wb-edge", d: `M${x(from)} ${a}C${middle} ${a} ${middle} ${b} ${x(index)} ${b}` }));
    }
    if (step.here) dots.push(s("circle", { class: "wb-here", cx: x(index), cy: y(step), r: 7.5 }));
    dots.push(dot(step.kind, x(index), y(step), 4));
  });
  const picture = s("svg", { width, height: 28, viewBox: `0 0 ${width} 28`, "aria-hidden": "true" }, edges, dots);
  const buttons = steps.map((step) => named(
    h("button", { class: "wb-step", "aria-current": step.here ? "step" : null, onclick: () => line.send({ do: "go", step: step.at }) }),
    step.label));
  tree.replaceChildren(picture, h("div", { class: "wb-steps" }, buttons));
}

// -- objectives -------------------------------------------------------------------------------------------------------

function objectives(line) {
  const sum = h("span", { class: "wb-quiet" }), debias = select("Debias target", "Debias target: what to take out of the objectives");
  debias.box.addEventListener("change", () => line.send({ do: "debias", value: debias.box.value || null }));
  const ends = [h("i", {}), h("i", {}, "0"), h("i", {})], subject = h("span", {});
  const body = h("tbody", {}), column = (about, ...words) => h("th", { scope: "col", ...about }, words);
  const node = h("section", { class: "wb-objectives", "aria-label": "Objectives" },
    h("div", { class: "wb-bar" }, h("h3", {}, "Objectives"), sum, h("span", { class: "wb-space" }), debias.node),
    h("table", { class: "wb-table" },
      columns([104, 44, 0, 116, 66, 0, 150, 82]),
      h("thead", {}, h("tr", {}, h("th", {}), h("th", {}), column({}, "Objective"), column({ colspan: 2 }, "Multiplier"),
        column({}, "Swap for"), column({ class: "wb-axis" }, subject, h("span", {}, ends)),
        column({ class: "wb-right" }, "Decides %"))), body));
  let rows = [], names = "";
  function draw(state, settled) {
    const key = JSON.stringify([state.objectives.map((o) => [o.name, o.group]), state.swaps]);
    if (key !== names) {
      names = key;
      rows = state.objectives.map((o) => objectiveRow(o, state, line));
      body.replaceChildren(...rows.map((row) => row.node));
      fill(debias.box, [["", "none"]], state.debias.options);
    }
    write(sum, state.summary);
    write(subject, state.length ? `Correlation with ${state.length}` : "Correlation with length");
    const reach = String(state.axis).replace("0.", ".");
    write(ends[0], MINUS + reach); write(ends[2], reach);
    if (settled) { pick(debias.box, state.debias.value); flag(debias.node, "wb-edited", state.debias.edited); }
    const most = Math.max(...state.objectives.map((o) => o.share || 0), 1e-9);
    rows.forEach((row, index) => row.draw(state.objectives[index], state, settled, most));
  }
  return { node, draw };
}

function objectiveRow(objective, state, line) {
  const { name } = objective;
  let gesture = 0;
  const multiplier = (value, live) => ({ do: "multiplier", name, value: Number(value), gesture: live ? `${name} ${gesture}` : null });
  const toggle = h("button", { class: "wb-switch", role: "switch", "aria-label": name, onclick: () => {
    const on = toggle.getAttribute("aria-checked") !== "true";
    toggle.setAttribute("aria-checked", String(on));
    line.send({ do: "objective", name, on });
  } }, h("i", {}));
  const show = (value) => { slider.style.setProperty("--at", `${Math.min(100, 50 * value)}%`); };
  const input = (type, label, about) => h("input", { type, min: 0, "aria-label": `${name}: ${label}`, ...about });
  const slider = input("range", "multiplier", { class: "wb-slider", max: 2, step: 0.05 });
  const number = input("number", "multiplier, number", { class: "wb-number", max: 1000, step: "any" });
  slider.addEventListener("pointerdown", () => { gesture = Date.now(); });
  slider.addEventListener("keydown", () => { gesture = Date.now(); });
  slider.addEventListener("input", () => {
    show(slider.value); number.value = tidy(Number(slider.value));
    line.drag(multiplier(slider.value, true));
  });
  slider.addEventListener("change", () => line.send(multiplier(slider.value, true)));
  slider.addEventListener("dblclick", () => line.send(multiplier(1, false)));
  number.addEventListener("change", () => {
    if (number.value !== "" && number.checkValidity()) line.send(multiplier(number.value, false));
    else line.send({ do: "hello" });
  });
  number.addEventListener("keydown", (event) => {
    const way = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
    if (!way) return;
    event.preventDefault();
    number.value = tidy(Math.max(0, Number(number.value) + way));
    line.send(multiplier(number.value, false));
  });
  const swap = h("select", { "aria-label": `${name}: swap for` });
  fill(swap, [["", "as rated"]], state.swaps, name);
  swap.addEventListener("change", () => line.send({ do: "swap", name, column: swap.value || null }));
  const label = h("td", { class: "wb-name" }, name), rho = h("td", { class: "wb-c-rho" });
  const bar = h("i", {}), decides = h("span", {}), cells = [];
  if (objective.first) cells.push(groupHead(objective));
  const node = h("tr", { class: objective.first ? "wb-first" : null }, cells, h("td", {}, toggle), label, h("td", {}, slider),
    h("td", { class: "wb-times" }, TIMES, number), h("td", {}, h("label", { class: "wb-swap" }, icon(CHEVRON), swap)), rho,
    h("td", { class: "wb-decides" }, bar, decides));
  let last = "";
  function draw(o, whole, settled, most) {
    const quiet = document.activeElement !== number;
    flag(node, "wb-off", !o.on); flag(node, "wb-edited", o.edited);
    if (settled) {
      toggle.setAttribute("aria-checked", String(o.on));
      slider.value = o.multiplier; show(o.multiplier);
      if (quiet || Number(number.value) !== o.multiplier) number.value = tidy(o.multiplier);
      pick(swap, o.swap); flag(swap.parentNode, "wb-used", o.swap);
      for (const control of [slider, number, swap]) control.disabled = !o.on;
      slider.setAttribute("aria-valuetext", `${TIMES}${o.multiplier}`);
    }
    for (const control of [slider, number]) flag(control, "wb-moved", o.multiplier !== 1);
    const key = JSON.stringify([o.before, o.after, whole.axis, whole.retrained]);
    if (key !== last) { last = key; rho.replaceChildren(rhoPicture(o, whole)); }
    bar.style.width = `${o.share === null ? 0 : 32 * o.share / most}px`;
    write(decides, o.null || o.share === null ? DASH : percent(o.share));
    decides.title = o.null ? "Zero after debias: its gate weight is a null expert" : "";
  }
  return { node, draw };
}

function groupHead({ first, slot, group }) {
  return h("th", { class: `wb-group wb-f-${slot}`, rowspan: first, scope: "rowgroup", "aria-label": `${group} group`, title: group },
    h("span", { class: "wb-band" }), shape(slot), h("span", { class: "wb-word" }, group));
}

function rhoPicture(o, whole) {
  const { width, pad } = RHO, x = (r) => width / 2 + (width / 2 - pad) * Math.max(-1, Math.min(1, r / whole.axis));
  const parts = [s("path", { class: "wb-zero", d: `M${width / 2} 0V20` })], words = [];
  if (o.before !== null && o.after !== null) parts.push(s("path", { class: "wb-link", d: `M${x(o.before)} 10H${x(o.after)}` }));
  if (o.before !== null) { parts.push(dot("base", x(o.before), 10, 3.2)); words.push(`${share(o.before)} before`); }
  if (o.after !== null) { parts.push(dot("cand", x(o.after), 10, 3.6)); words.push(`${share(o.after)} after`); }
  const said = words.length ? `${o.name}: correlation with ${whole.length} ${words.join(", ")}` : `${o.name}: no correlation yet`;
  return s("svg", { class: "wb-rho", width, height: 20, role: "img", "aria-label": said }, s("title", {}, said), parts);
}

function select(word, label) {
  const box = h("select", { "aria-label": label });
  return { box, node: h("label", { class: "wb-pick" }, h("span", {}, word), box, icon(CHEVRON)) };
}
function fill(box, first, groups, but) {
  const option = ([value, text]) => h("option", { value }, text);
  box.replaceChildren(...first.map(option), ...groups.map((group) =>
    h("optgroup", { label: group.label }, group.names.filter((name) => name !== but).map((name) => option([name, name])))));
}
function pick(box, value) {
  const wanted = value === null || value === undefined ? "" : String(value);
  if (![...box.options].some((option) => option.value === wanted)) box.append(h("option", { value: wanted }, wanted));
  if (box.value !== wanted) box.value = wanted;
}

export default { render };
