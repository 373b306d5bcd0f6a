// Elements of the page. Text is only ever set as text, so whatever a run folder says, it never becomes HTML.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.setAttribute("class", value);
    else if (name === "style") Object.assign(node.style, value);
    else if (name in node && !(node instanceof SVGElement) && ["value", "checked", "disabled", "selected", "muted", "indeterminate"].includes(name)) node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: h("button", {class: "primary", onclick: act}, "Train"). */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const s = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** Replace what is inside of a node. */
export function put(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

let numbers = 0;
/** An identifier that no other element has. */
export const unique = (name) => `${name}-${++numbers}`;

/** A labelled control: field("Seeds", h("input", {type: "number"}), "independent runs"). */
export function field(label, control, note) {
  control.id ||= unique("field");
  const about = note ? h("small", { id: `${control.id}-note` }, note) : null;
  if (about) control.setAttribute("aria-describedby", about.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, about);
}

/** Buttons of which one is pressed: choice("x axis", [["steps", "Steps"], …], "steps", (value) => …). */
export function choice(label, options, value, onchange) {
  const buttons = options.map(([name, text]) =>
    h("button", { type: "button", "aria-pressed": String(name === value), onclick: () => set(name, true) }, text));
  function set(name, tell) {
    options.forEach(([other], place) => buttons[place].setAttribute("aria-pressed", String(other === name)));
    if (tell) onchange(name);
  }
  const group = h("div", { class: "choice", role: "group", "aria-label": label }, buttons);
  group.set = set;
  return group;
}

/** A message that stays until the user has seen it. */
export function toast(text, kind = "note") {
  const node = h("div", { class: `toast ${kind}` }, h("span", {}, text),
    h("button", { type: "button", class: "quiet", "aria-label": "Close the message", onclick: () => node.remove() }, "×"));
  document.getElementById("toasts").append(node);
  if (kind === "note") setTimeout(() => node.remove(), 8000);
  return node;
}

const SHOWN_IN = { control: ["watch", "Watch this agent"], ram: ["glimpses", "See where it looks"], games: ["play", "Play against it"] };

/** A link to the room that shows an agent of a kind of task; null where that room is not there. */
export function agentLink(kind, params, className = "") {
  const [room, words] = SHOWN_IN[kind] ?? ["", ""];
  if (!document.querySelector(`#rooms a[data-room="${room}"]`)) return null;
  return h("a", { class: className, href: `#/${room}?${new URLSearchParams(params)}` }, words);
}

/** The value of a custom property of the present colours, such as colour("--accent"). */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Colours of curves, distinguishable with colour blindness (Okabe and Ito), in the present colours. */
export const series = (place) => colour(`--s${(place % 8) + 1}`);
