/** Pending interactions: each ends with "done" or with an error sentence. */

import { ApiError, newNonce } from "./api.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./api.js").Api} Api */
/** @typedef {{resolve: () => void, reject: (error: Error) => void, timer: number}} Waiting */

const PATIENCE = 20_000;
const NO_ANSWER = "The application did not respond.";

export class Interactions {
  /** @type {Map<string, Waiting>} */
  #waiting = new Map();

  /** @param {Store} store @param {() => Api} api of the person who acts now */
  constructor(store, api) {
    this.store = store;
    this.api = api;
    store.addEventListener("done", (event) => this.#settle(/** @type {CustomEvent} */ (event).detail));
    store.addEventListener("modal", (event) => this.#settle(/** @type {CustomEvent} */ (event).detail));
    store.addEventListener("failed", (event) => this.#settle(/** @type {CustomEvent} */ (event).detail, true));
  }

  /**
   * Sends one interaction and waits for the bot's response.
   * @param {Record<string, any>} body without nonce and channel @param {Record<string, File>} [files]
   * @returns {Promise<void>} rejects with ApiError, whose message is for the person
   */
  async send(body, files = {}) {
    const nonce = newNonce();
    const answered = this.#wait(nonce);
    answered.catch(() => {}); // the response may arrive before the request returns; the caller gets the error below
    try {
      await this.api().act({ channel: this.store.channel, ...body, nonce }, files);
    } catch (error) {
      this.#settle({ nonce, text: error instanceof Error ? error.message : NO_ANSWER }, true);
    }
    return answered;
  }

  /** Drops all pending interactions, after the person has changed. */
  forget() {
    for (const nonce of [...this.#waiting.keys()]) this.#settle({ nonce });
  }

  /** @param {string} nonce @returns {Promise<void>} */
  #wait(nonce) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle({ nonce, text: NO_ANSWER }, true), PATIENCE);
      this.#waiting.set(nonce, { resolve, reject, timer });
    });
  }

  /** @param {{nonce?: string, text?: string}} answer @param {boolean} [failed] */
  #settle(answer, failed = false) {
    const waiting = this.#waiting.get(answer.nonce ?? "");
    if (!waiting) return;
    clearTimeout(waiting.timer);
    this.#waiting.delete(answer.nonce ?? "");
    if (failed) waiting.reject(new ApiError(answer.text || NO_ANSWER, 0));
    else waiting.resolve();
  }
}

/**
 * Disables a control until the bot has responded.
 * @param {HTMLElement} control @param {Promise<void>} answer
 */
export async function busy(control, answer) {
  control.setAttribute("aria-busy", "true");
  try {
    await answer;
  } finally {
    control.removeAttribute("aria-busy");
  }
}
