/** The input: a message, a command on one line, or a command as a form. */

import { byId, el, grow } from "./dom.js";
import { ATTACHMENT, parseLine, resolve, writeLine } from "./command_line.js";
import { OptionForm } from "./form.js";
import { Menu } from "./menu.js";
import { InputHistory } from "./input_history.js";
import { ReplyLine } from "./reply.js";
import { askFor, suggest } from "./suggestions.js";

/** @typedef {import("./types.js").Command} Command */
/** @typedef {import("./types.js").OptionValue} OptionValue */
/**
 * @typedef {{say: (content: string, answered: string|null) => Promise<void>, autocomplete: import("./suggestions.js").Autocomplete,
 *   run: (command: Command, values: Record<string, OptionValue>, files: Record<string, File>) => void}} Actions
 */

export class Composer {
  /** @type {OptionForm|null} */
  form = null;
  history = new InputHistory();
  replying = new ReplyLine();
  #asked = 0;

  /** @param {import("./store.js").Store} store @param {Actions} actions */
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.element = /** @type {HTMLFormElement} */ (byId("composer"));
    this.line = /** @type {HTMLTextAreaElement} */ (byId("line"));
    this.send = /** @type {HTMLButtonElement} */ (this.element.querySelector(".send"));
    this.slot = byId("composer-form");
    this.hint = byId("hint");
    this.complaint = byId("complaint");
    this.menu = new Menu(this.line, "Commands and options");
    byId("composer-menu").append(this.menu.element);
    this.#listen();
  }

  #listen() {
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.line.addEventListener("input", () => this.#typed());
    this.line.addEventListener("keydown", (event) => this.#key(event));
    this.send.addEventListener("keydown", (event) => event.key === "Escape" && this.form && this.#leaveForm());
    this.element.addEventListener("paste", (event) => this.#files(event, event.clipboardData));
    this.element.addEventListener("drop", (event) => this.#files(event, event.dataTransfer));
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.store.addEventListener("commands", () => this.#typed());
    for (const name of ["snapshot", "channel"]) this.store.addEventListener(name, () => this.#elsewhere());
  }

  /** Parses the line again, because another person or channel has other commands. */
  #elsewhere() {
    this.#drawHint();
    if (!this.form && (this.menu.open || document.activeElement === this.line)) void this.#suggest();
  }

  /** Focuses the line or the form. Without a field the send button gets the focus, so that Enter sends the command. */
  focus() {
    if (!this.form) this.line.focus();
    else if (!this.form.focus()) this.send.focus();
  }

  /** @param {string} text puts a line in place of what is there */
  write(text) {
    this.#closeForm();
    this.line.value = text;
    this.line.focus();
    this.#typed();
  }

  /** @param {import("./types.js").Message} message the one that the next words answer */
  answer(message) {
    this.replying.set(message);
    this.focus();
  }

  submit() {
    if (this.form) this.#submitForm(this.form);
    else this.#submitLine();
  }

  /** @param {OptionForm} form */
  #submitForm(form) {
    const read = form.read();
    if (!read) return;
    this.history.remember(writeLine(form.command, form.given));
    this.#closeForm();
    this.line.focus();
    this.actions.run(form.command, read.values, read.files);
  }

  #submitLine() {
    const text = this.line.value;
    const line = parseLine(text, this.store.commands);
    if (line.kind === "say") return void (line.content && this.#say(line.content));
    if (line.kind === "unknown") return this.#complain(this.#unknown(line.name));
    const { values, errors } = resolve(line.command, line.given);
    if (line.stray) errors.unshift({ name: "", text: `/${line.command.name} takes no option “${line.stray}”.` });
    if (errors.length) return this.#complain(errors[0].text);
    this.history.remember(text.trim());
    this.#clear();
    return this.actions.run(line.command, values, {});
  }

  /** @param {string} content */
  async #say(content) {
    this.#clear();
    try {
      await this.actions.say(content, this.replying.take(this.store.channel));
      this.history.remember(content);
    } catch (error) {
      this.line.value ||= content;
      this.#complain(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {string} name */
  #unknown(name) {
    const names = this.store.commands.map((command) => `/${command.name}`);
    if (!names.length) return "The bot has registered no commands yet.";
    const group = names.filter((each) => each.startsWith(`/${name} `));
    if (group.length) return `/${name} needs one more word: ${group.join(", ")}.`;
    return `There is no command /${name}. Type / to see them all.`;
  }

  /** @param {string} text */
  #complain(text) {
    this.complaint.textContent = text;
    this.line.setAttribute("aria-invalid", text ? "true" : "false");
  }

  #clear() {
    this.line.value = "";
    this.#typed();
  }

  #typed() {
    grow(this.line);
    this.#complain("");
    this.history.back = 0;
    this.#drawHint();
    if (!this.form) void this.#suggest();
  }

  /** Shows how the line is parsed while the person types. */
  #drawHint() {
    const line = parseLine(this.line.value, this.store.commands);
    if (line.kind !== "command" || this.form) return this.hint.replaceChildren();
    const { errors } = resolve(line.command, line.given);
    const bad = new Map(errors.map(({ name, text }) => [name, text]));
    const pieces = Object.entries(line.given).map(([name, text]) =>
      el("span", { class: bad.has(name) ? "piece bad" : "piece", title: bad.get(name) }, el("b", {}, name), ` ${text}`));
    const free = line.command.options.filter((option) => !(option.name in line.given));
    const more = el("button", { type: "button", class: "text-button", on: { click: () => this.#openForm(line.command, line.given) } },
      `${free.length} more ${free.length === 1 ? "option" : "options"}`);
    return this.hint.replaceChildren(...(pieces.length ? pieces : [el("span", { class: "quiet" }, line.command.description)]),
      ...(free.length ? [more] : []));
  }

  async #suggest() {
    const turn = ++this.#asked;
    const asked = this.line.value.length;
    const { items, preselect } = await suggest(this.line.value, this.line.selectionStart, this.store.commands, {
      // What was typed since then belongs to the same word: the list stays until the next one arrives.
      replace: ({ from, to }, text) => this.#replace({ from, to: to + Math.max(0, this.line.value.length - asked) }, text),
      form: (command, given) => this.#openForm(command, given),
      run: (command) => this.#runBare(command),
      autocomplete: this.actions.autocomplete,
    });
    if (turn === this.#asked && !this.form) this.menu.show(items, preselect);
  }

  /** @param {Command} command one that has no options */
  #runBare(command) {
    this.line.value = `/${command.name}`;
    this.#submitLine();
  }

  /** @param {{from: number, to: number}} range @param {string} text */
  #replace({ from, to }, text) {
    this.line.setRangeText(text, from, to, "end");
    this.line.focus();
    this.#typed();
  }

  /** @param {Command} command @param {Record<string, string>} given */
  #openForm(command, given) {
    this.form = new OptionForm(command, given, {
      leave: () => this.#leaveForm(),
      submit: () => this.submit(),
      suggest: (of, so, option, typed) => askFor(this.actions.autocomplete, of, so, option, typed),
    });
    this.menu.hide();
    this.#drawHint();
    this.#complain("");
    this.slot.replaceChildren(this.form.element, this.form.complaint);
    this.element.classList.add("as-form");
    this.focus();
  }

  #leaveForm() {
    const text = this.form ? writeLine(this.form.command, this.form.given) : "";
    const bare = this.form ? `/${this.form.command.name}` : "";
    this.write(text === bare ? "" : text);
  }

  #closeForm() {
    this.form = null;
    this.slot.replaceChildren();
    this.element.classList.remove("as-form");
    this.line.value = "";
    this.#typed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || this.menu.key(event)) return;
    const single = !this.line.value.includes("\n");
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Tab" && !event.shiftKey && this.#tabOpens()) event.preventDefault();
    else if (event.key === "Escape") this.replying.clear();
    else if (event.key === "ArrowUp" && single && (this.history.back > 0 || !this.line.value)) this.#recall(event, 1);
    else if (event.key === "ArrowDown" && single && this.history.back > 0) this.#recall(event, -1);
  }

  /** Tab turns a recognised line into a form. */
  #tabOpens() {
    const line = parseLine(this.line.value, this.store.commands);
    if (line.kind !== "command" || !line.command.options.length) return false;
    this.#openForm(line.command, line.given);
    return true;
  }

  /** @param {KeyboardEvent} event @param {1|-1} step */
  #recall(event, step) {
    event.preventDefault();
    this.line.value = this.history.go(step);
    this.#complain("");
    this.#drawHint();
    this.menu.hide();
  }

  /** A pasted or dropped picture opens the form of the command that takes one. @param {Event} event @param {DataTransfer|null} data */
  #files(event, data) {
    const file = [...(data?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    if (!this.form) {
      const line = parseLine(this.line.value, this.store.commands);
      const command = line.kind === "command" ? line.command
        : this.store.commands.find((each) => each.options.some((option) => option.type === ATTACHMENT));
      if (!command) return void this.#complain("No command here takes an image.");
      this.#openForm(command, line.kind === "command" ? line.given : {});
    }
    if (!this.form?.take(file)) this.#complain("This command takes no image.");
  }
}
