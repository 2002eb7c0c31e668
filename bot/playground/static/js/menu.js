/** A combobox: suggestions under an input. Arrow keys move in the list while the focus stays in the input. */

import { el } from "./dom.js";

/** @typedef {{name: string, detail?: string, mark?: string, pick: () => void}} Item */

let menus = 0;

export class Menu {
  /** @type {Item[]} */
  items = [];
  active = -1;

  /** @param {HTMLInputElement|HTMLTextAreaElement} input @param {string} label */
  constructor(input, label) {
    this.input = input;
    this.id = `menu-${++menus}`;
    this.element = el("ul", { class: "menu", id: this.id, role: "listbox", "aria-label": label, hidden: true });
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false",
      "aria-controls": this.id, autocomplete: "off" })) input.setAttribute(name, value);
    input.addEventListener("blur", () => setTimeout(() => document.activeElement !== input && this.hide(), 150));
  }

  get open() {
    return !this.element.hidden;
  }

  /** @param {Item[]} items @param {boolean} preselect whether Enter takes the first one at once */
  show(items, preselect) {
    this.items = items;
    if (!items.length) return this.hide();
    this.element.replaceChildren(...items.map((item, index) => this.#line(item, index)));
    this.element.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.#activate(preselect ? 0 : -1);
    return undefined;
  }

  hide() {
    this.items = [];
    this.active = -1;
    this.element.replaceChildren();
    this.element.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was the menu's */
  key(event) {
    if (!this.open) return false;
    const used = this.#use(event);
    if (used) {
      event.preventDefault();
      event.stopPropagation();
    }
    return used;
  }

  /** @param {KeyboardEvent} event */
  #use(event) {
    const last = this.items.length - 1;
    if (event.key === "ArrowDown") this.#activate(this.active >= last ? 0 : this.active + 1);
    else if (event.key === "ArrowUp") this.#activate(this.active <= 0 ? last : this.active - 1);
    else if (event.key === "Escape") this.hide();
    else if (event.key === "Tab" && !event.shiftKey) this.#pick(Math.max(this.active, 0));
    else if (event.key === "Enter" && !event.shiftKey && this.active >= 0) this.#pick(this.active);
    else return false;
    return true;
  }

  /** @param {number} index */
  #pick(index) {
    const item = this.items[index];
    this.hide();
    item?.pick();
  }

  /** @param {number} index */
  #activate(index) {
    this.active = index;
    for (const [at, line] of [...this.element.children].entries()) line.setAttribute("aria-selected", String(at === index));
    const line = this.element.children[index];
    if (line) this.input.setAttribute("aria-activedescendant", line.id);
    else this.input.removeAttribute("aria-activedescendant");
    line?.scrollIntoView({ block: "nearest" });
  }

  /** @param {Item} item @param {number} index */
  #line(item, index) {
    const line = el("li", { role: "option", id: `${this.id}-${index}`, "aria-selected": "false" },
      el("span", { class: "menu-name" }, item.name), item.mark && el("span", { class: "menu-mark" }, item.mark),
      item.detail && el("span", { class: "menu-detail" }, item.detail));
    line.addEventListener("pointerdown", (event) => event.preventDefault());
    line.addEventListener("click", () => this.#pick(index));
    return line;
  }
}
