// The room of glimpses: draw a digit, drop an image, add clutter; see where an agent looks, and when it is sure.

import { choice, field, h, put, s, toast } from "../dom.js";
import { duration } from "../format.js";
import { styled } from "../styles.js";

const SIDE = 320; // pixels of the canvas that is drawn on
const SCALES = ["#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442"]; // of the patches, finest first; Okabe and Ito
const NOTHING = [64, 82, 107]; // a colour that no grey image has: what has not been seen
const KINDS = [["learned", "Learned places"], ["random", "Random places"]];

export async function mount(element, api, params) {
  await styled("/static/glimpses/glimpses.css");
  const gone = new AbortController();
  const ask = (path, body) => api.post(`/api/glimpses/${path}`, body, { signal: gone.signal });
  const { agents } = await api.get("/api/glimpses/agents");
  const head = h("div", { class: "head" }, h("div", {}, h("h1", {}, "Glimpses"),
    h("p", {}, "Draw a digit. The agent sees only small patches of it, decides where to look next, and says after each glimpse what it thinks.")));
  if (!agents.length) {
    put(element, head, h("div", { class: "card" }, h("p", {}, "No agent here takes glimpses yet. Train one, which takes some minutes:"), h("pre", {}, "logpi train ram/mnist")));
    return undefined;
  }

  let about = null, found = null, shown = 1, tool = "draw", seed = 0, asked = 0, timer = null, waiting = null, sample = 0, empty = true;
  const agent = h("select", { onchange: () => load() }, agents.map((name) => h("option", { value: name }, name)));
  agent.value = agents.includes(params.agent) ? params.agent : agents[0];
  const pad = h("canvas", { class: "pad", width: SIDE, height: SIDE, role: "img", "aria-label": "Where you draw; without a pointer, take a test image or open a file" });
  const pen = pad.getContext("2d", { willReadFrequently: true });
  const tools = choice("Tool", [["draw", "Draw"], ["erase", "Erase"], ["clutter", "Clutter"]], "draw", (name) => { tool = name; });
  const centre = h("input", { type: "checkbox", onchange: () => look() });
  const glimpses = h("input", { type: "number", min: 1, max: 64, class: "narrow", onchange: () => look() });
  const file = h("input", { type: "file", accept: "image/*", class: "visually-hidden", tabindex: "-1", "aria-label": "Image file", onchange: () => { if (file.files[0]) picture(file.files[0]); file.value = ""; } });
  const act = (text, handler, attributes = {}) => h("button", { type: "button", onclick: handler, ...attributes }, text);
  const status = h("p", { class: "status", role: "status" });
  const slider = h("input", { type: "range", min: 1, max: 2, value: 1, "aria-label": "Glimpse", oninput: () => { pause(); show(Number(slider.value)); } });
  const counter = h("output", { class: "numbers counter" });
  const playing = act("▶", () => (timer ? pause() : play()), { "aria-label": "Play the glimpses" });
  const panels = Object.fromEntries(KINDS.map(([name, title]) => [name, makePanel(title)]));
  const curve = h("div", { class: "curves" });

  put(element, head, h("div", { class: "glimpse-grid" },
    h("section", { class: "card" }, field("Agent", agent), pad, h("div", { class: "row" }, tools, act("Clear", clear)),
      h("div", { class: "row" }, act("A test image", () => testImage()), act("Open image", () => file.click()), file, act("Invert", invert)),
      h("label", { class: "check" }, centre, "Size and place as MNIST's digits have"), field("Glimpses", glimpses, "as many as in training, or another number"), status),
    h("div", { class: "stack" },
      h("section", { class: "card" }, h("div", { class: "row" }, act("«", () => { pause(); show(1); }, { "aria-label": "First glimpse" }), act("‹", () => { pause(); show(shown - 1); }, { "aria-label": "One glimpse back" }), playing,
        act("›", () => { pause(); show(shown + 1); }, { "aria-label": "One glimpse on" }), counter, act("Other first place", () => { seed++; look(); })), slider,
      h("div", { class: "panels" }, panels.learned.element, panels.random.element)),
      h("section", { class: "card" }, h("header", {}, h("h2", {}, "How sure it is")), curve))));

  // ---- drawing ---------------------------------------------------------------------------------------------------
  function clear() {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, SIDE, SIDE);
    empty = true;
    found = null;
    put(status, about ? "Draw a digit, or take a test image." : "");
    show(1);
  }

  const spot = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  };
  let from = null;
  pad.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    pad.setPointerCapture(event.pointerId);
    from = spot(event);
    if (tool === "clutter") { clutter(from); from = null; } else stroke(from);
  });
  pad.addEventListener("pointermove", (event) => { if (from) stroke(spot(event)); });
  pad.addEventListener("pointerup", () => { if (from) { from = null; later(); } });
  pad.addEventListener("pointercancel", () => { from = null; });

  function stroke(to) {
    pen.strokeStyle = tool === "erase" ? "#000" : "#fff";
    pen.lineWidth = tool === "erase" ? 34 : SIDE / 13;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(to[0] + 0.01, to[1]);
    pen.stroke();
    from = to;
    empty = false;
  }

  /** A piece of a stroke in a square of the distractors' size, as cluttered scenes have them. */
  function clutter([x, y]) {
    const side = about ? Math.max(8, (8 * SIDE) / about.width) * 1.6 : 40, turn = Math.random() * Math.PI * 2;
    pen.save();
    pen.beginPath();
    pen.rect(x - side / 2, y - side / 2, side, side);
    pen.clip();
    pen.strokeStyle = "#fff";
    pen.lineWidth = SIDE / 16;
    pen.lineCap = "round";
    pen.beginPath();
    pen.arc(x + Math.cos(turn) * side * 0.6, y + Math.sin(turn) * side * 0.6, side * 0.6, turn + 2, turn + 4.6);
    pen.stroke();
    pen.restore();
    empty = false;
    centre.checked = false; // what is light is no longer the digit alone
    later();
  }

  function invert() {
    const image = pen.getImageData(0, 0, SIDE, SIDE);
    for (let k = 0; k < image.data.length; k += 4) for (let c = 0; c < 3; c++) image.data[k + c] = 255 - image.data[k + c];
    pen.putImageData(image, 0, 0);
    later();
  }

  async function picture(chosen) {
    if (!chosen.type.startsWith("image/")) { toast(`${chosen.name} is not an image`, "error"); return; }
    let bitmap;
    try { bitmap = await createImageBitmap(chosen); } catch { toast(`${chosen.name} cannot be read as an image`, "error"); return; }
    const factor = Math.min(SIDE / bitmap.width, SIDE / bitmap.height), [wide, high] = [bitmap.width * factor, bitmap.height * factor];
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, SIDE, SIDE);
    pen.drawImage(bitmap, (SIDE - wide) / 2, (SIDE - high) / 2, wide, high);
    empty = false;
    const data = pen.getImageData(0, 0, SIDE, SIDE).data;
    let edge = 0;
    for (let k = 0; k < SIDE; k++) edge += data[4 * (Math.round((SIDE - high) / 2) * SIDE + k)] / SIDE;
    if (edge > 128) invert(); // dark on light, as paper is
    look();
  }
  for (const name of ["dragover", "drop"]) {
    pad.addEventListener(name, (event) => {
      event.preventDefault();
      if (name === "drop" && event.dataTransfer.files[0]) picture(event.dataTransfer.files[0]);
    });
  }

  async function testImage() {
    const next = await ask("sample", { agent: agent.value, number: sample++ }).catch(failed);
    if (!next) return;
    const small = canvasOf(Uint8Array.from(atob(next.pixels), (c) => c.charCodeAt(0)), about.width, about.height, about.channels);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, SIDE, SIDE);
    pen.imageSmoothingEnabled = true;
    empty = false;
    centre.checked = false;
    await look(`Test image ${next.number + 1}, a ${next.label}. `);
  }

  function canvasOf(pixels, width, height, channels) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const image = new ImageData(width, height);
    for (let k = 0; k < width * height; k++) {
      for (let c = 0; c < 3; c++) image.data[4 * k + c] = pixels[k * channels + (channels === 3 ? c : 0)];
      image.data[4 * k + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // ---- looking ---------------------------------------------------------------------------------------------------
  function failed(error) {
    if (error.name !== "AbortError") toast(error.message, "error");
    return null;
  }
  const later = () => { clearTimeout(waiting); waiting = setTimeout(() => look(), 180); };

  async function load() {
    const began = performance.now();
    const tell = () => put(status, `Loading the agent and compiling its glimpses, once … ${duration((performance.now() - began) / 1000)}`);
    tell();
    const clock = setInterval(tell, 500);
    about = await ask("open", { agent: agent.value }).catch(failed);
    clearInterval(clock);
    if (!about) { put(status); return; }
    centre.checked = !about.is_canvas;
    glimpses.value = about.n_glimpses;
    put(status, `${about.width} × ${about.height} pixels, ${about.classes.length} classes, ${about.n_glimpses} glimpses of ${about.scales} × ${about.patch} × ${about.patch} pixels.`);
    if (!empty) look();
  }

  /** The canvas in the size of the agent's scene: of the pixels that each one covers, the mean. */
  function scene() {
    const canvas = document.createElement("canvas");
    const wide = centre.checked ? 112 : about.width, high = centre.checked ? 112 : about.height;
    Object.assign(canvas, { width: wide, height: high });
    const small = canvas.getContext("2d");
    small.imageSmoothingQuality = "high";
    small.drawImage(pad, 0, 0, wide, high);
    const data = small.getImageData(0, 0, wide, high).data, bytes = new Uint8Array(wide * high * about.channels);
    for (let k = 0; k < wide * high; k++) for (let c = 0; c < about.channels; c++) bytes[k * about.channels + c] = about.channels === 3 ? data[4 * k + c] : Math.round((data[4 * k] + data[4 * k + 1] + data[4 * k + 2]) / 3);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return { width: wide, height: high, channels: about.channels, pixels: btoa(text) };
  }

  async function look(prefix = "") {
    if (!about || empty) return;
    const mine = ++asked;
    const n = Math.min(Math.max(Math.round(Number(glimpses.value)) || about.n_glimpses, 1), 64);
    const answer = await ask("look", { agent: agent.value, ...scene(), centre: centre.checked, seed, n_glimpses: n }).catch(failed);
    if (!answer || mine !== asked) return;
    found = answer;
    slider.max = n;
    const warned = answer.learned.warnings.length ? ` ${answer.learned.warnings.join("; ")}.` : "";
    put(status, `${prefix}It says ${answer.learned.said}; at random places ${answer.random.said}.${warned}`);
    show(n);
    if (!prefix) play();
    else show(n);
  }

  // ---- showing ---------------------------------------------------------------------------------------------------
  function pause() {
    clearInterval(timer);
    timer = null;
    put(playing, "▶");
    playing.setAttribute("aria-label", "Play the glimpses");
  }

  function play() {
    pause();
    if (!found) return;
    put(playing, "❚❚");
    playing.setAttribute("aria-label", "Pause");
    show(1);
    timer = setInterval(() => (shown >= found.learned.squares.length ? pause() : show(shown + 1)), 450);
  }

  function show(t) {
    const last = found ? found.learned.squares.length : 1;
    shown = Math.max(1, Math.min(t, last));
    slider.value = shown;
    slider.disabled = !found;
    put(counter, found ? `glimpse ${shown} of ${last}` : "");
    for (const [name] of KINDS) panels[name].show(found?.[name], shown);
    curves();
  }

  function makePanel(title) {
    const whole = h("canvas", { class: "view" }), seen = h("canvas", { class: "view" });
    const over = s("svg", { class: "over", "aria-hidden": "true" }), bars = h("div", { class: "bars" }), words = h("p", { class: "verdict" });
    const frame = (canvas, text, extra) => h("figure", {}, h("div", { class: "frame" }, canvas, extra), h("figcaption", { class: "small" }, text));
    const body = h("div", { class: "looks" }, frame(whole, "where it looks", over), frame(seen, "what it has seen"));
    const box = h("div", { class: "panel" }, h("h2", {}, title), words, body, bars);
    return {
      element: box,
      show(look, t) {
        body.hidden = bars.hidden = !look;
        if (!look) { put(words, "–"); return; }
        const { width, height, channels, scene: pixels } = look;
        paint(whole, width, height, (k, c) => pixels[k * channels + (channels === 3 ? c : 0)]);
        const part = look.seen[t - 1];
        paint(seen, width, height, (k, c) => { const value = part[k * channels + (channels === 3 ? c : 0)]; return value < 0 ? NOTHING[c] : value; });
        over.setAttribute("viewBox", `0 0 ${width} ${height}`);
        const middle = look.squares.slice(0, t).map(([[top, left, side]]) => `${left + side / 2},${top + side / 2}`);
        put(over, s("polyline", { points: middle.join(" "), class: "way", "stroke-width": width / 110 }),
          look.squares[t - 1].map(([top, left, side], k) => s("rect", { x: left, y: top, width: side, height: side, stroke: SCALES[k % SCALES.length], "stroke-width": width / 70 })),
          middle.map((point) => s("circle", { cx: point.split(",")[0], cy: point.split(",")[1], r: width / 75, class: "spot" })));
        const p = look.probabilities[t - 1], order = [...p.keys()].sort((a, b) => p[b] - p[a]), most = order[0];
        const rows = look.classes.length <= 12 ? [...p.keys()] : order.slice(0, 12);
        const sure = look.probabilities.findIndex((row) => Math.max(...row) >= 0.95);
        put(words, h("strong", {}, look.classes[most]), ` ${(100 * p[most]).toFixed(1)} % after glimpse ${t}; `, sure < 0 ? "never 95 % sure" : `95 % sure after glimpse ${sure + 1}`);
        put(bars, rows.map((k) => h("div", { class: `class${k === most ? " most" : ""}` }, h("span", {}, look.classes[k]), h("span", { class: "track" }, h("span", { style: { width: `${100 * p[k]}%` } })), h("span", { class: "numbers" }, `${(100 * p[k]).toFixed(1)} %`))));
      },
    };
  }

  function paint(canvas, width, height, value) {
    Object.assign(canvas, { width, height });
    const image = new ImageData(width, height);
    for (let k = 0; k < width * height; k++) {
      for (let c = 0; c < 3; c++) image.data[4 * k + c] = value(k, c);
      image.data[4 * k + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  /** The probability of the class that is said at the end, after each glimpse, at both kinds of places. */
  function curves() {
    if (!found) { put(curve, h("p", { class: "empty" }, "Draw a digit, or take a test image.")); return; }
    const [W, H, left] = [560, 170, 62], count = found.learned.probabilities.length;
    const name = found.learned.said, place = found.learned.classes.indexOf(name);
    const x = (t) => left + ((W - left - 12) * t) / Math.max(count - 1, 1), y = (p) => H - 24 - (H - 36) * p;
    const line = (kind) => found[kind].probabilities.map((row, t) => `${x(t).toFixed(1)},${y(row[place]).toFixed(1)}`).join(" ");
    const last = (kind) => (100 * found[kind].probabilities.at(-1)[place]).toFixed(1);
    put(curve, s("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `Probability of ${name} after each glimpse; at the end ${last("learned")} % at learned places, ${last("random")} % at random ones` },
      [0, 0.5, 0.95, 1].map((p) => [s("line", { x1: left, x2: W - 12, y1: y(p), y2: y(p), class: p === 0.95 ? "sure" : "axis" }), s("text", { x: left - 6, y: y(p) + (p === 0.95 ? 10 : p === 1 ? 0 : 4), class: "tick" }, `${100 * p} %`)]),
      s("line", { x1: x(shown - 1), x2: x(shown - 1), y1: 8, y2: H - 24, class: "now" }),
      Array.from({ length: count }, (_, t) => s("text", { x: x(t), y: H - 8, class: "under" }, t + 1)),
      KINDS.map(([kind]) => s("polyline", { points: line(kind), class: `curve ${kind}` }))),
    h("ul", { class: "legend" }, KINDS.map(([kind, title]) => h("li", {}, h("span", { class: `key ${kind}` }), `${title}: probability of ${name}`))),
    h("p", { class: "small" }, "The network is the same for both; it was trained at learned places. One picture is one picture: logpi eval has the error over all test images."));
  }

  clear();
  load();
  return () => { asked++; gone.abort(); clearTimeout(waiting); pause(); };
}
