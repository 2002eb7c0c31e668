/** A command as a form: a wide input for the main text, and chips for the other options. */

import { el, icon } from "./dom.js";
import { ATTACHMENT, mainOption, resolve } from "./command_line.js";
import { Field, chip } from "./fields.js";

/** @typedef {import("./types.js").Command} Command */
/** @typedef {import("./types.js").Option} Option */
/** @typedef {import("./types.js").OptionValue} OptionValue */
/**
 * @typedef {{leave: () => void, submit: () => void, suggest: (command: Command, given: Record<string, string>, option: Option, typed: string) =>
 *   Promise<import("./types.js").Choice[]>}} Outside
 */

export class OptionForm {
  /** @type {Map<string, Field>} the options that are there, in the command's order of adding */
  fields = new Map();

  /** @param {Command} command @param {Record<string, string>} given @param {Outside} outside */
  constructor(command, given, outside) {
    this.command = command;
    this.outside = outside;
    this.main = mainOption(command);
    this.chips = el("div", { class: "chips" });
    this.adders = el("div", { class: "adders", role: "group", "aria-label": "Add an option" });
    this.complaint = el("p", { class: "complaint", role: "alert" });
    const name = el("button", { type: "button", class: "command-name", "aria-label": `Close the form of /${command.name}`, title: "Back to plain text (Esc)",
      on: { click: () => outside.leave() } }, `/${command.name}`, icon("close"));
    this.element = el("div", { class: "option-form" }, el("div", { class: "option-main" }, name, this.#mainField(),
      !this.main && el("span", { class: "quiet" }, command.description)), this.chips, this.adders);
    for (const option of command.options) if (this.#isShown(option, given)) this.#add(option);
    for (const [option, field] of this.fields) field.text = given[option] ?? field.text;
    this.#drawAdders();
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @returns {Record<string, string>} what has been typed so far */
  get given() {
    return Object.fromEntries([...this.fields].map(([name, field]) => [name, field.text]).filter(([, text]) => text));
  }

  /** @returns {Record<string, File>} */
  get files() {
    return Object.fromEntries([...this.fields].flatMap(([name, field]) => field.file ? [[name, field.file]] : []));
  }

  /** @returns {{values: Record<string, OptionValue>, files: Record<string, File>}|null} null when something is wrong, which is then said */
  read() {
    const { values, errors } = resolve(this.command, this.given, this.files);
    for (const field of this.fields.values()) field.input.removeAttribute("aria-invalid");
    for (const { name } of errors) this.fields.get(name)?.input.setAttribute("aria-invalid", "true");
    this.complaint.textContent = errors[0]?.text ?? "";
    if (errors[0]) this.fields.get(errors[0].name)?.input.focus();
    return errors.length ? null : { values, files: this.files };
  }

  /** Focuses the first field. @returns {boolean} false without a field */
  focus() {
    const target = this.fields.values().next().value?.input;
    target?.focus();
    if (target instanceof HTMLTextAreaElement) target.setSelectionRange(target.value.length, target.value.length);
    return Boolean(target);
  }

  /** A dropped or pasted file goes to the first file option. @param {File} file @returns {boolean} */
  take(file) {
    const option = this.command.options.find((each) => each.type === ATTACHMENT);
    if (!option) return false;
    const field = this.fields.get(option.name) ?? this.#add(option);
    field.take(file);
    this.#drawAdders();
    return true;
  }

  #mainField() {
    if (!this.main) return null;
    const field = this.#field(this.main, true);
    this.fields.set(this.main.name, field);
    return field.input;
  }

  /** @param {Option} option @param {Record<string, string>} given */
  #isShown(option, given) {
    return option.name !== this.main?.name && (option.required || option.name in given);
  }

  /** @param {Option} option @param {boolean} wide */
  #field(option, wide) {
    return new Field(option, (each, typed) => this.outside.suggest(this.command, this.given, each, typed), wide);
  }

  /** @param {Option} option @returns {Field} */
  #add(option) {
    const field = this.#field(option, false);
    this.fields.set(option.name, field);
    const box = chip(field, option.required ? null : () => {
      this.fields.delete(option.name);
      box.remove();
      this.#drawAdders();
      this.focus();
    });
    this.chips.append(box);
    return field;
  }

  #drawAdders() {
    const missing = this.command.options.filter((option) => !this.fields.has(option.name));
    this.adders.replaceChildren(...missing.map((option) => el("button", { type: "button", class: "adder", title: option.description,
      data: { option: option.name }, on: { click: () => this.#offer(option) } }, icon("plus"), option.name)));
  }

  /** @param {Option} option */
  #offer(option) {
    const field = this.#add(option);
    this.#drawAdders();
    if (option.type === ATTACHMENT) field.input.click();
    else field.input.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing && !(target instanceof HTMLButtonElement)) {
      event.preventDefault();
      this.outside.submit();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.outside.leave();
    } else if (event.key === "Backspace" && target === this.fields.get(this.main?.name ?? "")?.input && !this.fields.get(this.main?.name ?? "")?.text) {
      event.preventDefault();
      this.outside.leave();
    }
  }
}
