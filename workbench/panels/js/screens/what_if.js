// The What-if screen: objectives on the left; this edit, its preview, Retrain and the running job on the right.
const RHO = { width: 142, pad: 8 }, MANY = 26;  // rows from which the table scrolls in itself

SCREENS.what_if = (line, shell) => {
  const list = objectives(line), side = PIECES.edit(line, shell), node = h("div", { class: "wb-two wb-what-if" }, list.node, side.node);
  let last = null;
  function draw(state, settled) {
    last = state;
    list.draw(state, settled); side.draw(state, settled);
  }
  const settle = () => last && draw(last, true);  // back from what was asked to what is
  return {
    node, parts: { what_if: draw, "what_if.run": side.run, "what_if.sure": side.sure }, job: side.job, settle, silent: settle,
    trouble: (found) => { side.trouble(found); list.answered(found); },
  };
};

function objectives(line) {
  const sum = h("span", { class: "wb-quiet" }), debias = PIECES.debias(line), gate = PIECES.gate(line);
  const ends = [h("i", {}), h("i", {}, "0"), h("i", {})], subject = h("span", {});
  const body = h("tbody", {}), column = (about, ...words) => h("th", { scope: "col", ...about }, words);
  const widths = columns([104, 44, 0, 116, 66, 86, 150, 82]);
  const scroll = h("div", { class: "wb-rows", role: "group", "aria-label": "Table of objectives" }, h("table", { class: "wb-table" }, widths,
    h("thead", {}, h("tr", {}, h("th", {}), h("th", {}), column({}, "Objective"), column({ colspan: 2 }, "Multiplier"),
      column({}, "Swap for"), column({ class: "wb-axis" }, subject, h("span", {}, ends)),
      column({ class: "wb-right" }, "Decides %"))), body));
  const node = h("section", { class: "wb-objectives", "aria-label": "Objectives" },
    h("div", { class: "wb-bar wb-wrap" }, h("h3", {}, "Objectives"), sum, h("span", { class: "wb-space" }), debias.node, gate.node), scroll);
  let rows = [], names = "";
  function draw(state, settled) {
    const key = JSON.stringify([state.objectives.map((o) => [o.name, o.group]), state.swaps]);
    if (key !== names) {
      names = key;
      rows = state.objectives.map((o) => objectiveRow(o, state, line));
      body.replaceChildren(...rows.map((row) => row.node));
      const many = rows.length > MANY;
      flag(scroll, "wb-many", many);
      if (many) scroll.setAttribute("tabindex", "0"); else scroll.removeAttribute("tabindex");
    }
    widths.children[5].style.width = state.objectives.some((o) => o.swap) ? "148px" : "86px";
    write(sum, state.summary);
    write(subject, `Correlation with ${state.length || "length"}`);
    subject.title = state.length ? "" : "This study has no text and no verbosity: no length is known";
    const reach = String(state.axis).replace("0.", ".");
    write(ends[0], state.length ? MINUS + reach : ""); write(ends[1], state.length ? "0" : "unknown"); write(ends[2], state.length ? reach : "");
    debias.draw(state.debias, settled); gate.draw(state.gate);
    const most = Math.max(...state.objectives.map((o) => o.share || 0), 1e-9), left = state.objectives.filter((o) => o.on).length;
    rows.forEach((row, index) => row.draw(state.objectives[index], state, settled, most, left));
  }
  return { node, draw, answered: gate.answered };
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
  const label = h("td", { class: "wb-name", title: name }, name), rho = h("td", { class: "wb-c-rho" });
  const bar = h("i", {}), decides = h("span", {}), cells = [];
  if (objective.first) cells.push(groupHead(objective));
  const node = h("tr", { class: objective.first ? "wb-first" : null }, cells, h("td", {}, toggle), label, h("td", {}, slider),
    h("td", { class: "wb-times" }, TIMES, number), h("td", {}, h("label", { class: "wb-swap" }, icon(CHEVRON), swap)), rho,
    h("td", { class: "wb-decides" }, bar, decides));
  let last = "";
  function draw(o, whole, settled, most, left) {
    const quiet = document.activeElement !== number;
    flag(node, "wb-off", !o.on); flag(node, "wb-edited", o.edited);
    toggle.disabled = o.on && left === 1;
    toggle.title = toggle.disabled ? "The last objective that is on stays on" : "";
    if (settled) {
      toggle.setAttribute("aria-checked", String(o.on));
      slider.value = o.multiplier; show(o.multiplier);
      if (quiet || Number(number.value) !== o.multiplier) number.value = tidy(o.multiplier);
      pick(swap, o.swap); flag(swap.parentNode, "wb-used", o.swap);
      swap.title = o.swap || "";
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
    h("span", { class: "wb-band" }), h("span", { class: "wb-group-name" }, shape(slot), h("span", { class: "wb-word" }, group)));
}

function rhoPicture(o, whole) {
  const { width, pad } = RHO, x = (r) => width / 2 + (width / 2 - pad) * Math.max(-1, Math.min(1, r / whole.axis));
  const parts = [s("path", { class: "wb-zero", d: `M${width / 2} 0V20` })], words = [], kind = whole.retrained ? "cand" : "ghost";
  if (o.before !== null && o.after !== null) parts.push(s("path", { class: "wb-link", d: `M${x(o.before)} 10H${x(o.after)}` }));
  if (o.before !== null) { parts.push(dot("base", x(o.before), 10, 3.2)); words.push(`${share(o.before)} before`); }
  if (o.after !== null) { parts.push(dot(kind, x(o.after), 10, 3.6)); words.push(`${share(o.after)} after`); }
  const said = words.length ? `${o.name}: correlation with ${whole.length} ${words.join(", ")}` : `${o.name}: no correlation ${whole.length ? "yet" : "known"}`;
  return s("svg", { class: "wb-rho", width, height: 20, role: "img", "aria-label": said }, s("title", {}, said), parts);
}
