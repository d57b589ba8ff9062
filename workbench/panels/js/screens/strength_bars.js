// Pairs as bars by strength, and under them the spread of the models in each bar.
PIECES.strengthBars = (axis, data) => {
  const { PLOT, x, right } = axis, most = Math.max(1, ...data.bars.map((bar) => bar[2])), wide = Math.max(1e-9, ...data.bars.map((bar) => bar[3] || 0));
  const y = (n) => PLOT.floor - PLOT.bars * n / most, parts = [], step = PIECES.tick(most / 3);
  for (let n = step; n <= most; n += step) parts.push(s("path", { class: "wb-grid", d: `M${PLOT.left} ${y(n)}H${right}` }), s("text", { class: "wb-end", x: PLOT.left - 8, y: y(n) + 4 }, count(n)));
  parts.push(s("text", { class: "wb-end", x: PLOT.left - 8, y: PLOT.top - 8 }, "pairs"), s("path", { class: "wb-zero", d: `M${PLOT.left} ${PLOT.floor}H${right}` }));
  for (const [low, high, n, spread] of data.bars) {
    const told = `${signed(low, 2) || "0"} to ${signed(high, 2) || "0"}: ${count(n)} pairs${spread === null ? "" : `, spread ${fixed(spread, 2)}`}`;
    if (n) parts.push(s("rect", { class: "wb-s-bar", x: x(low) + .5, width: Math.max(1, x(high) - x(low) - 1), y: y(n), height: PLOT.floor - y(n) }, s("title", {}, told)));
  }
  const dots = data.bars.filter((bar) => bar[3] !== null).map(([low, high, , spread]) => [(x(low) + x(high)) / 2, PLOT.thin - PLOT.spread * spread / wide / 1.08]);
  if (!dots.length) return [...parts, s("text", { x: PLOT.left, y: PLOT.thin - PLOT.spread - 4 }, "one reward model has no spread")];
  parts.push(s("path", { class: "wb-s-spread", d: dots.map((at, i) => `${i ? "L" : "M"}${at[0].toFixed(1)} ${at[1].toFixed(1)}`).join("") }),
    s("path", { class: "wb-grid", d: `M${PLOT.left} ${PLOT.thin}H${right}` }), s("text", { class: "wb-end", x: PLOT.left - 8, y: PLOT.thin + 4 }, "0"),
    s("text", { class: "wb-end", x: PLOT.left - 8, y: PLOT.thin - PLOT.spread / 1.08 + 4 }, fixed(wide, 2)), s("text", { x: PLOT.left, y: PLOT.thin - PLOT.spread - 4 }, "spread over models, \u03c3\u0302"));
  return parts;
};
