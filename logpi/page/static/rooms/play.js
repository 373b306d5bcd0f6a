// The room of board games: a person, an agent, plain search, a solver or an engine; and how they search.

import { field, h, put, toast } from "../dom.js";
import { duration } from "../format.js";
import { makeBoard } from "../play/board.js";
import { makeGraph } from "../play/graph.js";
import { makeStepper } from "../play/stepper.js";
import { styled } from "../styles.js";

const COUNTS = [50, 100, 200, 400, 800, 1600];
const SHORT = 130; // moves of a game, up to which plain search answers soon
const SIDES = [["first", "first"], ["second", "second"], ["both", "both sides"], ["none", "neither: it plays itself"]];
const signed = (value) => `${value >= 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}`;

export async function mount(element, api, params) {
  await styled("/static/play/play.css");
  const gone = new AbortController();
  const { games } = await api.get("/api/play/games");

  // ---- what stands -----------------------------------------------------------------------------------------------
  let looks = null, view = null, players = [], board = null;
  let moves = [], at = 0, written = [];
  let searches = new Map(); // ply -> the answer of a search of that position
  let busy = 0, waiting = false, round = 0, prepared = "";
  const given = (name) => games.includes(params.game) ? params.game : games.includes(name) ? name : games[0];

  // ---- controls --------------------------------------------------------------------------------------------------
  const game = h("select", {}, games.map((name) => h("option", { value: name }, name)));
  game.value = given("connect-four");
  const opponent = h("select", { onchange: () => change() });
  const count = h("select", { onchange: () => change() }, COUNTS.map((n) => h("option", { value: n, selected: n === 200 }, n)));
  const side = h("select", { onchange: () => turn() }, SIDES.map(([value, text]) => h("option", { value }, text)));
  const status = h("p", { class: "status", role: "status" });
  const act = (text, handler, attributes = {}) => h("button", { type: "button", onclick: handler, ...attributes }, text);
  const fresh = act("New game", () => begin(), { class: "primary" });
  const undo = act("Undo", () => takeBack()), hint = act("Hint", () => advise());
  const best = h("input", { type: "checkbox", onchange: () => (best.checked ? analyse() : draw()) });
  const dots = h("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const all = act("Evaluate the game", () => evaluateAll());
  const save = act("Save record", () => record());
  const file = h("input", { type: "file", class: "visually-hidden", tabindex: "-1", "aria-label": "Record of a game", accept: ".sgf,.pgn,.csa,.kifu,.sfen,.usi,.jsonl", onchange: () => read() });
  const open = act("Open record", () => file.click());
  const typed = h("input", { type: "text", autocomplete: "off", spellcheck: false, class: "narrow", list: "play-legal" });
  const names = h("datalist", { id: "play-legal" });
  const typing = h("form", { class: "row typed", onsubmit: (event) => { event.preventDefault(); type(); } }, field("Move by name", typed), names, h("button", {}, "Play"));

  const place = h("div", { class: "board-place" }), bar = h("div", { class: "eval-bar", role: "img" }), hands = h("div", { class: "hands" });
  const people = h("div", { class: "people" }), list = h("div", { class: "moves", role: "region", "aria-label": "Moves", tabindex: "0" }), passes = h("div", { class: "row" });
  const said = h("p", { class: "answer" });
  const stepper = makeStepper(api, (found) => { peek = found; draw(); });
  const graph = makeGraph((ply) => goTo(ply));
  let peek = null; // the position of a node of the search, shown instead of the game's

  const browse = h("div", { class: "row browse" }, act("«", () => goTo(0), { "aria-label": "First position" }), act("‹", () => goTo(at - 1), { "aria-label": "One move back" }),
    act("›", () => goTo(at + 1), { "aria-label": "One move on" }), act("»", () => goTo(moves.length), { "aria-label": "Last position" }));
  const setting = h("section", { class: "card settings" }, h("div", { class: "fields" },
    field("Game", game), field("Opponent", opponent), field("Simulations", count), field("You play", side)),
  h("div", { class: "row" }, fresh, undo, hint, h("label", { class: "check" }, best, "Best moves"), h("label", { class: "check" }, dots, "Legal moves")), status);
  const table = h("section", { class: "card table-card" }, h("div", { class: "table-top" }, h("div", { class: "board-row" }, bar, place)), hands, passes, people, said, typing, browse, list,
    h("div", { class: "row" }, all, save, open, file));
  put(element, h("div", { class: "head" }, h("div", {}, h("h1", {}, "Play"), h("p", {}, "Board games against an agent, plain search, a solver or an engine; then look into how it searched."))),
    setting, h("div", { class: "play-grid" }, table, h("div", { class: "stack" }, graph.element, stepper.element)));
  game.addEventListener("change", () => enter());

  // ---- asking ----------------------------------------------------------------------------------------------------
  const ask = (path, body) => api.post(`/api/play/${path}`, body, { signal: gone.signal });
  const offer = () => players.find((one) => one.text === opponent.value);
  const setup = () => ({ game: looks.id, player: opponent.value, simulations: Number(count.value) });
  const label = () => offer()?.searches ? `${offer().label}, ${count.value} simulations` : offer()?.label ?? "";

  /** Do something that takes a while; the status says what and for how long. */
  async function during(text, work) {
    const mine = ++busy, began = performance.now();
    const tell = () => put(status, `${text} ${duration((performance.now() - began) / 1000)}`);
    tell();
    const clock = setInterval(tell, 500);
    buttons();
    try {
      return await work();
    } catch (error) {
      if (error.name !== "AbortError") { put(status, ""); toast(error.message, "error"); }
      return null;
    } finally {
      clearInterval(clock);
      if (mine === busy) busy = 0;
      buttons();
      if (!busy && waiting) { waiting = false; setTimeout(turn); }
    }
  }

  function buttons() {
    const over = !view || view.result !== null;
    undo.disabled = busy > 0 || !moves.length;
    hint.disabled = busy > 0 || over || !offer();
    all.disabled = busy > 0 || !offer()?.searches;
    fresh.disabled = false;
  }

  // ---- games -----------------------------------------------------------------------------------------------------
  async function enter() {
    const mine = ++round, found = await during(`Loading ${game.value} …`, () => ask("open", { game: game.value }));
    if (!found || mine !== round) return;
    ({ looks, players } = found);
    const before = opponent.value;
    put(opponent, players.map((one) => h("option", { value: one.text }, one.label)));
    const wanted = params.agent && players.find((one) => one.text.endsWith(params.agent));
    opponent.value = wanted ? wanted.text : players.some((one) => one.text === before) ? before : usual();
    side.options[0].textContent = looks.sides[0];
    side.options[1].textContent = looks.sides[1];
    board = makeBoard(looks, (action) => person(action));
    put(place, board.element);
    view = found.view;
    begin();
  }

  /** Who plays where nobody was chosen: an agent, else plain search where its random games are short. */
  function usual() {
    if (players[0].text !== "mcts" || looks.longest <= SHORT) return players[0].text;
    return players.at(-1).text;
  }

  async function begin() {
    round++;
    moves = []; written = []; at = 0; searches = new Map(); peek = null;
    put(said);
    await refresh();
    await ready();
    turn();
  }

  async function refresh() {
    const mine = round, found = await ask("board", { game: looks.id, moves: moves.slice(0, at) }).catch((error) => { toast(error.message, "error"); return null; });
    if (!found || mine !== round) return;
    view = found;
    if (at === moves.length) written = found.written;
    draw();
  }

  /** Load the player and compile its search, once for each number of simulations. */
  async function ready() {
    if (!looks) return false;
    count.disabled = !offer()?.searches;
    const key = JSON.stringify(setup());
    if (prepared === key) return true;
    const found = await during(`Loading ${label()} and compiling its search, once for this number of simulations …`, () => ask("prepare", setup()));
    if (found) { prepared = key; put(status, `Ready: loaded and compiled in ${duration(found.seconds)}.`); }
    return Boolean(found);
  }

  async function change() {
    if (await ready()) turn();
  }

  const isPersons = (ply) => side.value === "both" || side.value === ["first", "second"][ply % 2];

  /** Let whoever has the move make it: the other player, or a person. */
  async function turn() {
    draw();
    if (busy) waiting = true; // a new game while somebody thinks: when that has ended
    if (!view || view.result !== null || busy || at !== moves.length) return;
    if (isPersons(moves.length)) {
      toMove();
      if (best.checked) analyse();
      return;
    }
    const mine = round, found = await think(`${label()} thinks …`);
    if (!found || mine !== round) return;
    await make(found.action);
    turn();
  }

  function toMove() {
    put(status, view.result !== null ? "" : `${looks.sides[moves.length % 2]} to move${side.value === "both" || !isPersons(moves.length) ? "" : ": you"}.`);
  }

  /** The player's answer in the position that is shown. */
  async function think(text) {
    const mine = round, ply = at;
    if (!(await ready())) return null;
    const found = await during(text, () => ask("think", { ...setup(), moves: moves.slice(0, ply) }));
    if (!found || mine !== round) return null;
    searches.set(ply, found);
    put(said, answer(found));
    draw();
    return found;
  }

  function answer(found) {
    const chance = found.value === null ? "" : `, value ${signed(found.value)}`;
    const line = found.line.length > 1 ? `; it expects ${found.line.join(" ")}` : "";
    return `${label()}: ${found.name}${chance}, in ${duration(found.seconds)}${line}`;
  }

  async function make(action) {
    round++;
    moves = [...moves.slice(0, at), action];
    for (const ply of [...searches.keys()]) if (ply > at) searches.delete(ply);
    at = moves.length;
    peek = null;
    await refresh();
  }

  async function person(action) {
    if (busy || peek) return;
    await make(action);
    turn();
  }

  function type() {
    const wanted = typed.value.trim().toLowerCase(), move = view?.legal.find((one) => one.name.toLowerCase() === wanted);
    if (!wanted || busy) return;
    if (!move) { toast(`${typed.value} is not allowed here; allowed: ${view.legal.slice(0, 12).map((one) => one.name).join(", ")}${view.legal.length > 12 ? ", …" : ""}`, "error"); return; }
    typed.value = "";
    person(move.action);
  }

  async function takeBack() {
    let ply = moves.length - 1;
    while (ply > 0 && side.value !== "none" && !isPersons(ply)) ply--; // to where the person last had the move
    round++;
    moves = moves.slice(0, Math.max(ply, 0));
    at = moves.length;
    for (const key of [...searches.keys()]) if (key > at) searches.delete(key);
    peek = null;
    put(said);
    await refresh();
    turn();
  }

  async function goTo(ply) {
    if (busy || ply < 0 || ply > moves.length) return;
    at = ply;
    peek = null;
    round++;
    await refresh();
    if (at === moves.length) turn();
  }

  async function advise() {
    const found = searches.get(at) ?? await think("A hint …");
    if (!found) return;
    toMove();
    put(said, `Hint: ${answer(found)}`);
    best.checked = Boolean(found.tree);
    draw();
  }

  async function analyse() {
    if (offer()?.searches && view?.result === null && !searches.has(at) && !busy) await think("Searching the best moves …").then((found) => found && toMove());
    draw();
  }

  async function evaluateAll() {
    const mine = round, end = moves.length;
    for (let ply = 0; ply <= end && mine === round; ply++) {
      if (searches.has(ply) || (ply === end && view.result !== null)) continue;
      const found = await during(`Evaluating position ${ply + 1} of ${end + 1} …`, () => ask("think", { ...setup(), moves: moves.slice(0, ply) }));
      if (!found || mine !== round) return;
      searches.set(ply, found);
      draw();
    }
    put(status, "Every position has been evaluated: click on the graph.");
  }

  // ---- records ---------------------------------------------------------------------------------------------------
  async function record() {
    const who = [0, 1].map((ply) => isPersons(ply) ? "human" : label());
    const found = await ask("record", { game: looks.id, moves, players: who }).catch((error) => { toast(error.message, "error"); return null; });
    if (!found) return;
    const link = h("a", { href: URL.createObjectURL(new Blob([found.text], { type: "text/plain" })), download: found.name });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async function read() {
    const [chosen] = file.files;
    if (!chosen) return;
    const text = await chosen.text();
    file.value = "";
    const found = await ask("read", { game: looks.id, text }).catch((error) => { toast(error.message, "error"); return null; });
    if (!found) return;
    round++;
    side.value = "both";
    moves = found.moves; at = moves.length; searches = new Map(); peek = null;
    await refresh();
    put(status, `${chosen.name}: ${moves.length} moves. Step through it, or evaluate it.`);
  }

  // ---- drawing ---------------------------------------------------------------------------------------------------
  function draw() {
    if (!view || !board) return;
    const shown = peek ?? view, search = searches.get(at), over = view.result !== null;
    const still = Boolean(busy || peek || over || !isPersons(at));
    board.show(shown, { still, legal: dots.checked && !still, best: best.checked && !peek && search?.tree ? shares(search) : [] });
    put(hands, (looks.sides.some((_, k) => shown.beside[k])) ? looks.sides.map((name, k) => h("span", { class: "badge plain" }, `${name}: ${shown.beside[k] || "none"}`)) : null,
      still ? null : [...new Set(shown.legal.map((move) => move.drop).filter(Boolean))].map((drop) => h("button", { type: "button", onclick: () => board.take(drop) }, `Drop ${drop}`)));
    put(passes, still ? null : shown.legal.filter((move) => !move.to).slice(0, 200).map((move) => h("button", { type: "button", onclick: () => person(move.action) }, move.name)));
    put(names, shown.legal.slice(0, 300).map((move) => h("option", { value: move.name })));
    put(people, looks.sides.map((name, k) => h("div", { class: `player${!over && at % 2 === k ? " moving" : ""}` },
      h("span", { class: "chip", style: { background: looks.colours[k] } }), h("strong", {}, name), h("span", { class: "muted" }, isPersons(k) ? "you" : label()))),
    over ? h("p", { class: "ending", role: "status" }, view.ending) : peek ? h("p", { class: "notice" }, `A position of the search: ${peek.line.join(" ")}. `, act("Back to the game", () => { peek = null; draw(); }, { class: "quiet" })) : null);
    put(list, written.map((name, k) => h("button", { type: "button", class: "quiet move", "aria-current": k + 1 === at ? "true" : null, onclick: () => goTo(k + 1) }, k % 2 ? name : `${k / 2 + 1}. ${name}`)));
    stepper.show(search?.tree ? search : null, looks.sides, 1 + (at % 2));
    const values = [];
    for (const [ply, found] of searches) if (found.value !== null) values[ply] = ply % 2 ? -found.value : found.value;
    if (over && at === moves.length) values[moves.length] = view.result;
    graph.show(values, at, moves.length, looks.sides);
    let value = 0;
    for (let ply = 0; ply <= at; ply++) if (values[ply] !== undefined) value = values[ply];
    bar.setAttribute("aria-label", `Evaluation: ${signed(value)} for ${looks.sides[0]}`);
    put(bar, h("span", { style: { height: `${50 * (1 - value)}%`, background: looks.colours[1] } }), h("span", { style: { height: `${50 * (1 + value)}%`, background: looks.colours[0] } }));
    buttons();
  }

  /** Moves of a search with their share of the visits, for the board. */
  function shares(search) {
    const visits = new Map(), { tree } = search;
    const n = new Int32Array(tree.parent.length);
    for (const reached of tree.reached) for (let node = reached; node >= 0; node = tree.parent[node]) n[node]++;
    for (let node = 1; node < n.length; node++) if (tree.parent[node] === 0) visits.set(tree.action[node], n[node]);
    const sum = [...visits.values()].reduce((a, b) => a + b, 0) || 1, top = Math.max(...visits.values());
    return view.legal.filter((move) => visits.get(move.action)).sort((a, b) => visits.get(b.action) - visits.get(a.action)).slice(0, 6)
      .map((move) => ({ ...move, share: visits.get(move.action) / sum, first: visits.get(move.action) === top }));
  }

  enter();
  return () => { round++; gone.abort(); stepper.close(); };
}
