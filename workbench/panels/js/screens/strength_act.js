// What is done with the labels: a treatment, its cuts and numbers, what it does to length, and what is truly wrong where that is known.
PIECES.treatment = (line, source) => {
  const kind = select("Treatment", "Treatment of the train labels"), unit = h("span", {});
  kind.box.addEventListener("change", () => line.send({ do: "kind", value: kind.box.value }));
  const fields = new Map(["flip", "drop", "alpha", "tau", "scale"].map((which) => [which, field(line, which, () => settle())]));
  const says = h("p", { class: "wb-s-says" }), does = h("button", { class: "wb-primary", onclick: () => line.send({ do: "apply" }) });
  const clear = button("Leave labels as they stand", () => line.send({ do: "clear" })), retrain = button("", () => line.send({ do: "retrain" }));
  const truths = h("div", { class: "wb-scroll" }), length = h("p", { class: "wb-s-length" }), bias = h("div", { class: "wb-hide" }, h("h4", {}, "Length"), length);
  const half = h("p", { class: "wb-quiet wb-s-half" }), known = h("div", { class: "wb-hide" }, h("h4", {}, "Labels that are truly wrong"), truths, half);
  const node = h("section", { class: "wb-s-act", "aria-label": "Treatment" }, h("div", { class: "wb-bar" }, h("h3", {}, "What to do with them"), h("span", { class: "wb-space" }), unit),
    h("div", { class: "wb-s-fields" }, kind.node, [...fields.values()].map((one) => one.node)), says, h("div", { class: "wb-act wb-s-buttons" }, does, retrain, clear), source.learns, source.experiment, bias, known);
  let state = null, found = null, lowest = [], units = "";
  function settle() {
    if (!state) return;
    fill(kind.box, state.kinds, []); pick(kind.box, state.kind);
    const there = new Map(state.fields.map((one) => [one[0], one]));
    for (const [which, one] of fields) one.show(there.get(which));
  }
  function drawUnits() {
    const now = JSON.stringify(state.units);
    if (units !== now) { units = now; unit.replaceChildren(...(state.units.length > 1 ? [(unit.control = segments("Cut by", state.units, (value) => line.send({ do: "unit", value }))).node] : [])); }
    if (state.units.length > 1) unit.control.show(state.unit);
  }
  function draw(data, settled) {
    state = data;
    if (settled) settle();
    drawUnits();
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
    const ready = found && !found.waits && !found.lacking, bands = ready ? found.bands.filter((one) => one.n) : [];
    flag(bias, "wb-hide", !(ready && found.length.length)); length.replaceChildren(...(ready ? said(found.length) : []));
    flag(known, "wb-hide", !lowest.length);
    if (!lowest.length) return;
    const row = (word, one) => h("tr", {}, h("th", { scope: "row" }, word), h("td", { class: "wb-right" }, one.value === null ? DASH : `${percent(one.value)} %`),
      h("td", { class: "wb-right" }, one.low === null ? DASH : `[${percent(one.low)}, ${percent(one.high)}]`), h("td", { class: "wb-right" }, count(one.n)), h("td", { class: "wb-right" }, count(one.families)));
    truths.replaceChildren(h("table", { class: "wb-table wb-s-truths" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, ""), ...["wrong", "95 %", "n", "families"].map((word) => h("th", { scope: "col", class: "wb-right" }, word)))),
      h("tbody", {}, lowest.map((one) => row(`lowest ${Math.round(100 * one.share)} %`, one)), bands.map((one, i) => {
        const drawn = row(`band: ${one.band}`, one);
        if (!i) drawn.className = "wb-first";
        return drawn;
      }))));
  }
  const ties = (data) => write(half, data.ties ? `A true tie counts as half wrong: ${count(data.ties)} of ${count(data.n)} pairs are one.` : "");
  return { node, draw, settle, known: tell, precision, ties };
};

// One number of the treatment: its word, box and unit, as the kernel has them; what is no number goes back.
function field(line, which, back) {
  const word = h("span", {}), box = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false" }), tail = h("span", { class: "wb-quiet" });
  const number = () => { const text = box.value.trim().replace(MINUS, "-").replace(",", ".").replace("%", ""); return text === "" ? null : Number(text); };
  const must = which !== "flip" && which !== "drop";
  box.addEventListener("change", () => { const value = number(); if (Number.isNaN(value) || (must && value === null)) back(); else line.send({ do: "field", which, value }); });
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") box.blur(); });
  const node = h("label", { class: "wb-s-field" }, word, box, tail);
  function show(told) {
    flag(node, "wb-hide", !told);
    if (!told) return;
    write(word, told[1]); write(tail, told[3]);
    if (document.activeElement !== box) box.value = told[2] === null ? "" : String(told[2]).replace("-", MINUS);
  }
  return { node, show };
}
