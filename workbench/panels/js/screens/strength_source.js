// Where strength comes from, how far its fit has got; which reward is trained; and, folded away, noise on purpose.
PIECES.strengthSource = (line) => {
  const from = select("Strength from", "Where preference strength comes from"), reward = select("Trains", "Which reward is trained");
  from.box.addEventListener("change", () => line.send({ do: "source", value: from.box.value }));
  reward.box.addEventListener("change", () => line.send({ do: "learns", value: reward.box.value }));
  const crossed = segments("How heads are fitted", [["yes", "cross-fitted"], ["no", "in-sample"]], (value) => line.send({ do: "folds", on: value === "yes" }));
  const matched = h("input", { type: "checkbox" }), match = h("label", { class: "wb-s-check" }, matched, "length-matched");
  matched.addEventListener("change", () => line.send({ do: "matched", on: matched.checked }));
  const warns = h("p", { class: "wb-s-says wb-hide" }), bar = h("i", {}), left = h("span", {}), failed = h("p", { class: "wb-s-failed wb-hide", role: "alert" });
  const waits = h("div", { class: "wb-s-fitting wb-hide", role: "status" }, h("span", { class: "wb-progress", role: "progressbar", "aria-label": "Fitting", "aria-valuemin": 0, "aria-valuemax": 100 }, bar), left,
    h("button", { class: "wb-link-button", onclick: () => line.send({ do: "stay" }) }, "Cancel"));
  const node = h("div", {}, h("div", { class: "wb-s-from" }, from.node, crossed.node, match), warns, waits, failed);
  const note = h("span", { class: "wb-quiet" }), learns = h("div", { class: "wb-s-learns" }, reward.node, note);
  const rate = h("input", { type: "text", inputmode: "decimal", autocomplete: "off", spellcheck: "false", "aria-label": "Share of labels turned round, per cent" });
  const follows = h("select", { "aria-label": "What the noise follows" }, h("option", { value: "chance" }, "by chance"), h("option", { value: "length" }, "where the chosen answer is shorter"));
  const noise = () => { const value = Number(rate.value.trim().replace(",", ".") || 0); if (Number.isNaN(value)) settle(); else line.send({ do: "noise", rate: value, follows: follows.value }); };
  rate.addEventListener("change", noise); follows.addEventListener("change", () => { if (rate.value.trim()) noise(); });
  rate.addEventListener("keydown", (event) => { if (event.key === "Enter") rate.blur(); });
  const experiment = h("details", { class: "wb-s-details" }, h("summary", {}, "Experiment"), h("p", { class: "wb-s-says" }, "Turn train labels round on purpose and see what finds them. Part of the treatment: it counts once applied."),
    h("div", { class: "wb-s-noise" }, h("label", { class: "wb-s-field" }, h("span", {}, "Turn round"), rate, h("span", { class: "wb-quiet" }, "% of labels")), h("label", { class: "wb-pick" }, follows, icon(CHEVRON))));
  let state = null, trained = null;
  function settle() {
    if (state) {
      fill(from.box, state.options, []); pick(from.box, state.value);
      matched.checked = state.matched;
      if (document.activeElement !== rate) rate.value = state.noise ? String(state.noise.rate) : "";
      if (state.noise) follows.value = state.noise.follows;
      if (state.noise) experiment.open = true;
    }
    if (trained) { fill(reward.box, trained.options, []); pick(reward.box, trained.value); }
  }
  function draw(data, settled) {
    state = data;
    if (settled) settle();
    crossed.show(data.crossed ? "yes" : "no");
    flag(crossed.node, "wb-hide", !data.heads); flag(match, "wb-hide", !data.matches);
    write(warns, data.warns); flag(warns, "wb-hide", !data.warns);
    flag(waits, "wb-hide", !data.waits); flag(failed, "wb-hide", !data.error);
    if (data.waits) {
      write(left, `Fitting ${data.words}${data.waits.left === null ? "" : `, ${about(data.waits.left)}`}. What is drawn is as before.`);
      bar.style.width = `${100 * data.waits.share}%`; bar.parentNode.setAttribute("aria-valuenow", Math.round(100 * data.waits.share));
    }
    failed.replaceChildren(...(data.error ? [h("b", {}, data.error.fact, " "), data.error.why, " ", button("Back", () => line.send({ do: "stay" }))] : []));
  }
  function learning(data, settled) {
    trained = data;
    if (settled) settle();
    reward.box.disabled = Boolean(data.why); reward.node.title = data.why || "";
    flag(reward.node, "wb-edited", data.edited);
    write(note, data.says);
  }
  return { node, learns, experiment, draw, learning, settle };
};
