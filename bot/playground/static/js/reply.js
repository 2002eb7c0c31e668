/** The line above the composer that shows the message to reply to. */

import { byId, el, icon, iconButton } from "./dom.js";
import { displayName } from "./store.js";

/** @typedef {import("./types.js").Message} Message */

export class ReplyLine {
  /** @type {Message|null} */
  #message = null;

  constructor() {
    this.element = byId("replying");
  }

  /** @param {Message} message */
  set(message) {
    this.#message = message;
    this.element.replaceChildren(icon("reply"), el("span", {}, "Replying to ", el("b", {}, displayName(message.author))),
      iconButton("close", "Cancel reply", () => this.clear(), { class: "icon-button tiny" }));
  }

  clear() {
    this.#message = null;
    this.element.replaceChildren();
  }

  /** @returns {string|null} the id of the message to answer, once; only in its own channel @param {string} channel */
  take(channel) {
    const message = this.#message;
    this.clear();
    return message?.channel_id === channel ? message.id : null;
  }
}
