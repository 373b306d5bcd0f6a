// A board as SVG, drawn as the game's looks say; whoever points at cells plays the move that is played there.

import { h, put, s } from "../dom.js";

const CELL = 40, MARGIN = 26;
const same = (a, b) => Boolean(a && b && a[0] === b[0] && a[1] === b[1]);

/** The middle of a cell: bricks move each row by half a cell. */
const places = {
  bricks: ([row, column]) => [(column + row / 2 + 0.5) * CELL, (row * 0.866 + 0.5) * CELL],
};
const square = ([row, column]) => [(column + 0.5) * CELL, (row + 0.5) * CELL];

function hexagon([x, y]) {
  const r = CELL / Math.sqrt(3);
  return [0, 1, 2, 3, 4, 5].map((k) => {
    const angle = Math.PI / 6 + (k * Math.PI) / 3;
    return [x + r * Math.cos(angle), y + r * Math.sin(angle)];
  });
}
const path = (points) => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");

// what lies under the stones, by the kind of ground
const grounds = {
  tiles(looks, at, cells) {
    return cells.map(([row, column]) => s("rect", {
      x: column * CELL, y: row * CELL, width: CELL, height: CELL, fill: looks.board[(row + column) % looks.board.length],
      stroke: looks.lines, "stroke-width": 0.6,
    }));
  },
  holes(looks, at, cells) {
    const frame = s("rect", { width: looks.columns * CELL, height: looks.rows * CELL, rx: 8, fill: looks.board[0] });
    return [frame, ...cells.map((cell) => s("circle", { cx: at(cell)[0], cy: at(cell)[1], r: CELL * 0.42, class: "hole" }))];
  },
  hash(looks, at, cells) {
    const width = looks.columns * CELL, height = looks.rows * CELL, lines = [];
    for (let k = 1; k < looks.columns; k++) lines.push(s("line", { x1: k * CELL, x2: k * CELL, y1: 0, y2: height }));
    for (let k = 1; k < looks.rows; k++) lines.push(s("line", { y1: k * CELL, y2: k * CELL, x1: 0, x2: width }));
    return [s("rect", { width, height, fill: looks.board[0], rx: 6 }), s("g", { stroke: looks.lines, "stroke-width": 2 }, lines)];
  },
  grid(looks, at) {
    const lines = [], last = (n) => (n - 0.5) * CELL;
    for (let k = 0; k < looks.columns; k++) lines.push(s("line", { x1: last(k + 1), x2: last(k + 1), y1: CELL / 2, y2: last(looks.rows) }));
    for (let k = 0; k < looks.rows; k++) lines.push(s("line", { y1: last(k + 1), y2: last(k + 1), x1: CELL / 2, x2: last(looks.columns) }));
    const marks = looks.marks.map((cell) => s("circle", { cx: at(cell)[0], cy: at(cell)[1], r: 4, fill: looks.lines }));
    return [s("rect", { width: looks.columns * CELL, height: looks.rows * CELL, fill: looks.board[0], rx: 4 }),
      s("g", { stroke: looks.lines, "stroke-width": 1.2 }, lines), ...marks];
  },
  bricks(looks, at, cells) {
    const found = cells.map((cell) => s("polygon", {
      points: path(hexagon(at(cell))), fill: looks.board[(((cell[1] - cell[0]) % looks.board.length) + looks.board.length) % looks.board.length],
      stroke: "#6b6b6b", "stroke-width": 0.8,
    }));
    const edge = (list, colour) => s("polyline", { points: path(list), fill: "none", stroke: colour, "stroke-width": 5, "stroke-linecap": "round" });
    const row = (r) => Array.from({ length: looks.columns }, (_, c) => hexagon(at([r, c])));
    const column = (c) => Array.from({ length: looks.rows }, (_, r) => hexagon(at([r, c])));
    return [...found,
      edge(row(0).flatMap((corners) => [corners[3], corners[4], corners[5]]), looks.colours[0]),
      edge(row(looks.rows - 1).flatMap((corners) => [corners[2], corners[1], corners[0]]), looks.colours[0]),
      edge(column(0).flatMap((corners) => [corners[3], corners[2]]), looks.colours[1]),
      edge(column(looks.columns - 1).flatMap((corners) => [corners[5], corners[0]]), looks.colours[1])];
  },
};

/** A stone, a man by its sign, or a man by its letters on a wedge that points at the other player. */
function man(looks, [x, y], owner, letters) {
  const colour = looks.colours[owner - 1], dark = light(colour) < 0.5, edge = dark ? "#f4f4f4" : "#1c1c1c";
  if (!letters) return s("circle", { cx: x, cy: y, r: CELL * 0.41, fill: colour, stroke: edge, "stroke-width": 1.2, class: "stone" });
  const sign = looks.figures[letters.toLowerCase()];
  if (sign) {
    return s("text", { x, y: y + CELL * 0.29, class: "figure", fill: colour, stroke: edge, "stroke-width": 0.9 }, `${sign}\ufe0e`);
  }
  const turned = owner === 2 ? `rotate(180 ${x} ${y})` : "";
  const r = CELL * 0.42;
  const wedge = [[x, y - r], [x + r * 0.72, y - r * 0.62], [x + r * 0.86, y + r], [x - r * 0.86, y + r], [x - r * 0.72, y - r * 0.62]];
  return s("g", { transform: turned },
    s("polygon", { points: path(wedge), fill: "#fff3d6", stroke: colour, "stroke-width": 1.6 }),
    s("text", { x, y: y + CELL * 0.2, class: "letters", fill: colour }, letters.toUpperCase()));
}

function light(colour) {
  const [r, g, b] = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16) / 255);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/**
 * A board: element, and show(view, {best, legal, still}).
 * onmove(action) is called when a person plays; choose([{action, name}]) must give one of several moves at one cell.
 */
export function makeBoard(looks, onmove) {
  const at = places[looks.ground] ?? square;
  const cells = [];
  for (let row = 0; row < looks.rows; row++) for (let column = 0; column < looks.columns; column++) cells.push([row, column]);
  const right = Math.max(...cells.map((cell) => at(cell)[0])) + CELL / 2, bottom = Math.max(...cells.map((cell) => at(cell)[1])) + CELL * 0.58;
  const layer = () => s("g");
  const [labels, ground, below, stones, above, cursor] = [layer(), layer(), layer(), layer(), layer(), layer()];
  const svg = s("svg", {
    viewBox: `${-MARGIN} ${-MARGIN} ${right + 2 * MARGIN} ${bottom + 2 * MARGIN}`, class: "board", tabindex: "0", role: "application",
    "aria-label": `Board of ${looks.title}: arrow keys move over the cells, Enter plays`,
  }, labels, ground, below, stones, above, cursor);
  const said = h("p", { class: "visually-hidden", "aria-live": "polite" });
  const choices = h("div", { class: "row choices" });
  const element = h("div", { class: "board-frame" }, svg, choices, said);
  put(ground, grounds[looks.ground](looks, at, cells));
  put(labels, looks.above.flatMap((text, column) => [
    label(text, at([0, column])[0], -10), looks.falls ? null : label(text, at([looks.rows - 1, column])[0], bottom + 16)]),
  looks.beside.flatMap((text, row) => [
    label(text, at([row, 0])[0] - CELL / 2 - 13, at([row, 0])[1] + 4),
    label(text, at([row, looks.columns - 1])[0] + CELL / 2 + 13, at([row, 0])[1] + 4)]));

  let view = null, still = true, picked = null, here = [Math.floor(looks.rows / 2), Math.floor(looks.columns / 2)], showing = {};

  /** Moves that arrive at a cell from what is picked, or without anything picked. */
  const arriving = (cell) => view.legal.filter((move) => same(move.to, cell) && (picked?.drop ? move.drop === picked.drop
    : picked ? same(move.start, picked.start) : !move.start && !move.drop));
  const column = (cell) => looks.falls ? view.legal.filter((move) => move.to && move.to[1] === cell[1]) : [];

  function point(cell) {
    if (still || !view) return;
    put(choices);
    const moves = arriving(cell).length ? arriving(cell) : picked ? [] : column(cell);
    if (moves.length === 1) return play(moves[0]);
    if (moves.length > 1) {
      put(choices, h("span", { class: "small" }, "Which move?"), moves.map((move) => h("button", { type: "button", onclick: () => play(move) }, move.name)));
      choices.querySelector("button").focus();
      return;
    }
    const leaves = view.legal.some((move) => same(move.start, cell));
    picked = leaves && !same(picked?.start, cell) ? { start: cell } : null;
    draw();
  }

  function play(move) {
    picked = null;
    put(choices);
    onmove(move.action);
  }

  /** Take a man from the hand. */
  function take(drop) {
    picked = picked?.drop === drop ? null : { drop };
    draw();
  }

  function name(cell) {
    const [row, col] = cell, owner = view.cells[row][col];
    const where = `${looks.above[col] || `column ${col + 1}`}${looks.beside[row] ? ` ${looks.beside[row]}` : ` row ${row + 1}`}`;
    const what = owner ? `${looks.sides[owner - 1]}${view.men ? ` ${view.men[row][col]}` : ""}` : "empty";
    return `${where}: ${what}${arriving(cell).length ? ", playable" : ""}`;
  }

  svg.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) {
      here = [Math.min(Math.max(here[0] + step[0], 0), looks.rows - 1), Math.min(Math.max(here[1] + step[1], 0), looks.columns - 1)];
      put(said, name(here));
    } else if (event.key === "Enter" || event.key === " ") point(here);
    else if (event.key === "Escape") { picked = null; put(choices); }
    else return;
    event.preventDefault();
    draw();
  });

  function draw() {
    if (!view) return;
    const focused = picked ? view.legal.filter((move) => (picked.drop ? move.drop === picked.drop : same(move.start, picked.start)))
      : showing.legal ? view.legal.filter((move) => move.to && !move.start && !move.drop) : [];
    const movable = !picked && showing.legal ? view.legal.filter((move) => move.start).map((move) => move.start) : [];
    put(below,
      view.last && view.men ? mark(view.last, "last") : null,
      picked?.start ? mark(picked.start, "picked") : null,
      [...new Map(movable.map((cell) => [String(cell), cell])).values()].map((cell) => mark(cell, "movable")));
    put(stones, cells.filter(([row, col]) => view.cells[row][col]).map((cell) =>
      man(looks, at(cell), view.cells[cell[0]][cell[1]], view.men?.[cell[0]][cell[1]])));
    put(above,
      view.last && !view.men ? ring(view.last, "last-ring") : null,
      view.winning.map((cell) => ring(cell, "winning")),
      view.owned ? cells.filter(([row, col]) => view.owned[row][col]).map((cell) => owned(cell)) : null,
      [...new Map(focused.filter((move) => move.to).map((move) => [String(move.to), move.to])).values()].map((cell) =>
        s("circle", { cx: at(cell)[0], cy: at(cell)[1], r: CELL * 0.13, class: "legal" })),
      (showing.best ?? []).map(best),
      still ? null : cells.map((cell) => s("circle", { cx: at(cell)[0], cy: at(cell)[1], r: CELL * 0.5, class: "target", onclick: () => { here = cell; point(cell); } })));
    put(cursor, s("rect", { x: at(here)[0] - CELL / 2 + 2, y: at(here)[1] - CELL / 2 + 2, width: CELL - 4, height: CELL - 4, rx: 5, class: "cursor" }));
  }

  const mark = (cell, kind) => s("rect", { x: at(cell)[0] - CELL / 2, y: at(cell)[1] - CELL / 2, width: CELL, height: CELL, class: `mark ${kind}` });
  const ring = (cell, kind) => s("circle", { cx: at(cell)[0], cy: at(cell)[1], r: CELL * 0.24, class: kind });
  const owned = (cell) => s("rect", { x: at(cell)[0] - 5, y: at(cell)[1] - 5, width: 10, height: 10, fill: looks.colours[view.owned[cell[0]][cell[1]] - 1], stroke: "#808080" });

  /** A move that a search looked at: its share of the visits, as a number on the cell or along an arrow. */
  function best({ to, start, share, first }) {
    if (!to) return null;
    const [x, y] = at(to), text = `${Math.round(100 * share)}`, kind = first ? "best first" : "best";
    const arrow = start ? s("line", { x1: at(start)[0], y1: at(start)[1], x2: x, y2: y, class: "arrow", "stroke-width": 2 + 7 * share }) : null;
    return s("g", { class: kind }, arrow, s("circle", { cx: x, cy: y, r: CELL * (0.2 + 0.18 * share) }),
      s("text", { x, y: y + 4.5 }, text));
  }

  return {
    element, take,
    /** Show a position; still: nobody may play; legal: dots where one may; best: moves with their share of the visits. */
    show(position, options = {}) {
      if (position !== view) { picked = null; put(choices); }
      view = position; still = options.still ?? false; showing = options;
      svg.classList.toggle("still", still);
      draw();
    },
  };
}

const label = (text, x, y) => s("text", { x, y, class: "coordinate" }, text);
