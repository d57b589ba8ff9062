// The picture: pairs as bars or as marks, and who agrees with their labels, on one axis; bands and handles above, a brush over it.
const PLOT = { left: 44, right: 14, top: 34, bars: 168, gap: 38, spread: 40, agree: 116, foot: 34 };
PLOT.floor = PLOT.top + PLOT.bars; PLOT.thin = PLOT.floor + PLOT.gap + PLOT.spread;
PLOT.low = PLOT.thin + PLOT.gap + PLOT.agree; PLOT.height = PLOT.low + PLOT.foot;
const NUDGE = 100;
const PICTURES = [["bars", "Histogram"], ["points", "Mean and spread"]];

PIECES.strengthPlot = (line, source) => {
  const meta = h("p", { class: "wb-quiet wb-s-meta" }), lead = h("p", { class: "wb-lead" }), host = h("div", { class: "wb-s-plot" }), key = h("div", { class: "wb-key" });
  const agreeing = PIECES.strengthAgreement(), marks = PIECES.strengthPoints(line, host), numbers = PIECES.strengthNumbers(line);
  const pictures = segments("Picture", PICTURES, (value) => line.send({ do: "picture", value }));
  const truth = h("button", { class: "wb-button wb-hide", "aria-pressed": "false", title: "Mark the labels that are truly wrong", onclick: () => line.send({ do: "truth", on: truth.getAttribute("aria-pressed") !== "true" }) }, "Show truth");
  const node = h("section", { class: "wb-s-main", "aria-label": "Preference strength" },
    h("div", { class: "wb-bar" }, h("h3", {}, "Preference strength"), h("span", { class: "wb-space" }), truth, pictures.node,
      button("Export", () => line.send({ do: "export" }), { title: "Put this figure into the tray (e)" })), lead, meta, source.node, host, key, numbers.node, agreeing.node);
  const still = s("g", {}), tints = s("g", {}), agree = s("g", {}), over = s("g", {}), star = s("g", {}), grips = {};
  const svg = s("svg", { class: "wb-s-svg", role: "group" }, tints, still, agree, star, over);
  host.prepend(svg);
  let about = null, data = null, state = null, read = null, held = null, local = {}, brush = null, frame = 0, picture = "bars";
  const axis = { PLOT, width: 640, get right() { return axis.width - PLOT.right; }, get floor() { return picture === "points" ? PLOT.thin : PLOT.floor; } };
  axis.span = () => data.ends[1] - data.ends[0];
  axis.x = (value) => PLOT.left + (axis.right - PLOT.left) * Math.max(0, Math.min(1, (value - data.ends[0]) / axis.span()));
  axis.back = (px) => data.ends[0] + axis.span() * Math.max(0, Math.min(1, (px - PLOT.left) / (axis.right - PLOT.left)));
  const { x, span } = axis;
  new ResizeObserver(() => { cancelAnimationFrame(frame); frame = requestAnimationFrame(() => {
    const now = Math.max(320, Math.floor(host.clientWidth));
    if (host.clientWidth && now !== axis.width) { axis.width = now; paint(); }
  }); }).observe(host);
  const themed = new MutationObserver(() => { if (!host.isConnected) themed.disconnect(); else if (picture === "points") paint(); });
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });

  function told(found) {
    about = found;
    write(meta, `${count(found.n)} train pairs in ${count(found.families)} families; ${found.who}`);
    lead.replaceChildren(found.members > 1 ? "The ensemble prefers the other answer on " : "It prefers the other answer on ", h("b", {}, `${percent(found.below / found.n)} %`), " of pairs: wrong labels, and hard pairs too.");
    numbers.about(found);
  }
  function look(found) {
    picture = found.picture;
    pictures.show(picture);
    truth.setAttribute("aria-pressed", String(found.truth));
    flag(truth, "wb-hide", picture !== "points" || !about || !about.truth);
    marks.look(found.truth, picture === "points");
    paint();
  }
  function paint() {
    if (!data) return;
    svg.setAttribute("width", axis.width); svg.setAttribute("height", PLOT.height); svg.setAttribute("viewBox", `0 0 ${axis.width} ${PLOT.height}`);
    svg.setAttribute("aria-label", picture === "points" ? "Mean and spread of preference strength; draw a box to list its pairs" : "Histogram of preference strength; drag over bars to list their pairs");
    const parts = picture === "points" ? marks.paint(axis) : PIECES.strengthBars(axis, data), each = tick(span() / 5), first = Math.ceil(data.ends[0] / each) * each;
    for (let v = first; v <= data.ends[1] + 1e-9; v += each) {
      const label = Math.abs(v) < 1e-9 ? "0" : signed(v, each < .1 ? 2 : 1), at = x(v);
      if (Math.abs(v) < 1e-9) parts.push(s("path", { class: "wb-zero", d: `M${at} ${picture === "points" ? PLOT.top : axis.floor}V${PLOT.low}`, "stroke-dasharray": "2 3" }));
      parts.push(s("text", { class: "wb-mid", x: at, y: PLOT.low + 16 }, label), s("text", { class: "wb-mid", x: at, y: axis.floor + 15 }, label));
    }
    parts.push(s("text", { class: "wb-end", x: axis.right, y: PLOT.low + 30 }, "preference strength \u03bc\u0302: how surely the ensemble prefers the chosen answer \u2192"));
    still.replaceChildren(...parts);
    drawBands(); drawAgreement(); drawStar(); drawKey();
  }
  function drawKey() { key.replaceChildren(...marks.key(), ...agreeing.key()); }

  // -- bands and handles

  const index = (which) => (which === "flip" ? 0 : 1);
  const place = (which) => { const at = which in local ? local[which] : state.edges[index(which)]; return at === null ? data.ends[0] : at; };
  function drawBands() {
    if (!data || !state) return;
    const first = state.on[0] || state.edges[0] !== null ? x(place("flip")) : PLOT.left, second = Math.max(first, x(place("drop"))), right = axis.right;
    const drawn = [], names = [], spans = [[PLOT.left, first], [first, second], [second, right]];
    let from = 0;
    state.regions.forEach(([word, pairs, tint], i) => {
      const [low, high] = spans[i], told1 = `${word} ${count(pairs)}`, size = 6.4 * told1.length;
      if (tint && tint !== "keep" && high > low) drawn.push(s("rect", { class: `wb-s-tint wb-s-${tint}`, x: low, width: high - low, y: PLOT.top, height: axis.floor - PLOT.top }));
      if (!word || (!pairs && (state.unit === "band" || (i < 2 && high <= low)))) return;
      const middle = Math.min(Math.max((low + high) / 2, from + size / 2, PLOT.left + size / 2), right - size / 2);
      names.push(s("text", { class: "wb-mid wb-s-name", x: middle, y: PLOT.top - 12 }, told1));
      from = middle + size / 2 + 8;
    });
    tints.replaceChildren(...drawn, ...names);
    drawBrush();
    for (const which of ["flip", "drop"]) grip(which, state.on[index(which)]);
  }
  function grip(which, on) {
    const one = grips[which] || (grips[which] = handle(which));
    flag(one.node, "wb-hide", !on);
    if (!on) return;
    const at = x(place(which)), tall = PLOT.top + PLOT.bars * (which === "flip" ? .32 : .66);
    one.node.setAttribute("transform", `translate(${at} 0)`);
    one.line.setAttribute("d", `M0 ${PLOT.top - 6}V${axis.floor}`);
    one.hit.setAttribute("y", tall - 17); one.box.setAttribute("y", tall - 11); one.marks.setAttribute("d", `M-1.500 ${tall - 5}v10M1.500 ${tall - 5}v10`);
    const value = place(which), off = state.handles[index(which)] === null && !(which in local), says = state.names[index(which)];
    one.node.setAttribute("aria-label", says); write(one.tip, `Drag, or use arrow keys: ${says.toLowerCase()}`);
    one.node.setAttribute("aria-valuemin", fixed(data.ends[0], 3).replace(MINUS, "-")); one.node.setAttribute("aria-valuemax", data.ends[1].toFixed(3));
    one.node.setAttribute("aria-valuenow", value.toFixed(3));
    one.node.setAttribute("aria-valuetext", off && state.unit !== "band" ? `nothing to ${says.split(" ")[0].toLowerCase()}` : `${says.toLowerCase()} ${fixed(value, 2)}: ${state.regions[index(which)][1]} pairs`);
  }
  function handle(which) {
    const line1 = s("path", { class: "wb-s-line" }), hit = s("rect", { x: -14, width: 28, height: 34, fill: "transparent" });
    const box = s("rect", { class: "wb-s-grip", x: -4, width: 8, height: 22, rx: 2 }), marks1 = s("path", { class: "wb-s-marks" });
    const tip = s("title", {}), one = { line: line1, hit, box, marks: marks1, tip, node: s("g", { class: "wb-s-handle", role: "slider", tabindex: 0, "aria-orientation": "horizontal" }, tip, line1, box, marks1, hit) };
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
  const here = (event) => { const box = svg.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
  const at = (event) => axis.back(here(event)[0]);
  function move(which, value, done) {
    const other = place(which === "flip" ? "drop" : "flip"), set = state.edges[1 - index(which)] !== null;
    value = Math.max(data.ends[0], Math.min(data.ends[1], value));
    if (set && state.on[0] && state.on[1]) value = which === "flip" ? Math.min(value, other) : Math.max(value, other);
    local[which] = value;
    drawBands();
    const message = { do: "cut", which, value, done };
    if (done) line.send(message); else line.drag(message);
  }

  // -- brush: drag over the bars, or a box over the marks; a click on a mark reads its pair

  const box = s("rect", { class: "wb-s-brush wb-hide" });
  over.append(box);
  function drawBrush() {
    flag(box, "wb-hide", !brush);
    if (!brush) return;
    const [low, high] = brush.ends ? brush.ends.map(x) : [PLOT.left, axis.right];
    const [top, foot] = picture === "points" && brush.spread ? [marks.y(brush.spread[1]), marks.y(brush.spread[0])] : [PLOT.top - 4, axis.floor];
    for (const [name, value] of Object.entries({ x: low, width: Math.max(1, high - low), y: top, height: Math.max(1, foot - top) })) box.setAttribute(name, value);
  }
  svg.addEventListener("pointerdown", (event) => {
    const start = here(event), before = brush, points = picture === "points" && marks.ready();
    if (!data || event.button || start[1] < PLOT.top - 6 || start[1] > axis.floor || event.target.closest(".wb-s-handle")) return;
    event.preventDefault();
    let moved = false;
    marks.peek(null);
    svg.setPointerCapture(event.pointerId);
    const drag = (now) => {
      const [px, py] = here(now), sorted = (a, b) => [Math.min(a, b), Math.max(a, b)];
      moved = moved || Math.abs(start[0] - px) > 3 || (points && Math.abs(start[1] - py) > 3);
      if (!moved) return;
      brush = { ends: sorted(axis.back(start[0]), axis.back(px)), spread: points ? sorted(marks.back(start[1]), marks.back(py)) : null };
      drawBrush();
    };
    const done = () => {
      svg.removeEventListener("pointermove", drag); svg.removeEventListener("pointerup", done); svg.removeEventListener("pointercancel", done);
      if (moved) line.send({ do: "list", of: "brush", ...brush });
      else if (points && marks.near(...start) >= 0) line.send({ do: "read", place: marks.near(...start) });
      else if (before) { brush = null; drawBrush(); line.send({ do: "list", of: "all" }); }
    };
    svg.addEventListener("pointermove", drag); svg.addEventListener("pointerup", done); svg.addEventListener("pointercancel", done);
  });
  svg.addEventListener("pointermove", (event) => { if (picture === "points" && !event.buttons) marks.peek(here(event)); });
  svg.addEventListener("pointerleave", () => marks.peek(null));

  // -- agreement below, and the pair that is read

  function drawAgreement() { if (data) agreeing.paint(agree, axis); }
  function agreement(found) {
    agreeing.tell(found);
    drawAgreement(); drawKey();
  }
  function drawStar() {
    if (!data) return;
    if (!read || !read.pair) { star.replaceChildren(); return; }
    const words = `The pair that is read: ${fixed(read.mean, 2)}${read.std === null ? "" : ` \u00b1 ${fixed(read.std, 2)}`}`, on = picture === "points" && marks.ready();
    const y = on ? marks.y(read.std) : PLOT.floor + 1, wide = on || read.std === null ? 0 : read.std;
    star.replaceChildren(s("g", { role: "img", "aria-label": words }, s("title", {}, words), wide ? s("path", { class: "wb-s-whisker", d: `M${x(read.mean - wide)} ${y}H${x(read.mean + wide)}` }) : null,
      on ? s("circle", { class: "wb-s-halo", cx: x(read.mean), cy: y, r: 7 }) : null, s("circle", { class: on ? "wb-s-ring" : "wb-s-here", cx: x(read.mean), cy: y, r: on ? 7 : 4.500 })));
  }
  return {
    node, about: told, agreement, look,
    bars(found) { data = found; paint(); },
    points(found, settled, buffers) { marks.points(found, buffers); paint(); },
    bands(found, settled) { state = found; if (settled && held === null) local = {}; drawBands(); },
    brushed(found) {
      if (found.lacking) return;
      brush = found.list === "brush" ? { ends: found.ends, spread: found.spread } : null;
      numbers.brushed(brush);
      if (data) drawBrush();
    },
    star(found) { read = found.lacking ? null : found; drawStar(); },
    settle() { if (held === null) { local = {}; drawBands(); } },
    reply: marks.reply,
  };
};

function tick(about) {
  const power = 10 ** Math.floor(Math.log10(Math.max(about, 1e-9))), lead = about / power;
  return power * (lead < 1.5 ? 1 : lead < 3.500 ? 2 : lead < 7.500 ? 5 : 10);
}
PIECES.tick = tick;
