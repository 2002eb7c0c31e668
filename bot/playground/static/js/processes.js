/** The states of bot and engine, with the buttons to restart and kill them. */

import { announce, byId, toast } from "./dom.js";

/** @typedef {import("./store.js").Store} Store */

/** @type {Record<string, [string, string]>} state → colour of its lamp, words */
const ENGINE = {
  ready: ["good", "ready"],
  starting: ["busy", "starting…"],
  gone: ["bad", "not running"],
};

/** @type {Record<string, string>} request → confirmation */
const SAID = { restart_bot: "Restarting the bot.", kill_bot: "The bot was killed.", kill_engine: "The engine was killed." };

export class Processes {
  /** @param {Store} store @param {(body: Record<string, unknown>) => Promise<void>} control */
  constructor(store, control) {
    this.store = store;
    this.control = control;
    this.panel = byId("processes");
    for (const button of document.querySelectorAll("button[data-do]")) button.addEventListener("click", () => void this.#press(/** @type {HTMLButtonElement} */ (button)));
    for (const name of ["snapshot", "state"]) store.addEventListener(name, () => this.#draw());
    this.#popover(byId("open-processes"));
  }

  /** @param {HTMLButtonElement} button */
  async #press(button) {
    const wish = button.dataset.do ?? "";
    button.setAttribute("aria-busy", "true");
    try {
      await this.control({ do: wish });
      toast(SAID[wish] ?? "Done.");
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error), "bad");
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  #draw() {
    const { bot, engine } = this.store.state;
    const online = Boolean(bot?.online);
    this.#lamp("bot", online ? "good" : "bad", online ? "online" : "offline");
    const [colour, words] = ENGINE[engine?.state ?? ""] ?? ["busy", engine?.state ?? "unknown"];
    this.#lamp("engine", online ? colour : "off", online ? words : "waiting for the bot", engine?.note);
    byId("open-processes").dataset.lamp = online ? colour : "bad";
  }

  /** @param {string} what @param {string} colour @param {string} words @param {string} [note] */
  #lamp(what, colour, words, note) {
    const element = byId(`${what}-state`);
    const text = byId(`${what}-words`);
    if (text.textContent && text.textContent !== words) announce(`The ${what} is ${words.replace("…", "")}.`);
    element.dataset.lamp = colour;
    element.title = note ?? "";
    text.textContent = words;
  }

  /** On narrow pages a button opens the panel. @param {HTMLElement} button */
  #popover(button) {
    /** @param {boolean} open */
    const set = (open) => {
      this.panel.classList.toggle("open", open);
      button.setAttribute("aria-expanded", String(open));
    };
    button.addEventListener("click", () => set(!this.panel.classList.contains("open")));
    document.addEventListener("pointerdown", (event) => {
      const target = /** @type {Node} */ (event.target);
      if (!this.panel.contains(target) && !button.contains(target)) set(false);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.panel.classList.contains("open")) return;
      set(false);
      button.focus();
    });
  }
}
