// Gallery: environments with films of a random agent beside the best local and the shipped ones.

import { agentLink, choice, h, put, toast } from "../dom.js";
import { integer, number, score, significant } from "../format.js";

const KINDS = { control: "Environments", ram: "Images", games: "Board games" };

export function mount(element, api) {
  let entries = [], kind = "all", filter = "", ended = false, moving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const count = h("p", { role: "status" }, "Looking at the environments; the first time takes some seconds, as Gymnasium starts.");
  const search = h("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter by name", oninput: () => { filter = search.value.toLowerCase(); show(); } });
  const kinds = choice("Kind", [["all", "All"], ...Object.entries(KINDS)], "all", (value) => { kind = value; show(); });
  const motion = h("button", { type: "button", "aria-pressed": String(!moving), onclick: () => { moving = !moving; motion.setAttribute("aria-pressed", String(!moving)); films.forEach((video) => (moving ? video.play().catch(() => {}) : video.pause())); } }, "Hold the films");
  const list = h("div", { class: "stack gallery" });
  search.style.width = "220px";
  put(element, h("div", { class: "head" }, h("div", {}, h("h1", {}, "Gallery"), count), h("div", { class: "row" }, search, kinds, motion)), list);

  // A film is asked for when its place is seen, one at a time: each takes some seconds the first time.
  const films = new Set();
  const waiting = [];
  let asking = false;
  const seen = new IntersectionObserver((changes) => {
    for (const change of changes) {
      const box = change.target;
      if (change.isIntersecting && !box.dataset.asked) {
        box.dataset.asked = "yes";
        waiting.push(box);
        next();
      }
    }
  }, { rootMargin: "200px" });

  async function next() {
    if (asking || ended) return;
    const box = waiting.shift();
    if (!box) return;
    if (!box.isConnected) { delete box.dataset.asked; next(); return; }
    asking = true;
    try {
      const response = await fetch(box.dataset.film);
      if (!response.ok) throw new Error((await response.json()).error);
      const blob = await response.blob();
      if (ended) return;
      const address = URL.createObjectURL(blob);
      if (blob.type === "image/gif") {
        put(box, h("img", { src: address, alt: box.dataset.label }));
      } else {
        const video = h("video", { muted: true, loop: true, playsinline: true, "aria-label": box.dataset.label, src: address });
        video.muted = true;
        films.add(video);
        put(box, video);
        if (moving) video.play().catch(() => {});
      }
    } catch (error) {
      if (!ended) put(box, h("span", { class: "small" }, `no film: ${error.message}`));
    } finally {
      asking = false;
      next();
    }
  }

  const boxes = new Map();
  function filmBox(entry, agent) {
    const key = `${entry.env} ${agent.what}`;
    if (!boxes.has(key)) {
      const box = h("div", { class: "film" }, h("span", { class: "small" }, agent.filmed ? "filming …" : "no film"));
      box.dataset.label = `${entry.env}, ${agent.label}`;
      box.dataset.film = `/api/gallery/film?${new URLSearchParams({ env: entry.env, what: agent.what })}`;
      if (agent.filmed) seen.observe(box);
      boxes.set(key, box);
    }
    return boxes.get(key);
  }

  function ranged(entry, agent) {
    const low = number(agent.low), high = number(agent.high);
    return `${score(agent.score, entry.percent)}${Number.isFinite(low) && low !== high ? ` (${score(low, entry.percent)} to ${score(high, entry.percent)})` : ""}`;
  }

  function shown(entry, agent) {
    const known = Number.isFinite(number(agent.score));
    return h("figure", { class: "agent" }, (entry.kind === "control" || agent.filmed) && filmBox(entry, agent),
      h("figcaption", {}, h("strong", {}, agent.label), known && h("div", { class: "numbers" }, `${ranged(entry, agent)}`), known && h("small", {}, `${agent.algo}, ${agent.over}`), agent.agent && agentLink(entry.kind, { agent: agent.agent }),
        h("div", { class: "command" }, h("code", { title: agent.command }, agent.command), h("button", { type: "button", class: "quiet", "aria-label": `Copy the command of ${agent.label}, ${entry.env}`, onclick: () => copy(agent.command) }, "Copy"))));
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      toast("The command is in the clipboard.");
    } catch {
      toast("This browser does not allow copying: mark the command instead.", "error");
    }
  }

  function card(entry) {
    const rows = [["observations", entry.observation], ["actions", entry.action], ["reward", entry.reward], ["time limit", entry.limit && `${integer(entry.limit)} steps`], ["note", entry.note]];
    return h("article", { class: "card", "aria-label": entry.env },
      h("header", {}, h("h2", {}, entry.env), h("span", { class: "small" }, entry.score_label)),
      h("div", { class: "entry" }, entry.agents.length > 0 && h("div", { class: "agents" }, entry.agents.map((agent) => shown(entry, agent))),
      h("dl", { class: "facts about" }, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
        entry.methods.map((method) => [h("dt", {}, method.algo), h("dd", {}, h("code", {}, method.command), Number.isFinite(number(method.low)) && ` expected ${entry.percent ? score(method.low, true) : significant(method.low)} to ${entry.percent ? score(method.high, true) : significant(method.high)}`)]))));
  }

  function show() {
    const all = entries.filter((entry) => (kind === "all" || entry.kind === kind) && entry.env.toLowerCase().includes(filter));
    put(list, all.length ? all.map(card) : h("p", { class: "empty" }, entries.length ? "Nothing has this name and kind." : ""));
  }

  (async () => {
    try {
      const found = await api.get("/api/gallery/list");
      if (ended) return;
      entries = found.entries;
      put(count, `${entries.length} environments, image tasks and board games. Ranges are 95 % intervals of the mean.`);
      show();
    } catch (error) {
      if (!ended) put(list, h("div", { class: "notice error", role: "alert" }, error.message));
    }
  })();

  return () => {
    ended = true;
    seen.disconnect();
    films.forEach((video) => { video.pause(); URL.revokeObjectURL(video.src); });
  };
}
