/** A panel below a button. Escape, a choice or a press elsewhere closes it; arrow keys move in it. */

import { el } from "./dom.js";

/**
 * @param {HTMLElement} anchor @param {string} kind its class @param {string} label @param {HTMLButtonElement[]} buttons
 * @param {number} columns
 */
export function openPopover(anchor, kind, label, buttons, columns) {
  document.querySelector(".popover")?.remove();
  const panel = el("div", { class: `popover ${kind}`, role: "group", "aria-label": label }, ...buttons);
  const close = () => {
    panel.remove();
    document.removeEventListener("pointerdown", outside, true);
  };
  /** @param {Event} event */
  const outside = (event) => {
    if (!panel.contains(/** @type {Node} */ (event.target))) close();
  };
  panel.addEventListener("click", () => {
    close();
    anchor.focus();
  });
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return walk(event, buttons, columns);
    event.stopPropagation();
    close();
    return anchor.focus();
  });
  document.addEventListener("pointerdown", outside, true);
  anchor.parentElement?.append(panel);
  buttons[0]?.focus();
}

/** @param {KeyboardEvent} event @param {HTMLElement[]} buttons @param {number} columns */
function walk(event, buttons, columns) {
  const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (!move) return;
  event.preventDefault();
  const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
  buttons[(at + move + buttons.length) % buttons.length].focus();
}
