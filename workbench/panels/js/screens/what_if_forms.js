// The two menus above the objectives: what is taken out of them, and the gate that weighs them.

// A button that opens a panel below it. Escape, a click elsewhere, or leaving it by Tab closes it.
function drop(word, label, tag) {
  const value = h("b", {}), id = `wb-drop-${Math.random().toString(36).slice(2)}`;
  const opener = h("button", { class: "wb-pick wb-opener", "aria-expanded": "false", "aria-controls": id, onclick: () => toggle() },
    h("span", {}, word), value, icon(CHEVRON));
  const panel = h(tag, { class: "wb-drop-panel wb-hide", id, role: "group", "aria-label": label });
  const node = h("div", { class: "wb-drop" }, opener, panel);
  const opens = [];
  const isOpen = () => opener.getAttribute("aria-expanded") === "true";
  function toggle(on = !isOpen()) {
    opener.setAttribute("aria-expanded", String(on));
    flag(panel, "wb-hide", !on);
    if (on) for (const call of opens) call();
  }
  function close() { if (isOpen()) { toggle(false); opener.focus(); } }
  node.addEventListener("keydown", (event) => { if (event.key === "Escape" && isOpen()) { event.stopPropagation(); close(); } });
  node.addEventListener("focusout", (event) => {
    const to = event.relatedTarget;  // a click on a label's words moves the focus to the panel around this
    if (to && !node.contains(to) && !to.contains(node)) toggle(false);
  });
  const outside = (event) => {
    if (!node.isConnected) document.removeEventListener("pointerdown", outside);
    else if (!node.contains(event.target)) toggle(false);
  };
  opens.push(() => document.addEventListener("pointerdown", outside));
  return { node, panel, opener, value, close, isOpen, onOpen: (call) => opens.push(call) };
}

PIECES.debias = (line) => {
  const menu = drop("Debias target", "Debias target: what to take out of the objectives", "div");
  const chips = h("div", { class: "wb-chips" }), list = h("div", { class: "wb-checks" });
  menu.panel.append(chips, list, h("p", { class: "wb-quiet" }, "Several are taken out together."));
  let boxes = new Map(), names = "", chosen = [], shown = "";
  const send = (value) => { chosen = value; show(); line.send({ do: "debias", value }); };
  const set = (name, on) => send(on ? [...chosen, name] : chosen.filter((other) => other !== name));
  function check(name) {
    const box = h("input", { type: "checkbox", onchange: () => set(name, box.checked) });
    boxes.set(name, box);
    return h("label", { class: "wb-check", title: name }, box, h("span", {}, name));
  }
  const chip = (name) => h("span", { class: "wb-chip" }, h("span", {}, name), named(h("button", { onclick: () => {
    const at = chosen.indexOf(name);
    set(name, false);
    const left = chips.querySelectorAll("button");
    (left[Math.min(at, left.length - 1)] || list.querySelector("input") || menu.opener).focus();
  } }, TIMES), `Keep ${name} in`));
  function show() {
    write(menu.value, chosen.length ? chosen.join(" + ") : "none");
    menu.opener.title = chosen.join(" + ");
    for (const [name, box] of boxes) box.checked = chosen.includes(name);
    if (shown === JSON.stringify(chosen)) return;  // drawn again, they would lose the focus
    shown = JSON.stringify(chosen);
    chips.replaceChildren(...chosen.map(chip));
    flag(chips, "wb-hide", !chosen.length);
  }
  function draw(state, settled) {
    const key = JSON.stringify(state.options);
    if (key !== names) {
      names = key; boxes = new Map();
      list.replaceChildren(...state.options.map((group) => h("fieldset", {}, h("legend", {}, group.label), group.names.map(check))));
    }
    if (settled) { chosen = state.value; show(); flag(menu.opener, "wb-edited", state.edited); }
  }
  return { node: menu.node, draw };
};

const NUMBERS = { temperature: ["Temperature", "any"], steps: ["Steps", 1], batch_size: ["Batch", 1], lr: ["Learning rate", "any"] };

PIECES.gate = (line) => {
  const menu = drop("Gate", "Gate: kind, size and training", "form");
  const kind = h("div", { class: "wb-kinds", role: "radiogroup", "aria-label": "Kind of gate" }), says = h("p", { class: "wb-quiet" });
  const field = (label, box) => h("label", { class: "wb-field" }, h("span", {}, label), box);
  const inputs = { hidden: h("input", { type: "text", autocomplete: "off", spellcheck: "false", placeholder: "linear" }) };
  for (const [name, [, step]] of Object.entries(NUMBERS)) inputs[name] = h("input", { type: "number", min: step === 1 ? 1 : 0, step, required: true });
  inputs.start = h("select", {});
  const trouble = h("p", { class: "wb-wrong wb-hide", role: "alert" });
  const use = h("button", { class: "wb-primary", type: "submit" }, "Use this gate");
  menu.panel.append(kind, says, h("div", { class: "wb-fields" }, field("Hidden layers", inputs.hidden),
    Object.entries(NUMBERS).map(([name, [label]]) => field(label, inputs[name])), field("Starts from", inputs.start)), trouble,
    h("div", { class: "wb-act" }, use, h("button", { class: "wb-button", type: "button", onclick: menu.close }, "Close")));
  let state = null, chosen = "", sent = false;
  const of = (name) => state.kinds.find((each) => each.kind === name);
  function choose(name) {
    const one = of(chosen = name);
    for (const radio of kind.querySelectorAll("input")) radio.checked = radio.value === name;
    write(says, one.says);
    for (const [key, box] of Object.entries(inputs)) {
      const used = one.used.includes(key);
      box.value = used ? one.spec[key] : ""; box.disabled = !used;
      box.parentNode.title = used ? "" : `${one.label[0].toUpperCase()}${one.label.slice(1)}: it does not apply`;
      flag(box.parentNode, "wb-idle", !used);
    }
  }
  function kinds() {
    kind.replaceChildren(...state.kinds.map((one) => h("label", { class: one.why ? "wb-check wb-idle" : "wb-check", title: one.why || null },
      h("input", { type: "radio", name: menu.panel.id, value: one.kind, disabled: Boolean(one.why), onchange: () => choose(one.kind) }),
      h("span", {}, one.label, one.why ? h("span", { class: "wb-quiet" }, one.why) : null))));
    inputs.start.replaceChildren(...state.starts.map(([value, label]) => h("option", { value }, label)));
  }
  menu.onOpen(() => { sent = false; tell(null); kinds(); choose(state.kind); });
  menu.panel.addEventListener("submit", (event) => {
    event.preventDefault();
    const spec = { kind: chosen };
    for (const [key, box] of Object.entries(inputs)) if (!box.disabled) spec[key] = key in NUMBERS ? Number(box.value) : box.value;
    sent = true; tell(null);
    line.send({ do: "gate", spec });
  });
  function tell(found) {
    flag(trouble, "wb-hide", !found);
    write(trouble, found ? found.why : "");
  }
  function draw(now) {
    state = now;
    write(menu.value, now.words); menu.opener.title = now.words;
    flag(menu.opener, "wb-edited", now.edited);
  }
  function answered(found) {  // what was sent is done, or refused and still there to be mended
    if (!sent) return;
    sent = false;
    if (found) tell(found); else menu.close();
  }
  return { node: menu.node, draw, answered };
};
