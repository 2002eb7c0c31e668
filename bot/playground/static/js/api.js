/** Everything that the page says to its server, and the stream of what it hears back. */

/** @typedef {import("./types.js").Choice} Choice */
/** @typedef {import("./types.js").SentEntry} SentEntry */
/** @typedef {Record<string, any>} Body */

const EVENTS = ["snapshot", "message_create", "message_update", "message_delete", "reaction", "modal", "interaction_done",
  "interaction_failed", "commands", "bot_state", "troubles"];
const FIRST_RETRY = 500;
const LAST_RETRY = 8000;

/** The server said no; the message is a sentence for the person. */
export class ApiError extends Error {}

/** @returns {string} unlike any other of this page */
export function newNonce() {
  return `${Date.now().toString(36)}${Math.floor(Math.random() * 2 ** 40).toString(36)}`;
}

export class Api {
  /** @param {string} user id of the person who acts; empty for whoever the server takes as the first */
  constructor(user) {
    this.user = user;
  }

  /**
   * Lets the person do something.
   * @param {Body} body @param {Record<string, File>} [files] by option name
   * @returns {Promise<any>} the server's answer; rejects with ApiError
   */
  async act(body, files = {}) {
    const form = new FormData();
    form.append("json", JSON.stringify(body));
    for (const [name, file] of Object.entries(files)) form.append(`file:${name}`, file, file.name);
    return ask(`/play/act?user=${encodeURIComponent(this.user)}`, { method: "POST", body: form });
  }

  /** @param {Body} body what to do with the bot or the engine */
  async control(body) {
    const headers = { "Content-Type": "application/json" };
    return ask("/play/control", { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** @param {number} after the last number already known @returns {Promise<{entries: SentEntry[], last: number}>} */
  async sent(after) {
    return ask(`/play/sent?after=${after}`);
  }
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
async function ask(path, init) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError("The playground's server cannot be reached. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok || answer.error) throw new ApiError(answer.error || `The server answered ${response.status}.`);
  return answer;
}

/**
 * The live stream for one person. It reconnects by itself; each connection begins with a snapshot.
 */
export class Stream {
  /** @param {(name: string, data: any) => void} hear @param {(connected: boolean) => void} connection */
  constructor(hear, connection) {
    this.hear = hear;
    this.connection = connection;
    this.retry = FIRST_RETRY;
    this.timer = 0;
    /** @type {EventSource|null} */
    this.source = null;
  }

  /** @param {string} user */
  open(user) {
    this.close();
    const source = new EventSource(`/play/events?user=${encodeURIComponent(user)}`);
    this.source = source;
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#receive(name, event));
    source.addEventListener("error", () => this.#lost(source));
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  /** @param {string} name @param {MessageEvent} event */
  #receive(name, event) {
    if (name === "snapshot") {
      this.retry = FIRST_RETRY;
      this.connection(true);
    }
    this.hear(name, JSON.parse(event.data));
  }

  /**
   * The browser retries by itself unless the server refused. Then this does, as whoever the server takes as the first:
   * a server that began anew does not know the people of the old one.
   * @param {EventSource} source
   */
  #lost(source) {
    if (source !== this.source) return;
    this.connection(false);
    if (source.readyState !== EventSource.CLOSED) return;
    this.timer = setTimeout(() => this.open(""), this.retry);
    this.retry = Math.min(this.retry * 2, LAST_RETRY);
  }
}
