// An edit of the item's texts: each beside the one of the study, then rewards and margin before and after.
const FIELDS = [["prompt", "Prompt"], ["chosen", "Chosen"], ["rejected", "Rejected"]];
const ARROW = " \u2192 ";

PIECES.textEdit = (line) => {
  const rows = FIELDS.map(([name, word]) => {
    const was = h("p", { class: "wb-r-text", dir: "auto" }), box = h("textarea", { dir: "auto", "aria-label": `${word}, edited`, spellcheck: false, oninput: state });
    const head = (text) => h("div", { class: "wb-quiet" }, text);
    return { name, was, box, node: h("div", { class: "wb-r-two" }, h("div", {}, head(`${word}, in the study`), was), h("div", {}, head(`${word}, edited`), box)) };
  });
  const score = h("button", { class: "wb-primary", onclick: send }, "Re-score"), told = h("span", { class: "wb-quiet", role: "status" }), table = h("div", {});
  const lost = h("span", { class: "wb-quiet" }, h("span", { class: "wb-r-rejected" }, "taken out by the edit"));
  const node = h("div", { class: "wb-e" }, rows.map((row) => row.node), h("div", { class: "wb-bar" }, score, told, h("span", { class: "wb-space" }), lost), table);
  let data = null;
  const changed = () => rows.some(({ name, box }) => box.value !== data.now[name]);
  function state() { score.disabled = Boolean(data.waits) || !(changed() || data.trouble); }
  function send() { line.send({ do: "rescore", item: data.item, ...Object.fromEntries(rows.map(({ name, box }) => [name, box.value])) }); }
  function draw(next) {
    const same = data && data.item === next.item;
    for (const { name, was, box } of rows) {
      if (!same || box.value === data.now[name]) { if (box.value !== next.now[name]) box.value = next.now[name]; }
      if (!same) box.rows = Math.min(14, 2 + Math.ceil(next.now[name].length / 60));
      was.replaceChildren(...next.was[name].runs.map(([text, lost]) => (lost ? h("mark", { class: "wb-r-rejected" }, text) : text)));
    }
    data = next;
    state();
    flag(lost, "wb-hide", !node.querySelector("mark"));
    const long = data.long.length ? ` The encoder reads ${data.reads ? `the first ${data.reads} tokens` : "no further than its limit"}: not all of ${data.long.join(" and ")}.` : "";
    write(told, data.trouble ? `Not scored. ${data.trouble}` : data.waits ? `${data.waits} …` : data.rows.length ? `Edited, not in the study.${long}` : "Change a text, then score it.");
    table.replaceChildren(...(data.rows.length ? [numbers(data.rows)] : []));
  }
  return { node, draw, focus: () => rows[0].box.focus() };
};

function numbers(rows) {
  const word = { base: "Baseline", cand: "Candidate" }, side = (row, k) => `${fixed(row.before[k], 2)}${ARROW}${fixed(row.after[k], 2)}`;
  const right = (...told) => h("td", { class: "wb-right" }, told), head = (text, cls) => h("th", { scope: "col", class: cls }, text);
  const line = (row) => h("tr", {}, h("th", { scope: "row" }, mark(row.which), " ", word[row.which]),
    row.why ? h("td", { colspan: 5 }, row.why) : [right(side(row, 0)), right(side(row, 1)),
      right(signed(row.before[2], 3), ARROW, h("b", {}, signed(row.after[2], 3))), right(signed(row.after[2] - row.before[2], 3)),
      h("td", {}, row.before[2] > 0 === row.after[2] > 0 ? "" : row.after[2] > 0 ? "now won" : "now lost")]);
  return h("table", { class: "wb-table wb-e-table" }, h("caption", { class: "wb-said" }, "Rewards and margin before and after the edit"), columns([92, 0, 0, 0, 76, 68]),
    h("thead", {}, h("tr", {}, head(""), head("Chosen, reward", "wb-right"), head("Rejected, reward", "wb-right"), head("Margin", "wb-right"), head("Change", "wb-right"), head(""))),
    h("tbody", {}, rows.map(line)));
}
