/** The people of the playground and their avatars. */

import { byId, el } from "./dom.js";
import { displayName } from "./store.js";

/** @typedef {import("./types.js").User} User */

const HUES = 6;

/** @param {User} user @returns {HTMLElement} initials on a quiet disk; the bot has a mark of its own */
export function avatar(user) {
  if (user.bot) return el("span", { class: "avatar bot", "aria-hidden": "true" });
  const hue = Number(BigInt(user.id) % BigInt(HUES));
  return el("span", { class: `avatar hue-${hue}`, "aria-hidden": "true" }, displayName(user).slice(0, 1).toUpperCase());
}

/**
 * The switch between people: a group of radio buttons.
 * @param {import("./store.js").Store} store @param {(id: string) => void} become
 */
export function showPeople(store, become) {
  const group = byId("people");
  const people = store.state.users.filter((user) => !user.bot);
  group.replaceChildren(el("legend", { class: "hidden" }, "Act as"), ...people.map((user) => {
    const radio = el("input", { type: "radio", name: "person", value: user.id, checked: user.id === store.state.me });
    radio.addEventListener("change", () => become(user.id));
    return el("label", { class: "person", title: user.role ? `${displayName(user)}, ${user.role}` : displayName(user) }, radio, avatar(user),
      el("span", { class: "person-words" }, el("span", {}, displayName(user)), user.role && el("span", { class: "person-role" }, user.role)));
  }));
}
