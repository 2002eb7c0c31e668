/** The part of Discord's markdown that bots use, as elements. URLs stay text, so no click leaves the page. */

import { el, present } from "./dom.js";
import { timestamp } from "./timestamps.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * Resolves mentions, and handles clicks on them.
 * @typedef {{user: (id: string) => string|undefined, channel: (id: string) => string|undefined,
 *   command?: (name: string) => void, jump?: (channel: string, message: string) => void}} Names
 */

/** Each rule is a pattern and its element. The earliest match wins; among equal positions the first rule. */
/** @type {{pattern: RegExp, draw: (match: RegExpExecArray, names: Names) => Child|Child[]}[]} */
const INLINE = [
  { pattern: /\\([^0-9A-Za-z\s])/, draw: (match) => match[1] },
  { pattern: /(`+)([\s\S]*?[^`])\1(?!`)/, draw: (match) => el("code", {}, trimCode(match[2])) },
  { pattern: /<t:(-?\d{1,13})(?::([tTdDfFR]))?>/, draw: (match) => timestamp(Number(match[1]), match[2] ?? "f") },
  { pattern: /<@!?(\d+)>/, draw: (match, names) => mention(`@${names.user(match[1]) ?? "somebody"}`) },
  { pattern: /<@&(\d+)>/, draw: () => mention("@role") },
  { pattern: /<#(\d+)>/, draw: (match, names) => mention(`#${names.channel(match[1]) ?? "somewhere"}`) },
  { pattern: /<\/([\p{L}\p{N}_ -]{1,100}):\d+>/u, draw: (match, names) => commandMention(match[1], names) },
  { pattern: /<a?:(\w{2,32}):\d+>/, draw: (match) => `:${match[1]}:` },
  { pattern: /\[([^\]\n]+)\]\((<?https?:\/\/[^\s)>]+>?)(?: "[^"]*")?\)/, draw: (match, names) => link(match, names) },
  { pattern: /<?https:\/\/discord\.com\/channels\/[@\w]+\/(\d+)\/(\d+)>?/, draw: (match, names) => messageLink(match, names) },
  { pattern: /<(https?:\/\/[^\s>]+)>/, draw: (match) => match[1] },
  { pattern: /\*\*\*(?=\S)([\s\S]+?)\*\*\*(?!\*)/, draw: (match, names) => el("strong", {}, el("em", {}, ...inline(match[1], names))) },
  { pattern: /\*\*(?=\S)([\s\S]+?)\*\*(?!\*)/, draw: (match, names) => el("strong", {}, ...inline(match[1], names)) },
  { pattern: /__(?=\S)([\s\S]+?)__(?!_)/, draw: (match, names) => el("u", {}, ...inline(match[1], names)) },
  { pattern: /\*(?=[^\s*])([^*]+?)\*(?!\*)/, draw: (match, names) => el("em", {}, ...inline(match[1], names)) },
  { pattern: /(?<![\p{L}\p{N}_])_(?=[^\s_])([^_]+?)_(?![\p{L}\p{N}_])/u, draw: (match, names) => el("em", {}, ...inline(match[1], names)) },
  { pattern: /~~(?=\S)([\s\S]+?)~~/, draw: (match, names) => el("s", {}, ...inline(match[1], names)) },
  { pattern: /\|\|([\s\S]+?)\|\|/, draw: (match, names) => spoiler(inline(match[1], names)) },
];

/** @param {string} text @param {Names} names @returns {(Node|string)[]} */
export function inline(text, names) {
  /** @type {(Node|string)[]} */
  const parts = [];
  let rest = text;
  while (rest) {
    const found = earliest(rest);
    if (!found) break;
    if (found.match.index) parts.push(rest.slice(0, found.match.index));
    parts.push(...present([found.draw(found.match, names)].flat()));
    rest = rest.slice(found.match.index + found.match[0].length);
  }
  if (rest) parts.push(rest);
  return parts;
}

/** @param {string} text */
function earliest(text) {
  /** @type {{match: RegExpExecArray, draw: typeof INLINE[number]["draw"]}|null} */
  let best = null;
  for (const { pattern, draw } of INLINE) {
    const match = pattern.exec(text);
    if (match && (!best || match.index < best.match.index)) best = { match, draw };
  }
  return best;
}

/**
 * A complete text: code blocks, headings, quotes, lists and lines.
 * @param {string} text @param {Names} names @returns {DocumentFragment}
 */
export function markdown(text, names) {
  const fragment = document.createDocumentFragment();
  for (const [index, piece] of text.split(/```(?:([\w+-]*)\n)?([\s\S]*?)```\n?/).entries()) {
    if (index % 3 === 2) fragment.append(el("pre", { tabindex: "0" }, el("code", {}, (piece ?? "").replace(/\n$/, ""))));
    else if (index % 3 === 0 && piece) fragment.append(...blocks(piece.replace(/\n$/, ""), names));
  }
  return fragment;
}

/** @param {string} text @param {Names} names @returns {HTMLElement[]} */
function blocks(text, names) {
  /** @type {HTMLElement[]} */
  const out = [];
  /** @type {string[]} */
  let paragraph = [];
  const flush = () => {
    const lines = paragraph.join("\n").replace(out.length ? /^\n+|\n+$/g : /\n+$/g, "");
    if (lines) out.push(el("p", {}, ...inline(lines, names)));
    paragraph = [];
  };
  for (const line of text.split("\n")) {
    const block = special(line, names);
    if (!block) paragraph.push(line);
    else {
      flush();
      join(out, block);
    }
  }
  flush();
  return out;
}

/** A heading, quote, list item or small print; anything else is part of a paragraph. @param {string} line @param {Names} names */
function special(line, names) {
  const heading = /^(#{1,3}) +(.+)/.exec(line);
  if (heading) return el("p", { class: `heading heading-${heading[1].length}` }, ...inline(heading[2], names));
  const small = /^-# +(.+)/.exec(line);
  if (small) return el("p", { class: "small-print" }, ...inline(small[1], names));
  const quote = /^> ?(.*)/.exec(line);
  if (quote) return el("blockquote", {}, el("p", {}, ...inline(quote[1], names)));
  const item = /^\s*[-*] +(.+)/.exec(line);
  if (item) return el("ul", {}, el("li", {}, ...inline(item[1], names)));
  return null;
}

/** Neighbouring quotes and list items become one. @param {HTMLElement[]} out @param {HTMLElement} block */
function join(out, block) {
  const last = out.at(-1);
  if (last && last.tagName === block.tagName && ["BLOCKQUOTE", "UL"].includes(block.tagName)) last.append(...block.childNodes);
  else out.push(block);
}

/** The words without their marks, on one line. @param {string} text @param {Names} names @returns {string} */
export function plain(text, names) {
  return el("span", {}, markdown(text, names)).textContent?.replace(/\s+/g, " ").trim() ?? "";
}

/** @param {string} text */
function trimCode(text) {
  return /^ .*[^ ].* $/.test(text) ? text.slice(1, -1) : text;
}

/** @param {string} text */
function mention(text) {
  return el("span", { class: "mention" }, text);
}

/** @param {string} name @param {Names} names */
function commandMention(name, names) {
  const choose = () => names.command?.(name);
  return el("button", { type: "button", class: "mention", on: { click: choose } }, `/${name}`);
}

/** The bare address of a message, as Discord shows it. @param {RegExpExecArray} match @param {Names} names */
function messageLink(match, names) {
  const channel = names.channel(match[1]);
  return jumpButton(match[1], match[2], [channel ? `#${channel} › message` : "message"], names);
}

/** @param {string} channel @param {string} message @param {(Node|string)[]} content @param {Names} names */
function jumpButton(channel, message, content, names) {
  return el("button", { type: "button", class: "jump", on: { click: () => names.jump?.(channel, message) } }, ...content);
}

/** A link to a message of this page leads there; any other address is only shown. @param {RegExpExecArray} match @param {Names} names */
function link(match, names) {
  const message = /\/channels\/[@\w]+\/(\d+)\/(\d+)>?$/.exec(match[2]);
  if (message && names.jump) return jumpButton(message[1], message[2], inline(match[1], names), names);
  return [...inline(match[1], names), el("span", { class: "address" }, ` (${match[2].replace(/^<|>$/g, "")})`)];
}

/** @param {(Node|string)[]} content */
function spoiler(content) {
  const button = el("button", { type: "button", class: "spoiler", "aria-label": "Spoiler; press to show", on: { click: reveal } },
    el("span", { "aria-hidden": "true" }, ...content));
  function reveal() {
    button.replaceWith(el("span", { class: "spoiler shown" }, ...content));
  }
  return button;
}
