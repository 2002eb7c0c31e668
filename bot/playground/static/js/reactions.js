/** Reactions: the counters under a message, and the palette to add one. */

import { el, icon } from "./dom.js";
import { emojiText } from "./components.js";
import { openPopover } from "./popover.js";

/** @typedef {import("./types.js").Reaction} Reaction */
/** @typedef {import("./types.js").Emoji} Emoji */
/** @typedef {(emoji: Emoji, add: boolean) => void} React */

const COLUMNS = 6;
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

/** @param {HTMLElement} anchor @param {React} react */
export function openPalette(anchor, react) {
  const buttons = PALETTE.map(([emoji, name]) => el("button", { type: "button", class: "emoji", "aria-label": name, title: name, data: { emoji },
    on: { click: () => react({ id: null, name: emoji }, true) } }, emoji));
  openPopover(anchor, "palette", "React with", buttons, COLUMNS);
}

/** @param {(event: MouseEvent) => void} press */
export function addReactionButton(press) {
  return el("button", { type: "button", class: "icon-button react", "aria-label": "Add a reaction", title: "Add a reaction", on: { click: press } },
    icon("smile"));
}
