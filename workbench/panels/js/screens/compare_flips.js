// What the change broke: every pair of a list, worst first; rows in sight are drawn, and asked for from the kernel.
const ROW = 47, SEEN = 9, AHEAD = 5, ASK = 40, LINE = { width: 92, pad: 6 };
const LISTS = [["broken", "Broken"], ["fixed", "Fixed"], ["moved", "Moved"]];
const ORDER = { broken: "worst first, with the objective that moved it", fixed: "best first, with the objective that moved it", moved: "largest change first, with the objective that moved it" };
const EMPTY = { broken: "No pair was won before and is lost now.", fixed: "No pair was lost before and is won now.", moved: "Every margin is the same: nothing changed." };

PIECES.flips = (line, shell) => {
  const lists = segments("Which pairs", LISTS, (value) => line.send({ do: "list", value }));
  const order = h("span", {}), spacer = h("div", {}), rest = h("div", {}), body = h("ol", { class: "wb-c-list" });
  const scroll = h("div", { class: "wb-c-rows", tabindex: 0, role: "group", "aria-label": "Pairs, worst first: arrow keys move, Enter reads in Explore" }, spacer, body, rest);
  const foot = h("span", {}), keep = button("Save as slice", () => line.send({ do: "slice" })), none = h("p", { class: "wb-quiet wb-c-none wb-hide" });
  const node = h("section", { class: "wb-c-flips", "aria-label": "What my change broke" },
    h("div", { class: "wb-bar" }, h("h3", {}, "What my change broke"), h("span", { class: "wb-space" }), lists.node),
    h("div", { class: "wb-c-head wb-quiet" }, order, h("span", { title: UNITS }, "change")), scroll, none,
    h("div", { class: "wb-foot" }, foot, h("span", { class: "wb-space" }), keep));
  let state = null, rows = new Map(), asked = new Set(), primary = null;

  function show() {
    if (!state || !state.n) return;
    const first = Math.max(0, Math.floor(scroll.scrollTop / ROW)), from = Math.max(0, first - AHEAD), to = Math.min(state.n, first + SEEN + AHEAD);
    spacer.style.height = `${from * ROW}px`; rest.style.height = `${(state.n - to) * ROW}px`;
    const drawn = [];
    for (let at = from; at < to; at += 1) drawn.push(flipRow(rows.get(at), at));
    body.replaceChildren(...drawn);
    for (let at = from; at < to; at += 1) if (!rows.has(at)) { ask(at); break; }
  }
  function ask(at) {
    const from = ASK * Math.floor(at / ASK);
    if (asked.has(from)) return;
    asked.add(from);
    line.send({ do: "rows", from, to: from + 2 * ASK });
  }
  function flipRow(row, at) {
    if (!row) return h("li", {}, h("span", { class: "wb-quiet" }, "…"));
    const [item, prompt, before, after, change, moved, slot] = row, here = item === primary;
    const one = h("button", { class: "wb-c-row", "aria-current": here ? "true" : null, "data-at": at,
      onclick: () => line.send({ do: "look", item }), ondblclick: () => read(item) },
    h("span", { class: "wb-c-prompt", dir: "auto", title: prompt }, prompt), pairLine(before, after, state.reach),
    h("span", { class: change < 0 ? "wb-c-fell" : "wb-c-rose" }, signed(change, 2)),
    h("span", { class: `wb-c-mover wb-f-${slot}` }, ...(moved ? [shape(slot), moved] : [])));
    return h("li", { class: here ? "wb-c-here" : null }, one);
  }
  function read(item) {
    line.send({ do: "look", item });
    shell.go("explore");
  }
  scroll.addEventListener("scroll", () => requestAnimationFrame(show));
  scroll.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key], at = [...rows].find(([, row]) => row[0] === primary);
    if (event.key === "Enter" && at && event.target === scroll) { event.preventDefault(); read(primary); return; }
    if (!by || !state || !state.n) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(state.n - 1, at ? at[0] + by : 0)), row = rows.get(next);
    if (row) line.send({ do: "look", item: row[0] });
  });
  function draw(data) {
    if (data.n === null) { state = null; return; }
    const other = !state || state.shown !== data.shown || state.n !== data.n;
    state = data; rows = new Map(); asked = new Set();
    data.block.rows.forEach((row, i) => rows.set(data.block.from + i, row));
    lists.show(data.shown);
    LISTS.forEach(([key, label], i) => write(lists.buttons[i], `${label} ${count(data.counts[key])}`));
    write(order, ORDER[data.shown]); write(foot, data.foot);
    flag(scroll, "wb-hide", !data.n); flag(none, "wb-hide", data.n); write(none, data.n ? "" : EMPTY[data.shown]);
    keep.disabled = !data.n;
    if (other) scroll.scrollTop = 0;
    show();
  }
  function chosen(data) {
    primary = data.primary;
    const at = [...rows].find(([, row]) => row[0] === primary);
    if (at) {
      const top = at[0] * ROW;
      if (top < scroll.scrollTop) scroll.scrollTop = top;
      else if (top > scroll.scrollTop + scroll.clientHeight - ROW) scroll.scrollTop = top - scroll.clientHeight + ROW;
    }
    show();
  }
  function reply(answer) {
    if (!answer.flips || !state || answer.flips.stamp !== state.stamp) return;
    answer.flips.rows.forEach((row, i) => rows.set(answer.flips.from + i, row));
    show();
  }
  return { node, parts: { "compare.flips": draw, "compare.primary": chosen }, reply };
};

function pairLine(before, after, reach) {
  const { width, pad } = LINE, x = (value) => width / 2 + (width / 2 - pad) * Math.max(-1, Math.min(1, value / reach));
  const told = `Margin ${signed(before, 2)} before, ${signed(after, 2)} after`;
  return s("svg", { width, height: 20, role: "img", "aria-label": told }, s("title", {}, told), s("path", { class: "wb-zero", d: `M${width / 2} 3V17` }),
    s("path", { class: "wb-link", d: `M${x(before)} 10H${x(after)}` }), atEnd("base", x(before), 10, 3.2, beyond(before, reach)), atEnd("cand", x(after), 10, 3.6, beyond(after, reach)));
}
