/** Times as text, and one timer that updates all relative times of the page. */

import { el } from "./dom.js";

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};

/** @param {number} unix seconds @param {number} [now] seconds @returns {string} "in 12 seconds", "3 minutes ago" */
export function relativeTime(unix, now = Date.now() / 1000) {
  const distance = unix - now;
  const [unit, seconds] = UNITS.find(([, size]) => Math.abs(distance) >= size) ?? ["second", 1];
  return relative.format(Math.trunc(distance / seconds), unit);
}

/**
 * The element for Discord's `<t:unix:style>`; style R is updated.
 * @param {number} unix seconds @param {string} style
 */
export function timestamp(unix, style) {
  const date = new Date(unix * 1000);
  if (Number.isNaN(date.getTime())) return el("span", {}, `<t:${unix}:${style}>`);
  const attributes = { class: "moment", datetime: date.toISOString(), title: format(date, "F") };
  if (style !== "R") return el("time", attributes, format(date, style));
  return el("time", { ...attributes, data: { ticks: String(unix) } }, relativeTime(unix));
}

/** @param {string} iso @returns {HTMLTimeElement} hour and minute, the full date on hover */
export function clockTime(iso) {
  const date = new Date(iso);
  return el("time", { class: "clock", datetime: iso, title: format(date, "F") }, format(date, "t"));
}

/** @param {Date} date @param {string} style @returns {string} */
function format(date, style) {
  return new Intl.DateTimeFormat(undefined, STYLES[style] ?? STYLES.f).format(date);
}

/** Starts the timer of all relative times. Call it once. */
export function startTicking() {
  setInterval(() => {
    for (const element of document.querySelectorAll("time[data-ticks]")) {
      const text = relativeTime(Number(/** @type {HTMLElement} */ (element).dataset.ticks));
      if (element.textContent !== text) element.textContent = text;
    }
  }, 1000);
}
