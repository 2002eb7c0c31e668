/** Where one writes: plain words, a command on one line, or a command as a form. */

import { byId, el } from "./dom.js";
import { completionAt, parseLine, resolve, writeLine, ATTACHMENT, BOOLEAN } from "./commandline.js";
import { OptionForm } from "./form.js";
import { Menu } from "./menu.js";

/** @typedef {import("./types.js").Command} Command */
/** @typedef {import("./types.js").Choice} Choice */
/** @typedef {import("./types.js").Option} Option */
/** @typedef {import("./types.js").OptionValue} OptionValue */
/**
 * @typedef {{say: (content: string) => Promise<void>, suggest: (command: Command, options: Record<string, OptionValue>, focused: string) => Promise<Choice[]>,
 *   run: (command: Command, values: Record<string, OptionValue>, files: Record<string, File>) => void}} Actions
 */

const REMEMBERED = 50;
const LINES = "dreambot.lines";

export class Composer {
  /** @type {OptionForm|null} */
  form = null;
  /** How far back in what was sent; 0 is the line being written. */
  #back = 0;
  #asked = 0;

  /** @param {import("./store.js").Store} store @param {Actions} actions */
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.element = /** @type {HTMLFormElement} */ (byId("composer"));
    this.line = /** @type {HTMLTextAreaElement} */ (byId("line"));
    this.slot = byId("composer-form");
    this.hint = byId("hint");
    this.complaint = byId("complaint");
    this.menu = new Menu(this.line, "Commands and options");
    byId("composer-menu").append(this.menu.element);
    this.lines = recall();
    this.#listen();
  }

  #listen() {
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.line.addEventListener("input", () => this.#typed());
    this.line.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("paste", (event) => this.#files(event, event.clipboardData));
    this.element.addEventListener("drop", (event) => this.#files(event, event.dataTransfer));
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.store.addEventListener("commands", () => this.#typed());
  }

  focus() {
    if (this.form) this.form.focus();
    else this.line.focus();
  }

  /** @param {string} text puts a line in place of what is there */
  write(text) {
    this.#closeForm();
    this.line.value = text;
    this.line.focus();
    this.#typed();
  }

  submit() {
    if (this.form) this.#submitForm(this.form);
    else this.#submitLine();
  }

  /** @param {OptionForm} form */
  #submitForm(form) {
    const read = form.read();
    if (!read) return;
    this.#remember(writeLine(form.command, form.given));
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
    if (line.stray) errors.unshift({ name: "", text: `/${line.command.name} has no place for “${line.stray}”.` });
    if (errors.length) return this.#complain(errors[0].text);
    this.#remember(text.trim());
    this.#clear();
    return this.actions.run(line.command, values, {});
  }

  /** @param {string} content */
  async #say(content) {
    this.#clear();
    try {
      await this.actions.say(content);
      this.#remember(content);
    } catch (error) {
      this.line.value ||= content;
      this.#complain(error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {string} name */
  #unknown(name) {
    const names = this.store.commands.map((command) => `/${command.name}`);
    return names.length ? `There is no command /${name}. There is ${names.join(", ")}.` : "The bot has registered no commands yet.";
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
    this.#complain("");
    this.#back = 0;
    this.#drawHint();
    void this.#suggest();
  }

  /** Shows how the line is understood while it is being written. */
  #drawHint() {
    const line = parseLine(this.line.value, this.store.commands);
    if (line.kind !== "command") return this.hint.replaceChildren();
    const { errors } = resolve(line.command, line.given);
    const bad = new Map(errors.map(({ name, text }) => [name, text]));
    const pieces = Object.entries(line.given).map(([name, text]) =>
      el("span", { class: bad.has(name) ? "piece bad" : "piece", title: bad.get(name) }, el("b", {}, name), ` ${text}`));
    const free = line.command.options.filter((option) => !(option.name in line.given)).map((option) => option.name);
    if (!pieces.length) pieces.push(el("span", { class: "quiet" }, line.command.description));
    if (free.length) pieces.push(el("button", { type: "button", class: "text-button", on: { click: () => this.#openForm(line.command, line.given) } },
      `${free.length} more ${free.length === 1 ? "option" : "options"}`));
    return this.hint.replaceChildren(...pieces);
  }

  async #suggest() {
    const turn = ++this.#asked;
    const completion = completionAt(this.line.value, this.line.selectionStart, this.store.commands);
    if (!completion) return this.menu.hide();
    if (completion.kind === "command") return this.menu.show(this.#commandItems(completion.typed), true);
    if (completion.kind === "option") return this.menu.show(this.#optionItems(completion), false);
    const choices = await this.#choices(completion).catch(() => []);
    if (turn !== this.#asked) return undefined;
    return this.menu.show(choices.map((choice) => ({ name: choice.name, pick: () => this.#replace(completion, `${writeValue(choice)} `) })), false);
  }

  /** @param {string} typed */
  #commandItems(typed) {
    const low = typed.trimEnd().toLowerCase();
    const known = this.store.commands.filter((command) => command.name.toLowerCase().includes(low));
    known.sort((a, b) => Number(b.name.startsWith(low)) - Number(a.name.startsWith(low)) || a.name.localeCompare(b.name));
    return known.map((command) => ({ name: `/${command.name}`, detail: command.description, pick: () => this.#openForm(command, {}) }));
  }

  /** @param {Extract<import("./commandline.js").Completion, {kind: "option"}>} completion */
  #optionItems(completion) {
    const line = parseLine(this.line.value, this.store.commands);
    const given = line.kind === "command" ? line.given : {};
    return completion.command.options.filter((option) => !(option.name in given) && option.name.startsWith(completion.typed.toLowerCase()))
      .map((option) => ({ name: `${option.name}:`, detail: option.description, mark: option.required ? "required" : "",
        pick: () => option.type === ATTACHMENT ? this.#openForm(completion.command, given) : this.#replace(completion, `${option.name}:`) }));
  }

  /** @param {Extract<import("./commandline.js").Completion, {kind: "value"}>} completion @returns {Promise<Choice[]>} */
  async #choices({ command, option, typed }) {
    const fixed = option.type === BOOLEAN ? [{ name: "true", value: "true" }, { name: "false", value: "false" }] : option.choices;
    if (fixed?.length) return fixed.filter((choice) => choice.name.toLowerCase().includes(typed.toLowerCase()));
    const line = parseLine(this.line.value, this.store.commands);
    return this.#ask(command, line.kind === "command" ? line.given : {}, option, typed);
  }

  /** @param {Command} command @param {Record<string, string>} given @param {Option} option @param {string} typed */
  #ask(command, given, option, typed) {
    const { values } = resolve(command, { ...given, [option.name]: "" });
    return this.actions.suggest(command, { ...values, [option.name]: typed }, option.name);
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
      suggest: (of, so, option, typed) => this.#ask(of, so, option, typed),
    });
    this.menu.hide();
    this.hint.replaceChildren();
    this.#complain("");
    this.slot.replaceChildren(this.form.element, this.form.complaint);
    this.element.classList.add("as-form");
    this.form.focus();
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
    this.hint.replaceChildren();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || this.menu.key(event)) return;
    const single = !this.line.value.includes("\n");
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Tab" && !event.shiftKey && this.#tabOpens()) event.preventDefault();
    else if (event.key === "ArrowUp" && single && (this.#back > 0 || !this.line.value)) this.#recall(event, 1);
    else if (event.key === "ArrowDown" && single && this.#back > 0) this.#recall(event, -1);
    else if (event.key === "Escape" && this.line.value) this.#clear();
  }

  /** Tab turns a recognised line into a form. */
  #tabOpens() {
    const line = parseLine(this.line.value, this.store.commands);
    if (line.kind !== "command") return false;
    this.#openForm(line.command, line.given);
    return true;
  }

  /** @param {KeyboardEvent} event @param {number} step */
  #recall(event, step) {
    const back = Math.min(Math.max(this.#back + step, 0), this.lines.length);
    event.preventDefault();
    this.line.value = back ? this.lines[this.lines.length - back] : "";
    this.#drawHint();
    this.menu.hide();
    this.#back = back;
  }

  /** @param {string} line */
  #remember(line) {
    this.lines = [...this.lines.filter((each) => each !== line), line].slice(-REMEMBERED);
    sessionStorage.setItem(LINES, JSON.stringify(this.lines));
  }

  /** @param {Event} event @param {DataTransfer|null} data */
  #files(event, data) {
    const file = [...(data?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (!file) return;
    event.preventDefault();
    if (!this.form) {
      const line = parseLine(this.line.value, this.store.commands);
      const command = line.kind === "command" ? line.command
        : this.store.commands.find((each) => each.options.some((option) => option.type === ATTACHMENT));
      if (!command) return void this.#complain("No command here takes a picture.");
      this.#openForm(command, line.kind === "command" ? line.given : {});
    }
    if (!this.form?.take(file)) this.#complain("This command takes no picture.");
  }
}

/** @param {Choice} choice */
function writeValue(choice) {
  const text = String(choice.value);
  return /\s/.test(text) ? `"${text}"` : text;
}

/** @returns {string[]} */
function recall() {
  const stored = JSON.parse(sessionStorage.getItem(LINES) ?? "[]");
  return Array.isArray(stored) ? stored.map(String) : [];
}
