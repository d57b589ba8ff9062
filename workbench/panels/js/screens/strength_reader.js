// The pair that is read: each model's margin, what a reader says of the label, its texts.
const LONG = 1600;
const WORDS = [["right", "Label right"], ["wrong", "Label wrong"], ["tie", "Tie"], ["unclear", "Unclear"]];

PIECES.labelled = (line) => {
  const host = h("div", {}), id = h("code", {}), where = h("span", { class: "wb-quiet" }), facts = h("div", {}), hand = verdict(line);
  const node = h("section", { class: "wb-s-reader", "aria-label": "The pair that is read" }, h("div", { class: "wb-bar" }, h("h3", {}, "Pair"), id, where), facts, hand.node, host);
  let reach = 1, shown = null;
  function draw(data) {
    shown = data.lacking ? null : data.pair;
    hand.of(shown);
    if (data.lacking) { facts.replaceChildren(); host.replaceChildren(blank(data.lacking.fact, data.lacking.why)); return; }
    write(id, data.pair || "");
    write(where, data.pair ? [data.section, data.source, `family ${data.family}`].filter(Boolean).join(" \u00b7 ") : "");
    if (!data.pair) { facts.replaceChildren(); host.replaceChildren(blank("No pair is read yet.", "Choose a row: its prompt and answers appear here.")); return; }
    const truth = data.gap === null ? null : data.gap === 0 ? "Truly a tie." : data.gap < 0 ? "The label is truly wrong." : "The label is truly right.";
    facts.replaceChildren(h("p", { class: "wb-s-facts" }, h("b", {}, `${data.against} of ${data.of}`), ` models prefer the rejected answer; \u03bc\u0302 ${fixed(data.mean, 2)}${data.std === null ? "" : ` \u00b1 ${fixed(data.std, 2)}`}. `, truth ? h("b", {}, truth) : null), members(data, reach));
    if (!data.text) { host.replaceChildren(blank("This study has no text.", "The ensemble reads features; there is nothing here to read.")); return; }
    const key = h("p", { class: "wb-r-key" }, data.text.note ? data.text.note : [h("span", { class: "wb-r-chosen" }, "only in chosen"), h("span", { class: "wb-r-rejected" }, "only in rejected")]);
    host.replaceChildren(text("Prompt", data.text.prompt), key, text("Chosen", data.text.chosen, "chosen"), text("Rejected", data.text.rejected, "rejected"));
  }
  return { node, draw, about(found) { reach = found.reach; }, judged: hand.judged, press: hand.press, settle: hand.settle };
};

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

// -- one mark per model on a shared zero: against the label filled, for it hollow; their mean and deviation below -----------------

const STRIP = { wide: 380, side: 8, dots: 30, mean: 42, tall: 64, apart: 7 };
function members({ votes, mean, std }, reach) {
  const { wide, side } = STRIP, x = (value) => wide / 2 + (wide / 2 - side) * Math.max(-1, Math.min(1, value / reach)), taken = [];
  const marks = votes.map((vote, i) => [vote, i]).sort((a, b) => a[0] - b[0]).map(([vote, i]) => {
    const px = x(vote);
    let row = 0;
    while (taken.some((one) => one[1] === row && Math.abs(one[0] - px) < STRIP.apart)) row += 1;
    taken.push([px, row]);
    const y = STRIP.dots - Math.min(row, 3) * STRIP.apart;
    return s("g", {}, s("title", {}, `model ${i + 1}: ${signed(vote, 2) || "0"}`), atEnd(vote < 0 ? "s-against" : "s-for", px, y, 3.2, beyond(vote, reach)));
  });
  const low = std === null ? mean : mean - std, high = std === null ? mean : mean + std;
  const told = `Margins of ${votes.length} models: ${[...votes].sort((a, b) => a - b).map((vote) => signed(vote, 2) || "0").join(", ")}; mean ${signed(mean, 2) || "0"}${std === null ? "" : `, deviation ${fixed(std, 2)}`}`;
  return s("svg", { class: "wb-s-members", viewBox: `0 0 ${wide} ${STRIP.tall}`, width: wide, height: STRIP.tall, role: "img", "aria-label": told },
    s("path", { class: "wb-grid", d: `M${side} ${STRIP.dots + 6}H${wide - side}` }), s("path", { class: "wb-zero", d: `M${wide / 2} 4V${STRIP.mean + 6}` }), marks,
    s("g", {}, s("title", {}, `mean ${fixed(mean, 2)}${std === null ? "" : ` \u00b1 ${fixed(std, 2)}`}`), s("path", { class: "wb-s-whisker", d: `M${x(low)} ${STRIP.mean}H${x(high)}` }), s("path", { class: "wb-s-whisker", d: `M${x(mean)} ${STRIP.mean - 4}v8` })),
    s("text", { x: side, y: STRIP.tall - 4 }, "\u2190 against the label"), s("text", { class: "wb-mid", x: wide / 2, y: STRIP.tall - 4 }, "0"), s("text", { class: "wb-end", x: wide - side, y: STRIP.tall - 4 }, "for it \u2192"));
}

// -- what a reader says of the label -----------------------------------------------------------------------------------------------

function verdict(line) {
  const buttons = WORDS.map(([word, label], i) => h("button", { class: "wb-button", "aria-pressed": "false", title: `${label} (${i + 1}); again takes it back`, onclick: () => give(word) }, label, h("kbd", { "aria-hidden": "true" }, i + 1)));
  const note = h("input", { type: "text", maxlength: 500, autocomplete: "off", "aria-label": "Note on this verdict", placeholder: "Why, in a line" });
  const node = h("div", { class: "wb-s-verdict wb-hide" }, h("div", { class: "wb-s-words", role: "group", "aria-label": "Your verdict on the label" }, buttons), h("div", { class: "wb-s-note wb-hide" }, note));
  let pair = null, hands = {};
  const give = (word) => line.send({ do: "judge", pair, verdict: word });
  note.addEventListener("change", () => line.send({ do: "note", pair, note: note.value }));
  note.addEventListener("keydown", (event) => { if (event.key === "Enter") note.blur(); });
  function show(fresh) {
    const [word, said] = hands[pair] || [null, ""];
    flag(node, "wb-hide", pair === null);
    buttons.forEach((one, i) => one.setAttribute("aria-pressed", String(WORDS[i][0] === word)));
    flag(note.parentNode, "wb-hide", word === null);
    if (fresh || document.activeElement !== note) note.value = said;
  }
  return {
    node, settle: () => show(false),
    of(now) { const fresh = now !== pair; if (fresh && document.activeElement === note) note.blur(); pair = now; show(fresh); },
    judged(data) { hands = data.of || {}; show(false); },
    press(key) { const at = ["1", "2", "3", "4"].indexOf(key); if (at < 0 || pair === null) return false; give(WORDS[at][0]); return true; },
  };
}
