// Who agrees with the labels, by tenth of strength: gates on dev pairs, the truth where it is known.
const WHO = { base: "baseline agrees", cand: "candidate agrees", truth: "label is true", judge: "judge agrees" };
const DIAMOND = "l4.500 4.500-4.500 4.500-4.500-4.500Z", TRIANGLE = "l4.500 8h-9Z", SIGNS = { truth: DIAMOND, judge: TRIANGLE };
const sign = (kind) => glyph("wb-mark", 11, s("path", { class: "wb-s-truth", d: `M5.500 1${SIGNS[kind]}` }));

PIECES.strengthAgreement = () => {
  const holder = h("div", { class: "wb-scroll" }), node = h("details", { class: "wb-s-details wb-hide" }, h("summary", {}, "Agreement as a table"), holder);
  let judged = null;
  function paint(agree, { PLOT, x, right }) {
    const top = PLOT.low - PLOT.agree, title = s("text", { x: PLOT.left, y: top - 8 }, "agreement with the label, by tenth of strength");
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
        parts.push(s("g", {}, s("title", {}, told), one.low === null ? null : s("path", { class: `wb-s-interval wb-s-i-${kind in SIGNS ? "truth" : kind}`, d: `M${px} ${y(one.low)}V${y(one.high)}` }),
          kind in SIGNS ? s("path", { class: "wb-s-truth", d: `M${px} ${y(one.value) - 4.500}${SIGNS[kind]}` }) : dot(kind, px, y(one.value), 3.6)));
      }
    });
    agree.replaceChildren(...parts);
    agree.setAttribute("role", "img");
    agree.setAttribute("aria-label", kinds.map((kind) => `${WHO[kind]}: ${judged.series[kind].map((one) => (one.value === null ? "no number" : `${Math.round(100 * one.value)}`)).join(", ")} per cent from the weakest tenth to the strongest`).join(". "));
  }
  const known = () => (judged && judged.series ? Object.keys(judged.series) : []);
  function tell(found) {
    judged = found;
    flag(node, "wb-hide", !known().length);
    holder.replaceChildren(...(known().length ? [tenths(found.series)] : []));
  }
  function key() {
    const kinds = known();
    return [...kinds.map((kind) => h("span", { class: "wb-s-key" }, kind in SIGNS ? sign(kind) : mark(kind),
      `${WHO[kind]}, ${kind === "judge" ? "asked" : count(kind === "truth" ? judged.train : judged.dev)} ${kind in SIGNS ? "train" : "dev"} pairs`)), ...(kinds.length ? ["bars: 95 %, families resampled"] : [])];
  }
  return { node, paint, tell, key };
};
function tenths(series) {
  const kinds = Object.keys(series), first = series[kinds[0]];
  const cell = (one) => h("td", { class: "wb-right", title: one ? one.words : "" }, !one || one.value === null ? DASH : `${percent(one.value)}${one.low === null ? "" : ` [${percent(one.low)}, ${percent(one.high)}]`}, ${count(one.families)} families`);
  return h("table", { class: "wb-table wb-s-tenths" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Tenth"), kinds.map((kind) => h("th", { scope: "col", class: "wb-right" }, `${WHO[kind]}, %`)))),
    h("tbody", {}, first.map((row) => h("tr", {}, h("th", { scope: "row" }, `${row.bin}${row.bin === 1 ? ", weakest" : ""}`), kinds.map((kind) => cell(series[kind].find((one) => one.bin === row.bin)))))));
}
