// Held-out loss by step: the running seed in colour, finished ones grey, the baseline dotted, named at their ends.
const LOSS = { width: 318, height: 164, left: 30, right: 74, top: 10, bottom: 24 };

PIECES.loss = (job) => {
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
  const said = `Held-out loss${job.treated ? ", treated labels," : ""} over ${count(steps)} steps. ${job.about}`;
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": said }, parts);
};

function nice(low, high) {
  const span = Math.max(high - low, 1e-3), raw = span / 3, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((size) => size >= raw), at = [];
  const first = Math.floor(low / step - 1e-9), last = Math.ceil(high / step + 1e-9);
  for (let i = first; i <= last; i += 1) at.push(i * step);
  return { at, low: first * step, high: last * step, digits: Math.max(2, -Math.floor(Math.log10(step))) };
}
