/** Reactions: small counters under a message, and the palette to add one. */

import { el, icon } from "./dom.js";
import { emojiText } from "./components.js";

/** @typedef {import("./types.js").Reaction} Reaction */
/** @typedef {import("./types.js").Emoji} Emoji */
/** @typedef {(emoji: Emoji, add: boolean) => void} React */

const PALETTE = [
  ["⬆️", "upscale"], ["🔁", "again"], ["❌", "delete"], ["1️⃣", "first"], ["2️⃣", "second"], ["3️⃣", "third"], ["4️⃣", "fourth"],
  ["❤️", "heart"], ["👍", "thumbs up"], ["🔥", "fire"], ["😂", "laughing"], ["⭐", "star"],
];

/** @param {Reaction[]} reactions @param {React} react @returns {HTMLElement[]} */
export function drawReactions(reactions, react) {
  return reactions.filter((reaction) => reaction.count > 0).map((reaction) => {
    const name = emojiText(reaction.emoji);
    return el("button", {
      type: "button", class: "reaction", "aria-pressed": String(reaction.me),
      "aria-label": `${name}, ${reaction.count}${reaction.me ? ", yours too" : ""}`,
      data: { emoji: name },
      on: { click: () => react(reaction.emoji, !reaction.me) },
    }, el("span", { class: "emoji" }, name), el("span", { class: "count" }, reaction.count));
  });
}

/**
 * Opens the palette under its button; Escape, a choice or a click elsewhere closes it.
 * @param {HTMLElement} anchor @param {React} react
 */
export function openPalette(anchor, react) {
  document.querySelector(".palette")?.remove();
  const close = () => {
    palette.remove();
    document.removeEventListener("pointerdown", outside, true);
  };
  /** @param {Event} event */
  const outside = (event) => {
    if (!palette.contains(/** @type {Node} */ (event.target))) close();
  };
  /** @param {string} emoji */
  const choose = (emoji) => {
    close();
    anchor.focus();
    react({ id: null, name: emoji }, true);
  };
  const buttons = PALETTE.map(([emoji, name]) => el("button", {
    type: "button", class: "emoji", "aria-label": name, title: name, data: { emoji }, on: { click: () => choose(emoji) },
  }, emoji));
  const palette = el("div", { class: "palette", role: "group", "aria-label": "React with" }, ...buttons);
  palette.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
      anchor.focus();
    } else step(event, buttons);
  });
  document.addEventListener("pointerdown", outside, true);
  anchor.parentElement?.append(palette);
  buttons[0].focus();
}

/** Arrow keys walk through the palette. @param {KeyboardEvent} event @param {HTMLElement[]} buttons */
function step(event, buttons) {
  const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 6, ArrowUp: -6 }[event.key];
  if (!move) return;
  event.preventDefault();
  const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  buttons[(at + move + buttons.length) % buttons.length].focus();
}

/** @param {(event: MouseEvent) => void} press */
export function addReactionButton(press) {
  return el("button", { type: "button", class: "icon-button react", "aria-label": "Add a reaction", title: "Add a reaction", on: { click: press } },
    icon("smile"));
}
