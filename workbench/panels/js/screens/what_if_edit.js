// This edit in words, its labels, preview and Retrain; the running job with its curves, what waits, and the noise floor.
PIECES.edit = (line) => {
  const reset = h("button", { class: "wb-link-button", onclick: () => line.send({ do: "reset" }) }, "Reset");
  const name = h("input", { class: "wb-plain", type: "text", maxlength: 80, placeholder: "Name this edit", "aria-label": "Name of this edit" });
  const note = h("input", { class: "wb-plain", type: "text", maxlength: 400, placeholder: "Add a note", "aria-label": "Note on this edit" });
  for (const [box, key] of [[name, "name"], [note, "note"]]) {
    box.addEventListener("change", () => line.send({ do: "annotate", [key]: box.value.trim() }));
  }
  const edits = h("ul", { class: "wb-edits" }), notes = h("div", { class: "wb-notes" }), preview = h("div", { class: "wb-preview", role: "status" });
  const labels = select("Labels", "Labels: what is done to them before training");
  labels.box.addEventListener("change", () => line.send({ do: "labels", value: labels.box.value }));
  const retrain = h("button", { class: "wb-primary", onclick: () => line.send({ do: "retrain" }) }, "Retrain");
  const seeds = h("select", { "aria-label": "How many seeds to train" }), cost = h("span", { class: "wb-quiet" });
  seeds.addEventListener("change", () => line.send({ do: "seeds", value: Number(seeds.value) }));
  const sure = h("dd", { class: "wb-sure" });
  const trouble = h("div", { class: "wb-trouble wb-hide", role: "alert" }), running = jobView(line), waiting = queueView(line), noise = noiseView(line);
  const node = h("section", { class: "wb-aside", "aria-label": "This edit" },
    h("div", { class: "wb-bar wb-a-head" }, h("h3", {}, "This edit"), name, reset),
    h("div", { class: "wb-a-edit" }, trouble, edits, notes, h("div", { class: "wb-note-line" }, note, labels.node), preview,
      h("div", { class: "wb-act" }, retrain, h("label", { class: "wb-pick" }, seeds, icon(CHEVRON)),
        h("span", { class: "wb-space" }), cost)),
    h("div", { class: "wb-a-job" }, running.node, waiting.node, noise.node));
  const type = (box, value) => { if (document.activeElement !== box && box.value !== value) box.value = value; };
  function draw(state, settled) {
    if (settled) {
      fill(seeds, state.seeds.options.map((n) => [String(n), n === 1 ? "1 seed" : `${n} seeds`]), []);
      pick(seeds, state.seeds.value);
      fill(labels.box, state.labels.options, []);
      pick(labels.box, state.labels.value);
      type(name, state.name); type(note, state.note);
    }
    labels.box.disabled = Boolean(state.labels.why);
    labels.node.title = state.labels.why || state.labels.words;
    flag(labels.node, "wb-idle", state.labels.why); flag(labels.node, "wb-edited", state.labels.edited);
    reset.disabled = !state.edits.length;
    drawEdits(edits, state.edits);
    notes.replaceChildren(...state.notes.map((text) => h("p", {}, text)));
    drawPreview(preview, state, sure);
  }
  function run(state) {
    retrain.disabled = Boolean(state.blocked);
    retrain.title = state.blocked || (state.action === "Queue" ? "It is trained when what runs and waits is done" : "");
    write(retrain, state.action);
    write(cost, state.cost === null ? "" : about(state.cost));
    running.draw(state.job); waiting.draw(state.queue); noise.draw(state.noise);
  }
  return { node, draw, run, sure: (data) => write(sure, data.words || ""), job: running.draw, trouble: (found) => drawTrouble(trouble, found, line) };
};

function drawEdits(list, edits) {
  if (!edits.length) {
    list.replaceChildren(h("li", { class: "wb-none" }, h("b", {}, "Nothing is edited yet. "),
      "Switch an objective off, move its multiplier, swap it or remove what depends on length."));
    return;
  }
  list.replaceChildren(...edits.map((edit) => h("li", { title: [edit.verb, edit.name, edit.rest].join(" ").trim() }, h("span", {}, edit.verb),
    h("b", {}, edit.name), edit.rest ? h("span", { class: "wb-rest" }, edit.rest) : null, edit.note ? h("em", {}, edit.note) : null)));
}

function drawPreview(box, state, sure) {
  const p = state.preview;
  flag(box, "wb-solid", p && p.retrained);
  if (!p || p.error) {
    box.replaceChildren(h("div", { class: "wb-preview-head" }, h("h3", {}, "Preview")),
      h("p", {}, h("b", {}, p ? "No preview of this edit. " : "No baseline yet. "), p ? p.error : "Numbers appear when it is trained."));
    return;
  }
  const kind = p.retrained ? "cand" : "ghost", number = (text) => h("b", { class: p.retrained ? null : "wb-dashed" }, text);
  const pair = (name, before, after, unit) => [h("dt", {}, name),
    h("dd", { "aria-label": `baseline ${before}, ${p.retrained ? "retrained" : "preview"} ${after}${unit}` },
      mark("base"), h("span", {}, before), mark(kind), number(after), unit)];
  box.replaceChildren(
    h("div", { class: "wb-preview-head" }, h("h3", {}, p.title),
      p.retrained ? h("span", { class: "wb-quiet" }, p.seeds) : h("span", { class: "wb-tag" }, "not retrained"),
      h("span", { class: "wb-space" }), h("span", { class: "wb-quiet" }, p.ms === null ? "" : `${Math.max(1, Math.round(p.ms))} ms`)),
    h("dl", {},
      pair("Accuracy, dev", percent(p.accuracy[0]), percent(p.accuracy[1]), " %"), sure,
      h("dt", {}, "Pairs that flip"), h("dd", {}, number(count(p.flips[0])), ` of ${count(p.flips[1])}`),
      p.length ? pair(`Correlation with ${state.length}`, share(p.length[0]), share(p.length[1]), "") : []),
    h("p", {}, p.note));
}

function drawTrouble(box, trouble, line) {
  flag(box, "wb-hide", !trouble);
  if (!trouble) { box.replaceChildren(); return; }
  const again = trouble.retry ? button("Try again", () => line.send({ do: "retrain" })) : null;
  box.replaceChildren(h("b", {}, trouble.fact), h("p", {}, trouble.why), h("div", {}, again, button("Close", () => line.send({ do: "dismiss" }))));
}

// -- what waits, and what change is mere noise --------------------------------------------------------------------------

function queueView(line) {
  const list = h("ul", { "aria-label": "Waiting" }), node = h("div", { class: "wb-queue wb-hide" }, h("h4", {}, "Then"), list);
  function draw(queue) {
    flag(node, "wb-hide", !queue.length);
    list.replaceChildren(...queue.map((one) => h("li", {}, h("span", { class: "wb-queued", title: one.words }, one.words),
      h("span", { class: "wb-quiet" }, one.seeds),
      named(h("button", { class: "wb-icon-button", onclick: (event) => {
        event.currentTarget.disabled = true;
        line.send({ do: "unqueue", job: one.key });
      } }, TIMES), `Do not train ${one.words}`))));
  }
  return { node, draw };
}

function noiseView(line) {
  const words = h("span", {}), measure = button("Measure the noise floor", () => line.send({ do: "noise" }));
  const node = h("div", { class: "wb-noise wb-hide", role: "status" }, words, h("span", { class: "wb-space" }), measure);
  function draw(noise) {
    flag(node, "wb-hide", !noise);
    if (!noise) return;
    words.replaceChildren(...said(noise.words));
    node.title = noise.why;
    flag(measure, "wb-hide", noise.state !== "none");
  }
  return { node, draw };
}

// -- the running job --------------------------------------------------------------------------------------------------

function jobView(line) {
  const title = h("h3", {}, "Held-out loss"), about = h("span", { class: "wb-quiet" }), picture = h("div", { class: "wb-loss" });
  const bar = h("i", {}), text = h("span", {}), state = h("span", { class: "wb-said", role: "status" });
  const range = { role: "progressbar", "aria-label": "Training", "aria-valuemin": 0, "aria-valuemax": 100 };
  const progress = h("span", { class: "wb-progress", ...range }, bar);
  const stop = () => { cancel.disabled = true; write(text, "stopping"); line.send({ do: "cancel" }); };
  const cancel = h("button", { class: "wb-link-button", onclick: stop }, "Cancel");
  const foot = h("div", { class: "wb-foot" }, progress, text, h("span", { class: "wb-space" }), cancel);
  const node = h("div", { class: "wb-job" }, h("div", { class: "wb-loss-head" }, title, about), picture, foot, state);
  function draw(job) {
    flag(node, "wb-hide", !job);
    if (!job) return;
    write(title, `Held-out loss${job.treated ? ", treated labels" : ""}`); flag(picture, "wb-hide", !job.curves.length && !job.blank && !job.running);
    write(about, job.about); write(text, job.text); write(state, job.said);
    bar.style.width = `${100 * job.fraction}%`;
    progress.setAttribute("aria-valuenow", Math.round(100 * job.fraction));
    flag(progress, "wb-hide", !job.running); flag(cancel, "wb-hide", !job.running);
    cancel.disabled = job.state !== "running";
    picture.replaceChildren(job.curves.some((curve) => curve.points.length > 1) ? PIECES.loss(job)
      : h("p", { class: "wb-quiet wb-empty" }, job.running ? "The curve begins with the first steps." : job.blank));
  }
  return { node, draw };
}
