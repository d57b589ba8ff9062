// The table of items: every row is there, those in sight are drawn. The kernel sorts, filters and searches; the page asks for rows.
const ROW = 29, SEEN = 10, AHEAD = 6, ASK = 40, TALLEST = 12e6, PAUSE = 250;  // px, rows, px (browsers end near 17 million), ms
const SEARCH = "Search prompts and responses", GLASS = "M7 2.500a4.500 4.500 0 1 1 0 9a4.500 4.500 0 0 1 0-9M10.400 10.400 14 14";
const MARGIN = { width: 76, pad: 5 };
const WIDTHS = { item: 74, prompt: 0, section: 76, margin: 92, change: 66, decides: 132, lead: 48 };
const TITLES = { margin: UNITS, change: UNITS, decides: "largest share of |weight \u00d7 score difference|", lead: "that share minus the runner-up's" };
const RIGHT = new Set(["change", "lead"]);

PIECES.table = (line, shell) => {
  const chips = h("span", { class: "wb-x-chips" }), filter = h("select", { "aria-label": "Add a filter" });
  const box = h("input", { type: "search", "aria-label": SEARCH, placeholder: SEARCH, autocomplete: "off", spellcheck: "false" });
  const key = h("kbd", { "aria-hidden": "true" }, "/"), slice = saving(line);
  const bar = h("div", { class: "wb-bar wb-x-bar" }, h("label", { class: "wb-x-search" }, icon(GLASS), box, key), chips,
    h("label", { class: "wb-x-chip wb-x-add" }, "+ Filter", filter), h("span", { class: "wb-space" }), slice.node);
  const head = h("tr", {}), cols = h("colgroup", {}), above = h("tbody", {}), body = h("tbody", {}), below = h("tbody", {});
  const caption = h("caption", { class: "wb-said" }, "Items");
  const table = h("table", { class: "wb-table wb-items" }, caption, cols, h("thead", {}, head), above, body, below);
  const scroll = h("div", { class: "wb-x-rows", tabindex: 0, role: "group", "aria-label": "Items: arrow keys move through them" }, table);
  const none = h("div", { class: "wb-x-none wb-hide" }), range = h("span", {}), accuracy = h("span", { role: "status" });
  const node = h("div", {}, bar, h("div", { class: "wb-x-frame" }, scroll), none, h("div", { class: "wb-foot wb-x-foot" }, range, h("span", { class: "wb-space" }), accuracy));
  let state = null, rows = new Map(), asked = new Set(), chosen = { at: -1, primary: null }, sorts = [], timer = null, typed = null;

  // -- rows in sight --------------------------------------------------------------------------------

  const whole = () => Math.min(state.n * ROW, TALLEST);
  function firstAt(top) {
    if (state.n * ROW <= TALLEST) return Math.floor(top / ROW);
    return Math.round(top / Math.max(1, TALLEST - SEEN * ROW) * (state.n - SEEN));
  }
  const topOf = (first) => (state.n * ROW <= TALLEST ? first * ROW : first / Math.max(1, state.n - SEEN) * (TALLEST - SEEN * ROW));
  function show() {
    if (!state || !state.n) return;
    const first = Math.max(0, Math.min(firstAt(scroll.scrollTop), state.n - 1)), from = Math.max(0, first - AHEAD);
    const to = Math.min(state.n, first + SEEN + AHEAD), drawn = [], lacks = [];
    for (let at = from; at < to; at += 1) { drawn.push(rowOf(rows.get(at), at, state, chosen)); if (!rows.has(at)) lacks.push(at); }
    body.replaceChildren(...drawn);
    const top = Math.max(0, topOf(first) - (first - from) * ROW);
    space(above, top, state.columns.length);
    space(below, Math.max(0, whole() - top - drawn.length * ROW), state.columns.length);
    const last = Math.min(state.n, first + SEEN);
    const all = count(state.n), few = `${all} ${state.n === 1 ? "row" : "rows"}`;
    write(range, `${state.n > SEEN ? `rows ${count(first + 1)}${DASH}${count(last)} of ${all}` : few}, ${state.order}`);
    if (lacks.length) ask(lacks[0], lacks[lacks.length - 1]);
  }
  function ask(first, last) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const from = ASK * Math.floor(first / ASK), to = ASK * (Math.floor(last / ASK) + 1), key = `${from} ${to}`;
      if (asked.has(key)) return;
      asked.add(key);
      line.send({ do: "rows", from, to });
    }, 30);
  }
  let frame = 0;
  scroll.addEventListener("scroll", () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(show); });
  scroll.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: SEEN, PageUp: -SEEN, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || event.target !== scroll || !state) return;
    event.preventDefault();
    line.send({ do: "step", by: Math.max(-state.n, Math.min(state.n, by)) });
  });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-item]");
    if (row) line.send({ do: "look", item: row.dataset.item });
  });

  // -- search, filters, chips ------------------------------------------------------------------------

  function search() {
    clearTimeout(typed);
    typed = null;
    line.send({ do: "search", text: box.value });
  }
  box.addEventListener("input", () => { clearTimeout(typed); typed = setTimeout(search, PAUSE); });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter") search();
    else if (event.key === "Escape") { box.value = ""; search(); scroll.focus(); }
    else if (event.key === "ArrowDown") scroll.focus();
    else return;
    event.preventDefault();
  });
  filter.addEventListener("change", () => {
    const [kind, value] = JSON.parse(filter.value);
    filter.value = "";
    line.send({ do: "filter", kind, value });
  });
  function filters(data) {
    filter.replaceChildren(h("option", { value: "" }, ""), ...data.groups.map((group) => h("optgroup", { label: group.label },
      group.options.map(([value, words, n]) => h("option", { value: JSON.stringify([group.kind, value]) }, `${words} · ${count(n)}`)))));
    filter.value = "";
    filter.disabled = !data.groups.length;
    flag(filter.parentNode, "wb-hide", filter.disabled);
  }

  // -- what the kernel sends -------------------------------------------------------------------------

  function described(data, settled) {
    for (const each of [bar, scroll]) flag(each, "wb-hide", data.waits);
    if (data.waits) {
      flag(none, "wb-hide", false);
      none.replaceChildren(blank(`Reading ${count(data.of)} items …`, "Texts and margins are put side by side once."));
      return;
    }
    const moved = !state || state.sort !== data.sort || state.way !== data.way || state.n !== data.n || state.of !== data.of;
    const shape = JSON.stringify([data.columns, data.candidate]);
    state = data;
    rows = new Map(); asked = new Set();
    keep(data.block);
    if (shape !== table.dataset.shape) { table.dataset.shape = shape; heads(); }
    sorted();
    chips.replaceChildren(...data.chips.flatMap((one) => chip(one, line)));
    if (settled && typed === null && document.activeElement !== box && !data.chips.some((one) => one.kind === "search")) box.value = "";
    slice.draw(data);
    flag(scroll, "wb-hide", !data.n); flag(none, "wb-hide", data.n);
    if (!data.n) {
      none.replaceChildren(blank("No pairs in this slice.", data.empty, button("Clear filter", () => line.send({ do: "drop" }))));
      write(range, `0 of ${count(data.of)} pairs`);
      return;
    }
    if (moved) scroll.scrollTop = 0;
    show();
  }
  function heads() {
    const label = state.text ? SEARCH : "Search ids";
    box.placeholder = label; box.setAttribute("aria-label", label);
    cols.replaceChildren(...columns(state.columns.map(([name]) => (name === "item" && !state.text ? 190 : WIDTHS[name]))).childNodes);
    sorts = state.columns.map(([name, label]) => {
      const marks = name === "margin" ? [mark("base"), state.candidate ? mark("cand") : null] : [];
      const arrow = h("span", { "aria-hidden": "true" });
      const node = h("th", { scope: "col", class: RIGHT.has(name) ? "wb-right" : null },
        h("button", { class: "wb-x-sort", title: TITLES[name], onclick: () => line.send({ do: "sort", by: name }) }, marks, label, arrow));
      return { name, node, arrow };
    });
    head.replaceChildren(...sorts.map((one) => one.node));
  }
  function sorted() {
    for (const { name, node, arrow } of sorts) {
      const on = state.sort === name;
      node.setAttribute("aria-sort", !on ? "none" : { up: "ascending", down: "descending", size: "other" }[state.way]);
      arrow.replaceChildren(...(on ? [icon(state.way === "up" ? "M4.500 9.500 8 6l3.500 3.500" : CHEVRON)] : []));
    }
    table.setAttribute("aria-rowcount", state.n + 1);
  }
  function keep(block) {
    if (state && block.stamp === state.block.stamp) block.rows.forEach((row, i) => rows.set(block.from + i, row));
  }
  function selected(data) {
    const moved = data.primary !== chosen.primary;
    chosen = data;
    if (!state || !state.n) return;
    const first = firstAt(scroll.scrollTop);
    if (moved && data.at >= 0 && (data.at < first || data.at >= first + SEEN)) {
      scroll.scrollTop = topOf(Math.max(0, Math.min(state.n - SEEN, data.at < first ? data.at : data.at - SEEN + 1)));
    }
    show();
  }
  function measured(data) {
    if (!data.rows.length) {
      accuracy.replaceChildren(data.waits ? "Selection: accuracy …" : "Margins appear when the baseline is trained.");
      return;
    }
    const few = data.words.split("; ").find((one) => one.startsWith("fewer than")), plural = (n, one, more) => `${count(n)} ${n === 1 ? one : more}`;
    const told = data.rows.map((row) => [mark(row.which === "candidate" ? "cand" : "base"),
      h("b", {}, row.value === null ? DASH : `${percent(row.value)} %`),
      row.low !== null ? ` [${percent(row.low)}, ${percent(row.high)}]` : null]);
    const words = `, ${plural(data.n, "pair", "pairs")}, ${plural(data.families, "family", "families")}${few ? `: ${few.replace(" families", "")}` : ""}`;
    const who = data.whole ? "All pairs" : "Selection", known = data.rows.some((row) => row.value !== null);
    accuracy.replaceChildren(...(known ? [`${who}: accuracy `, ...told.flat().filter(Boolean), words] : [`${who}: no accuracy${words}`]));
    accuracy.title = data.words;
  }
  return {
    node, save() { if (slice.ready()) slice.open(); else shell.say(slice.lacks); }, search() { box.focus(); box.select(); },
    parts: { "explore.table": described, "explore.filters": filters, "explore.selection": selected, "explore.accuracy": measured },
    reply(answer) { if (answer.table) { keep(answer.table); show(); } },
  };
};

function chip({ kind, label, n, saved }, line) {
  const on = named(h("button", { class: "wb-x-chip wb-x-on", onclick: () => line.send({ do: "drop", kind }) },
    h("span", {}, label), ` · ${count(n)} `, h("span", { "aria-hidden": "true" }, TIMES)), `Remove ${label}, ${count(n)} pairs`);
  const gone = () => line.send({ do: "remove_slice", name: label });
  return saved ? [on, named(h("button", { class: "wb-link-button", onclick: gone }, "Delete slice"), `Delete slice ${label}`)] : [on];
}

function space(part, height, across) {
  if (part.dataset.tall === `${height} ${across}`) return;
  part.dataset.tall = `${height} ${across}`;
  const cell = () => h("td", { colspan: across, style: `height:${height}px;padding:0;border:0` });
  part.replaceChildren(...(height > 0 ? [h("tr", { "aria-hidden": "true" }, cell())] : []));
}

function rowOf(values, at, state, chosen) {
  const empty = (name) => h("td", { class: "wb-quiet" }, name === "prompt" ? "…" : "");
  const cells = state.columns.map(([name], i) => (values ? CELLS[name](values[i], state) : empty(name)));
  const item = values ? values[state.columns.findIndex(([name]) => name === "item")] : null;
  const here = item !== null && item === chosen.primary ? { "aria-current": "true", class: "wb-x-here" } : {};
  return h("tr", { "data-item": item, "aria-rowindex": at + 2, ...here }, cells);
}

const CELLS = {
  item: (value) => h("td", { class: "wb-quiet", title: value }, value),
  prompt: (value) => h("td", { class: "wb-x-prompt", dir: "auto", title: value }, value),
  section: (value) => h("td", { class: "wb-quiet", title: value }, value),
  margin: ([before, after], state) => h("td", {}, pairPicture(before, after, state)),
  change: (value) => h("td", { class: value < 0 ? "wb-right wb-x-fell" : "wb-right" }, value === null ? DASH : signed(value, 2)),
  decides: ([slot, name]) => h("td", { class: `wb-f-${slot}`, title: name }, name ? [shape(slot), name] : DASH),
  lead: (value) => h("td", { class: "wb-right" }, value === null ? DASH : fixed(value, 2)),
};

// Baseline and candidate on one zero, which every row shares; a margin beyond the axis is a triangle at its end.
function pairPicture(before, after, { reach }) {
  const { width, pad } = MARGIN, x = (value) => width / 2 + (width / 2 - pad) * Math.max(-1, Math.min(1, value / reach));
  const parts = [s("path", { class: "wb-zero", d: `M${width / 2} 2V18` })], words = [];
  if (before !== null && after !== null) parts.push(s("path", { class: "wb-link", d: `M${x(before)} 10H${x(after)}` }));
  if (before !== null) { parts.push(atEnd("base", x(before), 10, 3.2, beyond(before, reach))); words.push(`${signed(before, 2)} baseline`); }
  if (after !== null) { parts.push(atEnd("cand", x(after), 10, 3.6, beyond(after, reach))); words.push(`${signed(after, 2)} candidate`); }
  const told = `Margin ${words.join(", ")}`;
  return s("svg", { width, height: 20, role: "img", "aria-label": told }, s("title", {}, told), parts);
}

// Save slice: the button gives way to a field for the name.
function saving(line) {
  const open = button("Save slice", () => turn(true)), lacks = "Select some of the pairs first";
  const name = h("input", { type: "text", "aria-label": "Name of the slice", placeholder: "Name", maxlength: 60 });
  const form = h("span", { class: "wb-x-name wb-hide" }, name, button("Save", () => save()));
  const node = h("span", {}, open, form);
  function turn(on) {
    flag(open, "wb-hide", on); flag(form, "wb-hide", !on);
    if (on) { name.value = ""; name.focus(); } else open.focus();
  }
  function save() { line.send({ do: "save_slice", name: name.value.trim() || null }); turn(false); }
  name.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();  // else Enter would press the button that gets the focus
    if (event.key === "Enter") save(); else turn(false);
  });
  function draw(data) {
    open.disabled = !data.chips.length || !data.n;
    open.title = open.disabled ? lacks : "Keep this selection by a name (s)";
  }
  return { node, draw, lacks, open: () => turn(true), ready: () => !open.disabled };
}
