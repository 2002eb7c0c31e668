/** A panel below a button or at a point. Escape, a choice or a press elsewhere closes it; arrow keys move in it. */

import { el } from "./dom.js";

/** @typedef {{x: number, y: number}} Point in pixels of the window */

const MARGIN = 8;

/**
 * @param {HTMLElement} anchor gets the focus back @param {string} kind its class @param {string} label
 * @param {HTMLButtonElement[]} buttons @param {number} columns @param {Point} [at] where it opens, else below the anchor
 */
export function openPopover(anchor, kind, label, buttons, columns, at) {
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
  (at ? document.body : anchor.parentElement)?.append(panel);
  if (at) place(panel, at);
  buttons[0]?.focus();
}

/** Puts the panel at a point, inside the window. @param {HTMLElement} panel @param {Point} at */
function place(panel, at) {
  panel.classList.add("placed");
  panel.style.setProperty("left", `${Math.max(MARGIN, Math.min(at.x, innerWidth - panel.offsetWidth - MARGIN))}px`);
  panel.style.setProperty("top", `${Math.max(MARGIN, Math.min(at.y, innerHeight - panel.offsetHeight - MARGIN))}px`);
}

/** @param {KeyboardEvent} event @param {HTMLElement[]} buttons @param {number} columns */
function walk(event, buttons, columns) {
  const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  if (!move) return;
  event.preventDefault();
  const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
  buttons[(at + move + buttons.length) % buttons.length].focus();
}
