// The Explore screen: a grid of four. Map and table above; below, why the margin is what it is, and the item in full.
SCREENS.explore = (line, shell) => {
  const cells = ["map", "table", "why", "reader"].map((name) => [name, PIECES[name] ? PIECES[name](line, shell) : null]);
  const there = cells.filter(([, piece]) => piece), each = (what) => (...told) => {
    for (const [, piece] of there) if (piece[what]) piece[what](...told);
  };
  const node = h("div", { class: "wb-explore" }, there.map(([name, piece]) => h("section", { class: `wb-x-${name}` }, piece.node)));
  const parts = {};  // a part may be of interest to several cells
  for (const [, piece] of there) {
    for (const [name, draw] of Object.entries(piece.parts)) {
      const before = parts[name];
      parts[name] = before ? (...told) => { before(...told); draw(...told); } : draw;
    }
  }
  shell.root.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea, .wb-dialog");
    if (event.key === "Escape" && !typing && node.offsetParent) each("escape")();
  });
  return { node, parts, reply: each("reply"), settle: each("settle"), job: each("job"), search: each("search"), save: each("save") };
};
