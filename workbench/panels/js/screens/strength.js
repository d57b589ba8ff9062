// The Strength screen: what an ensemble thinks of each train label, two cuts to drag, a treatment as an edit; the suspects, one to
// read, and what a reader says of them.
SCREENS.strength = (line) => {
  const source = PIECES.strengthSource(line), plot = PIECES.strengthPlot(line, source), act = PIECES.treatment(line, source), judged = PIECES.judged(line), list = PIECES.suspects(line), reader = PIECES.labelled(line);
  act.node.append(judged.node);
  const waiting = h("div", {}), all = h("div", { class: "wb-s wb-hide" }, plot.node, act.node, list.node, reader.node);
  const node = h("div", {}, waiting, all), left = h("p", {}), bar = h("i", {});
  const progress = h("span", { class: "wb-progress", role: "progressbar", "aria-label": "Fitting the ensemble", "aria-valuemin": 0, "aria-valuemax": 100 }, bar);
  function whole(data) {
    flag(all, "wb-hide", data.waits); flag(waiting, "wb-hide", !data.waits);
    if (!data.waits) { plot.about(data); act.ties(data); reader.about(data); return; }
    if (!waiting.firstChild) waiting.replaceChildren(h("div", { class: "wb-blank wb-s-wait", role: "status" }, h("b", {}, "Fitting preference strength on the train pairs."), left, progress));
    const { share: done, left: seconds, words } = data.waits;
    write(left, `${data.spec[0].toUpperCase()}${data.spec.slice(1)}. ${words}${seconds === null ? "" : `, ${about(seconds)}`}. Everything else works meanwhile.`);
    bar.style.width = `${100 * done}%`;
    progress.setAttribute("aria-valuenow", Math.round(100 * done));
  }
  // Keys 1 to 4 judge the pair that is read, in the list and beside its texts.
  for (const part of [list.node, reader.node]) {
    part.addEventListener("keydown", (event) => {
      if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
      if (reader.press(event.key)) event.preventDefault();
    });
  }
  return {
    node,
    parts: {
      strength: whole, "strength.look": plot.look, "strength.histogram": plot.bars, "strength.points": plot.points,
      "strength.bands": (data, settled) => { plot.bands(data, settled); act.draw(data, settled); },
      "strength.agreement": (data) => { plot.agreement(data); act.precision(data); },
      "strength.source": source.draw, "strength.learns": source.learning, "strength.known": act.known, "strength.suspects": (data) => { list.draw(data); plot.brushed(data); }, "strength.chosen": list.chosen,
      "strength.pair": (data) => { reader.draw(data); plot.star(data); },
      "strength.verdicts": (data) => { list.judged(data); reader.judged(data); judged.draw(data); },
    },
    reply(answer) { list.reply(answer); plot.reply(answer); }, settle: () => { plot.settle(); act.settle(); source.settle(); reader.settle(); },
  };
};
