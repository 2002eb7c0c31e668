/** The gate before an age-restricted channel: it asks once for each person and says what waits behind it. */

import { byId, el } from "./dom.js";
import { channelName } from "./channels.js";

/** @typedef {import("./store.js").Store} Store */

const KEY = "dreambot.adult";

/** @param {Store} store @param {() => void} enter what follows when somebody goes in */
export function showGate(store, enter) {
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
      el("p", { class: "quiet" }, "What is shown there is meant for adults. Commands marked as age-restricted can be used there only."),
      el("div", { class: "gate-ways" }, el("button", { type: "button", class: "button secondary", on: { click: back } }, "Back"), go));
    go.focus();
  };
  for (const name of ["snapshot", "channel"]) store.addEventListener(name, draw);
}
