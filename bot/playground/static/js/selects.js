/** Select menus: a native list for one choice, check boxes with an Apply button for several. */

import { el } from "./dom.js";
import { busy } from "./interactions.js";

/** @typedef {import("./types.js").Component} Component */
/** @typedef {(component: Component, values?: string[]) => Promise<void>} Press */

/** @typedef {import("./types.js").SelectOption} SelectOption */

/** @param {Component} menu one whose options are known @param {Press} press @returns {HTMLElement} */
export function drawMenu(menu, press) {
  return (menu.max_values ?? 1) > 1 ? drawSeveral(menu, press) : drawOne(menu, press);
}

/** @param {Component} menu @param {Press} press */
function drawOne(menu, press) {
  const select = singleSelect(menu);
  select.disabled = Boolean(menu.disabled);
  select.addEventListener("change", () => void busy(select, press(menu, [select.value])));
  return select;
}

/** The bare list, which modals use too. @param {Component} menu */
export function singleSelect(menu) {
  const chosen = (menu.options ?? []).some((option) => option.default);
  return el("select", { class: "select", "aria-label": menu.placeholder ?? "Choose", data: { customId: menu.custom_id ?? "" } },
    el("option", { value: "", disabled: true, selected: !chosen }, menu.placeholder ?? "Choose…"),
    ...(menu.options ?? []).map((option) => el("option", { value: option.value, selected: option.default, title: option.description },
      option.label)));
}

/** @param {Component} menu @param {Press} press */
function drawSeveral(menu, press) {
  const list = checkList(menu);
  const values = () => [...list.querySelectorAll("input:checked")].map((box) => /** @type {HTMLInputElement} */ (box).value);
  const apply = el("button", { type: "button", class: "button secondary", disabled: menu.disabled }, "Apply");
  apply.addEventListener("click", () => void busy(apply, press(menu, values())));
  return el("div", { class: "several", data: { customId: menu.custom_id ?? "" } }, list, apply);
}

/** @param {Component} menu */
export function checkList(menu) {
  return marks(menu, "checkbox", menu.placeholder ?? "Choose");
}

let groups = 0;

/** One of several, all of them seen at once. @param {Component} menu */
export function radioList(menu) {
  return marks(menu, "radio", "");
}

/** @param {Component} menu @param {"checkbox"|"radio"} type @param {string} legend */
function marks(menu, type, legend) {
  const name = `group-${++groups}`;
  return el("fieldset", { class: "checks", disabled: menu.disabled, data: { customId: menu.custom_id ?? "" } }, legend && el("legend", {}, legend),
    ...(menu.options ?? []).map((option) => el("label", { class: "check" },
      el("input", { type, name, value: option.value, checked: option.default }), el("span", {}, option.label,
        option.description && el("small", { class: "quiet" }, option.description)))));
}
