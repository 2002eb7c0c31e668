/** A modal that the bot opened: a dialog with its fields, sent back as values by custom id. */

import { byId, el, iconButton } from "./dom.js";
import { busy } from "./interactions.js";
import { checkList, singleSelect } from "./selects.js";
import { markdown } from "./markdown.js";

/** @typedef {import("./types.js").Component} Component */
/** @typedef {import("./types.js").ModalData} ModalData */
/** @typedef {import("./markdown.js").Names} Names */
/** @typedef {{customId: string, read: () => string|string[], files: () => File[]}} Reader */
/** @typedef {(modal: ModalData, values: Record<string, string|string[]>, files: Record<string, File>) => Promise<void>} Submit */

const PARAGRAPH = 2;
let fields = 0;

/** @type {Record<number, (component: Component, readers: Reader[]) => HTMLElement>} */
const CONTROLS = { 3: select, 4: textInput, 19: fileInput };

export class Modal {
  /** @param {Names} names @param {Submit} submit rejects with the sentence to show */
  constructor(names, submit) {
    this.names = names;
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
    if (component.type === 1) return el("div", {}, ...(component.components ?? []).map((inner) => field(inner.label ?? "", "", inner, readers)));
    if (component.type === 10) return el("div", { class: "prose" }, markdown(component.content ?? "", this.names));
    if (component.type === 18 && component.component) return field(component.label ?? "", component.description ?? "", component.component, readers);
    return field("", "", component, readers);
  }
}

/** @param {string} label @param {string} help @param {Component} component @param {Reader[]} readers */
function field(label, help, component, readers) {
  const control = CONTROLS[component.type]?.(component, readers);
  if (!control) return el("p", { class: "unknown" }, `[component type ${component.type}: not drawn here]`);
  const id = `modal-field-${++fields}`;
  control.id = id;
  if (help) control.setAttribute("aria-describedby", `${id}-help`);
  const star = component.required !== false && el("span", { class: "required", "aria-hidden": "true" }, " *");
  return el("div", { class: "modal-field" }, el("label", { for: id }, label, star), help && el("p", { class: "quiet", id: `${id}-help` }, help), control);
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
  const several = (component.max_values ?? 1) > 1;
  const control = several ? checkList(component) : singleSelect(component);
  if (control instanceof HTMLSelectElement) control.required = component.required !== false;
  const read = () => control instanceof HTMLSelectElement ? [control.value].filter(Boolean)
    : [...control.querySelectorAll("input:checked")].map((box) => /** @type {HTMLInputElement} */ (box).value);
  readers.push({ customId: component.custom_id ?? "", read, files: () => [] });
  return control;
}

/** @param {Component} component @param {Reader[]} readers */
function fileInput(component, readers) {
  const input = el("input", { type: "file", class: "input", required: component.required !== false, data: { customId: component.custom_id } });
  readers.push({ customId: component.custom_id ?? "", read: () => [], files: () => [...(input.files ?? [])] });
  return input;
}
