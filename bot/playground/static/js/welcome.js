/** The welcome of an empty channel: example prompts, then three experiments. */

import { el } from "./dom.js";

/** Prompts whose words the bundled model knows. */
export const PROMPTS = [
  "a rocket in space",
  "an owl at night",
  "a sailboat on the sea at sunset",
  "a castle on a hill | fog:0.5 | green:-0.3",
];

/**
 * What members do together, in this order. A step with a command is shown once the bot has that command.
 * @type {{ title: string, text: string, command: string, line: string }[]}
 */
export const EXPERIMENTS = [
  {
    title: "Compare",
    text: "One picture for each word of a list, from one seed, on one sheet.",
    command: "compare",
    line: "/compare a [red|blue] balloon in the sky",
  },
  {
    title: "Vote",
    text: "Press Vote under the sheet, then a letter. Labels and counts stay hidden until the end.",
    command: "insights",
    line: "",
  },
  {
    title: "Find",
    text: "Look for pictures of this server by their words or by what they show.",
    command: "find",
    line: "/find words:balloon",
  },
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
    dream ? invitation(write) : el("p", { class: "quiet" }, ...hint(store)),
    dream && experiments(store, write));
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
      example(prompt, () => write(`/dream ${prompt}`))))));
}

/** @param {import("./store.js").Store} store @param {(line: string) => void} write */
function experiments(store, write) {
  const known = EXPERIMENTS.filter((one) => store.commands.some((command) => command.name === one.command));
  return known.length > 0 && el("section", { class: "experiments", "aria-label": "Experiments" },
    el("p", { class: "quiet" }, "Then experiment together:"),
    el("ol", {}, ...known.map((one) => el("li", {},
      el("h3", {}, one.title),
      el("p", {}, one.text),
      one.line && example(one.line, () => write(one.line))))));
}

/** @param {string} text @param {() => void} click */
function example(text, click) {
  return el("button", { type: "button", class: "example", on: { click } }, text);
}
