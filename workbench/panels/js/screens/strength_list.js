// Labels in doubt, weakest first: the rows in sight are drawn, the kernel sends blocks; and the pair that is read.
const LINE = 29, MARGIN_ROWS = 8, PIECE = 40;
const LISTS = [["all", "All"], ["flip", "To flip"], ["drop", "To drop"]];

PIECES.suspects = (line) => {
  const of = segments("Which pairs", LISTS, (value) => line.send({ do: "list", of: value })), chip = h("span", {});
  const head = h("tr", {}), cols = h("colgroup", {}), above = h("tbody", {}), body = h("tbody", {}), below = h("tbody", {});
  const table = h("table", { class: "wb-table wb-s-list" }, h("caption", { class: "wb-said" }, "Labels in doubt, weakest first"), cols, h("thead", {}, head), above, body, below);
  const scroll = h("div", { class: "wb-s-rows", tabindex: 0, role: "group", "aria-label": "Labels in doubt: arrow keys read the next" }, table), none = h("div", { class: "wb-hide" });
  const range = h("span", { class: "wb-quiet" });
  const node = h("section", { class: "wb-s-suspects", "aria-label": "Labels in doubt" },
    h("div", { class: "wb-bar" }, h("h3", {}, "Labels in doubt"), h("span", { class: "wb-quiet" }, "weakest first; drag over the bars to choose"), h("span", { class: "wb-space" }), chip, of.node),
    scroll, none, h("div", { class: "wb-foot" }, range));
  let state = null, rows = new Map(), asked = new Set(), here = { pair: null, at: -1 }, timer = null, frame = 0, shown = 11;
  function show() {
    if (!state || !state.n) return;
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
  const heads = () => [["pair", state.text ? 0 : 1], ["prompt", state.text], ["section", state.section], ["strength", 1], ["votes", 1], ["longer", state.text], ["label", state.truth], ["band", 1]].filter((one) => one[1]).map((one) => one[0]);
  const WIDE = { pair: 0, prompt: 0, section: 84, strength: 104, votes: 108, longer: 84, label: 56, band: 48 };
  const NAMED = { pair: "Pair", prompt: "Prompt", section: "Section", strength: "\u03bc\u0302 \u00b1 \u03c3\u0302", votes: "Against the label", longer: "Words longer", label: "Truly", band: "Band" };
  function row(values, at) {
    if (!values) return h("tr", { "aria-rowindex": at + 2 }, heads().map((name) => h("td", { class: "wb-quiet" }, name === "prompt" || name === "pair" ? "\u2026" : "")));
    const [pair, band, prompt, section, mean, std, against, of2, longer, wrong] = values, on = pair === here.pair;
    const cells = {
      pair: () => h("td", { title: pair }, pair), prompt: () => h("td", { class: "wb-s-prompt", dir: "auto", title: `${prompt} (${pair})` }, prompt),
      section: () => h("td", { class: "wb-quiet", title: section }, section), strength: () => h("td", { class: "wb-right" }, fixed(mean, 2), h("span", { class: "wb-quiet" }, ` \u00b1 ${fixed(std, 2)}`)),
      votes: () => h("td", {}, votesPicture(against, of2), ` ${against} of ${of2}`), longer: () => h("td", { class: "wb-right" }, longer === null ? DASH : signed(longer, 0) || "0"),
      label: () => h("td", {}, wrong === null ? DASH : wrong === "tie" ? "tie" : wrong ? h("b", {}, "wrong") : "right"), band: () => h("td", { class: band === "keep" ? "wb-quiet" : null }, band),
    };
    return h("tr", { "data-pair": pair, "aria-rowindex": at + 2, "aria-current": on ? "true" : null, class: on ? "wb-s-on" : null }, heads().map((name) => cells[name]()));
  }
  function draw(data) {
    if (data.lacking) { none.replaceChildren(blank(data.lacking.fact, data.lacking.why)); flag(none, "wb-hide", false); flag(scroll, "wb-hide", true); return; }
    const before = state && JSON.stringify([state.list, state.ends]);
    state = data;
    rows = new Map(); asked = new Set();
    keep(data.block);
    of.show(data.list);
    chip.replaceChildren(...(data.list === "brush" ? [named(h("button", { class: "wb-s-chip", onclick: () => line.send({ do: "list", of: "all" }) },
      `\u03bc\u0302 ${fixed(data.ends[0], 2)} to ${fixed(data.ends[1], 2)} \u00b7 ${count(data.n)} `, h("span", { "aria-hidden": "true" }, TIMES)), "Show all pairs again")] : []));
    flag(scroll, "wb-hide", !data.n); flag(none, "wb-hide", data.n);
    if (!data.n) {
      none.replaceChildren(blank(data.list === "brush" ? "No pairs between these two." : `Nothing to ${data.list}.`, data.list === "brush" ? "Drag over bars that are there." : `Drag the ${data.list} handle to the right, or type a cut.`, button("Show all pairs", () => line.send({ do: "list", of: "all" }))));
      write(range, `0 of ${count(data.of)} pairs`);
      return;
    }
    cols.replaceChildren(...columns(heads().map((name) => WIDE[name])).childNodes);
    table.setAttribute("aria-rowcount", data.n + 1);
    head.replaceChildren(...heads().map((name) => h("th", { scope: "col", class: name === "strength" || name === "longer" ? "wb-right" : null }, NAMED[name])));
    if (before !== JSON.stringify([data.list, data.ends])) scroll.scrollTop = 0;
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
  return { node, draw, chosen, reply(answer) { const got = answer.suspects; if (got && state && JSON.stringify(got.stamp) === JSON.stringify(state.stamp)) { keep(got); show(); } } };
};
// One stroke per model: against the label filled, for it hollow.
function votesPicture(against, of) {
  const strokes = Array.from({ length: Math.min(of, 20) }, (_, i) => s("rect", { class: i < Math.round(against * Math.min(of, 20) / of) ? "wb-s-no" : "wb-s-yes", x: 4 * i + .5, y: 3.500, width: 2.500, height: 9 }));
  return s("svg", { class: "wb-s-votes", width: 4 * strokes.length + 1, height: 16, "aria-hidden": "true" }, strokes);
}

// -- the pair that is read -------------------------------------------------------------------------------------------------------

const LONG = 1600;
PIECES.labelled = () => {
  const host = h("div", {}), id = h("code", {}), where = h("span", { class: "wb-quiet" });
  const node = h("section", { class: "wb-s-reader", "aria-label": "The pair that is read" }, h("div", { class: "wb-bar" }, h("h3", {}, "Pair"), id, where), host);
  function draw(data) {
    if (data.lacking) { host.replaceChildren(blank(data.lacking.fact, data.lacking.why)); return; }
    write(id, data.pair || "");
    write(where, data.pair ? [data.section, data.source, `family ${data.family}`].filter(Boolean).join(" \u00b7 ") : "");
    if (!data.pair) { host.replaceChildren(blank("No pair is read yet.", "Choose a row: its prompt and answers appear here.")); return; }
    const truth = data.gap === null ? null : data.gap === 0 ? "Truly a tie." : data.gap < 0 ? "The label is truly wrong." : "The label is truly right.";
    const facts = h("p", { class: "wb-s-facts" }, h("b", {}, `${data.against} of ${data.of}`), ` models prefer the rejected answer; \u03bc\u0302 ${fixed(data.mean, 2)} \u00b1 ${fixed(data.std, 2)}. `, truth ? h("b", {}, truth) : null);
    if (!data.text) { host.replaceChildren(facts, blank("This study has no text.", "The ensemble reads features; there is nothing here to read.")); return; }
    const key = h("p", { class: "wb-r-key" }, data.text.note ? data.text.note : [h("span", { class: "wb-r-chosen" }, "only in chosen"), h("span", { class: "wb-r-rejected" }, "only in rejected")]);
    host.replaceChildren(facts, text("Prompt", data.text.prompt), key, text("Chosen", data.text.chosen, "chosen"), text("Rejected", data.text.rejected, "rejected"));
  }
  function text(word, parts, kind) {
    const whole = parts.map(([piece]) => piece).join("");
    const box = h("div", { class: "wb-s-text" }), more = h("button", { class: "wb-link-button" }, `Show all ${count(whole.length)} characters`);
    const lay = (most) => {
      let left = most;
      const out = [];
      for (const [piece, only] of parts) {
        if (left <= 0) break;
        const cut = piece.slice(0, left);
        out.push(only ? h("mark", { class: `wb-r-${kind}` }, cut) : cut);
        left -= piece.length;
      }
      box.replaceChildren(h("p", { dir: "auto" }, out, whole.length > most ? " \u2026" : null));
    };
    more.addEventListener("click", () => { lay(Infinity); more.remove(); });
    lay(LONG);
    return h("div", { class: "wb-s-answer" }, h("h4", {}, word, h("span", { class: "wb-quiet" }, ` ${count(whole.split(/\s+/).filter(Boolean).length)} words`)), box, whole.length > LONG ? more : null);
  }
  return { node, draw };
};
