// Watch an agent frame by frame, with what it thinks of each, and take over with the keyboard.

import { choice, colour, field, h, put, s, series, toast } from "../dom.js";
import { integer, number, significant } from "../format.js";

const KEPT = 600; // frames that can be looked at again
const SPEEDS = [["0.25", "¼×"], ["0.5", "½×"], ["1", "1×"], ["2", "2×"], ["4", "4×"]];
const ARROWS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "space" };

export function mount(element, api, params) {
  let agents = [], session = null, frames = [], at = -1, playing = false, person = false, speed = 1, busy = false;
  let timer = null, ended = false, opening = 0, lastAction = null;
  const held = new Set();

  // ---- the parts ------------------------------------------------------------------------------------------------
  const agentSelect = h("select", { onchange: () => { moments(); open(); } });
  const momentSelect = h("select", { onchange: open });
  const sampled = h("input", { type: "checkbox", onchange: open });
  const picture = h("img", { class: "frame", alt: "The environment", width: 600, height: 400 });
  const stage = h("div", { class: "stage", tabindex: 0, role: "application", "aria-label": "The environment; while you play, the keys act here" }, picture);
  const caption = h("p", { class: "numbers row", "aria-live": "off" });
  const playButton = h("button", { type: "button", class: "primary", disabled: true, onclick: () => (playing ? pause() : play()) }, "Play");
  const stepButton = h("button", { type: "button", disabled: true, onclick: () => { pause(); forward(); } }, "Step");
  const backButton = h("button", { type: "button", disabled: true, "aria-label": "One frame back", onclick: () => { pause(); look(at - 1); } }, "Back");
  const againButton = h("button", { type: "button", disabled: true, onclick: begin }, "New episode");
  const overButton = h("button", { type: "button", disabled: true, "aria-pressed": "false", onclick: () => take(!person) }, "Take over");
  const slider = h("input", { type: "range", min: 0, max: 0, value: 0, disabled: true, "aria-label": "Frame", oninput: () => { pause(); look(Number(slider.value)); } });
  const speedChoice = choice("Speed", SPEEDS, "1", (value) => { speed = Number(value); });
  const keysHelp = h("p", { class: "small" });
  const message = h("div", { hidden: true });
  const policy = h("div", { class: "stack" });
  const valueChart = h("div"), returnChart = h("div");
  const total = h("dd"), value = h("dd"), step = h("dd"), reward = h("dd"), taken = h("dd");

  put(element,
    h("div", { class: "head" }, h("div", {}, h("h1", {}, "Watch and take over"), h("p", {}, "An agent in its environment, frame by frame: what it would do, what it expects, and the return so far. Take over with the keyboard, and hand back."))),
    h("section", { class: "card", "aria-label": "Agent" }, h("div", { class: "pickers" }, field("Agent", agentSelect), field("Moment of its training", momentSelect), h("label", { class: "check" }, sampled, "draw actions from π"))),
    message,
    h("div", { class: "split watch-split" },
      h("section", { class: "card", "aria-label": "Environment" }, stage, caption,
        h("div", { class: "row" }, playButton, backButton, stepButton, againButton, overButton, h("span", { class: "push" }), speedChoice), slider, keysHelp),
      h("div", { class: "stack" },
        h("section", { class: "card", "aria-label": "What the agent says" }, h("h2", {}, "What the agent says"), policy,
          h("dl", { class: "facts" }, h("dt", {}, "V, discounted return that it expects"), value, h("dt", {}, "return so far"), total, h("dt", {}, "reward of this step"), reward, h("dt", {}, "action that led here"), taken, h("dt", {}, "step"), step)),
        h("section", { class: "card", "aria-label": "Over time" }, h("h2", {}, "Over time"), valueChart, returnChart))));

  // ---- choosing -------------------------------------------------------------------------------------------------
  function moments() {
    const agent = agents.find((each) => each.agent === agentSelect.value);
    const known = agent?.moments ?? [];
    put(momentSelect, known.length ? known.map((moment) => h("option", { value: moment.timesteps }, `${moment.what}, ${integer(moment.done)} units learnt from`)) : h("option", { value: "" }, "as it is"));
    momentSelect.disabled = !known.length;
    if (known.length) momentSelect.value = (known.find((moment) => moment.what === "best") ?? known.at(-1)).timesteps;
  }

  function say(text, kind = "") {
    message.hidden = !text;
    message.className = `notice ${kind}`;
    message.setAttribute("role", kind === "error" ? "alert" : "status");
    put(message, text);
  }

  async function open() {
    pause();
    take(false);
    const mine = ++opening;
    const before = session;
    session = null;
    enable();
    if (before) api.post("/api/watch/close", { session: before.session }).catch(() => {});
    if (!agentSelect.value) return;
    say("Loading the agent; the first one takes some seconds, as JAX starts and compiles.");
    try {
      const found = await api.post("/api/watch/open", { agent: agentSelect.value, at: momentSelect.value, sampled: sampled.checked });
      if (mine !== opening || ended) { api.post("/api/watch/close", { session: found.session }).catch(() => {}); return; }
      session = found;
      say("");
      frames = [];
      lastAction = null;
      add(found.shots);
      help();
    } catch (error) {
      if (mine === opening && !ended) say(error.message, "error");
    }
    enable();
  }

  function help() {
    const names = session.actions;
    const words = session.keys.filter(([keys]) => keys.length === 1).map(([[key], action]) => `${ARROWS[key] ?? key} ${typeof action === "number" ? names[action] : names[action.findIndex((x, k) => x !== session.idle?.[k])] ?? ""}`);
    put(keysHelp, words.length ? `Keys when you take over: ${words.join(", ")}.` : "No keys are known for its actions; the agent alone acts here.");
  }

  // ---- frames ---------------------------------------------------------------------------------------------------
  function add(shots) {
    frames.push(...shots);
    if (frames.length > KEPT) frames.splice(0, frames.length - KEPT);
    look(frames.length - 1);
  }

  function look(place) {
    if (!frames.length) return;
    at = Math.max(0, Math.min(place, frames.length - 1));
    const shot = frames[at];
    picture.src = shot.picture;
    picture.alt = `${session?.facts.env ?? "environment"}, step ${shot.step}, return ${significant(shot.total)}`;
    slider.max = frames.length - 1;
    slider.value = at;
    slider.setAttribute("aria-valuetext", `step ${shot.step}`);
    const end = shot.terminated ? "the episode has ended" : shot.truncated ? "cut by the time limit" : "";
    put(caption, h("span", {}, `step ${shot.step}`), h("span", {}, `return ${significant(shot.total)}`), end && h("span", { class: "badge warn" }, end), shot.by === "person" && h("span", { class: "badge running" }, "your step"));
    put(total, significant(shot.total));
    put(value, shot.said.value === null ? "this network has no V" : significant(shot.said.value));
    put(step, integer(shot.step));
    put(reward, significant(shot.reward));
    put(taken, shot.by ? `${actionName(shot.action)} (${shot.by === "person" ? "you" : "agent"})` : "none yet");
    showPolicy(shot.said);
    showLine(valueChart, "V", "V", (each) => each.said.value, series(0));
    showLine(returnChart, "Return so far", "return", (each) => each.total, series(2));
    enable();
  }

  const actionName = (action) => (typeof action === "number" ? session?.actions[action] ?? action : (action ?? []).map((x) => significant(x)).join(", "));

  function showPolicy(said) {
    if (said.probabilities) {
      const best = said.action;
      put(policy, h("h3", {}, "π, probability of each action"), h("ul", { class: "policy" }, said.probabilities.map((p, k) => {
        const share = number(p);
        return h("li", { class: k === best ? "best" : "" }, h("span", {}, session?.actions[k] ?? `action ${k}`), h("span", { class: "track" }, h("span", { style: { width: `${100 * share}%` } })), h("span", { class: "numbers" }, `${(100 * share).toFixed(1)} %`));
      })));
      return;
    }
    put(policy, h("h3", {}, "π, each dimension of the action"), h("ul", { class: "policy" }, said.spread.map(([low, middle, high], k) =>
      h("li", { class: "best" }, h("span", {}, session?.actions[k] ?? `action ${k}`), h("span", { class: "numbers wide" }, `${significant(middle)}   (90 % of draws: ${significant(low)} to ${significant(high)})`)))));
  }

  function showLine(box, title, unit, of, stroke) {
    const points = frames.map((each) => [each.step, number(of(each) ?? NaN)]).filter(([, y]) => Number.isFinite(y));
    if (points.length < 1) { put(box, h("h3", {}, title), h("p", { class: "small" }, "nothing to draw")); return; }
    const width = 320, height = 110, left = 44, bottom = 26, top = 8, right = 8;
    const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
    const x0 = Math.min(...xs), x1 = Math.max(...xs, x0 + 1), y0 = Math.min(...ys), y1 = Math.max(...ys);
    const pad = (y1 - y0) * 0.08 || Math.max(Math.abs(y1), 1) * 0.1;
    const px = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
    const py = (y) => height - bottom - ((y - y0 + pad) / (y1 - y0 + 2 * pad)) * (height - bottom - top);
    const text = (x, y, words, anchor) => s("text", { x, y, "text-anchor": anchor, class: "axis" }, words);
    const digits = y1 === y0 ? 3 : Math.min(6, Math.max(3, Math.ceil(Math.log10(Math.max(Math.abs(y0), Math.abs(y1)) / (y1 - y0))) + 2));
    const here = frames[at];
    put(box, h("h3", {}, title), s("svg", { viewBox: `0 0 ${width} ${height}`, class: "line", role: "img", "aria-label": `${title} by step, now ${significant(of(here) ?? NaN)}` },
      s("path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, class: "axes" }),
      text(left - 5, py(y1) + 4, significant(y1, digits), "end"), y1 !== y0 && text(left - 5, py(y0) + 4, significant(y0, digits), "end"),
      text(left, height - 8, `${x0}`, "middle"), text(width - right, height - 8, `${x1}`, "end"), text((left + width - right) / 2, height - 8, "step", "middle"),
      s("polyline", { points: points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" "), fill: "none", stroke, "stroke-width": 1.8 }),
      Number.isFinite(number(of(here) ?? NaN)) && s("circle", { cx: px(here.step), cy: py(number(of(here))), r: 3.6, fill: stroke, stroke: colour("--surface"), "stroke-width": 1.5 })));
  }

  // ---- playing --------------------------------------------------------------------------------------------------
  const newest = () => frames.at(-1);
  const live = () => session && frames.length && at === frames.length - 1;

  function enable() {
    const on = Boolean(session), over = on && newest()?.over;
    playButton.disabled = !on || (over && at === frames.length - 1);
    stepButton.disabled = !on || (over && at === frames.length - 1);
    backButton.disabled = at <= 0;
    againButton.disabled = !on;
    overButton.disabled = !on || over || !session.keys.length;
    slider.disabled = frames.length < 2;
    put(playButton, playing ? "Pause" : "Play");
  }

  /** The action of the keys that are held; undefined where a person's environment waits for one. */
  function keyed() {
    let best = null;
    for (const [keys, action] of session.keys) {
      if (keys.every((key) => held.has(key)) && (!best || keys.length > best[0].length)) best = [keys, action];
    }
    if (best) return best[1];
    if (session.waits) return undefined;
    return session.idle ?? lastAction ?? session.keys[0]?.[1];
  }

  async function forward() {
    if (!session || busy) return;
    if (at < frames.length - 1) { look(at + 1); return; }
    if (newest().over) return;
    let action = null;
    if (person) {
      action = keyed();
      if (action === undefined) return;
      lastAction = action;
    }
    busy = true;
    const mine = session;
    try {
      const found = await api.post("/api/watch/step", { session: session.session, action });
      if (mine === session && !ended) add(found.shots);
    } catch (error) {
      if (!ended) { pause(); say(error.message, "error"); }
    } finally {
      busy = false;
    }
    if (newest()?.over) { pause(); take(false); }
  }

  async function loop() {
    if (!playing || ended) return;
    const began = performance.now();
    await forward();
    if (!playing || ended) return;
    const pace = person ? Math.min(session?.fps ?? 30, 30) : session?.fps ?? 30;
    timer = setTimeout(loop, Math.max(0, 1000 / (pace * speed) - (performance.now() - began)));
  }

  function play() {
    if (!session || playing) return;
    playing = true;
    enable();
    loop();
  }
  function pause() {
    playing = false;
    clearTimeout(timer);
    enable();
  }

  async function begin() {
    if (!session) return;
    pause();
    take(false);
    try {
      const found = await api.post("/api/watch/begin", { session: session.session });
      frames = [];
      lastAction = null;
      add(found.shots);
    } catch (error) {
      say(error.message, "error");
    }
  }

  function take(on) {
    person = on && Boolean(session);
    held.clear();
    overButton.setAttribute("aria-pressed", String(person));
    overButton.classList.toggle("primary", person);
    put(overButton, person ? "Hand back" : "Take over");
    stage.classList.toggle("taken", person);
    if (person) {
      look(frames.length - 1);
      stage.focus({ preventScroll: true });
      play();
    }
  }

  function down(event) {
    if (!person || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { take(false); overButton.focus(); return; }
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!session.keys.some(([keys]) => keys.includes(key))) return;
    if (event.target.closest("select, input, textarea, dialog")) return;
    event.preventDefault();
    held.add(key);
    if (session.waits && live()) forward().then(() => held.delete(key));
  }
  function up(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!session?.waits) held.delete(key);
  }
  const blur = () => held.clear();
  document.addEventListener("keydown", down);
  document.addEventListener("keyup", up);
  window.addEventListener("blur", blur);

  // ---- beginning ------------------------------------------------------------------------------------------------
  const started = (async () => {
    const found = await api.get("/api/watch/agents");
    if (ended) return;
    agents = found.agents;
    const group = (what, label) => {
      const inside = agents.filter((each) => each.what === what);
      return inside.length > 0 && h("optgroup", { label }, inside.map((each) => h("option", { value: each.agent }, each.label)));
    };
    put(agentSelect, group("run", "Runs"), group("shipped", "Agents that come with logpi"));
    const asked = params.agent && agents.some((each) => each.agent === params.agent) ? params.agent : null;
    if (params.agent && !asked) toast(`The run ${params.agent} has no agent yet.`, "error");
    agentSelect.value = asked ?? agents.find((each) => each.agent === "shipped:CartPole-v1")?.agent ?? agents[0]?.agent ?? "";
    moments();
    if (asked && params.at) {
      const known = agents.find((each) => each.agent === asked).moments;
      const near = known.reduce((best, each) => (best === null || Math.abs(each.timesteps - params.at) < Math.abs(best.timesteps - params.at) ? each : best), null);
      if (near) momentSelect.value = near.timesteps;
    }
    await open();
    if (!ended && session && asked) play();
  })();
  started.catch((error) => { if (!ended) say(error.message, "error"); });
  enable();

  return () => {
    ended = true;
    playing = false;
    clearTimeout(timer);
    document.removeEventListener("keydown", down);
    document.removeEventListener("keyup", up);
    window.removeEventListener("blur", blur);
    if (session) api.post("/api/watch/close", { session: session.session }).catch(() => {});
  };
}
