// The map of prompts: marks written into an image by hand (a hundred thousand of them in a few hundredths of a second), names of
// clusters, lasso and primary item on a second canvas above it.
const PAD = 14, TALL = 282, NEAR = 9, WIDE = 1.35;  // px; and how far the two axes may differ in scale
const LASSO = "M8 2.500c3.500 0 6 1.700 6 4s-2.500 4-6 4-6-1.700-6-4 2.500-4 6-4M4.500 9.800c-1.200.6-1.200 2.400.2 2.500 1.400.1 1.500 1.200.6 1.900";

PIECES.map = (line, shell) => {
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
      const [w, t] = [Math.round(wide * scale), Math.round(TALL * scale)];
      if (canvas.width !== w || canvas.height !== t) { canvas.width = w; canvas.height = t; canvas.style.width = `${wide}px`; canvas.style.height = `${TALL}px`; }
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
    legend.replaceChildren(...paint.legend.map((one) => h("span", { class: `wb-f-${one.slot}`, title: `${one.name}: ${count(one.n)} prompts` },
      shape(one.slot), one.name)));
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
const has = (bits, i) => (bits[i >> 3] >> (i & 7)) & 1;

function absent(data, line) {
  if (data.lacking) return blank(data.lacking.fact, data.lacking.why);
  if (!data.lays) return blank(data.fact, data.why, data.can ? button(data.again ? "Try again" : "Lay out the map", () => line.send({ do: "lay", on: true })) : null);
  const { percent: done, left, words } = data.lays, bar = h("i", { style: `width:${done}%` });
  const clock = left === null ? "" : `, ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`;
  return h("div", { class: "wb-blank", role: "status" }, h("b", {}, `Laying out the map${clock}`), h("p", {}, `${words[0].toUpperCase()}${words.slice(1)}.`),
    h("span", { class: "wb-progress", role: "progressbar", "aria-label": "Laying out the map", "aria-valuenow": done, "aria-valuemin": 0, "aria-valuemax": 100 }, bar),
    button("Cancel", () => line.send({ do: "lay", on: false })));
}

function captionOf(map) {
  const said = ["Fainter = neighbourhood less well kept. Grey = no cluster."];
  if (map.agreement !== null) said.push(`Layout agreement over ${map.seeds} seeds ${map.agreement.toFixed(2)}.`);
  if (map.elsewhere) said.push(`${count(map.elsewhere)} prompts outside dev are not drawn.`);
  if (map.missing) said.push(`${count(map.missing)} of dev are not on the map.`);
  return said.join(" ");
}

// -- where marks are ----------------------------------------------------------------------------------

// Places in px, and a grid of buckets to find the nearest one.
function layOut(map, wide, tall) {
  const { xy } = map, n = map.n, x = new Float32Array(n), y = new Float32Array(n), cell = 12, across = Math.ceil(wide / cell);
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (let i = 0; i < n; i += 1) {
    left = Math.min(left, xy[2 * i]); right = Math.max(right, xy[2 * i]); low = Math.min(low, xy[2 * i + 1]); high = Math.max(high, xy[2 * i + 1]);
  }
  const sx = (wide - 2 * PAD) / Math.max(right - left, 1e-9), sy = (tall - 2 * PAD) / Math.max(high - low, 1e-9);
  const least = Math.min(sx, sy), kx = Math.min(sx, WIDE * least), ky = Math.min(sy, WIDE * least);
  const dx = wide / 2 - kx * (left + right) / 2, dy = tall / 2 + ky * (low + high) / 2;
  const starts = new Uint32Array(across * Math.ceil(tall / cell) + 2), where = new Uint32Array(n), order = new Uint32Array(n);
  for (let i = 0; i < n; i += 1) {
    x[i] = dx + kx * xy[2 * i]; y[i] = dy - ky * xy[2 * i + 1];
    where[i] = Math.floor(y[i] / cell) * across + Math.floor(x[i] / cell);
    starts[where[i] + 2] += 1;
  }
  for (let c = 2; c < starts.length; c += 1) starts[c] += starts[c - 1];
  for (let i = 0; i < n; i += 1) { order[starts[where[i] + 1]] = i; starts[where[i] + 1] += 1; }
  const to = (px, py) => [dx + kx * px, dy - ky * py], back = (px, py) => [(px - dx) / kx, (dy - py) / ky];
  return { x, y, n, cell, across, starts, order, to, back, size: Math.max(2.2, Math.min(6.5, 75 / Math.sqrt(n))) };
}

function nearest(laid, x, y) {
  const { cell, across, starts, order } = laid;
  let best = -1, least = NEAR * NEAR;
  for (let row = Math.floor(y / cell) - 1; row <= Math.floor(y / cell) + 1; row += 1) {
    for (let column = Math.max(0, Math.floor(x / cell) - 1); column <= Math.min(across - 1, Math.floor(x / cell) + 1); column += 1) {
      const bucket = row * across + column;
      if (bucket < 0 || bucket + 1 >= starts.length) continue;
      for (let k = starts[bucket]; k < starts[bucket + 1]; k += 1) {
        const i = order[k], d = (laid.x[i] - x) ** 2 + (laid.y[i] - y) ** 2;
        if (d < least) { least = d; best = i; }
      }
    }
  }
  return best;
}

// Which marks lie in a polygon (even-odd), as bits.
function inside(laid, points) {
  const bits = new Uint8Array(Math.ceil(laid.n / 8)), m = points.length;
  const px = Float32Array.from(points, (p) => p[0]), py = Float32Array.from(points, (p) => p[1]);
  const [left, right, top, foot] = [Math.min(...px), Math.max(...px), Math.min(...py), Math.max(...py)];
  let n = 0;
  for (let i = 0; i < laid.n; i += 1) {
    const x = laid.x[i], y = laid.y[i];
    if (x < left || x > right || y < top || y > foot) continue;
    let within = false;
    for (let a = 0, b = m - 1; a < m; b = a, a += 1) {
      if ((py[a] > y) !== (py[b] > y) && x < (px[b] - px[a]) * (y - py[a]) / (py[b] - py[a]) + px[a]) within = !within;
    }
    if (within) { bits[i >> 3] |= 1 << (i & 7); n += 1; }
  }
  return { bits, n };
}

// -- ink ----------------------------------------------------------------------------------------------

function rgb(colour) {
  const pen = h("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data;
}

// How much of each pixel a shape covers, 0 to 255.
function stamp(path, size, scale) {
  const wide = 2 * Math.ceil(size * scale / 2) + 3, k = size * scale / 10, canvas = h("canvas", { width: wide, height: wide });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.setTransform(k, 0, 0, k, wide / 2 - 5 * k, wide / 2 - 5 * k);
  pen.fill(new Path2D(path));
  const { data } = pen.getImageData(0, 0, wide, wide), cover = new Uint8Array(wide * wide);
  for (let i = 0; i < cover.length; i += 1) cover[i] = data[4 * i + 3];
  return { cover, wide };
}

function stampAll(canvas, laid, map, paint, bits, look) {
  const { width, height } = canvas, pen = canvas.getContext("2d", { willReadFrequently: true }), image = pen.createImageData(width, height), { data } = image;
  new Uint32Array(data.buffer).fill((255 << 24) | (look.ground[2] << 16) | (look.ground[1] << 8) | look.ground[0]);
  const stamps = map.slots.map((slot) => stamp(SHAPES[slot], laid.size * (slot === "form" ? 1.15 : 1.1), laid.scale));
  const loose = stamp(SHAPES.helpful, 0.75 * laid.size, laid.scale);
  for (const chosen of bits ? [0, 1] : [1]) {  // what is selected lies above the rest
    for (let i = 0; i < laid.n; i += 1) {
      if (bits && has(bits, i) !== chosen) continue;
      const slot = paint ? paint.codes[i] : map.slots.length - 1, grey = !map.grouped[i];
      const tone = grey ? look.grey : look.tones[slot], kind = grey ? loose : stamps[slot];
      press(data, width, height, laid.x[i] * laid.scale, laid.y[i] * laid.scale, kind, tone, (0.4 + 0.6 * map.kept[i] / 255) * (chosen ? 1 : 0.22));
    }
  }
  pen.putImageData(image, 0, 0);
}

function press(data, width, height, x, y, { cover, wide }, tone, alpha) {
  const left = Math.round(x - wide / 2), top = Math.round(y - wide / 2);
  for (let row = 0; row < wide; row += 1) {
    const py = top + row;
    if (py < 0 || py >= height) continue;
    for (let column = 0; column < wide; column += 1) {
      const c = cover[row * wide + column], px = left + column;
      if (!c || px < 0 || px >= width) continue;
      const a = alpha * c / 255, at = 4 * (py * width + px);
      data[at] += a * (tone[0] - data[at]); data[at + 1] += a * (tone[1] - data[at + 1]); data[at + 2] += a * (tone[2] - data[at + 2]);
    }
  }
}

function trace(pen, points, ink) {
  pen.beginPath();
  points.forEach((at, i) => pen[i ? "lineTo" : "moveTo"](...at));
  pen.closePath();
  pen.fillStyle = pen.strokeStyle = ink; pen.lineWidth = 1.2;
  pen.globalAlpha = 0.05;
  pen.fill();
  pen.globalAlpha = 1;
  pen.setLineDash([4, 3]);
  pen.stroke();
  pen.setLineDash([]);
}

// Names of clusters, the largest first; one that finds no free place is left out.
function names(pen, clusters, laid, family, ink, ground) {
  const taken = [], most = Math.max(1, ...clusters.map((one) => one.n));
  pen.textAlign = "center"; pen.textBaseline = "middle"; pen.lineJoin = "round";
  for (const one of clusters) {
    const size = 11 + 2 * Math.sqrt(one.n / most);
    pen.font = `600 ${size}px ${family}`;
    const half = pen.measureText(one.name).width / 2 + 3, [px, py] = laid.to(one.x, one.y);
    const x = Math.max(half, Math.min(laid.wide - half, px));
    const y = [-12, 13, -26, 27, 0].map((by) => py + by).find((at) => at > 9 && at < TALL - 9
      && !taken.some((box) => Math.abs(box.x - x) < box.half + half && Math.abs(box.y - at) < size + 3));
    if (y === undefined || 2 * half > laid.wide) continue;
    taken.push({ x, y, half });
    pen.strokeStyle = ground; pen.lineWidth = 4; pen.fillStyle = ink;
    pen.strokeText(one.name, x, y); pen.fillText(one.name, x, y);
  }
}

function ring(pen, x, y, ink, ground) {
  const round = (r, paint) => { pen.beginPath(); pen.arc(x, y, r, 0, 2 * Math.PI); paint(); };
  pen.fillStyle = pen.strokeStyle = ground; pen.lineWidth = 4;
  round(6, () => pen.stroke());
  pen.strokeStyle = pen.fillStyle = ink; pen.lineWidth = 1.6;
  round(6, () => pen.stroke()); round(2.4, () => pen.fill());
}
