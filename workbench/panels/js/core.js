// Small parts shared by the panels: elements, marks, numbers, and the line to the kernel. Joined in front of the module.
const SCREENS = {}, PIECES = {};  // filled by the files of js/screens: screens, and what they are made of
const SVG = "http://www.w3.org/2000/svg";
const MINUS = "\u2212", THIN = "\u2009", TIMES = "\u00d7", DASH = "\u2013";

function put(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}
// Strings become text nodes: nothing that a user wrote is ever read as markup.
const h = (tag, attributes, ...children) => put(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => put(document.createElementNS(SVG, tag), attributes, children);
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };

function flag(node, name, on) { node.classList.toggle(name, Boolean(on)); }

const SHAPES = {
  instruction: "M5 .4 9.6 5 5 9.6.4 5Z", helpful: "M1 5a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z", truth: "M1.2 1.2h7.6v7.6h-7.6Z",
  safety: "M5 .8 9.6 9H.4Z", code: "M3.4.8h3.2v2.6h2.6v3.2H6.6v2.6H3.4V6.600H.8V3.400h2.600Z", form: "M.2 3.500h9.600v3H.2Z",
  other: "M5 .6 9.400 3.900 7.700 9.100H2.300L.6 3.900Z",
};
const glyph = (kind, size, ...parts) =>
  s("svg", { class: kind, width: size, height: size, viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" }, parts);
const shape = (slot) => glyph("wb-shape", 10, s("path", { d: SHAPES[slot] }));

// One sign for everything: hollow grey baseline, filled blue candidate, dashed outline not retrained.
const mark = (kind) => glyph("wb-mark", 11, dot(kind, 5.5, 5.5, 4));
const dot = (kind, x, y, r) => s("circle", { class: `wb-${kind}`, cx: x, cy: y, r });
// On an axis that ends: what lies beyond it is a small triangle that points outward, in the style of its mark.
const atEnd = (kind, x, y, r, way) => (!way ? dot(kind, x, y, r)
  : s("path", { class: `wb-${kind} wb-beyond`, d: `M${x + way * r} ${y}l${-1.8 * way * r} ${r}v${-2 * r}Z` }));
const beyond = (value, reach) => (Math.abs(value) > reach ? Math.sign(value) : 0);
const icon = (path) => glyph("wb-icon", 16, s("path", { d: path }));
const CHEVRON = "M4.500 6.500 8 10l3.500-3.500", UNDO = "M6 3.500 3 6.500l3 3M3.200 6.500h6.300a3.500 3.500 0 0 1 0 7H7";
const REDO = "M10 3.500l3 3-3 3M12.800 6.500H6.500a3.500 3.500 0 0 0 0 7H9";

const UNITS = "in training deviations of the scores, the gate's scale divided out";
const count = (n) => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, THIN);
const fixed = (x, digits) => x.toFixed(digits).replace("-", MINUS);
const signed = (x, digits) => (Number(x.toFixed(digits)) === 0 ? "" : x > 0 ? "+" : MINUS) + Math.abs(x).toFixed(digits);
const share = (x) => signed(x, 2).replace("0.", ".");
const percent = (x) => fixed(100 * x, 1);
const tidy = (x) => (Number.isInteger(10 * x) ? x.toFixed(1) : String(Math.round(1000 * x) / 1000));

function about(seconds) {
  if (seconds < 1.5) return "about a second";
  return seconds < 90 ? `about ${Math.round(seconds)} s` : `about ${Math.round(seconds / 60)} min`;
}

// Widths of a table's columns in pixels; 0 takes what is left.
const columns = (widths) => h("colgroup", {}, widths.map((width) => h("col", width ? { style: `width:${width}px` } : {})));
const named = (node, label) => { node.setAttribute("aria-label", label); node.setAttribute("title", label); return node; };

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
// A sentence comes as parts; every second one is bold.
const said = (parts) => parts.map((part, index) => (index % 2 ? h("b", {}, part) : part));
// A state of a part or screen: one bold fact, one line of why, one button.
function blank(fact, why, button) {
  return h("div", { class: "wb-blank" }, h("b", {}, fact), why ? h("p", {}, why) : null, button || null);
}
// One of a few: [[value, label]…]; onPick(value) is called with another one.
function segments(label, options, onPick) {
  const buttons = options.map(([value, text]) => h("button", { "aria-pressed": "false", onclick: () => onPick(value) }, text));
  const node = h("span", { class: "wb-segments", role: "group", "aria-label": label }, buttons);
  const show = (value) => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(options[i][0] === value)));
  return { node, show, buttons };
}
const button = (text, onclick, about) => h("button", { class: "wb-button", onclick, ...about }, text);

// The line to the kernel. Messages are numbered; a state that has not seen the last of them does not move the controls.
// Moves of a drag wait for the answer to the one before, and only the newest waits.
const PATIENCE = 4000;
function lineOf(model, onSilence) {
  const view = Math.random().toString(36).slice(2);
  let sent = 0, heard = 0, waiting = null, timer = null;
  function watch() {
    clearTimeout(timer);
    timer = heard < sent ? setTimeout(() => onSilence(true), PATIENCE) : null;
  }
  function post(message, buffers) {
    const idle = heard >= sent;
    sent += 1;
    try { model.send({ ...message, view, seq: sent }, undefined, buffers); } catch { /* no comm: the silence says so */ }
    if (idle) watch();
  }
  return {
    view,
    send(message, buffers) { waiting = null; post(message, buffers); },
    drag(message) { if (heard < sent) waiting = message; else post(message); },
    hear(ack) {
      if (ack && ack[0] === view && ack[1] > heard) { heard = ack[1]; onSilence(false); watch(); }
      if (heard >= sent && waiting) { const next = waiting; waiting = null; post(next); }
      return heard >= sent;
    },
    close() { clearTimeout(timer); },
  };
}
