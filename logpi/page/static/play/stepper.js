// The search step by step: the tree as it grows, and N, P, Q, V of the moves of the node that is chosen.

import { field, h, put, s, toast } from "../dom.js";
import { Replay } from "./replay.js";

const ACROSS = 26, DOWN = 58, EDGE = 22;
const signed = (value) => value === null || value === undefined ? "–" : `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`;
const share = (value) => value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`;

/** Colour of a value for the player who moved there: from bad (orange) to good (blue). */
function tint(value) {
  const strength = Math.round(Math.min(1, Math.abs(value)) * 100);
  return `color-mix(in srgb, var(${value >= 0 ? "--s1" : "--s2"}) ${strength}%, var(--raised))`;
}

/**
 * The panel: element, and show(search, sides, turn) with the answer of /api/play/think.
 * onnode(view) is called with the position of the chosen node, or null for the root.
 */
export function makeStepper(api, onnode) {
  let replay = null, chosen = 0, timer = null, nodes = new Map(), shape = null, search = null, sides = ["First", "Second"], turn = 1, most = 60;
  const title = h("h2", {}, "The search, step by step");
  const words = h("p", { class: "small", role: "status" });
  const slider = h("input", { type: "range", min: 0, max: 1, step: 1, value: 0, "aria-label": "Simulation", oninput: () => { pause(); go(Number(slider.value)); } });
  const counter = h("output", { class: "numbers counter" });
  const button = (name, text, act) => h("button", { type: "button", "aria-label": name, title: name, onclick: act }, text);
  const playing = button("Play the search", "▶", () => (timer ? pause() : play()));
  const speed = h("select", { "aria-label": "Speed", class: "narrow" }, [[2, "2 a second"], [10, "10 a second"], [50, "50 a second"]].map(([value, text]) => h("option", { value, selected: value === 10 }, text)));
  const size = h("select", { class: "narrow", onchange: () => { most = Number(size.value); lay(); draw(); } }, [30, 60, 120, 400].map((n) => h("option", { value: n, selected: n === most }, `${n} nodes`)));
  const controls = h("div", { class: "row stepper" }, button("First simulation", "«", () => { pause(); go(0); }), button("One simulation back", "‹", () => { pause(); go(replay.at - 1); }), playing,
    button("One simulation on", "›", () => { pause(); go(replay.at + 1); }), button("Last simulation", "»", () => { pause(); go(replay.tree.simulations); }), counter, speed);
  const drawing = h("div", { class: "tree scroll", tabindex: "0", role: "region", "aria-label": "Tree of the search" });
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Moves of the chosen node" });
  const about = h("p", { class: "small" }, "Size: visits N. Blue: good for the player who moved there, orange: bad. A click on a node shows its position.");
  const body = h("div", { class: "stack" }, controls, slider, words, drawing, h("div", { class: "row apart" }, about, field("Drawn at most", size)), table);
  const empty = h("p", { class: "empty" }, "No search yet: let an agent or plain search move, or ask for a hint.");
  const element = h("section", { class: "card stepper-card" }, h("header", {}, title), empty, body);
  body.hidden = true;

  function pause() {
    clearInterval(timer);
    timer = null;
    put(playing, "▶");
    playing.setAttribute("aria-label", "Play the search");
  }

  function play() {
    if (replay.at >= replay.tree.simulations) go(0);
    put(playing, "❚❚");
    playing.setAttribute("aria-label", "Pause");
    const each = Number(speed.value);
    timer = setInterval(() => {
      go(replay.at + (each > 30 ? 2 : 1));
      if (replay.at >= replay.tree.simulations) pause();
    }, Math.max(40, 1000 / each));
  }

  function go(k) {
    replay.go(k);
    draw();
  }

  function lay() {
    const shown = replay.shown(most);
    shape = { shown, ...replay.layout(shown) };
    const width = Math.max(shape.leaves * ACROSS + 2 * EDGE, 280), height = shape.depth * DOWN + 2 * EDGE;
    const spread = Math.max(ACROSS, (Math.max(width, 640) - 2 * EDGE) / Math.max(shape.leaves - 1, 1));
    const at = (node) => [EDGE + shape.place.get(node).x * spread, EDGE + shape.place.get(node).y * DOWN];
    const wide = EDGE * 2 + Math.max(shape.leaves - 1, 0) * spread;
    nodes = new Map();
    const lines = s("g", { class: "edges" }), dots = s("g");
    for (const node of [...shown].sort((a, b) => a - b)) {
      const [x, y] = at(node), above = replay.tree.parent[node];
      const line = node ? s("path", { d: curve(at(above), [x, y]) }) : null;
      const dot = s("circle", { cx: x, cy: y, r: 4 });
      const text = s("text", { x, y: y - 12 }, node ? replay.tree.name[node] : "");
      const whole = s("g", { class: "node", onclick: () => pick(node) }, s("circle", { cx: x, cy: y, r: 12, class: "reach" }), dot, text);
      if (line) lines.append(line);
      dots.append(whole);
      nodes.set(node, { line, dot, text, whole });
    }
    const svg = s("svg", { viewBox: `0 0 ${wide} ${height}`, width: wide, height, role: "img", "aria-label": "The tree; the table below tells the same of the chosen node" }, lines, dots);
    put(drawing, svg);
    drawing.scrollLeft = at(0)[0] - drawing.clientWidth / 2; // the root in the middle
  }

  const curve = ([x, y], [u, v]) => `M${x} ${y}C${x} ${(y + v) / 2} ${u} ${(y + v) / 2} ${u} ${v}`;

  function draw() {
    const { tree, visits } = replay, on = new Set(replay.path());
    slider.value = replay.at;
    put(counter, `${replay.at} of ${tree.simulations}`);
    for (const [node, { line, dot, text, whole }] of nodes) {
      const there = visits[node] > 0;
      whole.classList.toggle("later", !there);
      whole.classList.toggle("on", on.has(node));
      whole.classList.toggle("chosen", node === chosen);
      line?.classList.toggle("later", !there);
      line?.classList.toggle("on", on.has(node));
      if (!there) continue;
      dot.setAttribute("r", (3 + 9 * Math.sqrt(visits[node] / (replay.at + 1))).toFixed(1));
      dot.style.fill = tint(replay.q(node) ?? 0);
      text.classList.toggle("minor", visits[node] < Math.max(2, 0.04 * replay.at) && !on.has(node));
    }
    put(words, sentence());
    moves();
  }

  function sentence() {
    const reached = replay.tree.reached[replay.at], line = replay.line(reached);
    const end = new Set(replay.tree.terminal).has(reached);
    if (replay.at === 0) return `Simulation 0 makes the root: V = ${signed(replay.tree.value[0])} for ${sides[turn - 1]}.`;
    const what = end ? "the end of the game" : reached === replay.at ? "a new node" : "a node that was there";
    return `Simulation ${replay.at}: ${line.join(" ")} reaches ${what}; V = ${signed(replay.tree.value[reached])} for ${sides[turn - 1]}. The root stands at ${signed(replay.value)}.`;
  }

  async function pick(node) {
    chosen = node;
    await moves(true);
    draw();
  }

  const known = new Map(); // what the server says of nodes of this search
  function details(node) {
    const of = search.search;
    if (!known.has(node)) known.set(node, api.post("/api/play/node", { search: of, node }).catch((error) => { toast(error.message, "error"); return null; }));
    return known.get(node);
  }

  async function moves(tell = false) {
    const node = chosen, of = search;
    if (!(tell || node === 0 || known.has(node))) return;
    const found = await details(node);
    if (!found || node !== chosen || of !== search || !replay) return;
    if (tell) onnode(node === 0 ? null : { ...found.view, line: replay.line(node) });
    const below = new Map(replay.children[node].map((child) => [replay.tree.action[child], child]));
    const rows = found.moves.map((move) => {
      const child = below.get(move.action), n = child ? replay.visits[child] : 0;
      return { ...move, child: n ? child : 0, n, q: n ? replay.q(child) : null, value: n ? move.value : null };
    });
    rows.sort((a, b) => b.n - a.n || (b.prior ?? 0) - (a.prior ?? 0));
    const sum = rows.reduce((total, row) => total + row.n, 0) || 1;
    const mover = sides[(turn - 1 + replay.depth[node]) % 2];
    const where = node ? `after ${replay.line(node).join(" ")}` : "at the root";
    put(table, h("table", {},
      h("caption", {}, `Moves ${where}; values are for ${mover}, from −1 to +1.`, node ? h("button", { type: "button", class: "quiet", onclick: () => pick(0) }, "Back to the root") : null),
      h("thead", {}, h("tr", {}, h("th", {}, "Move"), ["N", "share", "P", "Q", "V"].map((name) => h("th", { class: "number" }, name)))),
      h("tbody", {}, rows.slice(0, 24).map((row) => h("tr", {},
        h("td", {}, row.child && nodes.has(row.child) ? h("button", { type: "button", class: "quiet link", onclick: () => pick(row.child) }, row.name) : row.name),
        h("td", { class: "number" }, row.n), h("td", { class: "number" }, share(row.n / sum)), h("td", { class: "number" }, share(row.prior)),
        h("td", { class: "number" }, signed(row.q)), h("td", { class: "number" }, signed(row.value)))))),
    rows.length > 24 ? h("p", { class: "small" }, `and ${rows.length - 24} moves more`) : null,
    rows.length ? null : h("p", { class: "small" }, "The game ends here."));
  }

  return {
    element,
    /** Show a search; null: none. */
    show(found, names, mover) {
      pause();
      if (search?.search === found?.search && search) return;
      search = found;
      known.clear();
      body.hidden = !found;
      empty.hidden = Boolean(found);
      if (!found) { replay = null; return; }
      sides = names; turn = mover; chosen = 0;
      replay = new Replay(found.tree);
      slider.max = found.tree.simulations;
      lay();
      draw();
    },
    close: pause,
  };
}
