/** Requests to the page's server, and the stream of events from it. */

/** @typedef {import("./types.js").Choice} Choice */
/** @typedef {import("./types.js").RequestEntry} RequestEntry */
/** @typedef {Record<string, any>} Body */

const EVENTS = ["snapshot", "message_create", "message_update", "message_delete", "reaction", "modal", "interaction_done",
  "interaction_failed", "commands", "bot_state", "faults"];
const FIRST_RETRY = 500;
const LAST_RETRY = 8000;

/** The server refused a request; the message is a sentence for the person. */
export class ApiError extends Error {
  /** @param {string} text @param {number} status of the response; 0 without one */
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

/** @returns {string} a unique id for one request */
export function newNonce() {
  return `${Date.now().toString(36)}${Math.floor(Math.random() * 2 ** 40).toString(36)}`;
}

export class Api {
  /** @param {string} user id of the acting person; empty for the server's first one */
  constructor(user) {
    this.user = user;
  }

  /**
   * Carries out an act of the person.
   * @param {Body} body @param {Record<string, File>} [files] by option name
   * @returns {Promise<any>} the server's answer; rejects with ApiError
   */
  async act(body, files = {}) {
    const form = new FormData();
    form.append("json", JSON.stringify(body));
    for (const [name, file] of Object.entries(files)) form.append(`file:${name}`, file, file.name);
    return ask(`/api/act?user=${encodeURIComponent(this.user)}`, { method: "POST", body: form });
  }

  /** @param {Body} body what to do with the bot or the engine */
  async control(body) {
    const headers = { "Content-Type": "application/json" };
    return ask("/api/control", { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** @param {number} after the last number that the page has @returns {Promise<{entries: RequestEntry[], last: number}>} */
  async requests(after) {
    return ask(`/api/requests?after=${after}`);
  }
}

/** @param {string} path @param {RequestInit} [init] @returns {Promise<any>} */
async function ask(path, init) {
  /** @type {Response} */
  let response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError("The playground cannot be reached. Is it still running?", 0);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok || answer.error) throw new ApiError(answer.error || `The server answered ${response.status}.`, response.status);
  return answer;
}

/**
 * The event stream of one person. It reconnects by itself; each connection begins with a snapshot.
 */
export class Stream {
  /**
   * @param {(name: string, data: any) => void} receive
   * @param {(problem: string) => void} connection gets a sentence after a loss, "" after a connection
   */
  constructor(receive, connection) {
    this.receive = receive;
    this.connection = connection;
    this.retry = FIRST_RETRY;
    this.timer = 0;
    /** @type {EventSource|null} */
    this.source = null;
  }

  /** @param {string} user */
  open(user) {
    this.close();
    const source = new EventSource(`/api/events?user=${encodeURIComponent(user)}`);
    this.source = source;
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#receive(name, event));
    source.addEventListener("error", () => void this.#lost(source));
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
      this.connection("");
    }
    this.receive(name, JSON.parse(event.data));
  }

  /**
   * The browser retries by itself unless the server refused. After a refusal this retries as the server's first person,
   * because a restarted server has other people.
   * @param {EventSource} source
   */
  async #lost(source) {
    if (source !== this.source) return;
    this.connection("The connection is lost. Trying again…");
    if (source.readyState !== EventSource.CLOSED) return;
    const refused = await ask("/api/requests").then(() => null, (/** @type {ApiError} */ error) => error);
    if (source !== this.source) return;
    if (refused?.status === 403) this.connection(refused.message);
    this.timer = setTimeout(() => this.open(""), this.retry);
    this.retry = Math.min(this.retry * 2, LAST_RETRY);
  }
}
