/** The welcome of an empty channel, with example prompts. */

import { el } from "./dom.js";

/** Prompts whose words the bundled model knows. */
export const PROMPTS = [
  "a rocket in space",
  "an owl at night with a moon",
  "a sailboat on the sea at sunset",
  "a castle on a hill | fog:0.5 | green:-0.3",
];

/**
 * @param {import("./store.js").Store} store @param {(line: string) => void} write puts a line into the composer
 * @returns {HTMLElement}
 */
export function welcome(store, write) {
  const dream = store.commands.find((command) => command.name === "dream");
  return el("section", { class: "welcome" },
    el("span", { class: "mark large", "aria-hidden": "true" }),
    el("h2", {}, "What would you like to see?"),
    dream ? invitation(write) : el("p", { class: "quiet" }, ...hint(store)));
}

/** @param {import("./store.js").Store} store */
function hint(store) {
  if (store.commands.length) return ["Type ", el("kbd", {}, "/"), " for commands."];
  if (!store.state.bot?.online) return ["The bot is starting. Its commands will appear here."];
  return [store.state.commands.length ? "You cannot use any of the bot's commands here." : "The bot has no commands yet."];
}

/** @param {(line: string) => void} write */
function invitation(write) {
  return el("div", { class: "invitation" },
    el("p", { class: "quiet" }, "Type ", el("kbd", {}, "/"), " for commands, or start with one of these:"),
    el("ul", { class: "examples" }, ...PROMPTS.map((prompt) => el("li", {},
      el("button", { type: "button", class: "example", on: { click: () => write(`/dream ${prompt}`) } }, prompt)))));
}
