// Labels in doubt, weakest first: the rows in sight are drawn, the kernel sends blocks.
const LINE = 29, MARGIN_ROWS = 8, PIECE = 40;
const EMPTY = { brush: ["No pairs in there.", "Drag over pairs that are there."], judged: ["No label is judged yet.", "Read a pair and say what you think of its label: 1 right, 2 wrong, 3 a tie, 4 unclear."] };
const LISTS = [["all", "All"], ["flip", "To flip"], ["drop", "To drop"], ["judged", "Judged"]];

PIECES.suspects = (line) => {
  const of = segments("Which pairs", LISTS, (value) => line.send({ do: "list", of: value })), chip = h("span", {}), hint = h("span", { class: "wb-quiet" }, "weakest first; drag over the picture to choose");
  const head = h("tr", {}), cols = h("colgroup", {}), above = h("tbody", {}), body = h("tbody", {}), below = h("tbody", {});
  const table = h("table", { class: "wb-table wb-s-list" }, h("caption", { class: "wb-said" }, "Labels in doubt, weakest first"), cols, h("thead", {}, head), above, body, below);
  const scroll = h("div", { class: "wb-s-rows", tabindex: 0, role: "group", "aria-label": "Labels in doubt: arrow keys read the next, 1 to 4 judge it" }, table), none = h("div", { class: "wb-hide" });
  const range = h("span", { class: "wb-quiet" });
  const node = h("section", { class: "wb-s-suspects", "aria-label": "Labels in doubt" },
    h("div", { class: "wb-bar" }, h("h3", {}, "Labels in doubt"), hint, h("span", { class: "wb-space" }), chip, of.node),
    scroll, none, h("div", { class: "wb-foot" }, range));
  let state = null, rows = new Map(), asked = new Set(), here = { pair: null, at: -1 }, timer = null, frame = 0, shown = 11, hands = {};
  function show() {
    if (!state || !state.n || !scroll.clientHeight) return;  // not laid out: what is drawn stays until it is
    shown = Math.max(1, Math.floor((scroll.clientHeight - LINE) / LINE));  // the list is as tall as the pair beside it
    const first = Math.max(0, Math.min(Math.floor(scroll.scrollTop / LINE), state.n - 1)), from = Math.max(0, first - MARGIN_ROWS), to = Math.min(state.n, first + shown + MARGIN_ROWS);
    const drawn = [], lacks = [];
    for (let at = from; at < to; at += 1) { drawn.push(row(rows.get(at), at)); if (!rows.has(at)) lacks.push(at); }
    body.replaceChildren(...drawn);
    gap(above, from * LINE); gap(below, (state.n - to) * LINE);
    write(range, state.n > shown ? `rows ${count(first + 1)}${DASH}${count(Math.min(state.n, first + shown))} of ${count(state.n)}` : `${count(state.n)} ${state.n === 1 ? "row" : "rows"}`);
    if (lacks.length) ask(lacks[0], lacks[lacks.length - 1]);
  }
  const gap = (part, tall) => part.replaceChildren(...(tall > 0 ? [h("tr", { "aria-hidden": "true" }, h("td", { colspan: heads().length, style: `height:${tall}px;padding:0;border:0` }))] : []));
  function ask(first, last) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const from = PIECE * Math.floor(first / PIECE), to = PIECE * (Math.floor(last / PIECE) + 1), key = `${from} ${to}`;
      if (asked.has(key)) return;
      asked.add(key);
      line.send({ do: "rows", from, to, stamp: state.stamp });
    }, 30);
  }
  const soon = () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(show); };
  scroll.addEventListener("scroll", soon);
  new ResizeObserver(soon).observe(scroll);
  scroll.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: shown, PageUp: -shown, Home: -1e9, End: 1e9 }[event.key];
    if (by === undefined || event.target !== scroll || !state || !state.n) return;
    event.preventDefault();
    line.send({ do: "walk", by });
  });
  body.addEventListener("click", (event) => {
    const chosen = event.target.closest("tr[data-pair]");
    if (chosen) line.send({ do: "read", pair: chosen.dataset.pair });
  });
  const heads = () => [["pair", state.text ? 0 : 1], ["prompt", state.text], ["section", state.section], ["strength", 1], ["votes", 1], ["longer", state.text], ["label", state.truth], ["hand", 1], ["band", 1]].filter((one) => one[1]).map((one) => one[0]);
  const WIDE = { pair: 0, prompt: 0, section: 84, strength: 104, votes: 108, longer: 84, label: 56, hand: 62, band: 56 };
  const NAMED = { pair: "Pair", prompt: "Prompt", section: "Section", strength: "\u03bc\u0302 \u00b1 \u03c3\u0302", votes: "Against the label", longer: "Words longer", label: "Truly", hand: "By hand", band: "Band" };
  function row(values, at) {
    if (!values) return h("tr", { "aria-rowindex": at + 2 }, heads().map((name) => h("td", { class: "wb-quiet" }, name === "prompt" || name === "pair" ? "\u2026" : "")));
    const [pair, band, prompt, section, mean, std, against, of2, longer, wrong] = values, on = pair === here.pair;
    const cells = {
      pair: () => h("td", { title: pair }, pair), prompt: () => h("td", { class: "wb-s-prompt", dir: "auto", title: `${prompt} (${pair})` }, prompt),
      section: () => h("td", { class: "wb-quiet", title: section }, section), strength: () => h("td", { class: "wb-right" }, fixed(mean, 2), std === null ? null : h("span", { class: "wb-quiet" }, ` \u00b1 ${fixed(std, 2)}`)),
      votes: () => h("td", {}, votesPicture(against, of2), ` ${against} of ${of2}`), longer: () => h("td", { class: "wb-right" }, longer === null ? DASH : signed(longer, 0) || "0"),
      hand: () => { const [word, note] = hands[pair] || [null, ""]; return h("td", { title: note, class: word ? null : "wb-quiet" }, !word ? DASH : word === "wrong" ? h("b", {}, word) : word, note ? h("span", { class: "wb-quiet", "aria-label": "with a note" }, " *") : null); },
      label: () => h("td", {}, wrong === null ? DASH : wrong === "tie" ? "tie" : wrong ? h("b", {}, "wrong") : "right"), band: () => h("td", { class: band === "keep" ? "wb-quiet" : null }, band),
    };
    return h("tr", { "data-pair": pair, "aria-rowindex": at + 2, "aria-current": on ? "true" : null, class: on ? "wb-s-on" : null }, heads().map((name) => cells[name]()));
  }
  function draw(data) {
    if (data.lacking) { none.replaceChildren(blank(data.lacking.fact, data.lacking.why)); flag(none, "wb-hide", false); flag(scroll, "wb-hide", true); return; }
    const before = state && JSON.stringify([state.list, state.ends, state.spread]);
    state = data;
    rows = new Map(); asked = new Set();
    keep(data.block);
    of.show(data.list); write(of.buttons[1], `To ${data.first}`);
    flag(hint, "wb-hide", data.list === "brush");
    chip.replaceChildren(...(data.list === "brush" ? [named(h("button", { class: "wb-s-chip", onclick: () => line.send({ do: "list", of: "all" }) },
      `${[data.ends && `\u03bc\u0302 ${fixed(data.ends[0], 2)} to ${fixed(data.ends[1], 2)}`, data.spread && `\u03c3\u0302 ${data.spread[1] > 1e8 ? `from ${fixed(data.spread[0], 2)}` : `${fixed(data.spread[0], 2)} to ${fixed(data.spread[1], 2)}`}`].filter(Boolean).join(", ")} \u00b7 ${count(data.n)} `, h("span", { "aria-hidden": "true" }, TIMES)), "Show all pairs again")] : []));
    flag(scroll, "wb-hide", !data.n); flag(none, "wb-hide", data.n);
    if (!data.n) {
      const [fact, why] = EMPTY[data.list] || [`Nothing to ${data.list === "flip" ? data.first : "drop"}.`, `Drag the ${data.list === "flip" ? data.first : "drop"} handle to the right, or type a cut.`];
      none.replaceChildren(blank(fact, why, button("Show all pairs", () => line.send({ do: "list", of: "all" }))));
      write(range, `0 of ${count(data.of)} pairs`);
      return;
    }
    cols.replaceChildren(...columns(heads().map((name) => WIDE[name])).childNodes);
    table.setAttribute("aria-rowcount", data.n + 1);
    head.replaceChildren(...heads().map((name) => h("th", { scope: "col", class: name === "strength" || name === "longer" ? "wb-right" : null }, NAMED[name])));
    if (before !== JSON.stringify([data.list, data.ends, data.spread])) scroll.scrollTop = 0;
    show();
  }
  function keep(block) { block.rows.forEach((one, i) => rows.set(block.from + i, one)); }
  function chosen(data) {
    const moved = data.pair !== here.pair;
    here = data;
    if (!state || !state.n) return;
    const first = Math.floor(scroll.scrollTop / LINE);
    if (moved && data.at >= 0 && (data.at < first || data.at >= first + shown - 1)) scroll.scrollTop = LINE * Math.max(0, data.at < first ? data.at : data.at - shown + 2);
    show();
  }
  function judged(data) {
    hands = data.of || {};
    write(of.buttons[3], data.n ? `Judged ${count(data.n)}` : "Judged");
    soon();
  }
  return { node, draw, chosen, judged, reply(answer) { const got = answer.suspects; if (got && state && JSON.stringify(got.stamp) === JSON.stringify(state.stamp)) { keep(got); show(); } } };
};
// One stroke per model: against the label filled, for it hollow.
function votesPicture(against, of) {
  const strokes = Array.from({ length: Math.min(of, 20) }, (_, i) => s("rect", { class: i < Math.round(against * Math.min(of, 20) / of) ? "wb-s-no" : "wb-s-yes", x: 4 * i + .5, y: 3.500, width: 2.500, height: 9 }));
  return s("svg", { class: "wb-s-votes", width: 4 * strokes.length + 1, height: 16, "aria-hidden": "true" }, strokes);
}
