/** A menu by right-click, by the menu key (or Shift+F10) of the focused element, and by a long press of a finger. */

/** @typedef {import("./popover.js").Point} Point */

/** Milliseconds; longer than a browser that sends contextmenu itself. */
const LONG_PRESS = 550;
/** Pixels that a finger may move. */
const STILL = 10;
/** Own menus of the browser that stay: links, fields, and selected text. */
const OWN = "a[href], input, textarea, select";

/**
 * @param {HTMLElement} element @param {(at: Point) => boolean} open returns whether a menu has opened
 */
export function onContextMenu(element, open) {
  element.addEventListener("contextmenu", (event) => {
    if (isBrowsers(event) || !open(pointOf(event, element))) return;
    event.preventDefault();
  });
  onLongPress(element, open);
}

/** Browsers of iOS send no contextmenu event. @param {HTMLElement} element @param {(at: Point) => boolean} open */
function onLongPress(element, open) {
  let timer = 0;
  /** @type {Point} */
  let began = { x: 0, y: 0 };
  const stop = () => clearTimeout(timer);
  element.addEventListener("pointerdown", (event) => {
    stop();
    if (event.pointerType !== "touch" || isBrowsers(event)) return;
    began = { x: event.clientX, y: event.clientY };
    timer = setTimeout(() => open(began) && swallowClick(), LONG_PRESS);
  });
  element.addEventListener("pointermove", (event) => {
    if (Math.hypot(event.clientX - began.x, event.clientY - began.y) > STILL) stop();
  });
  for (const name of ["pointerup", "pointercancel", "contextmenu"]) element.addEventListener(name, stop);
}

/** The click that follows when the finger lifts must not press what is below it. */
function swallowClick() {
  const swallow = (/** @type {Event} */ event) => {
    event.preventDefault();
    event.stopPropagation();
  };
  document.addEventListener("pointerup", () => {
    document.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => document.removeEventListener("click", swallow, { capture: true }));
  }, { capture: true, once: true });
}

/** @param {Event} event */
function isBrowsers(event) {
  return (event.target instanceof Element && event.target.closest(OWN) !== null) || !getSelection()?.isCollapsed;
}

/** The pointer, or for a key a point in the element's upper part. @param {MouseEvent} event @param {HTMLElement} element @returns {Point} */
function pointOf(event, element) {
  const box = element.getBoundingClientRect();
  const byKey = event.button !== 2 && event.clientX === 0 && event.clientY === 0;
  const within = event.clientY >= box.top && event.clientY <= box.bottom;
  if (byKey || !within) return { x: box.left + 48, y: Math.max(box.top, 0) + 24 };
  return { x: event.clientX, y: event.clientY };
}
