// The room of variance: clouds of gradient estimates by every rung of the ladder, and what a step along one does to J.

import { field, h, put, s, toast } from "../dom.js";
import { duration, significant } from "../format.js";
import { styled } from "../styles.js";

const SIZE = 520, EDGE = 44;
const CHI = Math.sqrt(5.991); // radius of the ellipse that holds 95 % of a normal distribution in the plane
const NAMES = {
  "total-reward": "whole reward r(τ)", "reward-to-go": "reward-to-go", "discounted": "discounted reward-to-go", "moving-average": "minus a moving average",
  "batch-mean": "minus the batch's mean", "leave-one-out": "minus the others' mean", "value": "minus V(s)", "gae": "GAE(λ)", "q-minus-v": "Q(s, a) − V(s)",
};

export async function mount(element, api) {
  await styled("/static/variance/variance.css");
  const gone = new AbortController();
  const ask = (path, body = {}) => api.post(`/api/variance/${path}`, body, { signal: gone.signal });
  let found = null, rung = "reward-to-go", theta = null, seed = 0, history = [], asked = 0, waiting = null, world = null, way = null;

  const status = h("p", { class: "status", role: "status" }), about = h("p", { class: "small" });
  const select = (values, value, text) => h("select", { onchange: () => measure() }, values.map((one) => h("option", { value: one, selected: one === value }, text(one))));
  const place = h("select", { onchange: () => start() });
  const rungs = h("select", { onchange: () => choose(rungs.value) });
  const batch = select([2, 5, 10, 25, 50], 10, (n) => `${n} trajectories`), total = select([500, 2000, 5000, 20000], 2000, (n) => n.toLocaleString("en"));
  const slider = (value) => h("input", { type: "range", min: 0, max: 1, step: 0.01, value });
  const gamma = slider(0.9), lambda = slider(0.95), told = { gamma: h("output", { class: "numbers" }), lambda: h("output", { class: "numbers" }) };
  const ellipses = h("input", { type: "checkbox", onchange: () => draw() }), same = h("input", { type: "checkbox", checked: true, onchange: () => draw() });
  const length = h("input", { type: "range", min: -2, max: 1, step: 0.05, value: 0, "aria-label": "Length of the step along the gradient" }), lengthTold = h("output", { class: "numbers" });
  const act = (text, handler, attributes = {}) => h("button", { type: "button", onclick: handler, ...attributes }, text);
  const plot = h("div", { class: "cloud" }), table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures of all rungs" }), words = h("p", { class: "told" });
  const fan = h("div", { class: "fan" }), take = act("Take the step", () => go(), { class: "primary" }), rise = h("div", { class: "fan" });
  const ranged = (label, input, output, note) => { const made = field(label, input, note); made.querySelector("label").append(" ", output); return made; };

  put(element, h("div", { class: "head" }, h("div", {}, h("h1", {}, "Variance"),
    h("p", {}, "Every dot is an estimate of the same gradient ∇J, from a batch of trajectories. What weighs ∇ log π decides how far the dots scatter."))),
  h("div", { class: "variance-grid" },
    h("section", { class: "card settings" }, field("World", place), about, field("Weight Ψ (rung of the ladder)", rungs), ranged("Discount γ", gamma, told.gamma, "1: no bias by discounting"), ranged("λ of GAE", lambda, told.lambda),
      field("One estimate is the mean of", batch), field("Trajectories in all", total), h("div", { class: "row" }, act("Other trajectories", () => { seed++; measure(); }), act("Back to the first policy", () => start())), status),
    h("section", { class: "card" }, h("header", {}, h("h2", {}, "The cloud"), h("div", { class: "row" }, h("label", { class: "check" }, ellipses, "Ellipses of all rungs"), h("label", { class: "check" }, same, "One scale"))), plot, words),
    h("section", { class: "card wide" }, h("header", {}, h("h2", {}, "All rungs, on the same trajectories")), table),
    h("section", { class: "card wide" }, h("header", {}, h("h2", {}, "A step of gradient ascent")), h("div", { class: "step-grid" },
      h("div", { class: "stack" }, ranged("Length of the step along ∇J", length, lengthTold), h("div", { class: "row" }, take), h("p", { class: "small" }, "Thin lines: J(θ + α g) by estimates g of the chosen rung, all with the same α; the thick one goes along ∇J. “Take the step” follows the first estimate.")), fan, rise))));
  for (const input of [gamma, lambda]) input.addEventListener("input", () => { labels(); clearTimeout(waiting); waiting = setTimeout(() => measure(), 250); });
  length.addEventListener("input", () => { labels(); clearTimeout(waiting); waiting = setTimeout(() => step(), 150); });

  function labels() {
    put(told.gamma, Number(gamma.value).toFixed(2));
    put(told.lambda, Number(lambda.value).toFixed(2));
    put(lengthTold, significant(10 ** Number(length.value)));
  }

  function failed(error) {
    if (error.name !== "AbortError") { toast(error.message, "error"); put(status); }
    return null;
  }

  async function during(text, work) {
    const began = performance.now(), tell = () => put(status, `${text} ${duration((performance.now() - began) / 1000)}`);
    tell();
    const clock = setInterval(tell, 500);
    try { return await work(); } catch (error) { return failed(error); } finally { clearInterval(clock); }
  }

  function start() {
    theta = null;
    history = [];
    measure();
  }

  async function measure() {
    const mine = ++asked, fresh = world !== place.value;
    const body = { world: place.value, gamma: Number(gamma.value), gae_lambda: Number(lambda.value), batch: Number(batch.value), trajectories: Number(total.value), seed, ...(theta ? { theta } : {}) };
    const next = await during(fresh ? "Measuring; the programs of a new world are compiled once …" : "Measuring …", () => ask("clouds", body));
    if (!next || mine !== asked) return;
    found = next;
    world = place.value;
    put(about, found.about);
    const known = found.clouds.map((cloud) => cloud.rung);
    if (!known.includes(rung)) rung = "reward-to-go";
    put(rungs, known.map((name) => h("option", { value: name }, `${name}: ${NAMES[name]}`)));
    rungs.value = rung;
    if (!history.length) history = [found.objective];
    put(status, `${found.trajectories.toLocaleString("en")} trajectories, ${found.theta.length} parameters; J = ${significant(found.objective, 4)}${found.exact ? " (exact)" : " (mean of 64 episodes)"}.`);
    draw();
    await step();
  }

  function choose(name) {
    rung = name;
    rungs.value = name;
    draw();
    step();
  }

  // ---- the cloud -------------------------------------------------------------------------------------------------
  function axes(cloud) {
    const [[a, b], [, d]] = cloud.covariance, half = (a + d) / 2, root = Math.sqrt(((a - d) / 2) ** 2 + b * b);
    return { long: Math.sqrt(Math.max(half + root, 0)), short: Math.sqrt(Math.max(half - root, 0)), angle: (Math.atan2(2 * b, a - d) / 2) * (180 / Math.PI) };
  }

  function draw() {
    if (!found) return;
    labels();
    const cloud = found.clouds.find((one) => one.rung === rung), scaled = same.checked ? found.clouds : [cloud];
    const reach = 1.08 * Math.max(found.length * 1.2, ...scaled.map((one) => Math.max(Math.abs(one.mean[0]), Math.abs(one.mean[1])) + CHI * axes(one).long));
    const x = (value) => SIZE / 2 + (value / (reach || 1)) * (SIZE / 2 - EDGE), y = (value) => SIZE / 2 - (value / (reach || 1)) * (SIZE / 2 - EDGE), unit = (SIZE / 2 - EDGE) / (reach || 1);
    const ellipse = (one, kind) => {
      const { long, short, angle } = axes(one);
      return s("ellipse", { rx: Math.max(CHI * long * unit, 0.5), ry: Math.max(CHI * short * unit, 0.5), transform: `translate(${x(one.mean[0])} ${y(one.mean[1])}) rotate(${-angle})`, class: kind });
    };
    const inside = ([u, v]) => Math.abs(u) <= reach && Math.abs(v) <= reach;
    const ticks = [-reach / 1.08, reach / 1.08];
    put(plot, s("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": `Cloud of ${cloud.points.length} estimates by ${rung}; standard deviation along the gradient ${significant(Math.sqrt(cloud.covariance[0][0]))}, across it ${significant(Math.sqrt(cloud.covariance[1][1]))}, length of the gradient ${significant(found.length)}` },
      s("rect", { x: EDGE, y: EDGE, width: SIZE - 2 * EDGE, height: SIZE - 2 * EDGE, class: "ground" }),
      s("line", { x1: EDGE, x2: SIZE - EDGE, y1: y(0), y2: y(0), class: "axis" }), s("line", { x1: x(0), x2: x(0), y1: EDGE, y2: SIZE - EDGE, class: "axis" }),
      ticks.map((value) => s("text", { x: x(value), y: SIZE - EDGE + 16, class: "tick" }, significant(value, 2))), s("text", { x: SIZE / 2, y: SIZE - 8, class: "tick" }, "along ∇J"),
      s("text", { x: 14, y: SIZE / 2, class: "tick", transform: `rotate(-90 14 ${SIZE / 2})` }, "where estimates vary most beside it"),
      ellipses.checked ? found.clouds.filter((one) => one.rung !== rung).map((one) => ellipse(one, "other")) : null,
      cloud.points.filter(inside).map(([u, v]) => s("circle", { cx: x(u).toFixed(1), cy: y(v).toFixed(1), r: 2.6, class: "dot" })),
      ellipse(cloud, "own"),
      s("line", { x1: x(0), y1: y(0), x2: x(found.length), y2: y(0), class: "gradient" }), s("circle", { cx: x(found.length), cy: y(0), r: 6, class: "truth" }),
      s("path", { d: `M${x(cloud.mean[0]) - 7} ${y(cloud.mean[1])}h14M${x(cloud.mean[0])} ${y(cloud.mean[1]) - 7}v14`, class: "mean" })),
    h("ul", { class: "legend" }, h("li", {}, h("span", { class: "key dot-key" }), `estimates of ${found.batch} trajectories`), h("li", {}, h("span", { class: "key ellipse-key" }), "95 % ellipse"),
      h("li", {}, h("span", { class: "key truth-key" }), found.exact ? "∇J, exact" : "∇J, mean over others"), h("li", {}, h("span", { class: "key mean-key" }), "mean of the cloud")));
    put(words, `${NAMES[rung]}: one trajectory has variance ${significant(cloud.variance)}; ${significant(cloud.needed)} of them have an error as long as ∇J. Bias ${percent(cloud.bias)} of ‖∇J‖, ${cloud.noise ? `measured with an error of about ${percent(cloud.noise)}` : "exact"}. ${percent(cloud.plane)} of the variance lies in this plane.`);
    const base = found.clouds.find((one) => one.rung === "value").variance;
    put(table, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "Ψ"), ["variance V", "trajectories for the same error", "needed for ‖∇J‖", "bias / ‖∇J‖", "error of it", "in the plane"].map((name) => h("th", { class: "number" }, name)))),
      h("tbody", {}, found.clouds.map((one) => h("tr", { class: one.rung === rung ? "chosen" : null },
        h("th", { scope: "row" }, act(one.rung, () => choose(one.rung), { class: "quiet link", "aria-pressed": String(one.rung === rung) }), h("small", {}, NAMES[one.rung])),
        [significant(one.variance), significant(one.variance / base), significant(one.needed), percent(one.bias), one.noise ? percent(one.noise) : "exact", percent(one.plane)].map((text) => h("td", { class: "number" }, text)))))));
  }

  const percent = (value) => Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "–";

  // ---- the step --------------------------------------------------------------------------------------------------
  async function step() {
    if (!found) return;
    const mine = asked, rate = 10 ** Number(length.value) / (found.length || 1);
    take.disabled = true;
    way = await ask("step", { number: found.number, rung, learning_rate: rate, seed: 0 }).catch(failed);
    if (!way || mine !== asked || way.rung !== rung) return;
    take.disabled = false;
    lines();
  }

  function go() {
    if (!way) return;
    history.push(way.objective);
    theta = way.theta;
    seed++;
    measure();
  }

  function lines() {
    const all = [way.by_gradient, ...way.by_estimates].flat(), low = Math.min(...all), high = Math.max(...all), room = (high - low || 1) * 0.08;
    const chart = (title, curves, count, from, to, under) => {
      const [W, H, left] = [420, 230, 58], x = (k) => left + ((W - left - 12) * k) / Math.max(count - 1, 1), y = (value) => H - 34 - ((H - 50) * (value - from)) / (to - from || 1);
      return [h("h3", {}, title), s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": under },
        s("rect", { x: left, y: 16, width: W - left - 12, height: H - 50, class: "ground" }),
        [from, (from + to) / 2, to].map((value) => s("text", { x: left - 6, y: y(value) + 4, class: "tick end" }, significant(value))),
        curves.map(({ values, kind }) => s("polyline", { points: values.map((value, k) => `${x(k).toFixed(1)},${y(value).toFixed(1)}`).join(" "), class: kind })),
        curves.filter(({ kind }) => kind === "history").flatMap(({ values }) => values.map((value, k) => s("circle", { cx: x(k), cy: y(value), r: 3.5, class: "point" }))),
        s("text", { x: (W + left) / 2, y: H - 8, class: "tick" }, under.split(":")[0]))];
    };
    const worse = way.by_estimates.filter((values) => values.at(-1) < values[0]).length;
    put(fan, chart("J along the step", [...way.by_estimates.map((values, k) => ({ values, kind: k ? "estimate" : "estimate first" })), { values: way.by_gradient, kind: "along" }], way.along.length, low - room, high + room,
      `part of the step: J from ${significant(way.by_gradient[0])} to ${significant(way.by_gradient.at(-1))} along the gradient`),
    h("p", { class: "small" }, `Along ∇J: ${significant(way.by_gradient[0], 4)} → ${significant(way.by_gradient.at(-1), 4)}. ${worse} of ${way.by_estimates.length} estimates make it worse.`));
    const span = [Math.min(...history), Math.max(...history)], margin = (span[1] - span[0] || Math.abs(span[0]) || 1) * 0.1;
    put(rise, chart("J after the steps taken", [{ values: history, kind: "history" }], history.length, span[0] - margin, span[1] + margin, `steps taken: J ${history.map((value) => significant(value)).join(", ")}`),
      h("p", { class: "small" }, `${history.length - 1} steps taken, J = ${significant(history.at(-1), 4)}.`));
  }

  labels();
  const { worlds } = await during("Loading …", () => ask("worlds")) ?? { worlds: [] };
  put(place, worlds.map((one) => h("option", { value: one.name }, one.exact ? `${one.name} (exact)` : one.name)));
  if (worlds.length) start();
  return () => { asked++; gone.abort(); clearTimeout(waiting); };
}
