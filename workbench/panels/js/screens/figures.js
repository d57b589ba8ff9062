// The Figures screen: cards on white paper, each at the size at which it is printed; what can be added; files for a paper.
SCREENS.figures = (line, shell) => {
  const waiting = new Map();  // token → what is done with the file when it comes
  const tray = trayView(line, shell, order), list = addList(line);
  const node = h("div", { class: "wb-t" }, tray.node, list.node);
  function order(message, done) {
    const token = Math.random().toString(36).slice(2);
    waiting.set(token, done);
    line.send({ ...message, token });
  }
  // A file goes to the page that asked for it, and to that one alone.
  function file(data, settled, buffers) {
    const done = waiting.get(data.token);
    if (!done) return;
    waiting.delete(data.token);
    if (data.name && buffers && buffers.length) download(data.name, data.mime, buffers[0]);
    if (data.said) shell.say(data.said);
    done(data.error || null);
  }
  let reply = null;
  return {
    node,
    parts: { figures: (data, settled) => { list.draw(data, settled); tray.settings(data, settled); }, "figures.tray": tray.draw, "figures.file": file },
    reply(answer) { reply = answer; tray.reply(reply); },
    trouble: (found) => { tray.trouble(found); if (found) for (const [token, done] of waiting) { waiting.delete(token); done(null); } },
  };
};

function download(name, mime, view) {
  const url = URL.createObjectURL(new Blob([view], { type: mime })), link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
// The picture as text, never as markup of this page.
function pictureUrl(svg) {
  let bytes = "";
  for (const byte of new TextEncoder().encode(svg)) bytes += String.fromCharCode(byte);
  return `data:image/svg+xml;base64,${btoa(bytes)}`;
}

// -- what can be added -----------------------------------------------------------------------------------------------------------

function addList(line) {
  const list = h("ul", { class: "wb-t-list" });
  const node = h("section", { class: "wb-t-add", "aria-label": "Add a figure" }, h("div", { class: "wb-bar" }, h("h3", {}, "Add a figure")),
    h("p", { class: "wb-quiet wb-t-hint" }, "It is frozen as it is now: candidate against baseline. The key e adds the screen that is open."), list);
  let last = "";
  function draw(data) {
    const now = JSON.stringify(data.rows);
    if (now === last) return;
    last = now;
    const focus = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    list.replaceChildren(...data.rows.map((row) => h("li", { class: row.lacks ? "wb-t-lacks" : null },
      h("button", { "data-key": row.key, disabled: Boolean(row.lacks), onclick: () => line.send({ do: "add", figure: row.key }), title: row.lacks || `Add ${row.label} to the tray` },
        h("span", { class: "wb-t-plus", "aria-hidden": "true" }, row.lacks ? "" : "+"), h("span", {}, h("b", {}, row.label), h("span", { class: "wb-quiet" }, row.lacks || row.shows))))));
    const again = focus && list.querySelector(`[data-key="${CSS.escape(focus)}"]`);
    if (again) again.focus();
  }
  return { node, draw };
}

// -- the tray --------------------------------------------------------------------------------------------------------------------

function trayView(line, shell, order) {
  const venue = select("Venue", "Venue of all figures"), vision = select("Seen", "How the figures look to others");
  venue.box.addEventListener("change", () => line.send({ do: "view", venue: venue.box.value }));
  vision.box.addEventListener("change", () => line.send({ do: "view", vision: vision.box.value }));
  const saveAll = button("Save all", () => { saveAll.disabled = true; write(saveAll, "Saving \u2026"); order({ do: "save_all" }, (error) => { write(saveAll, "Save all"); saveAll.disabled = false; tell(error && { fact: "Not all was saved.", why: error }); }); },
    { title: "PDF, SVG, PNG, CSV, JSON and LaTeX of every figure, beside the notebook in figures/" });
  const title = h("span", { class: "wb-quiet" }), trouble = h("div", { class: "wb-t-trouble wb-hide", role: "alert" }), lack = h("div", { class: "wb-t-trouble wb-hide", role: "status" });
  const cards = h("div", { class: "wb-t-cards" }), none = h("div", {});
  const node = h("section", { class: "wb-t-tray", "aria-label": "Tray of figures" }, h("div", { class: "wb-bar wb-t-bar" }, h("h3", {}, "Figures"), title, h("span", { class: "wb-space" }), vision.node, venue.node, saveAll), trouble, lack, none, cards);
  const made = new Map(), pictures = new Map();  // key → card; key and vision → SVG
  let state = { vision: "colour", venue: "", venues: [] }, tray = null;
  function tell(found) {
    flag(trouble, "wb-hide", !found);
    trouble.replaceChildren(...(found ? [h("b", {}, found.fact, " "), found.why, " ", button("Close", () => { tell(null); line.send({ do: "dismiss" }); })] : []));
  }
  function settings(data, settled) {
    state = data;
    if (settled) { fill(venue.box, data.venues, []); pick(venue.box, data.venue); fill(vision.box, data.visions, []); pick(vision.box, data.vision); }
    flag(lack, "wb-hide", data.browser || !data.any);
    lack.replaceChildren(h("b", {}, "No Chrome or Chromium to draw with. "), "Cards are kept. Install one (Debian, Ubuntu: apt-get install chromium; anywhere: plotly_get_chrome), or set BROWSER_PATH. HTML and CSV need none.");
    for (const one of made.values()) one.look();
  }
  function draw(data) {
    tray = data;
    write(title, data.cards.length ? `${data.cards.length} frozen ${data.cards.length === 1 ? "card" : "cards"}, on paper at true size` : "");
    flag(none, "wb-hide", data.cards.length); flag(cards, "wb-hide", !data.cards.length);
    saveAll.disabled = !data.cards.some((card) => card.state === "drawn");
    flag(vision.node, "wb-hide", !data.cards.length); flag(saveAll, "wb-hide", !data.cards.length);
    if (!data.cards.length) none.replaceChildren(blank("No figures yet.", "Choose one from the list, or press e on any screen. A card keeps recipes, not pixels: it is drawn again from them, survives saving, and reopens its session."));
    const kept = new Set(data.cards.map((card) => `${card.at} ${card.key}`)), seen = new Map();
    for (const [name, one] of made) if (!kept.has(name)) { one.node.remove(); made.delete(name); }
    data.cards.forEach((card, i) => {
      const name = `${card.at} ${card.key}`;
      if (!made.has(name)) made.set(name, cardView(card.key));
      const one = made.get(name);
      if (cards.children[i] !== one.node) cards.insertBefore(one.node, cards.children[i] || null);
      one.draw(card); flag(one.node, "wb-t-open", data.open === card.at && data.cards.length > 1);
      seen.set(card.key, card);
    });
  }

  function cardView(key) {
    const paper = h("div", { class: "wb-t-paper" }), info = h("div", { class: "wb-t-info" }), node1 = h("article", { class: "wb-t-card" }, paper, info);
    const place = select("", "Venue of this figure"), snippet = h("div", { class: "wb-t-tex wb-hide" }), fail = h("p", { class: "wb-t-fail wb-hide", role: "alert" }), scaled = h("span", {});
    place.box.addEventListener("change", () => send({ do: "venue", value: place.box.value }));
    let card = null, shown = "", asked = "", facts = "";
    const send = (message) => line.send({ ...message, key: card.key, at: card.at });
    const save = (kind) => h("button", { class: "wb-button wb-t-save", "data-kind": kind, onclick: (event) => {
      const pressed = event.currentTarget;
      pressed.disabled = true;
      order({ do: "file", kind, key: card.key, at: card.at }, (error) => { pressed.disabled = false; flag(fail, "wb-hide", !error); write(fail, error || ""); });
    } }, kind.toUpperCase());
    function look() {
      if (!card || card.state !== "drawn" || !card.pictured) return;
      const wanted = `${card.key} ${state.vision}`;
      if (pictures.has(wanted)) picture(wanted);
      else if (asked !== wanted) { asked = wanted; send({ do: "picture", vision: state.vision }); }
    }
    function picture(wanted) {
      if (shown === wanted) return;
      shown = wanted;
      const image = h("img", { src: pictures.get(wanted), alt: card.sentence, style: `width:${card.width}in` });
      image.addEventListener("load", fit);
      paper.style.maxWidth = `calc(${card.width}in + 2px)`;
      paper.replaceChildren(image);
    }
    function fit() {
      const image = paper.querySelector("img"), ratio = image ? image.clientWidth / (96 * card.width) : 1;
      write(scaled, ratio && ratio < .995 ? `, shown at ${Math.round(100 * ratio)} %` : "");
    }
    new ResizeObserver(fit).observe(paper);
    function draw(now) {
      card = now;
      const key1 = JSON.stringify([now, state.venues]);
      if (key1 === facts) return;
      facts = key1;
      if (now.state === "drawing") {
        const told = now.progress;
        paper.replaceChildren(blank(told ? "Training what it shows." : "Being drawn.", told ? `${told[2]}${told[1] ? `, ${about(told[1])}` : ""}` : "The first picture starts a browser: some seconds."));
      } else if (now.state === "error") paper.replaceChildren(blank(now.error.fact, now.error.why, button("Try again", () => send({ do: "retry" }))));
      else if (!now.pictured) paper.replaceChildren(blank("Not pictured.", now.why, button("Try again", () => send({ do: "retry" }))));
      else look();
      fill(place.box, state.venues, []); pick(place.box, now.venue);
      const small = now.smallest !== null && now.smallest < 6, ready = now.state === "drawn";
      const rows = [h("p", {}, `${now.width ? `${inches(now.width)} \u00d7 ${now.height ? inches(now.height) : DASH} in` : "size not known yet"}`, now.smallest ? [", text ", small ? h("b", {}, `${fixed(now.smallest, 1)} pt: under 6 pt`) : `${fixed(now.smallest, 1)} pt`] : null, scaled),
        h("p", {}, "study ", h("code", {}, now.study)), now.ids.map(([sign, label, id]) => h("p", { class: "wb-t-id" }, mark(sign), ` ${label} `, h("code", {}, id))),
        now.n ? h("p", {}, `n ${count(now.n)} pairs, ${count(now.families)} families${now.families < 20 ? ": fewer than 20 families" : ""}${now.seeds ? `, ${now.seeds} ${now.seeds === 1 ? "seed" : "seeds"}` : ""}, ${now.split}`) : null];
      const kinds = ready ? (now.pictured ? ["pdf", "svg", "png", "csv", "json"] : ["html", "csv", "json"]) : [];
      info.replaceChildren(h("div", { class: "wb-t-title" }, h("b", {}, now.label), now.options ? h("span", { class: "wb-quiet" }, now.options) : null), h("div", { class: "wb-t-facts" }, rows), place.node,
        h("div", { class: "wb-t-saves" }, kinds.map(save), ready ? button("LaTeX", () => (snippet.classList.contains("wb-hide") ? send({ do: "latex" }) : flag(snippet, "wb-hide", true)), { "aria-expanded": null }) : null),
        h("div", { class: "wb-t-saves" }, ready ? button("Restore this view", () => send({ do: "restore" }), { title: "The session goes to this figure's baseline and scenario; undo comes back" }) : null,
          named(h("button", { class: "wb-icon-button", onclick: () => send({ do: "remove" }) }, TIMES), `Remove ${now.label} from the tray`)), fail, snippet);
    }
    function tex(text) {
      const box = h("textarea", { readonly: true, rows: 8, spellcheck: "false", "aria-label": `LaTeX of ${card.label}` });
      box.value = text;
      const copy = button("Copy", () => { box.focus(); box.select(); if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => shell.say("Copied."), () => shell.say("Press Ctrl+C to copy it.")); else shell.say("Press Ctrl+C to copy it."); });
      snippet.replaceChildren(box, h("div", { class: "wb-t-saves" }, copy, button("Close", () => flag(snippet, "wb-hide", true))));
      flag(snippet, "wb-hide", false);
      box.focus(); box.select(); box.scrollTop = 0;
    }
    return { node: node1, draw, look, tex, key };
  }
  function reply(answer) {
    if (answer.picture && answer.picture.svg) {
      const { key, vision: seen, svg } = answer.picture;
      if (pictures.size > 60) pictures.clear();
      pictures.set(`${key} ${seen}`, pictureUrl(svg));
    }
    for (const one of made.values()) { one.look(); if (answer.latex && answer.latex.key === one.key) one.tex(answer.latex.text); }
    if (answer.added && cards.lastElementChild) cards.lastElementChild.scrollIntoView({ block: "nearest" });
  }
  return { node, draw, settings, reply, trouble: tell };
}
const inches = (x) => fixed(x, 2);
