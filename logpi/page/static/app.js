// The frame of the page: what it asks of the server, the rooms by the address's hash, and the colours.

import { h, put, toast } from "./dom.js";

const meta = (name) => document.querySelector(`meta[name="logpi-${name}"]`)?.content ?? "";
const token = meta("token");
const TITLES = {
  runs: "Runs", gallery: "Gallery", watch: "Watch", play: "Play", glimpses: "Glimpses", variance: "Variance",
};

async function answered(response) {
  let found = null;
  try {
    found = await response.json();
  } catch {
    throw new Error(`the server answered ${response.status} without JSON`);
  }
  if (!response.ok) throw new Error(found?.error ?? `the server answered ${response.status}`);
  return found;
}

async function ask(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer: was `logpi ui` ended?");
  }
}

export const api = {
  readonly: meta("readonly") === "yes",

  /** The JSON at a path; throws an Error with the server's message. */
  async get(path, options = {}) {
    return answered(await ask(path, options));
  },

  /** The JSON that the server answers to `body`. */
  async post(path, body = {}, options = {}) {
    const headers = { "content-type": "application/json", "x-logpi-token": token };
    return answered(await ask(path, { method: "POST", headers, body: JSON.stringify(body), ...options }));
  },

  /** Call onmessage(value) for each event of a stream, which is asked for again when the line was lost; returns what ends it. */
  events(path, onmessage, onstate = () => {}) {
    const source = new EventSource(path);
    source.onopen = () => { line(true); onstate(true); };
    source.onmessage = (event) => onmessage(JSON.parse(event.data));
    source.addEventListener("end", () => source.close());
    source.onerror = () => { line(source.readyState === EventSource.OPEN); onstate(false); };
    return () => source.close();
  },

  /** The events of one answer to a POST, such as a search step by step: for await (const value of api.stream(path, body)). */
  async *stream(path, body = {}, options = {}) {
    const headers = { "content-type": "application/json", "x-logpi-token": token };
    const response = await ask(path, { method: "POST", headers, body: JSON.stringify(body), ...options });
    if (!response.ok) await answered(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    try {
      while (true) {
        const { value, done } = await reader.read();
        if (done) return;
        text += value;
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          const lines = text.slice(0, end).split("\n");
          text = text.slice(end + 2);
          if (lines.includes("event: end")) return;
          const data = lines.filter((each) => each.startsWith("data: ")).map((each) => each.slice(6)).join("\n");
          if (data) yield JSON.parse(data);
        }
      }
    } finally {
      reader.cancel().catch(() => {});
    }
  },
};

// ---- the line to the server -------------------------------------------------------------------------------------

const state = document.getElementById("state");
let lost = null;

function line(open) {
  clearTimeout(lost);
  if (open) put(state, api.readonly ? "read only" : "");
  else lost = setTimeout(() => put(state, h("span", { class: "lost" }, "no answer from the server; trying again")), 1500);
}

// ---- colours ----------------------------------------------------------------------------------------------------

const themeButton = document.getElementById("theme");
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function remembered() {
  try { return localStorage.getItem("logpi-theme"); } catch { return null; }
}

function colours(theme) {
  const chosen = theme ?? remembered() ?? (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = chosen;
  const other = chosen === "dark" ? "light" : "dark";
  put(themeButton, chosen === "dark" ? "☀" : "☾");
  themeButton.setAttribute("aria-label", `Switch to ${other} colours`);
  window.dispatchEvent(new Event("logpi-theme"));
}

themeButton.addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("logpi-theme", next); } catch { /* a window without storage */ }
  colours(next);
});
dark.addEventListener("change", () => { if (!remembered()) colours(); });

// ---- rooms ------------------------------------------------------------------------------------------------------

const main = document.getElementById("room");
let rooms = [];
let leave = () => {};
let visit = 0;

/** {room, params} of a hash such as "#/watch?agent=ppo%2FCartPole-v1_1". */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const room = rooms.includes(path) ? path : rooms[0];
  return { room, params: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

/** The address of a room: href("watch", {agent: "ppo/CartPole-v1_1"}). */
export function href(room, params = {}) {
  const query = new URLSearchParams(params).toString();
  return `#/${room}${query ? `?${query}` : ""}`;
}

async function enter() {
  if (location.hash && !location.hash.startsWith("#/")) return;
  const { room, params } = place();
  const mine = ++visit;
  try { leave(); } catch (error) { console.warn(error); }
  leave = () => {};
  document.querySelectorAll("#rooms a").forEach((link) => {
    if (link.dataset.room === room) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  document.title = `${TITLES[room] ?? "logpi"} · logpi`;
  if (!room) {
    put(main, h("p", { class: "empty" }, "No room is installed."));
    return;
  }
  const element = h("div", { class: `room room-${room}` });
  try {
    const module = await import(`./rooms/${room}.js`);
    if (mine !== visit) return;
    put(main, element);
    const unmount = (await module.mount(element, api, params)) ?? (() => {});
    if (mine !== visit) unmount();
    else leave = unmount;
  } catch (error) {
    if (mine !== visit) return;
    put(main, h("div", { class: "notice error", role: "alert" }, `This room cannot be shown: ${error.message}`));
  }
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", enter);
window.addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "AbortError") { event.preventDefault(); return; }
  event.preventDefault();
  toast(event.reason?.message ?? String(event.reason), "error");
});

colours();
line(true);
try {
  const about = await api.get("/api/about");
  rooms = about.rooms;
  put(document.getElementById("rooms"), rooms.map((room) =>
    h("li", {}, h("a", { href: href(room), "data-room": room }, TITLES[room] ?? room))));
  await enter();
} catch (error) {
  put(main, h("div", { class: "notice error", role: "alert" }, error.message));
}
