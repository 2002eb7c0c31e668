/** Builds elements. Texts are inserted as text nodes, so input of people or bots never becomes HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** 24×24 outlines, one path each. */
const ICONS = {
  hash: "M9 4 7 20M17 4l-2 16M4 9h16M4 15h16",
  at: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm4 0v5a2.5 2.5 0 0 0 5 0v-1a9 9 0 1 0-4 7.5",
  thread: "M5 4v9a4 4 0 0 0 4 4h10m-4-4 4 4-4 4M5 8h10",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M5 11h14v9H5z",
  menu: "M4 7h16M4 12h16M4 17h16",
  close: "M6 6l12 12M18 6 6 18",
  send: "M4 12 20 5l-5 15-3.5-6.5L4 12Zm7.5 1.5L20 5",
  smile: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM8 14c1 1.6 2.4 2.4 4 2.4s3-.8 4-2.4M9 9.5v.5M15 9.5v.5",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Zm9.5-3a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z",
  log: "M5 4h14v16H5zM8.5 8.5h7M8.5 12h7M8.5 15.5h4",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5Z",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  down: "M5 9l7 7 7-7",
  play: "M7 5v14l12-7z",
  stop: "M6 6h12v12H6z",
  save: "M12 4v11m-5-5 5 5 5-5M5 20h14",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7l-1.3 1.3M14 10a4 4 0 0 0-6-.5l-3 3A4 4 0 0 0 10.700 18.200l1.3-1.3",
  picture: "M4 5h16v14H4zM4 16l5-5 4 4 2.500-2.500L20 17M15.500 9.200v.1",
  plus: "M12 5v14M5 12h14",
  warn: "M12 4 2.500 20h19L12 4Zm0 6v5M12 17.500v.1",
  more: "M6 12v.1M12 12v.1M18 12v.1",
  reply: "M4 19v-5a4 4 0 0 1 4-4h11m-4-4 4 4-4 4",
  processes: "M7 7h10v10H7zM10 2.500V7M14 2.500V7M10 17v4.500M14 17v4.500M2.500 10H7M2.500 14H7M17 10h4.500M17 14h4.500",
};

/** @typedef {keyof typeof ICONS} IconName */
/** @typedef {Node|string|number|null|undefined|false} Child */
/** @typedef {Record<string, any>} Attributes */

/**
 * Makes one element. `on` maps events to listeners, `data` fills data-attributes; missing values are left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {Attributes} [attributes] @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (value !== null && value !== undefined && value !== false) setAttribute(element, name, value);
  }
  element.append(...present(children));
  return element;
}

/** @param {Element} element @param {string} name @param {unknown} value */
function setAttribute(element, name, value) {
  if (name === "style" || name.startsWith("on")) throw new Error(`The attribute ${name} is not set from a string.`);
  element.setAttribute(name, value === true ? "" : String(value));
}

/** @param {Child[]} children @returns {(Node|string)[]} */
export function present(children) {
  return children.filter((child) => child !== null && child !== undefined && child !== false).map((child) =>
    child instanceof Node ? child : String(child));
}

/** @param {IconName} name @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * A button with an icon; the label is its accessible name and its tooltip.
 * @param {IconName} name @param {string} label @param {(event: MouseEvent) => void} press @param {Attributes} [attributes]
 */
export function iconButton(name, label, press, attributes = {}) {
  return el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click: press }, ...attributes },
    icon(name));
}

/** The element of that id, which index.html promises. @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}.`);
  return found;
}

/** Lets a text field be as high as its text, where the browser's own way (field-sizing) is missing. @param {HTMLTextAreaElement} field */
export function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

/**
 * Announces a sentence to screen readers.
 * @param {string} text
 */
export function announce(text) {
  const region = byId("announcer");
  region.append(el("p", {}, text));
  while (region.childElementCount > 4) region.firstElementChild?.remove();
}

/** A short sentence at the bottom of the page, seen and heard. @param {string} text @param {"plain"|"bad"} [kind] */
export function toast(text, kind = "plain") {
  const region = byId("toasts");
  const note = el("div", { class: `toast ${kind}` }, el("span", {}, text),
    iconButton("close", "Dismiss", () => note.remove()));
  region.append(note);
  while (region.childElementCount > 3) region.firstElementChild?.remove();
  if (kind === "plain") setTimeout(() => note.remove(), 6000);
}
