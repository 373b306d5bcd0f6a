// The evaluation over a game: a line in the first player's view, a point for each position that was searched.

import { h, put, s } from "../dom.js";

const WIDE = 600, HIGH = 120, LEFT = 34, PAD = 12;

/** The graph: element, and show(values, now, sides); values[ply] from −1 to 1 or undefined; onpick(ply) of a click. */
export function makeGraph(onpick) {
  const drawing = h("div", { class: "graph" });
  const element = h("section", { class: "card" }, h("header", {}, h("h2", {}, "The game so far")), drawing);

  function show(values, now, plies, sides) {
    const x = (ply) => LEFT + ((WIDE - LEFT - PAD) * ply) / Math.max(plies, 8), y = (value) => HIGH / 2 - (HIGH / 2 - PAD) * value;
    const known = [...values.keys()].filter((ply) => values[ply] !== undefined);
    const line = known.map((ply) => `${x(ply).toFixed(1)},${y(values[ply]).toFixed(1)}`).join(" ");
    const last = known.at(-1);
    const told = known.length ? `${known.length} positions evaluated; the last, after move ${last}, ${values[last].toFixed(2)} for ${sides[0]}` : "no position evaluated yet";
    put(drawing, s("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `Evaluation over the game: ${told}` },
      s("rect", { x: LEFT, y: PAD, width: WIDE - LEFT - PAD, height: HIGH - 2 * PAD, class: "field-ground" }),
      s("line", { x1: LEFT, x2: WIDE - PAD, y1: y(0), y2: y(0), class: "axis" }),
      [[1, "+1"], [0, "0"], [-1, "−1"]].map(([value, text]) => s("text", { x: LEFT - 6, y: y(value) + 4, class: "tick" }, text)),
      s("line", { x1: x(now), x2: x(now), y1: PAD, y2: HIGH - PAD, class: "now" }),
      s("polyline", { points: line, class: "curve" }),
      known.map((ply) => s("circle", { cx: x(ply), cy: y(values[ply]), r: ply === now ? 5 : 3.5, class: "point" })),
      Array.from({ length: plies + 1 }, (_, ply) => s("rect", { x: x(ply) - 6, y: 0, width: 12, height: HIGH, class: "target", onclick: () => onpick(ply) }))),
    h("p", { class: "small" }, `+1: ${sides[0]} wins, −1: ${sides[1]} wins. ${known.length ? `The last value: ${values[last] >= 0 ? "+" : "−"}${Math.abs(values[last]).toFixed(2)} after move ${last}.` : "Searches put points here."}`));
  }
  return { element, show };
}
