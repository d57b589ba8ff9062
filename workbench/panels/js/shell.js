// The shell: header, tabs, messages to and from the kernel, keys. Screens register themselves in SCREENS and are made when opened:
// SCREENS.name = (line, shell) => ({ node, parts: { "part name": (data, settled, buffers) => … }, job?, reply?, settle?, trouble?, silent?, search?, save? }).
// line.send({ do, … }) speaks for the screen that is open.
function render({ model, el }) {
  const frame = model.get("frame"), alone = frame.tabs.length === 1;
  const root = h("div", { class: "wb", role: "region", "aria-label": frame.title, tabindex: -1 });
  const silence = h("div", { class: "wb-note wb-hide", role: "status" },
    h("b", {}, "The kernel does not answer. "), "What is drawn is its last state. It is busy, or it is gone: then run this cell again.");
  const trouble = h("div", { class: "wb-note wb-hide", role: "alert" }), toast = h("div", { class: "wb-toast wb-hide", role: "status" });
  const made = {}, last = {};
  let open = frame.first, settled = true;

  const wire = lineOf(model, (silent) => {
    flag(silence, "wb-hide", !silent); flag(root, "wb-cold", silent);
    if (silent && made[open]) (made[open].silent || made[open].settle || (() => {}))();
  });
  const line = {
    send: (message, buffers) => wire.send({ screen: open, ...message }, buffers),
    drag: (message) => wire.drag({ screen: open, ...message }),
  };
  const shell = { say, go, get head() { return last.head && last.head.data; }, root };
  const head = header(line, shell), tabs = tabRow(frame, line, shell), stage = h("div", { class: "wb-stage" });
  root.append(head.node, tabs.node, silence, trouble, stage, toast);
  el.append(root);

  function screen(name) {
    if (!made[name]) {
      made[name] = SCREENS[name](line, shell);
      stage.append(h("div", { class: "wb-screen", role: alone ? null : "tabpanel", "aria-label": name }, made[name].node));
    }
    return made[name];
  }
  function go(name, then) {
    if (!frame.tabs.some((tab) => tab[0] === name)) return;
    const fresh = open !== name || !made[name];
    open = name;
    screen(name);
    for (const [each, one] of Object.entries(made)) flag(one.node.parentNode, "wb-hide", each !== name);
    tabs.show(name);
    if (fresh) line.send({ do: "open" });
    if (then) then(made[name]);
  }
  let hush = null;
  function say(words) {
    write(toast, words); flag(toast, "wb-hide", !words);
    clearTimeout(hush);
    hush = setTimeout(() => flag(toast, "wb-hide", true), 4000);
  }

  // A part belongs to the screen whose name it begins with: "explore", "explore.map".
  function draw(name, now) {
    const { data, buffers } = last[name];
    if (name === "head") { head.draw(data); tabs.draw(data); return; }
    const owner = made[name.split(".")[0]], part = owner && owner.parts[name];
    if (!part) return;
    const host = owner.node.parentNode, key = `wb-lacks-${name.replace(".", "-")}`, old = host.querySelector(`.${key}`);
    if (old) old.remove();
    const lacking = Boolean(data.lacking);
    if (name === open) flag(owner.node, "wb-hide", lacking);
    if (lacking && name.split(".").length === 1) {
      const why = blank(data.lacking.fact, data.lacking.why);
      why.classList.add(key);
      host.prepend(why);
      flag(owner.node, "wb-hide", true);
    } else part(data, now, buffers);
  }
  function heard(message, buffers = []) {
    if (message.job) {
      tabs.job(message.job);
      for (const one of Object.values(made)) if (one.job) one.job(message.job);
    }
    if (!message.parts) return;
    const before = settled;
    settled = wire.hear(message.ack);
    for (const part of message.parts) last[part.name] = { data: part.data, buffers: buffers.slice(part.buffers[0], part.buffers[0] + part.buffers[1]) };
    for (const part of message.parts) draw(part.name, settled);
    const here = made[open];
    if (settled && !before && here && here.settle) here.settle();
    if (here && here.trouble) { here.trouble(message.trouble); flag(trouble, "wb-hide", true); } else drawNote(trouble, message.trouble, line);
    if (settled && message.trouble && here && here.settle) here.settle();  // refused: the control goes back to what is
    if (message.reply) answered(message.reply);
  }
  function answered(reply) {
    if (reply.said) say(reply.said);
    if (reply.code) showCode(root, reply.code, say);
    if (made[open] && made[open].reply) made[open].reply(reply);
  }

  // Keys pressed here are the panel's: the notebook would move or cut a cell.
  const keys = {
    j: () => line.send({ do: "step", screen: "explore", by: 1 }), k: () => line.send({ do: "step", screen: "explore", by: -1 }),
    b: () => line.send({ do: "pin" }), s: () => (made[open] && made[open].save ? made[open].save() : line.send({ do: "save_slice" })), e: () => line.send({ do: "export" }),
    u: () => line.send({ do: "undo" }), U: () => line.send({ do: "redo" }),
    "/": () => go("explore", (one) => one.search && one.search()),
  };
  if (!frame.tabs.some((tab) => tab[0] === "explore")) for (const key of ["j", "k", "/"]) delete keys[key];
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const typing = event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea");
    if (typing || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  const picture = stills(root, model, (bytes, width) => model.send({ do: "still", width }, undefined, [bytes]));
  const onMessage = (message, buffers) => { heard(message, buffers); picture.soon(); };
  model.on("msg:custom", onMessage);
  screen(open); tabs.show(open);
  wire.send({ do: "hello", screen: open });
  return () => { model.off("msg:custom", onMessage); picture.close(); wire.send({ do: "bye" }); wire.close(); };
}

function drawNote(box, found, line) {
  flag(box, "wb-hide", !found);
  if (!found) { box.replaceChildren(); return; }
  const again = found.retry ? button("Try again", () => line.send({ do: "retrain" })) : null;
  box.replaceChildren(h("b", {}, found.fact, " "), found.why, " ", again || "", button("Close", () => line.send({ do: "dismiss" })));
}

// -- header: study, baseline, candidate, the tree of edits -------------------------------------------------------------

function header(line) {
  const study = h("b", {}), hash = h("code", {}), baseline = h("b", {}), candidate = h("b", {}), stale = h("span", { class: "wb-quiet" });
  const candidateMark = h("span", {}), tree = h("div", { class: "wb-tree", role: "group", "aria-label": "History of edits" });
  const pins = h("select", { "aria-label": "Pin another step as baseline" }), goes = h("select", { "aria-label": "Go to another step" });
  pins.addEventListener("change", () => line.send({ do: "pin", step: Number(pins.value) }));
  goes.addEventListener("change", () => line.send({ do: "go", step: Number(goes.value) }));
  const tool = (path, label, message) => named(h("button", { class: "wb-icon-button", onclick: () => line.send(message) }, icon(path)), label);
  const undo = tool(UNDO, "Undo", { do: "undo" }), redo = tool(REDO, "Redo", { do: "redo" });
  undo.title = "Undo (u)"; redo.title = "Redo (U)";
  const quiet = (words, message) => h("button", { class: "wb-quiet-button", onclick: () => line.send(message) }, words);
  const node = h("div", { class: "wb-head" },
    h("span", { class: "wb-who wb-study" }, study, hash),
    h("label", { class: "wb-who wb-choose" }, mark("base"), h("span", { class: "wb-quiet wb-k" }, "Baseline"), baseline, icon(CHEVRON), pins),
    h("label", { class: "wb-who wb-choose" }, candidateMark, h("span", { class: "wb-quiet wb-k" }, "Candidate"), candidate, stale, icon(CHEVRON), goes),
    h("span", { class: "wb-space" }), tree, undo, redo, quiet("Save", { do: "save" }), quiet("Copy as code", { do: "code" }));
  let steps = "";
  function draw(head) {
    write(study, head.study.name); write(hash, head.study.hash);
    write(baseline, head.baseline.label); baseline.title = head.baseline.label;
    write(candidate, head.candidate ? head.candidate.label : "none yet");
    candidate.title = head.candidate ? head.candidate.label : "";
    flag(candidate, "wb-none", !head.candidate);
    write(stale, head.candidate && head.candidate.note ? head.candidate.note : "");
    candidateMark.replaceChildren(mark(head.candidate ? "cand" : "ghost"));
    undo.disabled = !head.history.undo; redo.disabled = !head.history.redo;
    const key = JSON.stringify(head.history.steps);
    if (key === steps) return;
    steps = key;
    drawTree(tree, head.history.steps, line);
    for (const [box, at] of [[pins, (step) => step.kind === "base"], [goes, (step) => step.here]]) {
      box.replaceChildren(...head.history.steps.map((step) => h("option", { value: step.at }, step.label)));
      const now = head.history.steps.find(at);
      box.value = now ? String(now.at) : "";
    }
  }
  return { node, draw };
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
    step.label + (step.note ? `: ${step.note}` : "")));
  tree.replaceChildren(picture, h("div", { class: "wb-steps" }, buttons));
}

// -- tabs, and beside them what is selected and what runs --------------------------------------------------------------

function tabRow(frame, line, shell) {
  const tabs = frame.tabs.map(([name, label]) => h("button", { class: "wb-tab", role: "tab", onclick: () => shell.go(name) }, label));
  const selected = h("span", { class: "wb-quiet" }), seeds = h("span", { class: "wb-quiet" });
  const bar = h("i", {}), left = h("span", {}), cancel = h("button", { class: "wb-link-button", onclick: () => line.send({ do: "cancel" }) }, "Cancel");
  const running = h("div", { class: "wb-run wb-hide" },
    h("span", { class: "wb-progress", role: "progressbar", "aria-label": "Training", "aria-valuemin": 0, "aria-valuemax": 100 }, bar), left, cancel);
  const list = h("div", { role: "tablist", "aria-label": "Screens", class: tabs.length > 1 ? "wb-tablist" : "wb-hide" }, tabs);
  const node = h("div", { class: "wb-tabs" }, list, h("span", { class: "wb-space" }), selected, seeds, running);
  list.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next.focus(); next.click();
  });
  function show(name) {
    frame.tabs.forEach(([each], i) => {
      tabs[i].setAttribute("aria-selected", String(each === name));
      tabs[i].tabIndex = each === name ? 0 : -1;
    });
  }
  function draw(head) {
    const { n, of, label } = head.selection;
    selected.replaceChildren(h("b", {}, count(n)), ` of ${count(of)} selected`);
    selected.title = label;
    seeds.replaceChildren(h("b", {}, String(head.seeds)), head.seeds === 1 ? " seed" : " seeds");
    job(head.job, head.queued);
  }
  function job(now, queued = 0) {
    const on = Boolean(now && now.running);
    flag(running, "wb-hide", !on);
    if (!on) return;
    bar.style.width = `${100 * now.fraction}%`;
    bar.parentNode.setAttribute("aria-valuenow", Math.round(100 * now.fraction));
    write(left, now.brief + (queued ? ` · ${queued} queued` : ""));
    cancel.disabled = now.state !== "running";
  }
  return { node, show, draw, job };
}

// The cell that rebuilds the view: into the clipboard where the page may, and shown in any case.
function showCode(root, code, say) {
  const text = h("textarea", { readonly: true, rows: Math.min(16, code.split("\n").length + 1), "aria-label": "Code of this view" });
  text.value = code;
  const close = () => dialog.remove();
  const dialog = h("div", { class: "wb-dialog", role: "dialog", "aria-label": "Copy as code" },
    h("div", { class: "wb-bar" }, h("h3", {}, "The cell that rebuilds this view"), h("span", { class: "wb-space" }), button("Close", close)), text);
  dialog.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  for (const old of root.querySelectorAll(".wb-dialog")) old.remove();
  root.append(dialog);
  text.focus(); text.select();
  if (navigator.clipboard) navigator.clipboard.writeText(code).then(() => say("Copied."), () => say("Press Ctrl+C to copy it."));
  else say("Press Ctrl+C to copy it.");
}

export default { render };
