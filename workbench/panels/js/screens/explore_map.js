// The map of prompts: its marks on one canvas; names of clusters, lasso and primary item on a second one above it.
const TALL = 282;  // px
const LASSO = "M8 2.500c3.500 0 6 1.700 6 4s-2.500 4-6 4-6-1.700-6-4 2.500-4 6-4"
  + "M4.500 9.800c-1.200.6-1.200 2.400.2 2.500 1.400.1 1.500 1.200.6 1.900";

PIECES.map = (line, shell) => {
  const { layOut, nearest, inside, rgb, stampAll, trace, names, ring } = PIECES.marks;
  const title = h("h3", {}), legend = h("div", { class: "wb-x-legend" }), caption = h("p", { class: "wb-quiet" });
  const marks = h("canvas", { class: "wb-x-marks", role: "img" }), over = h("canvas", { class: "wb-x-over", "aria-hidden": "true" });
  const tip = h("div", { class: "wb-x-tip wb-hide", "aria-hidden": "true", dir: "auto" }), probe = h("i", { class: "wb-hide" });
  const drop = named(h("button", { class: "wb-icon-button wb-hide", onclick: () => clear() }, icon(LASSO)), "Clear the lasso (Esc)");
  const box = h("div", { class: "wb-x-box" }, marks, over, tip, probe), state = h("div", { class: "wb-x-state wb-hide" });
  const node = h("div", {}, h("div", { class: "wb-bar" }, title, h("span", { class: "wb-space" }), drop), box, state, legend, caption);
  let map = null, paint = null, chosen = { primary: null, place: -1, lasso: false, bits: null }, laid = null, strokes = [], stroke = null;
  const texts = new Map();
  let over_at = -1, waits = null;

  // -- drawing --------------------------------------------------------------------------------------

  function colour(name) {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  }
  function fit() {
    const wide = box.clientWidth;
    if (!map || !wide) return false;
    if (!laid || laid.wide !== wide || laid.map !== map) laid = { map, wide, ...layOut(map, wide, TALL) };
    const scale = window.devicePixelRatio || 1;
    for (const canvas of [marks, over]) {
      const [across, down] = [Math.round(wide * scale), Math.round(TALL * scale)];
      if (canvas.width === across && canvas.height === down) continue;
      Object.assign(canvas, { width: across, height: down });
      Object.assign(canvas.style, { width: `${wide}px`, height: `${TALL}px` });
    }
    laid.scale = scale;
    return true;
  }
  function draw() {
    if (!fit()) return;
    const slots = map.slots, look = { ground: rgb(colour("--wb-bg")), grey: rgb(colour("--wb-rule-2")) };
    look.tones = slots.map((slot) => rgb(colour(slot === "other" ? "--wb-base-c" : `--wb-${slot}`)));
    stampAll(marks, laid, map, paint, chosen.bits, look);
    drawOver();
    marks.setAttribute("aria-label", sentence());
  }
  function drawOver() {
    if (!laid) return;
    const pen = over.getContext("2d"), ink = colour("--wb-full"), ground = colour("--wb-bg");
    pen.setTransform(laid.scale, 0, 0, laid.scale, 0, 0);
    pen.clearRect(0, 0, laid.wide, TALL);
    for (const one of strokes) trace(pen, one.map((at) => laid.to(...at)), ink);
    if (stroke) trace(pen, stroke.points, ink);
    names(pen, map.clusters, laid, getComputedStyle(box).fontFamily, ink, ground);
    if (chosen.place >= 0) ring(pen, laid.x[chosen.place], laid.y[chosen.place], ink, ground);
  }
  function sentence() {
    const top = paint ? paint.legend.map((one) => `${one.name} ${count(one.n)}`).join(", ") : "";
    const part = chosen.bits ? ` ${count(chosen.n)} of ${count(chosen.of)} pairs are selected.` : "";
    return `Map of ${count(map.n)} prompts${top ? ` by ${paint.by}: ${top}` : ""}.${part} The table beside it lists the same items.`;
  }
  const again = new ResizeObserver(() => { if (map && box.clientWidth && (!laid || laid.wide !== box.clientWidth)) draw(); });
  again.observe(box);
  const themed = new MutationObserver(() => { if (box.isConnected) draw(); else themed.disconnect(); });
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });

  // -- lasso, click, hover --------------------------------------------------------------------------

  const here = (event) => { const at = over.getBoundingClientRect(); return [event.clientX - at.left, event.clientY - at.top]; };
  over.addEventListener("pointerdown", (event) => {
    if (event.button || !laid) return;
    over.setPointerCapture(event.pointerId);
    stroke = { points: [here(event)], mode: event.shiftKey ? "add" : event.altKey ? "remove" : "new" };
    peek(-1);
  });
  over.addEventListener("pointermove", (event) => {
    if (!laid) return;
    const [x, y] = here(event);
    if (!stroke) { peek(nearest(laid, x, y), x, y); return; }
    const [px, py] = stroke.points[stroke.points.length - 1];
    if (Math.hypot(x - px, y - py) < 2.5) return;
    stroke.points.push([x, y]);
    drawOver();
  });
  over.addEventListener("pointerup", (event) => {
    if (!stroke) return;
    const done = stroke;
    stroke = null;
    if (done.points.length < 4) {
      const place = nearest(laid, ...here(event));
      if (place >= 0) line.send({ do: "mark", place });
      drawOver();
      return;
    }
    const hit = inside(laid, done.points);
    if (!hit.n) { shell.say("No prompt is inside."); drawOver(); return; }
    const kept = done.points.map((at) => laid.back(...at));  // on the map, so that they stay where they are when it is resized
    strokes = done.mode === "new" ? [kept] : [...strokes, kept];
    drawOver();
    line.send({ do: "lasso", mode: done.mode }, [hit.bits.buffer]);
  });
  over.addEventListener("pointercancel", () => { stroke = null; drawOver(); });
  over.addEventListener("pointerleave", () => peek(-1));
  function clear() {
    if (stroke) { stroke = null; drawOver(); return; }
    if (chosen.lasso) line.send({ do: "drop", kind: "lasso" });
  }
  function peek(place, x, y) {
    if (place === over_at) return;
    over_at = place;
    clearTimeout(waits);
    over.classList.toggle("wb-x-on", place >= 0);
    if (place < 0) { flag(tip, "wb-hide", true); return; }
    Object.assign(tip.style, { left: `${Math.min(laid.x[place] + 10, laid.wide - 190)}px`, top: `${laid.y[place] + 12}px` });
    if (texts.has(place)) told(place); else { flag(tip, "wb-hide", true); waits = setTimeout(() => line.send({ do: "peek", place }), 80); }
  }
  function told(place) {
    if (place !== over_at) return;
    write(tip, texts.get(place)); flag(tip, "wb-hide", false);
  }

  // -- what the kernel sends ------------------------------------------------------------------------

  function described(data, settled, buffers) {
    const there = Boolean(data.there);
    for (const each of [box, legend, caption]) flag(each, "wb-hide", !there);
    flag(state, "wb-hide", there);
    texts.clear(); strokes = []; laid = null;
    if (!there) {
      map = null;
      write(title, data.n === undefined ? "Map of prompts" : `${count(data.n)} prompts`);
      state.replaceChildren(absent(data, line));
      return;
    }
    const [places, kept, grouped] = buffers;
    map = { ...data, xy: floats(places), kept: bytes(kept), grouped: bytes(grouped) };
    write(title, `${count(map.n)} prompts`);
    write(caption, captionOf(map));
    requestAnimationFrame(draw);
  }
  function painted(data, settled, buffers) {
    paint = { ...data, codes: bytes(buffers[0]) };
    if (!map) return;
    write(title, `${count(map.n)} prompts, by ${paint.by === "group" ? "the group that decides" : "section"}`);
    legend.replaceChildren(...paint.legend.map(({ slot, name, n }) =>
      h("span", { class: `wb-f-${slot}`, title: `${name}: ${count(n)} prompts` }, shape(slot), name)));
    requestAnimationFrame(draw);
  }
  function selected(data, settled, buffers) {
    chosen = { ...data, bits: buffers.length ? bytes(buffers[0]) : null };
    if (!chosen.lasso && settled) strokes = [];
    flag(drop, "wb-hide", !chosen.lasso);
    draw();
  }
  return {
    node, parts: { "explore.map": described, "explore.paint": painted, "explore.selection": selected }, escape: clear,
    reply(answer) {
      if (!answer.peek) return;
      texts.set(answer.peek.place, answer.peek.text);
      told(answer.peek.place);
    },
  };
};

const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

function absent(data, line) {
  if (data.lacking) return blank(data.lacking.fact, data.lacking.why);
  if (!data.lays) {
    const word = data.again ? "Try again" : "Lay out the map";
    return blank(data.fact, data.why, data.can ? button(word, () => line.send({ do: "lay", on: true })) : null);
  }
  const { percent: now, left, words } = data.lays, bar = h("i", { style: `width:${now}%` });
  const range = { role: "progressbar", "aria-label": "Laying out the map", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": now };
  const clock = left === null ? "" : `, ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`;
  return h("div", { class: "wb-blank" }, h("b", {}, `Laying out the map${clock}`),
    h("p", {}, `${words[0].toUpperCase()}${words.slice(1)}.`), h("span", { class: "wb-progress", ...range }, bar),
    button("Cancel", () => line.send({ do: "lay", on: false })));
}

function captionOf(map) {
  const said = ["Fainter = neighbourhood less well kept. Grey = no cluster."];
  if (map.agreement !== null) said.push(`Layout agreement over ${map.seeds} seeds ${map.agreement.toFixed(2)}.`);
  if (map.elsewhere) said.push(`${count(map.elsewhere)} prompts outside dev are not drawn.`);
  if (map.missing) said.push(`${count(map.missing)} of dev are not on the map.`);
  return said.join(" ");
}
