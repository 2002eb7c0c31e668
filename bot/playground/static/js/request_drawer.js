/** The drawer: the bot's requests with the mistakes in them, and the switches that inject faults. */

import { byId, el } from "./dom.js";

/** @typedef {import("./types.js").RequestEntry} RequestEntry */
/** @typedef {import("./types.js").Fault} Fault */
/** @typedef {import("./api.js").Api} Api */

const OPEN_PAUSE = 1200;
const CLOSED_PAUSE = 5000;
const KEPT = 300;

export class RequestDrawer {
  last = 0;
  findings = 0;
  #timer = 0;

  /** @param {() => Api} api @param {(body: Record<string, unknown>) => Promise<void>} control */
  constructor(api, control) {
    this.api = api;
    this.control = control;
    this.drawer = byId("drawer");
    this.list = byId("sent-list");
    this.empty = byId("sent-empty");
    this.only = /** @type {HTMLInputElement} */ (byId("only-findings"));
    this.button = byId("open-drawer");
    this.count = byId("finding-count");
    this.button.addEventListener("click", () => this.toggle());
    byId("close-drawer").addEventListener("click", () => this.toggle());
    this.only.addEventListener("change", () => this.list.classList.toggle("only-findings", this.only.checked));
    this.drawer.addEventListener("keydown", (event) => event.key === "Escape" && this.toggle());
    void this.#poll();
  }

  toggle() {
    const open = Boolean(this.drawer.hidden);
    this.drawer.hidden = !open;
    document.body.classList.toggle("drawer-open", open);
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.list.scrollTop = this.list.scrollHeight;
    if (open) byId("close-drawer").focus();
    else this.button.focus();
    void this.#poll();
  }

  /** @param {Fault[]} faults */
  showFaults(faults) {
    const box = byId("faults");
    box.hidden = !faults.length;
    const known = new Map([...box.querySelectorAll("[data-fault]")].map((each) => [/** @type {HTMLElement} */ (each).dataset.fault, each]));
    if (known.size !== faults.length || faults.some((fault) => !known.has(fault.id))) {
      byId("fault-list").replaceChildren(...faults.filter((fault) => !fault.once).map((fault) => this.#switch(fault)));
      byId("fault-once").replaceChildren(...faults.filter((fault) => fault.once).map((fault) => this.#button(fault)));
    } else for (const fault of faults) /** @type {HTMLInputElement} */ (known.get(fault.id)).checked = fault.on;
    const on = faults.filter((fault) => fault.on).length;
    byId("fault-count").textContent = on ? `${on} on` : "";
  }

  /** @param {Fault} fault injected a single time per press */
  #button(fault) {
    const press = () => void this.control({ do: "fault", id: fault.id, on: true });
    return el("button", { type: "button", class: "button quiet-button", title: fault.help, data: { fault: fault.id }, on: { click: press } }, fault.label);
  }

  /** @param {Fault} fault */
  #switch(fault) {
    const box = el("input", { type: "checkbox", role: "switch", checked: fault.on, data: { fault: fault.id } });
    box.addEventListener("change", () => void this.control({ do: "fault", id: fault.id, on: box.checked }));
    return el("label", { class: "switch", title: fault.help }, box, el("span", {}, fault.label));
  }

  async #poll() {
    clearTimeout(this.#timer);
    try {
      const { entries, last } = document.hidden ? { entries: [], last: this.last } : await this.api().requests(this.last);
      if (last < this.last) this.#restart();
      else this.#take(entries, last);
    } catch {
      // The banner above the messages says that the server is away.
    }
    this.#timer = setTimeout(() => void this.#poll(), this.drawer.hidden ? CLOSED_PAUSE : OPEN_PAUSE);
  }

  /** The server has restarted, so the list starts again. */
  #restart() {
    this.last = this.findings = 0;
    this.list.replaceChildren();
    this.#drawCount();
  }

  /** @param {RequestEntry[]} entries @param {number} last */
  #take(entries, last) {
    const news = entries.filter((entry) => entry.n > this.last);
    if (!news.length) return;
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 60;
    this.last = last;
    this.findings += news.reduce((sum, entry) => sum + entry.findings.length, 0);
    this.list.append(...news.map(drawEntry));
    while (this.list.childElementCount > KEPT) this.list.firstElementChild?.remove();
    this.empty.hidden = true;
    this.#drawCount();
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  #drawCount() {
    this.count.textContent = this.findings ? String(this.findings) : "";
    this.count.hidden = !this.findings;
    this.button.title = this.findings ? `What the bot sent: ${this.findings} ${this.findings === 1 ? "mistake" : "mistakes"}` : "What the bot sent";
  }
}

/** @param {RequestEntry} entry */
function drawEntry(entry) {
  const bad = entry.findings.length > 0;
  const time = new Date(entry.at * 1000).toLocaleTimeString(undefined, { hour12: false });
  const took = entry.seconds === undefined || entry.seconds === null ? "" : ` · ${Math.round(entry.seconds * 1000)} ms`;
  const body = entry.body === undefined || entry.body === null || entry.body === "" ? null
    : el("pre", { tabindex: "0" }, el("code", {}, typeof entry.body === "string" ? entry.body : JSON.stringify(entry.body, null, 2)));
  return el("li", { class: bad ? "sent bad" : "sent" }, el("details", { open: bad },
    el("summary", {}, el("span", { class: entry.status >= 400 && !entry.note ? "status bad" : "status" }, entry.status),
      el("span", { class: "method" }, entry.method), el("span", { class: "route", title: entry.route }, shortIds(entry.route)),
      el("span", { class: "when" }, `${time}${took}`)),
    ...entry.findings.map((finding) => el("p", { class: "finding" }, finding)), entry.note ? el("p", { class: "quiet note" }, entry.note) : "", body ?? el("p", { class: "quiet" }, "No body.")));
}

/** Ids are long and differ at their ends. @param {string} route */
function shortIds(route) {
  return route.replace(/\d{12,}(\d{4})/g, "…$1");
}
