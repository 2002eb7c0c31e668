/** The age gate of a restricted channel; it asks each person once. */

import { byId, el } from "./dom.js";
import { channelName } from "./channels.js";

/** @typedef {import("./store.js").Store} Store */

const KEY = "dreambot.adult";

/** @param {Store} store @param {() => void} enter called after the person has confirmed */
export function showAgeGate(store, enter) {
  const gate = byId("gate");
  let before = "";
  const passed = () => new Set((sessionStorage.getItem(KEY) ?? "").split(" "));
  const pass = () => {
    sessionStorage.setItem(KEY, [...passed(), store.state.me].join(" "));
    draw();
    enter();
  };
  const draw = () => {
    const channel = store.currentChannel;
    const closed = Boolean(channel?.nsfw) && !passed().has(store.state.me);
    if (channel && !channel.nsfw) before = channel.id;
    gate.hidden = !closed;
    document.body.classList.toggle("gated", closed);
    if (!closed || !channel) return;
    const back = () => store.selectChannel(before || (store.state.channels.find((each) => !each.nsfw)?.id ?? channel.id));
    const go = el("button", { type: "button", class: "button primary", on: { click: pass } }, "I am 18 or older");
    gate.replaceChildren(el("h2", {}, `${channelName(channel)} is age-restricted`),
      el("p", { class: "quiet" }, "It may show adult content. Age-restricted commands work only here."),
      el("div", { class: "gate-ways" }, el("button", { type: "button", class: "button secondary", on: { click: back } }, "Back"), go));
    go.focus();
  };
  for (const name of ["snapshot", "channel"]) store.addEventListener(name, draw);
}
