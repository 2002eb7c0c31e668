/** One option of a command as a field: text, number, choice, suggestion or file. */

import { el, grow, icon, iconButton } from "./dom.js";
import { ATTACHMENT, BOOLEAN, INTEGER, NUMBER } from "./command_line.js";
import { Menu } from "./menu.js";

/** @typedef {import("./types.js").Option} Option */
/** @typedef {import("./types.js").Choice} Choice */
/** @typedef {(option: Option, typed: string) => Promise<Choice[]>} Suggest */

const PAUSE = 120;
let fields = 0;

export class Field {
  /** @type {File|null} */
  file = null;

  /** @param {Option} option @param {Suggest} suggest @param {boolean} wide whether it is the main text */
  constructor(option, suggest, wide) {
    this.option = option;
    this.id = `field-${++fields}`;
    this.input = this.#makeInput(wide);
    this.input.id = this.id;
    this.input.setAttribute("aria-label", option.required ? `${option.name}, required` : option.name);
    this.input.title = option.description;
    /** @type {Menu|null} */
    this.menu = option.autocomplete ? this.#suggesting(/** @type {HTMLInputElement} */ (this.input), suggest) : null;
  }

  get text() {
    return this.option.type === ATTACHMENT ? "" : this.input.value.trim();
  }

  /** @param {string} text */
  set text(text) {
    if (this.option.type === ATTACHMENT) return;
    const { choices } = this.option;
    const choice = choices?.find((each) => each.name.toLowerCase() === text.toLowerCase() || String(each.value) === text);
    this.input.value = this.input instanceof HTMLSelectElement && choice ? String(choice.value) : text;
  }

  /** @param {boolean} wide @returns {HTMLInputElement|HTMLTextAreaElement|HTMLSelectElement} */
  #makeInput(wide) {
    const { option } = this;
    if (option.choices?.length) return choiceList(option.choices.map((choice) => [String(choice.value), choice.name]));
    if (option.type === BOOLEAN) return choiceList([["true", "yes"], ["false", "no"]]);
    if (option.type === ATTACHMENT) return this.#fileInput();
    if (wide) return el("textarea", { rows: "1", maxlength: option.max_length, placeholder: option.description, enterkeyhint: "send",
      on: { input: (/** @type {Event} */ event) => grow(/** @type {HTMLTextAreaElement} */ (event.target)) } });
    const numeric = { [INTEGER]: "numeric", [NUMBER]: "decimal" }[option.type];
    return el("input", { type: "text", inputmode: numeric, placeholder: placeholder(option), maxlength: option.max_length });
  }

  #fileInput() {
    const input = el("input", { type: "file", accept: "image/*", class: "hidden" });
    input.addEventListener("change", () => input.files?.[0] && this.take(input.files[0]));
    return input;
  }

  /** @param {File} file */
  take(file) {
    this.file = file;
    this.input.dispatchEvent(new CustomEvent("taken", { bubbles: true }));
  }

  /** @param {HTMLInputElement} input @param {Suggest} suggest */
  #suggesting(input, suggest) {
    const menu = new Menu(input, `Suggestions for ${this.option.name}`);
    let timer = 0;
    let asked = 0;
    const ask = async () => {
      const turn = ++asked;
      const choices = await suggest(this.option, input.value).catch(() => []);
      if (turn !== asked || document.activeElement !== input) return;
      menu.show(choices.map((choice) => ({ name: choice.name, pick: () => this.#choose(input, choice) })), false);
    };
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => void ask(), PAUSE);
    };
    input.addEventListener("input", later);
    input.addEventListener("focus", later);
    input.addEventListener("keydown", (event) => menu.key(event));
    return menu;
  }

  /** @param {HTMLInputElement} input @param {Choice} choice */
  #choose(input, choice) {
    input.value = String(choice.value);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

/** @param {[string, string][]} choices */
function choiceList(choices) {
  return el("select", {}, ...choices.map(([value, name]) => el("option", { value }, name)));
}

/** @param {Option} option */
function placeholder(option) {
  const { min_value: least, max_value: most } = option;
  if (least !== undefined && most !== undefined && most < 1e6) return `${least}–${most}`;
  return option.type === INTEGER || option.type === NUMBER ? "number" : "value";
}

/**
 * The field inside its chip: name, required mark, input, and a remove button.
 * @param {Field} field @param {(() => void)|null} remove
 */
export function chip(field, remove) {
  const { option } = field;
  const mark = option.required && el("span", { class: "required", title: "required", "aria-hidden": "true" }, "*");
  const label = el("label", { class: "chip-name", for: field.id }, option.name, mark);
  const box = el("div", { class: "chip", data: { option: option.name } }, label, field.input, field.menu?.element,
    option.type === ATTACHMENT && fileFace(field), remove && iconButton("close", `Remove ${option.name}`, remove, { class: "icon-button tiny" }));
  return box;
}

/** @param {Field} field what a chosen file looks like; its thumbnail is drawn from the file itself */
function fileFace(field) {
  const face = el("button", { type: "button", class: "file-face", on: { click: () => field.input.click() } });
  const draw = () => {
    if (!field.file) face.replaceChildren(icon("picture"), "Choose an image");
    else face.replaceChildren(el("img", { src: URL.createObjectURL(field.file), alt: "" }), field.file.name);
  };
  field.input.addEventListener("taken", draw);
  draw();
  return face;
}
