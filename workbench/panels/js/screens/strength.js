// The Strength screen: what an ensemble thinks of each train label, two cuts to drag, a treatment as an edit; the suspects, and one to read.
SCREENS.strength = (line) => {
  const plot = strengthPlot(line), act = treatment(line), list = PIECES.suspects(line), reader = PIECES.labelled();
  const waiting = h("div", {}), all = h("div", { class: "wb-s wb-hide" }, plot.node, act.node, list.node, reader.node);
  const node = h("div", {}, waiting, all), left = h("p", {}), bar = h("i", {});
  const progress = h("span", { class: "wb-progress", role: "progressbar", "aria-label": "Fitting the ensemble", "aria-valuemin": 0, "aria-valuemax": 100 }, bar);
  function whole(data) {
    flag(all, "wb-hide", data.waits); flag(waiting, "wb-hide", !data.waits);
    if (!data.waits) { plot.about(data); act.ties(data); return; }
    if (!waiting.firstChild) waiting.replaceChildren(h("div", { class: "wb-blank wb-s-wait", role: "status" }, h("b", {}, "Fitting ten reward models on the train pairs."), left, progress));
    const { share: done, left: seconds, words } = data.waits;
    write(left, `Each judges only pairs of families that it has not seen. ${words}${seconds === null ? "" : `, ${about(seconds)}`}. Everything else works meanwhile.`);
    bar.style.width = `${100 * done}%`;
    progress.setAttribute("aria-valuenow", Math.round(100 * done));
  }
  return {
    node,
    parts: {
      strength: whole, "strength.histogram": plot.bars,
      "strength.bands": (data, settled) => { plot.bands(data, settled); act.draw(data, settled); },
      "strength.agreement": (data) => { plot.agreement(data); act.precision(data); },
      "strength.known": act.known, "strength.suspects": (data) => { list.draw(data); plot.brushed(data); }, "strength.chosen": list.chosen,
      "strength.pair": (data) => { reader.draw(data); plot.star(data); },
    },
    reply: list.reply, settle: () => { plot.settle(); act.settle(); },
  };
};

// -- the picture: bars, spread, agreement on one axis; bands and handles above ---------------------------------------------------

const PLOT = { left: 44, right: 14, top: 34, bars: 168, gap: 38, spread: 40, agree: 116, foot: 34 };
PLOT.floor = PLOT.top + PLOT.bars; PLOT.thin = PLOT.floor + PLOT.gap + PLOT.spread;
PLOT.low = PLOT.thin + PLOT.gap + PLOT.agree; PLOT.height = PLOT.low + PLOT.foot;
const BANDS = ["flip", "drop", "keep"], NUDGE = 100;

function strengthPlot(line) {
  const meta = h("span", { class: "wb-quiet" }), lead = h("p", { class: "wb-lead" }), host = h("div", { class: "wb-s-plot" }), key = h("div", { class: "wb-key" });
  const tabled = h("details", { class: "wb-s-details" }, h("summary", {}, "Agreement as a table")), holder = h("div", { class: "wb-scroll" });
  tabled.append(holder);
  const node = h("section", { class: "wb-s-main", "aria-label": "Preference strength" },
    h("div", { class: "wb-bar" }, h("h3", {}, "Preference strength"), meta, h("span", { class: "wb-space" }),
      button("Export", () => line.send({ do: "export" }), { title: "Put this figure into the tray (e)" })), lead, host, key, tabled);
  const still = s("g", {}), tints = s("g", {}), agree = s("g", {}), over = s("g", {}), star = s("g", {}), grips = {};
  const svg = s("svg", { class: "wb-s-svg", role: "group", "aria-label": "Histogram of preference strength; drag over bars to list their pairs" }, tints, still, agree, star, over);
  host.append(svg);
  let data = null, state = null, judged = null, read = null, width = 640, held = null, local = {}, brush = null, frame = 0;
  new ResizeObserver(() => { cancelAnimationFrame(frame); frame = requestAnimationFrame(() => {
    const now = Math.max(320, Math.floor(host.clientWidth));
    if (host.clientWidth && now !== width) { width = now; paint(); }
  }); }).observe(host);
  const span = () => data.ends[1] - data.ends[0];
  const x = (value) => PLOT.left + (width - PLOT.left - PLOT.right) * Math.max(0, Math.min(1, (value - data.ends[0]) / span()));
  const back = (px) => data.ends[0] + span() * Math.max(0, Math.min(1, (px - PLOT.left) / (width - PLOT.left - PLOT.right)));
  const digits = () => (span() < 1.5 ? 2 : 1);

  function about(found) {
    write(meta, `${count(found.n)} train pairs in ${count(found.families)} families, ${found.members} reward models; each judges families it has not seen`);
    lead.replaceChildren("The ensemble prefers the other answer on ", h("b", {}, `${percent(found.below / found.n)} %`), " of pairs: wrong labels, and hard pairs too.");
  }
  function paint() {
    if (!data) return;
    svg.setAttribute("width", width); svg.setAttribute("height", PLOT.height); svg.setAttribute("viewBox", `0 0 ${width} ${PLOT.height}`);
    const most = Math.max(1, ...data.bars.map((bar) => bar[2])), wide = Math.max(1e-9, ...data.bars.map((bar) => bar[3] || 0));
    const y = (n) => PLOT.floor - PLOT.bars * n / most, parts = [], step = tick(most / 3), right = width - PLOT.right;
    for (let n = step; n <= most; n += step) parts.push(s("path", { class: "wb-grid", d: `M${PLOT.left} ${y(n)}H${right}` }), s("text", { class: "wb-end", x: PLOT.left - 8, y: y(n) + 4 }, count(n)));
    parts.push(s("text", { class: "wb-end", x: PLOT.left - 8, y: PLOT.top - 8 }, "pairs"), s("path", { class: "wb-zero", d: `M${PLOT.left} ${PLOT.floor}H${right}` }));
    for (const [low, high, n, spread] of data.bars) {
      const told = `${signed(low, 2) || "0"} to ${signed(high, 2) || "0"}: ${count(n)} pairs${spread === null ? "" : `, spread ${fixed(spread, 2)}`}`;
      if (n) parts.push(s("rect", { class: "wb-s-bar", x: x(low) + .5, width: Math.max(1, x(high) - x(low) - 1), y: y(n), height: PLOT.floor - y(n) }, s("title", {}, told)));
    }
    const dots = data.bars.filter((bar) => bar[3] !== null).map(([low, high, , spread]) => [(x(low) + x(high)) / 2, PLOT.thin - PLOT.spread * spread / wide / 1.08]);
    parts.push(s("path", { class: "wb-s-spread", d: dots.map((at, i) => `${i ? "L" : "M"}${at[0].toFixed(1)} ${at[1].toFixed(1)}`).join("") }),
      s("path", { class: "wb-grid", d: `M${PLOT.left} ${PLOT.thin}H${right}` }), s("text", { class: "wb-end", x: PLOT.left - 8, y: PLOT.thin + 4 }, "0"),
      s("text", { class: "wb-end", x: PLOT.left - 8, y: PLOT.thin - PLOT.spread / 1.08 + 4 }, fixed(wide, 2)), s("text", { x: PLOT.left, y: PLOT.thin - PLOT.spread - 4 }, "spread over models, \u03c3\u0302"));
    const each = tick(span() / 5), first = Math.ceil(data.ends[0] / each) * each;
    for (let v = first; v <= data.ends[1] + 1e-9; v += each) {
      const label = Math.abs(v) < 1e-9 ? "0" : signed(v, each < .1 ? 2 : 1), at = x(v);
      if (Math.abs(v) < 1e-9) parts.push(s("path", { class: "wb-zero", d: `M${at} ${PLOT.floor}V${PLOT.low}`, "stroke-dasharray": "2 3" }));
      parts.push(s("text", { class: "wb-mid", x: at, y: PLOT.low + 16 }, label), s("text", { class: "wb-mid", x: at, y: PLOT.floor + 15 }, label));
    }
    parts.push(s("text", { class: "wb-end", x: right, y: PLOT.low + 30 }, "preference strength \u03bc\u0302: how surely the ensemble prefers the chosen answer \u2192"));
    still.replaceChildren(...parts);
    drawBands(); drawAgreement(); drawStar();
  }

  // -- bands and handles

  const place = (which) => { const at = which in local ? local[which] : state.handles[which === "flip" ? 0 : 1]; return at === null ? data.ends[0] : at; };
  function drawBands() {
    if (!data || !state) return;
    const flip = state.flips ? x(place("flip")) : PLOT.left, drop = Math.max(flip, x(place("drop"))), right = width - PLOT.right, ends = { flip: [PLOT.left, flip], drop: [flip, drop], keep: [drop, right] };
    const drawn = [], names = [];
    let from = 0;
    for (const band of BANDS) {
      const [low, high] = ends[band], told = `${band} ${count(state.counts[band])}`, size = 6.4 * told.length;
      if (band !== "keep" && high > low) drawn.push(s("rect", { class: `wb-s-tint wb-s-${band}`, x: low, width: high - low, y: PLOT.top, height: PLOT.bars }));
      if (band !== "keep" && high <= low && !state.counts[band]) continue;
      const middle = Math.min(Math.max((low + high) / 2, from + size / 2, PLOT.left + size / 2), right - size / 2);
      names.push(s("text", { class: "wb-mid wb-s-name", x: middle, y: PLOT.top - 12 }, told));
      from = middle + size / 2 + 8;
    }
    if (brush) drawn.push(s("rect", { class: "wb-s-brush", x: x(brush[0]), width: Math.max(1, x(brush[1]) - x(brush[0])), y: PLOT.top - 4, height: PLOT.bars + 4 }));
    tints.replaceChildren(...drawn, ...names);
    for (const which of ["flip", "drop"]) grip(which, which === "flip" ? state.flips : true);
  }
  function grip(which, on) {
    const one = grips[which] || (grips[which] = handle(which));
    flag(one.node, "wb-hide", !on);
    if (!on) return;
    const at = x(place(which)), tall = PLOT.top + PLOT.bars * (which === "flip" ? .32 : .66);
    one.node.setAttribute("transform", `translate(${at} 0)`);
    one.line.setAttribute("d", `M0 ${PLOT.top - 6}V${PLOT.floor}`);
    one.hit.setAttribute("y", tall - 17); one.box.setAttribute("y", tall - 11); one.marks.setAttribute("d", `M-1.500 ${tall - 5}v10M1.500 ${tall - 5}v10`);
    const value = place(which), off = state.handles[which === "flip" ? 0 : 1] === null && !(which in local);
    one.node.setAttribute("aria-valuemin", fixed(data.ends[0], 3).replace(MINUS, "-")); one.node.setAttribute("aria-valuemax", data.ends[1].toFixed(3));
    one.node.setAttribute("aria-valuenow", value.toFixed(3));
    one.node.setAttribute("aria-valuetext", off ? `nothing to ${which}` : `${which} below ${fixed(value, 2)}: ${state.counts[which]} pairs`);
  }
  function handle(which) {
    const line1 = s("path", { class: "wb-s-line" }), hit = s("rect", { x: -14, width: 28, height: 34, fill: "transparent" });
    const box = s("rect", { class: "wb-s-grip", x: -4, width: 8, height: 22, rx: 2 }), marks = s("path", { class: "wb-s-marks" });
    const one = { line: line1, hit, box, marks, node: s("g", { class: "wb-s-handle", role: "slider", tabindex: 0, "aria-label": `${which === "flip" ? "Flip" : "Drop"} below`, "aria-orientation": "horizontal" },
      s("title", {}, `Drag, or use arrow keys: ${which} the labels to the left`), line1, box, marks, hit) };
    hit.addEventListener("pointerdown", (event) => {
      event.preventDefault(); event.stopPropagation();
      one.node.focus({ preventScroll: true });
      hit.setPointerCapture(event.pointerId);
      held = which;
    });
    hit.addEventListener("pointermove", (event) => { if (held === which) move(which, at(event), false); });
    const end = (event) => { if (held === which) { held = null; move(which, which in local ? local[which] : at(event), true); } };
    hit.addEventListener("pointerup", end); hit.addEventListener("pointercancel", end);
    one.node.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      if (by === undefined && event.key !== "Home" && event.key !== "End") return;
      event.preventDefault();
      move(which, event.key === "Home" ? data.ends[0] : event.key === "End" ? data.ends[1] : place(which) + by * (event.shiftKey ? 10 : 1) * span() / NUDGE, true);
    });
    over.append(one.node);
    return one;
  }
  const at = (event) => back(event.clientX - svg.getBoundingClientRect().left);
  function move(which, value, done) {
    const other = place(which === "flip" ? "drop" : "flip"), set = state.handles[which === "flip" ? 1 : 0] !== null;
    value = Math.max(data.ends[0], Math.min(data.ends[1], value));
    if (set && state.flips) value = which === "flip" ? Math.min(value, other) : Math.max(value, other);
    local[which] = value;
    drawBands();
    const message = { do: "cut", which, value, done };
    if (done) line.send(message); else line.drag(message);
  }

  // -- brush: drag over the bars

  svg.addEventListener("pointerdown", (event) => {
    const box = svg.getBoundingClientRect(), y = event.clientY - box.top;
    if (!data || event.button || y < PLOT.top - 6 || y > PLOT.floor || event.target.closest(".wb-s-handle")) return;
    event.preventDefault();
    const start = at(event), before = brush;
    let moved = false;
    svg.setPointerCapture(event.pointerId);
    const drag = (now) => {
      moved = moved || Math.abs(x(start) - x(at(now))) > 3;
      if (moved) { brush = [Math.min(start, at(now)), Math.max(start, at(now))]; drawBands(); }
    };
    const done = () => {
      svg.removeEventListener("pointermove", drag); svg.removeEventListener("pointerup", done); svg.removeEventListener("pointercancel", done);
      if (moved) line.send({ do: "list", of: "brush", ends: brush });
      else if (before) { brush = null; drawBands(); line.send({ do: "list", of: "all" }); }
    };
    svg.addEventListener("pointermove", drag); svg.addEventListener("pointerup", done); svg.addEventListener("pointercancel", done);
  });

  // -- who agrees with the labels

  function drawAgreement() {
    if (!data) return;
    const top = PLOT.low - PLOT.agree, right = width - PLOT.right, title = s("text", { x: PLOT.left, y: top - 8 }, "agreement with the label, by tenth of strength");
    if (!judged || judged.waits || judged.lacking) {
      agree.replaceChildren(title, s("text", { x: PLOT.left, y: top + 20 }, judged && judged.lacking ? `${judged.lacking.fact} ${judged.lacking.why}` : "Working out intervals \u2026"));
      return;
    }
    const kinds = Object.keys(judged.series), every = kinds.flatMap((kind) => judged.series[kind].filter((one) => one.value !== null));
    if (!every.length) { agree.replaceChildren(title, s("text", { x: PLOT.left, y: top + 20 }, "Appears when the baseline is trained: the gate is the judge.")); return; }
    const least = Math.floor(4 * Math.min(.5, ...every.map((one) => (one.low === null ? one.value : one.low)))) / 4, ticks = [0, .25, .5, .75, 1].filter((v) => v >= least && (least > 0 || v % .5 === 0));
    const y = (v) => PLOT.low - PLOT.agree * (v - least) / (1 - least), parts = [title];
    for (const v of ticks) parts.push(s("path", { class: "wb-grid", d: `M${PLOT.left} ${y(v)}H${right}` }), s("text", { class: "wb-end", x: PLOT.left - 8, y: y(v) + 4 }, `${Math.round(100 * v)} %`));
    if (least < .5) parts.push(s("path", { class: "wb-zero", d: `M${PLOT.left} ${y(.5)}H${right}`, "stroke-dasharray": "2 3" }));
    kinds.forEach((kind, i) => {
      const shift = 5 * (i - (kinds.length - 1) / 2);
      for (const one of judged.series[kind]) {
        if (one.value === null) continue;
        const px = x(one.strength) + shift, told = `${WHO[kind]}, tenth ${one.bin}: ${percent(one.value)} %${one.low === null ? "" : ` [${percent(one.low)}, ${percent(one.high)}]`}, n ${count(one.n)}, ${count(one.families)} families${one.words ? `; ${one.words}` : ""}`;
        parts.push(s("g", {}, s("title", {}, told), one.low === null ? null : s("path", { class: `wb-s-interval wb-s-i-${kind}`, d: `M${px} ${y(one.low)}V${y(one.high)}` }),
          kind === "truth" ? s("path", { class: "wb-s-truth", d: `M${px} ${y(one.value) - 4.500}l4.500 4.500-4.500 4.500-4.500-4.500Z` }) : dot(kind, px, y(one.value), 3.6)));
      }
    });
    agree.replaceChildren(...parts);
    agree.setAttribute("role", "img");
    agree.setAttribute("aria-label", kinds.map((kind) => `${WHO[kind]}: ${judged.series[kind].map((one) => (one.value === null ? "no number" : `${Math.round(100 * one.value)}`)).join(", ")} per cent from the weakest tenth to the strongest`).join(". "));
  }
  function agreement(found) {
    judged = found;
    const kinds = found.series ? Object.keys(found.series) : [];
    key.replaceChildren(...kinds.map((kind) => h("span", { class: "wb-s-key" }, kind === "truth" ? glyph("wb-mark", 11, s("path", { class: "wb-s-truth", d: "M5.500 1l4.500 4.500-4.500 4.500-4.500-4.500Z" })) : mark(kind),
      `${WHO[kind]}, ${count(kind === "truth" ? found.train : found.dev)} ${kind === "truth" ? "train" : "dev"} pairs`)), ...(kinds.length ? ["bars: 95 %, families resampled"] : []));
    flag(tabled, "wb-hide", !kinds.length);
    holder.replaceChildren(...(kinds.length ? [agreementTable(found.series)] : []));
    drawAgreement();
  }
  function drawStar() {
    if (!data) return;
    if (!read || !read.pair) { star.replaceChildren(); return; }
    const told = `The pair that is read: ${fixed(read.mean, 2)} \u00b1 ${fixed(read.std, 2)}`;
    star.replaceChildren(s("g", { role: "img", "aria-label": told }, s("title", {}, told), s("path", { class: "wb-s-whisker", d: `M${x(read.mean - read.std)} ${PLOT.floor + 1}H${x(read.mean + read.std)}` }),
      s("circle", { class: "wb-s-here", cx: x(read.mean), cy: PLOT.floor + 1, r: 4.500 })));
  }
  return {
    node, about, agreement,
    bars(found) { data = found; paint(); },
    bands(found, settled) { state = found; if (settled && held === null) local = {}; drawBands(); },
    brushed(found) { if (!found.lacking) { brush = found.list === "brush" ? found.ends : null; drawBands(); } },
    star(found) { read = found.lacking ? null : found; drawStar(); },
    settle() { if (held === null) { local = {}; drawBands(); } },
  };
}
const WHO = { base: "baseline agrees", cand: "candidate agrees", truth: "label is true" };
function tick(about) {
  const power = 10 ** Math.floor(Math.log10(Math.max(about, 1e-9))), lead = about / power;
  return power * (lead < 1.5 ? 1 : lead < 3.500 ? 2 : lead < 7.500 ? 5 : 10);
}
function agreementTable(series) {
  const kinds = Object.keys(series), first = series[kinds[0]];
  const cell = (one) => h("td", { class: "wb-right", title: one ? one.words : "" }, !one || one.value === null ? DASH : `${percent(one.value)}${one.low === null ? "" : ` [${percent(one.low)}, ${percent(one.high)}]`}, ${count(one.families)} families`);
  return h("table", { class: "wb-table wb-s-tenths" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Tenth"), kinds.map((kind) => h("th", { scope: "col", class: "wb-right" }, `${WHO[kind]}, %`)))),
    h("tbody", {}, first.map((row) => h("tr", {}, h("th", { scope: "row" }, `${row.bin}${row.bin === 1 ? ", weakest" : ""}`), kinds.map((kind) => cell(series[kind].find((one) => one.bin === row.bin)))))));
}

// -- what is done with the labels ------------------------------------------------------------------------------------------------

function treatment(line) {
  const kind = select("Treatment", "Treatment of the train labels");
  kind.box.addEventListener("change", () => line.send({ do: "kind", value: kind.box.value }));
  const unit = segments("Cut by", [["value", "by value"], ["share", "by share"]], (value) => line.send({ do: "unit", value }));
  const boxes = ["flip", "drop"].map((which) => {
    const word = h("span", {}), box = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false" }), tail = h("span", { class: "wb-quiet" });
    const read = () => { const text = box.value.trim().replace(MINUS, "-").replace(",", ".").replace("%", ""); return text === "" ? null : Number(text); };
    box.addEventListener("change", () => { const value = read(); if (Number.isNaN(value)) settle(); else line.send({ do: "field", which, value }); });
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") box.blur(); });
    return { word, box, tail, node: h("label", { class: "wb-s-field" }, word, box, tail) };
  });
  const says = h("p", { class: "wb-s-says" }), does = h("button", { class: "wb-primary", onclick: () => line.send({ do: "apply" }) });
  const clear = button("Leave labels as they stand", () => line.send({ do: "clear" })), retrain = button("", () => line.send({ do: "retrain" }));
  const truths = h("div", { class: "wb-scroll" }), length = h("p", { class: "wb-s-length" }), bias = h("div", { class: "wb-hide" }, h("h4", {}, "Length"), length);
  const half = h("p", { class: "wb-quiet wb-s-half" }), known = h("div", { class: "wb-hide" }, h("h4", {}, "Labels that are truly wrong"), truths, half);
  const node = h("section", { class: "wb-s-act", "aria-label": "Treatment" }, h("div", { class: "wb-bar" }, h("h3", {}, "What to do with them"), h("span", { class: "wb-space" }), unit.node),
    h("div", { class: "wb-s-fields" }, kind.node, boxes.map((box) => box.node)), says, h("div", { class: "wb-act wb-s-buttons" }, does, retrain, clear), bias, known);
  let state = null, found = null, lowest = [];
  function settle() {
    if (!state) return;
    fill(kind.box, state.kinds, []); pick(kind.box, state.kind);
    unit.show(state.unit);
    boxes.forEach((one, i) => {
      const value = state.fields[i], percentile = state.unit === "share";
      write(one.word, percentile ? (i && state.flips && state.fields[0] !== null ? "Drop the next" : `${i ? "Drop" : "Flip"} the lowest`) : `${i ? "Drop" : "Flip"} below`);
      write(one.tail, percentile ? "%" : "");
      if (document.activeElement !== one.box) one.box.value = value === null ? "" : String(value).replace("-", MINUS);
    });
  }
  function draw(data, settled) {
    state = data;
    if (settled) settle();
    flag(boxes[0].node, "wb-hide", !data.flips);
    const said = data.where.length ? `${data.words}.` : `${data.words[0].toUpperCase()}${data.words.slice(1)}.`;
    write(says, data.applied ? `${said} This is the draft's treatment.` : data.treated ? `${said} The draft: ${data.now}.` : `${said} The draft: labels as they stand.`);
    write(does, data.says);
    does.disabled = data.applied; does.title = data.applied ? "The draft's labels are treated so already" : "An edit of the draft: train labels alone; undo takes it back";
    flag(clear, "wb-hide", !data.treated);
    write(retrain, data.retrain.words); flag(retrain, "wb-hide", !data.retrain.wanted); retrain.title = data.retrain.waits ? "A job is running: this one waits for it" : "";
    for (const [one, main] of [[does, !data.applied], [retrain, data.applied]]) { flag(one, "wb-primary", main); flag(one, "wb-button", !main); }
  }
  function tell(data) { found = data; table(); }
  function precision(data) { lowest = data.precision || []; table(); }
  function table() {
    const ready = found && !found.waits && !found.lacking, bands = ready ? found.bands : [];
    flag(bias, "wb-hide", !(ready && found.length.length)); length.replaceChildren(...(ready ? said(found.length) : []));
    flag(known, "wb-hide", !lowest.length);
    if (!lowest.length) return;
    const row = (word, one) => h("tr", {}, h("th", { scope: "row" }, word), h("td", { class: "wb-right" }, one.value === null ? DASH : `${percent(one.value)} %`),
      h("td", { class: "wb-right" }, one.low === null ? DASH : `[${percent(one.low)}, ${percent(one.high)}]`), h("td", { class: "wb-right" }, count(one.n)), h("td", { class: "wb-right" }, count(one.families)));
    truths.replaceChildren(h("table", { class: "wb-table wb-s-truths" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, ""), ...["wrong", "95 %", "n", "families"].map((word) => h("th", { scope: "col", class: "wb-right" }, word)))),
      h("tbody", {}, lowest.map((one) => row(`lowest ${Math.round(100 * one.share)} %`, one)), (bands.length ? bands : BANDS.map((band) => ({ band, value: null, low: null, n: state ? state.counts[band] : 0, families: 0 }))).map((one, i) => {
        const drawn = row(`band: ${one.band}`, one);
        if (!i) drawn.className = "wb-first";
        return drawn;
      }))));
  }
  const ties = (data) => write(half, data.ties ? `A true tie counts as half wrong: ${count(data.ties)} of ${count(data.n)} pairs are one.` : "");
  return { node, draw, settle, known: tell, precision, ties };
}
