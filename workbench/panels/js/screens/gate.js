// The Gate screen: the watershed over the page's width, by section, handovers; one prompt's gate, an objective's prompts, the table.
SCREENS.gate = (line) => {
  const set = (values) => line.send({ do: "view", ...values });
  const main = gateMain(line, set), side = gateSide(line), item = gateItem(), shown = gateCards(line, set), table = gateTable(set);
  const blankHost = h("div", {}), below = h("div", { class: "wb-g-below" }, item.node, shown.node);
  const whole = h("div", { class: "wb-g" }, main.node, side.node, below, table.node);
  let state = null, chosen = null, waiting = 0;
  function redraw() { if (state) { main.draw(state, chosen); side.draw(state, chosen); } }
  new ResizeObserver(() => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(redraw); }).observe(main.plot);
  return {
    node: h("div", {}, whole, blankHost),
    parts: {
      gate: (data, settled) => {
        state = data;
        for (const part of [side.node, below, table.node]) flag(part, "wb-hide", data.blank);
        flag(whole, "wb-g-alone", data.blank || !(data.sections.length || data.handovers.length));
        if (settled) main.controls(data);
        redraw();
      },
      "gate.item": (data) => item.draw(data, state),
      "gate.chosen": (data) => { chosen = data.marks || null; redraw(); },
      "gate.cards": shown.draw, "gate.table": table.draw,
    },
    settle: () => state && main.controls(state),
  };
};
const SIGNS = { base: "Baseline", cand: "Candidate" };
const hundred = (x) => `${Math.round(100 * x)}`;
const slotted = (slot, text, about) => h("span", { class: `wb-f-${slot}`, ...about }, shape(slot), text);

// -- the picture over the whole width, with its controls ---------------------------------------------------------------

function gateMain(line, set) {
  const meta = h("span", { class: "wb-quiet" }), lead = h("p", { class: "wb-lead" }), notes = h("div", { class: "wb-quiet wb-g-notes" });
  const of = segments("Whose gate", [["candidate", "Candidate"], ["baseline", "Baseline"], ["both", "Both"]], (v) => set({ of: v }));
  const value = segments("What a column is", [["weight", "Weight"], ["effect", "Effect |g \u0394r\u2032|"]], (v) => set({ value: v }));
  const plot = h("div", { class: "wb-g-plot" }), read = h("p", { class: "wb-quiet wb-g-read", role: "status" });
  const caption = h("p", { class: "wb-quiet wb-g-caption" });
  const node = h("section", { class: "wb-g-main", "aria-label": "Gate watershed" },
    h("div", { class: "wb-bar wb-g-bar" }, h("h3", {}, "Gate watershed"), meta, h("span", { class: "wb-space" }), of.node, value.node,
      button("Export", () => line.send({ do: "export" }), { title: "Put this figure into the tray (e)" })),
    lead, plot, read, caption, notes);
  function controls(state) {
    of.show(state.of); value.show(state.value);
    flag(of.node, "wb-hide", !state.both);
  }
  function draw(state, chosen) {
    const { blank: none } = state;
    for (const part of [lead, read, caption, notes]) flag(part, "wb-hide", none);
    write(meta, none ? "" : state.meta);
    if (none) { plot.replaceChildren(blank(none.fact, none.why)); return; }
    lead.replaceChildren(...said(state.lead), state.before ? h("span", { class: "wb-quiet wb-g-was" }, mark("base"), " ",
      state.before) : "");
    notes.replaceChildren(...state.notes.map((note) => h("p", {}, note)));
    for (const part of [read, caption]) flag(part, "wb-hide", state.same);
    if (state.same) { plot.replaceChildren(gateRows(state.same, false), h("p", { class: "wb-quiet" }, state.same.why)); return; }
    const width = Math.max(320, Math.floor(plot.clientWidth || 800)), two = state.pictures.length > 1;
    const high = Math.max(...state.pictures.map(PIECES.shed.heightOf));  // one axis for both
    const focus = document.activeElement && plot.contains(document.activeElement) ? document.activeElement.dataset.of : null;
    plot.replaceChildren(...state.pictures.map((one) => {
      const host = PIECES.shed.watershed(one, { width, plot: two ? 150 : 300, high, marks: chosen && chosen[one.sign], near: state.near });
      host.dataset.of = one.sign;
      if (two) host.prepend(h("div", { class: "wb-g-sign" }, mark(one.sign), h("b", {}, SIGNS[one.sign]),
        h("span", { class: "wb-quiet" }, `${one.near} within ${state.near}, ${one.effective.toFixed(1)} objectives`)));
      PIECES.shed.columnsOf(host, one, line, { of: one.sign }, (words) => write(read, words || HINT));
      return host;
    }));
    if (focus) plot.querySelector(`[data-of="${focus}"]`).focus();
    write(read, HINT);
    caption.replaceChildren(...captionOf(state, chosen));
  }
  return { node, plot, draw, controls };
}
const HINT = "Point at a column to read it, click to look at its prompt, drag to select prompts.";

function captionOf(state, chosen) {
  const one = state.pictures[state.pictures.length - 1], b = (text) => h("b", {}, text);
  const ties = one.hills.reduce((sum, hill) => sum + (hill.valley || 0), 0);
  const each = one.whole ? `${count(one.n)} prompts, one column each` : `${count(one.n)} prompts, drawn at even steps`;
  return [`${each}, grouped by the objective with the largest ${state.value === "weight" ? "weight" : "effect"}. `, b("Full colour"),
    ": its lead over the runner-up, exact. ", b("Tint"), ": what the runner-up holds (running mean). ",
    one.hills.length > 1
      ? "A slope faces the side its runner-up stands on; in the valleys the gate changes its mind. Number under a valley: "
      + `prompts on which those two are less than ${state.near} apart (${count(ties)} between neighbours; the others are in the list).` : "",
    one.outer.length ? ` On the outer slopes the runner-up is mostly ${one.outer.join(" and ")}.` : "",
    chosen && chosen[one.sign] && chosen[one.sign].runs.length ? " Black dashes under the axis: the selection." : "",
    one.seeds > 1 ? ` Ticks: another seed names another leader (${one.disagree} of prompts).` : "",
    one.gathered.length ? ` Gathered in one hill: ${one.gathered.join(", ")}.` : ""];
}

// -- by section, and where the gate hands over --------------------------------------------------------------------------

function gateSide(line) {
  const list = h("div", {}), hand = h("ol", { class: "wb-g-hand" }), near = h("span", { class: "wb-quiet" }), more = h("p",
    { class: "wb-quiet" });
  const sections = h("div", {}, h("div", { class: "wb-bar" }, h("h3", {}, "By section"), h("span", { class: "wb-space" }),
    h("span", { class: "wb-quiet" }, "same order")), list, more);
  const all = h("button", { class: "wb-link-button", onclick: () => { open = !open; draw(...last); } });
  const hands = h("div", { class: "wb-g-hands" }, h("div", { class: "wb-bar" }, h("h3", {}, "Handovers"), h("span",
    { class: "wb-space" }), near), hand, all);
  const node = h("section", { class: "wb-g-side", "aria-label": "Gate by section, and handovers" }, sections, hands);
  let open = false, last = null;
  function draw(state, chosen) {
    last = [state, chosen];
    if (state.blank) return;
    flag(sections, "wb-hide", !state.sections.length); flag(hands, "wb-hide", !state.handovers.length);
    const width = Math.max(160, Math.floor(list.clientWidth || 268));
    list.replaceChildren(...state.sections.map((one) => {
      const host = PIECES.shed.watershed({ ...one, words: `${one.name}: ${one.words}` }, { width, plot: 42, labelled: false });
      const rest = `${count(one.n)} prompt${one.n > 1 ? "s" : ""}, ${one.effective.toFixed(1)} objectives`, told = h("span",
        { class: "wb-quiet" }, rest);
      PIECES.shed.columnsOf(host, { ...one, whole: false }, line, { section: one.name, of: state.main }, (words) => write(told, words
        || rest));
      return h("div", { class: "wb-g-small" }, h("div", {}, h("b", {}, one.name), h("span", { class: "wb-space" }), told), host);
    }));
    write(more, (state.more_sections ? `${state.more_sections} more sections are in the table below. ` : "")
      + "Objectives: effective number, the mean of exp entropy.");
    write(near, `prompts with lead < ${state.near}`);
    const shown = open ? state.handovers : state.handovers.slice(0, 6);
    hand.replaceChildren(...shown.map((one) => h("li", {}, h("button", {
      title: `Select these prompts`, onclick: () => line.send({ do: "handover", a: one.a, b: one.b }) },
      slotted(one.slots[0], one.a), h("i", { "aria-label": "and" }, "\u21c4"), slotted(one.slots[1], one.b), h("b", {}, count(one.n))))));
    const rest = state.handovers.slice(6);
    flag(all, "wb-hide", !rest.length);
    write(all, open ? "Show fewer" : `${rest.length} more`);
  }
  return { node, draw };
}

// -- one prompt's gate over seeds ----------------------------------------------------------------------------------------

function gateItem() {
  const text = h("p", { class: "wb-g-text" }), about = h("span", { class: "wb-quiet" }), rows = h("div", {});
  const node = h("section", { class: "wb-g-item", "aria-label": "Gate of one prompt" },
    h("div", { class: "wb-bar" }, h("h3", {}, "This prompt"), about), text, rows);
  function draw(data) {
    write(about, data.prompt ? [data.section, data.prompt].filter(Boolean).join(" \u00b7 ") : "");
    write(text, data.prompt ? data.text : ""); flag(text, "wb-hide", !data.prompt || !data.text);
    rows.replaceChildren(!data.prompt ? h("p", { class: "wb-quiet" }, "Click a column: its gate is shown here, seed by seed.")
      : data.rows.length ? gateRows(data, true) : h("p", { class: "wb-quiet" }, "Nothing differs between the answers to this prompt."));
  }
  return { node, draw };
}
function gateRows(data) {
  const width = 200, most = Math.max(...data.rows.flatMap((row) => Object.values(row.marks).flatMap((m) => [m.value, ...m.seeds])), 0.05);
  const x = (value) => 5 + (width - 10) * value / most;
  const body = data.rows.map((row) => {
    const kinds = Object.entries(row.marks), words = kinds.map(([kind, m]) => `${SIGNS[kind]} ${hundred(m.value)} %`).join(", ");
    const parts = [s("path", { class: "wb-zero", d: `M${x(0)} 2V20` })];
    if (kinds.length === 2) parts.push(s("path", { class: "wb-link", d: `M${x(kinds[0][1].value)} 9H${x(kinds[1][1].value)}` }));
    kinds.forEach(([kind, m], k) => {
      if (m.seeds.length > 1) parts.push(s("path", { class: `wb-g-seed wb-g-seed-${kind}`,
        d: m.seeds.map((v) => `M${x(v).toFixed(1)} ${15 + 3 * k}v4`).join("") }));
      parts.push(dot(kind, x(m.value), 9, 4));
    });
    return h("tr", {}, h("th", { scope: "row", title: row.name }, slotted(row.slot, row.name)),
      h("td", {}, s("svg", { width, height: 22, role: "img", "aria-label": `${row.name}: ${words}` }, parts)),
      h("td", { class: "wb-right" }, kinds.map(([, m]) => hundred(m.value)).join(" \u2192 ")));
  });
  const rest = Object.values(data.rest).map(hundred).join(" \u2192 ");
  if (data.others) body.push(h("tr", {}, h("th", { scope: "row", class: "wb-quiet" }, `${data.others} others`), h("td", {}), h("td",
    { class: "wb-right" }, rest)));
  return h("table", { class: "wb-table wb-g-rows" }, columns([0, width + 12, 76]),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Objective"), h("th", { scope: "col" }, "Mean, ticks: seeds"), h("th",
      { scope: "col", class: "wb-right" }, "%"))),
    h("tbody", {}, body));
}

// -- prompts of one objective --------------------------------------------------------------------------------------------

const CARDS = { top: "Highest", median: "Median", bottom: "Lowest" };
function gateCards(line, set) {
  const choose = select("Objective", "Objective whose prompts are shown"), about = h("span", { class: "wb-quiet" }), host = h("div",
    { class: "wb-g-cards" });
  choose.box.addEventListener("change", () => set({ objective: choose.box.value }));
  const node = h("section", { class: "wb-g-of", "aria-label": "Prompts of an objective" },
    h("div", { class: "wb-bar" }, h("h3", {}, "Prompts of an objective"), about, h("span", { class: "wb-space" }), choose.node), host);
  function draw(data) {
    if (!data.objective) return;
    fill(choose.box, data.names.map((name) => [name, name]), []);
    pick(choose.box, data.objective);
    write(about, `holds ${hundred(data.share)} % on average`);
    const card = (one) => h("button", { class: "wb-g-card", onclick: () => line.send({ do: "prompt", id: one.prompt }) },
      h("b", {}, `${hundred(one.share)} %`), h("span", {}, one.text || one.prompt), h("i", {}, one.section || ""));
    host.replaceChildren(...(data.same ? [h("p", { class: "wb-quiet" }, "It holds the same on every prompt.")]
      : Object.entries(data.columns).map(([name, list]) => h("div", {}, h("div", { class: "wb-quiet" }, CARDS[name]), list.map(card)))));
  }
  return { node, draw };
}

// -- the table behind: objective by slice, and how objectives go together --------------------------------------------------

function gateTable(set) {
  const host = h("div", { class: "wb-g-tables" }), about = h("span", { class: "wb-quiet" }), words = h("p", { class: "wb-quiet" });
  const node = h("section", { class: "wb-g-table", "aria-label": "Gate by slice, and correlation of objectives" },
    h("div", { class: "wb-bar" }, h("h3", {}, "The table behind"), about), host, words);
  function draw(data) {
    if (!data.table) return;
    const { slices, rows } = data.table, most = Math.max(...rows.flatMap((row) => row.shares), 0.01), k = rows.length;
    write(about, `${data.value === "weight" ? "mean weight" : "mean effect"}, %; beside it Spearman \u03c1 of every two objectives before debias`);
    const cell = (share) => h("td", { class: "wb-right wb-g-cell", style: `--s:${(0.6 * share / most).toFixed(3)}` }, 100 * share >= 0.95
      ? hundred(share) : share >= 0.0005 ? "<1" : "0");
    const heads = slices.map((one) => h("th", { scope: "col", class: "wb-right", title: `${one.name}: ${one.n} prompts` }, h("span", {},
      one.name), h("br", {}), `${count(one.n)}`));
    const size = k > 40 ? 12 : 24, numbers = rows.map((_, j) => h("th", { scope: "col", class: "wb-g-rho", title: rows[j].name }, k > 40
      && (j + 1) % 5 ? "" : String(j + 1)));
    const square = (row, i) => rows.map((other, j) => {
      if (j >= i) return h("td", { class: "wb-g-rho" }, j === i ? "\u00b7" : "");
      const rho = data.rho[i][j], strong = Math.abs(rho) > data.above;
      return h("td", { class: `wb-g-rho ${rho < 0 ? "wb-g-neg" : "wb-g-pos"} ${strong ? "wb-g-strong" : ""}`, style: `--s:${Math.abs(rho)}`,
        title: `${row.name} with ${other.name}: ${signed(rho, 2) || "0"}` }, k > 40 ? "" : share(rho));
    });
    const across = slices.map((one) => Math.max(56, PIECES.shed.textWidth(one.name) + 14)), wide = across.reduce((sum, px) => sum + px,
      234 + (size + 8) * k);
    host.replaceChildren(h("div", { class: "wb-scroll", tabindex: 0, role: "group", "aria-label": "Gate by slice and correlations" },
      h("table", { class: "wb-table wb-g-heat", style: `width:${wide}px` }, columns([190, ...across, 44, ...rows.map(() => size + 8)]),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Objective"), heads, h("td", {}), numbers)),
        h("tbody", {}, rows.map((row, i) => h("tr", {}, h("th", { scope: "row" },
          h("button", { title: `Show the prompts of ${row.name}`, onclick: () => set({ objective: row.name }) }, slotted(row.slot,
            row.name))),
          row.shares.map(cell), h("td", { class: "wb-right wb-quiet" }, String(i + 1)), square(row, i)))))));
    const twins = data.collinear.slice(0, 5).map(([a, b, rho]) => `${a} with ${b} (${share(rho)})`);
    const rest = data.collinear.length - twins.length;
    write(words, twins.length
      ? `Collinear, |\u03c1| > ${data.above}: ${twins.join(", ")}${rest ? ` and ${rest} more` : ""}. They trade weight from seed to seed: read them together, or by effect.`
      : k > 1 ? `No two objectives correlate beyond |\u03c1| ${data.above}.` : "");
  }
  return { node, draw };
}
