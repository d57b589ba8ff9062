// The column on the right: this edit in words, its preview, Retrain, and the running job with its curves.
const LOSS = { width: 318, height: 164, left: 30, right: 74, top: 10, bottom: 24 };

function aside(line) {
  const reset = h("button", { class: "wb-link-button", onclick: () => line.send({ do: "reset" }) }, "Reset");
  const edits = h("ul", { class: "wb-edits" }), preview = h("div", { class: "wb-preview", role: "status" });
  const retrain = h("button", { class: "wb-primary", onclick: () => line.send({ do: "retrain" }) }, "Retrain");
  const seeds = h("select", { "aria-label": "How many seeds to train" }), cost = h("span", { class: "wb-quiet" });
  seeds.addEventListener("change", () => line.send({ do: "seeds", value: Number(seeds.value) }));
  const trouble = h("div", { class: "wb-trouble wb-hide", role: "alert" }), running = jobView(line);
  const node = h("section", { class: "wb-aside", "aria-label": "This edit" },
    h("div", { class: "wb-bar wb-a-head" }, h("h3", {}, "This edit"), h("span", { class: "wb-space" }), reset),
    h("div", { class: "wb-a-edit" }, trouble, edits, preview,
      h("div", { class: "wb-act" }, retrain, h("label", { class: "wb-pick" }, seeds, icon(CHEVRON)),
        h("span", { class: "wb-space" }), cost)),
    running.node);
  let busy = false, reason = "";
  function buttons() {
    retrain.disabled = busy || Boolean(reason);
    retrain.title = busy ? "A job is running" : reason;
  }
  function draw(state, settled) {
    if (settled) {
      fill(seeds, state.seeds.options.map((n) => [String(n), n === 1 ? "1 seed" : `${n} seeds`]), []);
      pick(seeds, state.seeds.value);
    }
    reset.disabled = !state.edits.length;
    drawEdits(edits, state.edits);
    drawPreview(preview, state);
    drawTrouble(trouble, state.trouble, line);
    write(retrain, state.action); reason = state.blocked || "";
    write(cost, state.cost === null ? "" : about(state.cost));
    job(state.job);
  }
  function job(job) {
    busy = Boolean(job && job.running);
    buttons(); running.draw(job);
  }
  return { node, draw, job };
}

function drawEdits(list, edits) {
  if (!edits.length) {
    list.replaceChildren(h("li", { class: "wb-none" }, h("b", {}, "Nothing is edited yet. "),
      "Switch an objective off, move its multiplier, swap it or remove what depends on length."));
    return;
  }
  list.replaceChildren(...edits.map((edit) => h("li", {}, h("span", {}, edit.verb),
    h("b", {}, edit.name), edit.rest ? h("span", { class: "wb-rest" }, edit.rest) : null, edit.note ? h("em", {}, edit.note) : null)));
}

function drawPreview(box, state) {
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
      pair("Accuracy, dev", percent(p.accuracy[0]), percent(p.accuracy[1]), " %"),
      h("dt", {}, "Pairs that flip"), h("dd", {}, number(count(p.flips[0])), ` of ${count(p.flips[1])}`),
      p.length ? pair(`Correlation with ${state.length}`, share(p.length[0]), share(p.length[1]), "") : []),
    h("p", {}, p.note));
}

function drawTrouble(box, trouble, line) {
  flag(box, "wb-hide", !trouble);
  if (!trouble) { box.replaceChildren(); return; }
  const again = trouble.retry ? h("button", { class: "wb-button", onclick: () => line.send({ do: "retrain" }) }, "Try again") : null;
  const away = h("button", { class: "wb-button", onclick: () => line.send({ do: "dismiss" }) }, "Close");
  box.replaceChildren(h("b", {}, trouble.fact), h("p", {}, trouble.why), h("div", {}, again, away));
}

// -- the running job --------------------------------------------------------------------------------------------------

function jobView(line) {
  const title = h("h3", {}, "Held-out loss"), about = h("span", { class: "wb-quiet" }), picture = h("div", { class: "wb-loss" });
  const bar = h("i", {}), text = h("span", {}), state = h("span", { class: "wb-said", role: "status" });
  const range = { role: "progressbar", "aria-label": "Training", "aria-valuemin": 0, "aria-valuemax": 100 };
  const progress = h("span", { class: "wb-progress", ...range }, bar);
  const stop = () => { cancel.disabled = true; line.send({ do: "cancel" }); };
  const cancel = h("button", { class: "wb-link-button", onclick: stop }, "Cancel");
  const foot = h("div", { class: "wb-foot" }, progress, text, h("span", { class: "wb-space" }), cancel);
  const node = h("div", { class: "wb-a-job" }, h("div", { class: "wb-loss-head" }, title, about), picture, foot, state);
  function draw(job) {
    flag(node, "wb-hide", !job);
    if (!job) return;
    write(about, job.about); write(text, job.text); write(state, job.said);
    bar.style.width = `${100 * job.fraction}%`;
    progress.setAttribute("aria-valuenow", Math.round(100 * job.fraction));
    flag(progress, "wb-hide", !job.running); flag(cancel, "wb-hide", !job.running);
    cancel.disabled = job.state !== "running";
    picture.replaceChildren(job.curves.some((curve) => curve.points.length > 1) ? lossPicture(job)
      : h("p", { class: "wb-quiet wb-empty" }, job.running ? "The curve begins with the first steps." : job.blank));
  }
  return { node, draw };
}

function lossPicture(job) {
  const { width, height, left, right, top, bottom } = LOSS;
  const points = job.curves.flatMap((curve) => curve.points);
  const losses = points.map((p) => p[1]).concat(job.baseline === null ? [] : [job.baseline]);
  const steps = Math.max(job.steps, ...points.map((p) => p[0]), 1), ticks = nice(Math.min(...losses), Math.max(...losses));
  const x = (step) => left + (width - left - right) * step / steps;
  const y = (loss) => top + (height - top - bottom) * (ticks.high - loss) / (ticks.high - ticks.low);
  const parts = ticks.at.map((tick) => [s("path", { class: "wb-grid", d: `M${left} ${y(tick)}H${width - right}` }),
    s("text", { class: "wb-tick wb-end", x: left - 6, y: y(tick) + 4 }, tick.toFixed(ticks.digits).replace(/^0/, ""))]);
  if (job.baseline !== null) parts.push(s("path", { class: "wb-dotted", d: `M${left} ${y(job.baseline)}H${width - right}` }));
  const path = (curve) => curve.points.map((p, i) => `${i ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");
  const ends = job.baseline === null ? [] : [{ y: y(job.baseline), text: `baseline ${job.baseline.toFixed(3).replace(/^0/, "")}` }];
  for (const curve of job.curves.filter((one) => one.points.length)) {
    const [step, loss] = curve.points[curve.points.length - 1];
    parts.push(s("path", { class: curve.live ? "wb-curve wb-live" : "wb-curve", d: path(curve) }));
    if (curve.live) parts.push(dot("cand", x(step), y(loss), 3.2));
    else if (!ends.some((end) => end.done)) ends.push({ y: y(loss), text: job.finished, done: true });
    if (curve.live) ends.push({ y: y(loss), text: curve.label, live: true });
  }
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => { if (i) end.y = Math.max(end.y, ends[i - 1].y + 13); });
  const written = (kind, at, y, text) => s("text", { class: `wb-tick ${kind}`, x: at, y }, text);
  parts.push(ends.map((end) => written(end.live ? "wb-strong" : "", width - right + 6, end.y + 4, end.text)));
  parts.push([0, 0.5, 1].map((f) => written("wb-mid", x(f * steps), height - 6, count(f * steps) + (f === 1 ? " steps" : ""))));
  const said = `Held-out loss over ${count(steps)} steps. ${job.about}`;
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said }, parts);
}

function nice(low, high) {
  const span = Math.max(high - low, 1e-3), raw = span / 3, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((size) => size >= raw), at = [];
  const first = Math.floor(low / step - 1e-9), last = Math.ceil(high / step + 1e-9);
  for (let i = first; i <= last; i += 1) at.push(i * step);
  return { at, low: first * step, high: last * step, digits: Math.max(2, -Math.floor(Math.log10(step))) };
}
