/** A modal of the bot: a dialog whose values are submitted by custom id. */

import { byId, el, iconButton } from "./dom.js";
import { busy } from "./interactions.js";
import { checkList, radioList, singleSelect } from "./selects.js";
import { markdown } from "./markdown.js";

/** @typedef {import("./types.js").Component} Component */
/** @typedef {import("./types.js").ModalData} ModalData */
/** @typedef {import("./markdown.js").Names} Names */
/** @typedef {import("./types.js").SelectOption} SelectOption */
/** @typedef {string|boolean|string[]} Value */
/** @typedef {{customId: string, read: () => Value, files: () => File[]}} Reader */
/** @typedef {(modal: ModalData, values: Record<string, Value>, files: Record<string, File>) => Promise<void>} Submit */

const PARAGRAPH = 2;
const CHECKBOX = 23;
let fields = 0;

/** @type {Record<number, (component: Component, readers: Reader[]) => HTMLElement>} */
const CONTROLS = { 3: select, 4: textInput, 5: select, 6: select, 7: select, 8: select, 19: fileInput, 21: radios, 22: checks, 23: checkbox };

export class Modal {
  /**
   * @param {Names} names @param {(menu: Component) => SelectOption[]} optionsOf what a menu offers
   * @param {Submit} submit rejects with the sentence to show
   */
  constructor(names, optionsOf, submit) {
    this.names = names;
    this.optionsOf = optionsOf;
    this.submit = submit;
    this.dialog = /** @type {HTMLDialogElement} */ (byId("modal"));
  }

  /** @param {ModalData} modal */
  open(modal) {
    /** @type {Reader[]} */
    const readers = [];
    const complaint = el("p", { class: "complaint", role: "alert" });
    const send = el("button", { type: "submit", class: "button primary" }, "Submit");
    const cancel = el("button", { type: "button", class: "button secondary", on: { click: () => this.dialog.close() } }, "Cancel");
    const form = el("form", { class: "modal-form", method: "dialog" },
      el("header", { class: "modal-head" }, el("h2", { id: "modal-title" }, modal.title), iconButton("close", "Close", () => this.dialog.close())),
      el("div", { class: "modal-body" }, ...modal.components.map((component) => this.#draw(component, readers))),
      complaint, el("footer", { class: "modal-foot" }, cancel, send));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      complaint.textContent = "";
      void busy(send, this.#send(modal, readers, complaint));
    });
    this.dialog.replaceChildren(form);
    if (!this.dialog.open) this.dialog.showModal();
    /** @type {HTMLElement|null} */ (form.querySelector(".modal-body input, .modal-body textarea, .modal-body select"))?.focus();
  }

  /** @param {ModalData} modal @param {Reader[]} readers @param {HTMLElement} complaint */
  async #send(modal, readers, complaint) {
    const values = Object.fromEntries(readers.map((reader) => [reader.customId, reader.read()]));
    const files = Object.fromEntries(readers.flatMap((reader) => reader.files().slice(0, 1).map((file) => [reader.customId, file])));
    try {
      await this.submit(modal, values, files);
      this.dialog.close();
    } catch (error) {
      complaint.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  /** @param {Component} component @param {Reader[]} readers @returns {HTMLElement} */
  #draw(component, readers) {
    if (component.type === 1) return el("div", {}, ...(component.components ?? []).map((inner) => this.#field(inner.label ?? "", "", inner, readers)));
    if (component.type === 10) return el("div", { class: "prose" }, markdown(component.content ?? "", this.names));
    if (component.type === 18 && component.component) return this.#field(component.label ?? "", component.description ?? "", component.component, readers);
    return this.#field("", "", component, readers);
  }

  /** @param {string} label @param {string} help @param {Component} component @param {Reader[]} readers */
  #field(label, help, component, readers) {
    return field(label, help, { ...component, options: this.optionsOf(component) }, readers);
  }
}

/** @param {string} label @param {string} help @param {Component} component @param {Reader[]} readers */
function field(label, help, component, readers) {
  const control = CONTROLS[component.type]?.(component, readers);
  if (!control) return el("p", { class: "unknown" }, `[component type ${component.type}: not drawn here]`);
  const id = `modal-field-${++fields}`;
  control.id = id;
  if (label) control.removeAttribute("aria-label");
  if (help) control.setAttribute("aria-describedby", `${id}-help`);
  const star = component.required !== false && component.type !== CHECKBOX && el("span", { class: "required", "aria-hidden": "true" }, " *");
  if (control instanceof HTMLFieldSetElement) control.setAttribute("aria-labelledby", `${id}-name`);
  return el("div", { class: "modal-field" }, el("label", { for: id, id: `${id}-name` }, label, star), help && el("p", { class: "quiet", id: `${id}-help` }, help), control);
}

/** @param {Component} component @param {Reader[]} readers */
function textInput(component, readers) {
  const common = { class: "input", required: component.required !== false, minlength: component.min_length, maxlength: component.max_length,
    placeholder: component.placeholder, data: { customId: component.custom_id } };
  const input = component.style === PARAGRAPH ? el("textarea", { ...common, rows: "4" }) : el("input", { ...common, type: "text", autocomplete: "off" });
  input.value = component.value ?? "";
  readers.push({ customId: component.custom_id ?? "", read: () => input.value, files: () => [] });
  return input;
}

/** @param {Component} component @param {Reader[]} readers @returns {HTMLElement} */
function select(component, readers) {
  if ((component.max_values ?? 1) > 1) return checks(component, readers);
  const control = singleSelect(component);
  control.required = component.required !== false;
  readers.push({ customId: component.custom_id ?? "", read: () => [control.value].filter(Boolean), files: () => [] });
  return control;
}

/** @param {Component} component @param {Reader[]} readers */
function checks(component, readers) {
  const control = checkList({ ...component, placeholder: component.placeholder ?? "" });
  readers.push({ customId: component.custom_id ?? "", read: () => marked(control), files: () => [] });
  return control;
}

/** @param {Component} component @param {Reader[]} readers */
function radios(component, readers) {
  const control = radioList(component);
  readers.push({ customId: component.custom_id ?? "", read: () => marked(control), files: () => [] });
  return control;
}

/** @param {HTMLElement} control @returns {string[]} */
function marked(control) {
  return [...control.querySelectorAll("input:checked")].map((box) => /** @type {HTMLInputElement} */ (box).value);
}

/** @param {Component} component @param {Reader[]} readers */
function checkbox(component, readers) {
  const control = el("input", { type: "checkbox", checked: component.default, data: { customId: component.custom_id ?? "" } });
  readers.push({ customId: component.custom_id ?? "", read: () => control.checked, files: () => [] });
  return control;
}

/** @param {Component} component @param {Reader[]} readers */
function fileInput(component, readers) {
  const input = el("input", { type: "file", class: "input", required: component.required !== false, data: { customId: component.custom_id } });
  readers.push({ customId: component.custom_id ?? "", read: () => [], files: () => [...(input.files ?? [])] });
  return input;
}
