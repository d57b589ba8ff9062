// Pairs as marks by mean and spread. Their ink is reckoned pixel by pixel, so that a hundred thousand of them are drawn at once and
// many in one place are darker than few; labels that are truly wrong are crosses above the rest.
const NEAR = 9;  // px
const DOT = [[0, 0, 1], [1, 0, .7], [-1, 0, .7], [0, 1, .7], [0, -1, .7], [1, 1, .2], [1, -1, .2], [-1, 1, .2], [-1, -1, .2]];
const CROSS = [-2, -1, 0, 1, 2].flatMap((k) => [[k, k, 1], [k, -k, 1]]);

PIECES.strengthPoints = (line, host) => {
  const tip = h("div", { class: "wb-x-tip wb-hide", "aria-hidden": "true", dir: "auto" }), probe = h("i", { class: "wb-hide" }), texts = new Map();
  host.append(tip, probe);
  let found = null, truth = false, on = false, axis = null, px = null, py = null, over = -1, waits = null;
  const tall = () => axis.floor - axis.PLOT.top, most = () => 1.04 * found.std[2] || 1;
  const y = (std) => axis.PLOT.top + tall() * (1 - Math.max(0, Math.min(1, std / most())));
  const back = (at) => most() * Math.max(0, Math.min(1, 1 - (at - axis.PLOT.top) / tall()));
  function colour(name) {
    probe.style.color = `var(${name})`;
    return PIECES.marks.rgb(getComputedStyle(probe).color);
  }
  function paint(now) {
    axis = now;
    const { PLOT, right } = axis;
    if (!found) return [s("text", { x: PLOT.left, y: PLOT.top + 20 }, "Reading the pairs \u2026")];
    if (found.lacking) return [s("text", { x: PLOT.left, y: PLOT.top + 20 }, `${found.lacking.fact} ${found.lacking.why}`)];
    const step = PIECES.tick(found.std[2] / 4), parts = [s("text", { x: PLOT.left - 36, y: PLOT.top - 8 }, "spread \u03c3\u0302")];
    for (let v = 0; v <= found.std[2]; v += step) {
      parts.push(s("path", { class: v ? "wb-grid" : "wb-zero", d: `M${PLOT.left} ${y(v)}H${right}` }), s("text", { class: "wb-end", x: PLOT.left - 8, y: y(v) + 4 }, v ? fixed(v, step < .1 ? 2 : 1) : "0"));
    }
    place();
    const words = `${count(found.n)} train pairs by mean and spread: spread from ${fixed(found.std[0], 2)} to ${fixed(found.std[2], 2)}, half of them below ${fixed(found.std[1], 2)}${truth ? `; ${count(found.wrong_n)} labels are truly wrong` : ""}. The list holds the same pairs.`;
    return [...parts, s("image", { role: "img", "aria-label": words, x: PLOT.left, y: PLOT.top, width: right - PLOT.left, height: tall(), href: inked(), preserveAspectRatio: "none" })];
  }
  function place() {
    px = new Float32Array(found.n); py = new Float32Array(found.n);
    for (let i = 0; i < found.n; i += 1) { px[i] = axis.x(found.mean[i]); py[i] = y(found.spread[i]); }
  }
  function inked() {
    const scale = Math.min(2, window.devicePixelRatio || 1), wide = Math.round(scale * (axis.right - axis.PLOT.left)), high = Math.round(scale * tall());
    const canvas = h("canvas", { width: wide, height: high }), pen = canvas.getContext("2d"), image = pen.createImageData(wide, high), each = Math.max(.12, Math.min(.85, 52 / Math.sqrt(found.n)));
    const plain = layer(0, scale > 1 ? [...DOT, ...DOT.map(([u, v, cover]) => [u + .5, v + .5, cover])] : DOT, each, scale, wide, high);
    const wrong = truth && found.wrong ? layer(1, CROSS, Math.min(.9, each), scale, wide, high) : null;
    const grey = colour("--wb-base-c"), red = colour("--wb-neg-c"), { data } = image;
    for (let k = 0; k < plain.length; k += 1) {
      const b = wrong ? 1 - wrong[k] : 0, a = (1 - plain[k]) * (1 - b), all = a + b;
      if (!all) continue;
      for (let c = 0; c < 3; c += 1) data[4 * k + c] = (a * grey[c] + b * red[c]) / all;
      data[4 * k + 3] = 255 * all;
    }
    pen.putImageData(image, 0, 0);
    return canvas.toDataURL();
  }
  // How clear each pixel stays under the marks of one sort: each lets so much through.
  function layer(wrong, shape, alpha, scale, wide, high) {
    const clear = new Float32Array(wide * high).fill(1), every = !truth || !found.wrong, left = axis.PLOT.left, top = axis.PLOT.top;
    const du = Int32Array.from(shape, (one) => Math.round(scale * one[0])), dv = Int32Array.from(shape, (one) => Math.round(scale * one[1]));
    const lets = Float32Array.from(shape, (one) => 1 - alpha * one[2]);
    for (let i = 0; i < found.n; i += 1) {
      if (!every && (found.wrong[i] === 1) !== (wrong === 1)) continue;
      const cx = Math.round(scale * (px[i] - left)), cy = Math.round(scale * (py[i] - top));
      for (let k = 0; k < lets.length; k += 1) {
        const u = cx + du[k], v = cy + dv[k];
        if (u >= 0 && u < wide && v >= 0 && v < high) clear[v * wide + u] *= lets[k];
      }
    }
    return clear;
  }
  const ready = () => Boolean(on && found && !found.lacking && px);
  function near(x0, y0) {
    let best = -1, least = NEAR * NEAR;
    for (let i = 0; ready() && i < found.n; i += 1) {
      const d = (px[i] - x0) ** 2 + (py[i] - y0) ** 2;
      if (d < least) { least = d; best = i; }
    }
    return best;
  }

  // -- what is under the pointer

  function peek(at) {
    const place = at && ready() && at[1] <= axis.floor ? near(...at) : -1;
    if (place === over) return;
    over = place;
    clearTimeout(waits);
    flag(host, "wb-s-on", place >= 0);
    if (place < 0) { flag(tip, "wb-hide", true); return; }
    tell();
    if (!texts.has(place)) waits = setTimeout(() => line.send({ do: "peek", place }), 80);
  }
  function tell() {
    const known = found.wrong && truth ? ["; the label is right", "; the label is wrong", "; truly a tie"][found.wrong[over]] : "";
    tip.replaceChildren(h("b", {}, `${fixed(found.mean[over], 2)} \u00b1 ${fixed(found.spread[over], 2)}`), known, texts.has(over) ? h("div", {}, texts.get(over)) : "");
    Object.assign(tip.style, { left: `${Math.max(0, Math.min(px[over] + 10, axis.width - 250))}px`, top: `${py[over] + 12}px` });
    flag(tip, "wb-hide", false);
  }
  const key = () => (!ready() || !truth || !found.wrong ? [] : [h("span", { class: "wb-s-key" }, glyph("wb-mark", 11, s("path", { class: "wb-s-cross", d: "M2.500 2.500l6 6M8.500 2.500l-6 6" })), `${count(found.wrong_n)} labels truly wrong`)]);
  return {
    paint, y, back, near, peek, ready, key,
    look(shown, open) { truth = shown; on = open; if (!open) peek(null); },
    points(told, buffers) {
      texts.clear();
      if (told.lacking) { found = told; return; }
      const [mean, spread, wrong] = buffers;
      found = { ...told, mean: floats(mean), spread: floats(spread), wrong: wrong ? new Uint8Array(wrong.buffer, wrong.byteOffset, wrong.byteLength) : null, wrong_n: told.wrong };
    },
    reply(answer) { if (answer.peek) { texts.set(answer.peek.place, answer.peek.text); if (answer.peek.place === over && ready()) tell(); } },
  };
};
const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

// The same choice by numbers, for the keyboard.
PIECES.strengthNumbers = (line) => {
  const box = (label) => h("input", { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false", "aria-label": label });
  const boxes = { ends: [box("Mean from"), box("Mean to")], spread: [box("Spread from"), box("Spread to")] };
  const pair = (name, sign) => h("span", { class: "wb-s-range" }, `${sign} from`, boxes[name][0], "to", boxes[name][1]);
  const node = h("details", { class: "wb-s-details" }, h("summary", {}, "Choose pairs by numbers"), h("div", { class: "wb-s-numbers" }, pair("ends", "\u03bc\u0302"), pair("spread", "\u03c3\u0302"), button("List them", () => ask())));
  let brush = null, limits = [-1, 1];
  node.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.tagName === "INPUT") { event.preventDefault(); ask(); } });
  function range(name, open) {
    const values = boxes[name].map((one, i) => { const text = one.value.trim().replace(MINUS, "-").replace(",", "."); return text === "" ? open[i] : Number(text); });
    return boxes[name].every((one) => one.value.trim() === "") ? null : values;
  }
  function ask() {
    const ends = range("ends", limits), spread = range("spread", [0, 1e9]);
    if ([...(ends || []), ...(spread || [])].some(Number.isNaN)) { show(); return; }
    line.send(ends || spread ? { do: "list", of: "brush", ends, spread } : { do: "list", of: "all" });
  }
  function show() {
    for (const [name, pair1] of Object.entries(boxes)) pair1.forEach((one, i) => {
      const value = brush && brush[name] ? brush[name][i] : null;
      one.value = value === null || Math.abs(value) > 1e8 ? "" : fixed(value, 2);
    });
  }
  return { node, about(found) { limits = found.ends; flag(boxes.spread[0].parentNode, "wb-hide", found.members < 2); }, brushed(now) { brush = now; if (!node.contains(document.activeElement) || !document.activeElement.matches("input")) show(); } };
};
