/** The message list: new messages at the bottom, the scroll position kept for a reader further up. */

import { announce, byId, el, icon, iconButton } from "./dom.js";
import { plain } from "./markdown.js";
import { MessageView } from "./message.js";
import { displayName, isEphemeral, isThinking } from "./store.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./message.js").Surroundings} Surroundings */

const SAME_BREATH = 5 * 60_000;
const NEAR_END = 120;

export class MessageList {
  /** @type {Map<string, MessageView>} */
  views = new Map();

  /** @param {Store} store @param {Surroundings} around @param {() => Node} welcome what an empty channel says */
  constructor(store, around, welcome) {
    this.store = store;
    this.around = around;
    this.welcome = welcome;
    this.scroller = byId("scroller");
    this.list = byId("messages");
    this.pill = byId("to-end");
    this.atEnd = true;
    this.end = 0;
    this.pill.addEventListener("click", () => this.toEnd());
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.#walk(event));
    const follow = new ResizeObserver(() => this.atEnd && this.toEnd());
    follow.observe(this.list);
    follow.observe(this.scroller);
    this.#listen();
  }

  #listen() {
    this.store.addEventListener("snapshot", () => this.#redraw());
    this.store.addEventListener("channel", () => this.#redraw(true));
    this.store.addEventListener("message", (event) => this.#changed(/** @type {CustomEvent<Message>} */ (event).detail));
    this.store.addEventListener("state", () => this.#group());
    this.store.addEventListener("commands", () => this.#redraw());
    this.store.addEventListener("removed", (event) => this.#removed(/** @type {CustomEvent<Message>} */ (event).detail));
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.end = this.#end();
  }

  /** @returns {number} the largest scroll position */
  #end() {
    return this.scroller.scrollHeight - this.scroller.clientHeight;
  }

  /** @param {string} id @returns {boolean} whether the message is here */
  jump(id) {
    const element = this.views.get(id)?.element;
    element?.scrollIntoView({ block: "center" });
    element?.focus();
    element?.classList.add("found");
    setTimeout(() => element?.classList.remove("found"), 1600);
    return element !== undefined;
  }

  /**
   * A line for a pending interaction; it disappears after the response, or shows the error.
   * @param {string} who @param {string} what
   */
  pending(who, what) {
    const line = el("div", { class: "pending", data: { channel: this.store.channel } }, el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")),
      el("span", {}, `Sending ${who}’s ${what}`));
    const timer = setTimeout(() => this.list.append(line), 250);
    return {
      done: () => {
        clearTimeout(timer);
        line.remove();
      },
      /** @param {string} text */
      fail: (text) => {
        clearTimeout(timer);
        line.classList.add("failed");
        line.replaceChildren(icon("warn"), el("span", {}, el("b", {}, text), ` ${who}’s ${what}`), iconButton("close", "Dismiss", () => line.remove()));
        this.list.append(line);
        announce(text);
      },
    };
  }

  /** Draws what should be seen; views that are known stay as they are. @param {boolean} [fresh] */
  #redraw(fresh = false) {
    const shown = this.store.shown;
    const ids = new Set(shown.map((message) => message.id));
    for (const [id, view] of this.views) if (!ids.has(id)) this.#drop(id, view);
    const elements = shown.map((message) => this.#view(message).element);
    const lines = fresh ? [] : [...this.list.querySelectorAll(".pending")];
    this.list.replaceChildren(...elements, ...lines);
    this.#group();
    if (fresh || this.atEnd) this.toEnd();
  }

  /** @param {Message} message */
  #view(message) {
    const known = this.views.get(message.id);
    if (known) {
      known.update(message);
      return known;
    }
    const view = new MessageView(message, this.around);
    this.views.set(message.id, view);
    return view;
  }

  /** @param {Message} message */
  #changed(message) {
    if (message.channel_id !== this.store.channel || this.store.dismissed.has(message.id)) return;
    const known = this.views.get(message.id);
    const before = known?.message;
    const view = this.#view(message);
    if (!known) {
      this.#insert(view);
      this.#group();
    }
    this.#say(before, message);
    if (!this.atEnd && !known) this.pill.hidden = false;
  }

  /** Ids grow with time, so a late message still finds its place. @param {MessageView} view */
  #insert(view) {
    const id = BigInt(view.message.id);
    const later = [...this.list.querySelectorAll(".message")].find((element) =>
      BigInt(/** @type {HTMLElement} */ (element).dataset.id ?? "0") > id);
    this.list.insertBefore(view.element, later ?? this.list.querySelector(".pending"));
  }

  /** @param {Message|undefined} before @param {Message} message */
  #say(before, message) {
    const who = displayName(message.author);
    if (!before) announce(isThinking(message) ? `${who} is thinking.` : `${who}${isEphemeral(message) ? ", to you only" : ""}: ${summary(message, this.around.names)}`);
    else if (isThinking(before) !== isThinking(message) || controls(before) !== controls(message)) {
      announce(`${who}: ${summary(message, this.around.names)}`);
    }
  }

  /** @param {Message} message */
  #removed(message) {
    const view = this.views.get(message.id);
    if (!view) return;
    this.#drop(message.id, view);
    this.#group();
  }

  /** @param {string} id @param {MessageView} view */
  #drop(id, view) {
    this.views.delete(id);
    view.element.remove();
    if (!this.store.messages.has(id)) view.forget();
  }

  /** Consecutive messages of one author share a heading; an empty channel shows the welcome. */
  #group() {
    /** @type {MessageView|undefined} */
    let last;
    for (const element of this.list.querySelectorAll(".message")) {
      const view = this.views.get(/** @type {HTMLElement} */ (element).dataset.id ?? "");
      if (!view) continue;
      element.classList.toggle("continued", follows(last?.message, view.message));
      last = view;
    }
    this.list.querySelector(".welcome")?.remove();
    if (!last) this.list.prepend(this.welcome());
  }

  #scrolled() {
    const end = this.#end();
    // What grew in this frame moved the end, not the reader; the ResizeObserver has not followed yet.
    if (this.atEnd && end !== this.end) return;
    this.atEnd = end - this.scroller.scrollTop < NEAR_END;
    if (this.atEnd) this.pill.hidden = true;
  }

  /** Page up and down walk from message to message. @param {KeyboardEvent} event */
  #walk(event) {
    const move = { PageDown: 1, PageUp: -1 }[event.key];
    if (!move) return;
    const all = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(".message")]);
    const at = all.findIndex((element) => element.contains(document.activeElement));
    const next = all[at < 0 ? all.length - 1 : Math.min(Math.max(at + move, 0), all.length - 1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
}

/** @param {Message|undefined} before @param {Message} message */
function follows(before, message) {
  return before !== undefined && before.author.id === message.author.id && !message.interaction && !message.interaction_metadata
    && !message.message_reference && isEphemeral(before) === isEphemeral(message)
    && Date.parse(message.timestamp) - Date.parse(before.timestamp) < SAME_BREATH;
}

/** @param {Message} message which buttons it has: they change when the work is done */
function controls(message) {
  return JSON.stringify((message.components ?? []).map((row) => (row.components ?? []).map((each) => each.custom_id)));
}

/** @param {Message} message @param {import("./markdown.js").Names} names */
function summary(message, names) {
  const embed = message.embeds?.[0];
  const pictures = (message.attachments?.length ?? 0) + (message.embeds ?? []).filter((each) => each.image).length;
  const words = [message.content, embed?.title, embed?.description].filter(Boolean).map((text) => plain(text ?? "", names)).join(". ").slice(0, 200);
  return [words, pictures ? (pictures === 1 ? "one image" : `${pictures} images`) : ""].filter(Boolean).join("; ") || "a message";
}
