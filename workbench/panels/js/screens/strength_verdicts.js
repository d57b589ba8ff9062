// What the verdicts by hand add up to among the weakest labels, and their files.
PIECES.judged = (line) => {
  const lead = h("p", { class: "wb-s-length" }), holder = h("div", { class: "wb-scroll" }), notes = h("p", { class: "wb-quiet wb-s-half" });
  const files = h("div", { class: "wb-act wb-s-buttons" }, ["csv", "jsonl"].map((kind) => button(kind.toUpperCase(), () => line.send({ do: "verdicts", kind }), { title: `Write the verdicts as ${kind.toUpperCase()}, beside the notebook in figures/` })));
  const follow = button("", () => line.send({ do: "hand", on: true })), leave = button("Take them out", () => line.send({ do: "hand", on: false }));
  files.prepend(follow, leave);
  const node = h("div", { class: "wb-s-judged" }, h("h4", {}, "Judged by hand"), lead, holder, notes, files);
  function draw(data) {
    if (data.lacking) { lead.replaceChildren(h("b", {}, data.lacking.fact, " "), data.lacking.why); holder.replaceChildren(); flag(files, "wb-hide", true); return; }
    const { by } = data, some = Object.keys(by).filter((word) => by[word]);
    lead.replaceChildren(...(data.n ? [h("b", {}, `${count(data.n)} judged`), `: ${some.map((word) => `${count(by[word])} ${word === "tie" && by.tie > 1 ? "ties" : word}`).join(", ")}.`]
      : ["None yet. Read a pair and say what you think of its label: 1 right, 2 wrong, 3 a tie, 4 unclear."]));
    holder.replaceChildren(...(data.n ? [table(data.lowest)] : []));
    const told = [data.n ? "Of those judged right or wrong; a choice of the reader, no sample." : "", data.elsewhere ? `${count(data.elsewhere)} more on pairs outside train.` : "",
      data.unknown ? `${count(data.unknown)} are on pairs of another study and are left out.` : "", data.damaged ? `${count(data.damaged)} ${data.damaged === 1 ? "line" : "lines"} of the file cannot be read and ${data.damaged === 1 ? "is" : "are"} left as ${data.damaged === 1 ? "it is" : "they are"}.` : ""];
    write(notes, told.filter(Boolean).join(" "));
    const { flip, drop, on, applied } = data.hand, parts = [flip ? `flip ${count(flip)} judged wrong` : "", drop ? `drop ${count(drop)} ${drop === 1 ? "tie" : "ties"}` : ""].filter(Boolean).join(", ");
    write(follow, applied && on ? "In the draft" : `${parts.slice(0, 1).toUpperCase()}${parts.slice(1)}`); follow.disabled = applied;
    follow.title = applied ? "The draft's labels follow these verdicts" : "An edit of the draft: undo takes it back";
    flag(follow, "wb-hide", !parts); flag(leave, "wb-hide", !on);
    flag(notes, "wb-hide", !notes.textContent); flag(files, "wb-hide", !data.n && !data.elsewhere);
  }
  const table = (rows) => h("table", { class: "wb-table wb-s-truths" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, ""), ["wrong", "95 %", "n", "families"].map((word) => h("th", { scope: "col", class: "wb-right" }, word)))),
    h("tbody", {}, rows.map((one) => h("tr", { title: one.words || null }, h("th", { scope: "row" }, `lowest ${Math.round(100 * one.share)} %`),
      h("td", { class: "wb-right" }, one.value === null ? `${one.wrong} of ${one.n}` : `${percent(one.value)} %`), h("td", { class: "wb-right" }, one.low === null ? DASH : `[${percent(one.low)}, ${percent(one.high)}]`),
      h("td", { class: "wb-right" }, count(one.n)), h("td", { class: "wb-right" }, count(one.families))))));
  return { node, draw };
};
