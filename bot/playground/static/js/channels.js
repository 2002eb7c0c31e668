/** The channel list, and the heading of the open channel. */

import { byId, el, icon } from "./dom.js";
import { displayName } from "./store.js";

/** @typedef {import("./types.js").Channel} Channel */
/** @typedef {import("./store.js").Store} Store */

const DIRECT = [1, 3];
const THREADS = [10, 11, 12];

/** @param {Channel} channel @returns {string} */
export function channelName(channel) {
  if (channel.name) return channel.name;
  return channel.recipients?.length ? channel.recipients.map(displayName).join(", ") : "direct message";
}

/** @param {Channel} channel @returns {import("./dom.js").IconName} */
function channelIcon(channel) {
  if (DIRECT.includes(channel.type)) return "at";
  return THREADS.includes(channel.type) ? "thread" : "hash";
}

/** @param {Store} store */
export function showChannels(store) {
  const draw = () => {
    const { channels } = store.state;
    const direct = channels.filter((channel) => DIRECT.includes(channel.type));
    const places = channels.filter((channel) => !DIRECT.includes(channel.type));
    byId("guild").textContent = store.state.guild?.name ?? "";
    byId("channels").replaceChildren(...sorted(places).map((channel) => line(channel, store)),
      ...(direct.length ? [el("li", { class: "channel-heading" }, "Direct messages")] : []), ...direct.map((channel) => line(channel, store)));
    head(store);
  };
  for (const name of ["snapshot", "channel", "unread"]) store.addEventListener(name, draw);
}

/** Threads come right after their channel. @param {Channel[]} channels @returns {Channel[]} */
function sorted(channels) {
  const threads = channels.filter((channel) => THREADS.includes(channel.type));
  const roots = channels.filter((channel) => !threads.includes(channel));
  const placed = roots.flatMap((root) => [root, ...threads.filter((thread) => thread.parent_id === root.id)]);
  return [...placed, ...threads.filter((thread) => !placed.includes(thread))];
}

/** @param {Channel} channel @param {Store} store */
function line(channel, store) {
  const current = channel.id === store.channel;
  const classes = ["channel", store.unread.has(channel.id) && "unread", THREADS.includes(channel.type) && "thread"].filter(Boolean).join(" ");
  return el("li", {}, el("button", { type: "button", class: classes, "aria-current": current ? "page" : null, data: { channel: channel.id },
    on: { click: () => store.selectChannel(channel.id) } }, icon(channelIcon(channel)), el("span", { class: "channel-name" }, channelName(channel)),
  channel.nsfw && el("span", { class: "age", title: "Age-restricted" }, "18+"),
  store.unread.has(channel.id) && el("span", { class: "dot" }, el("span", { class: "hidden" }, "something new"))));
}

/** @param {Store} store */
function head(store) {
  const channel = store.currentChannel;
  const name = channel ? channelName(channel) : "";
  byId("channel-title").replaceChildren(...(channel ? [icon(channelIcon(channel)), el("span", {}, name)] : []));
  byId("channel-topic").textContent = channel?.topic ?? "";
  byId("channel-topic").title = channel?.topic ?? "";
  document.title = name ? `${name} · dreambot playground` : "dreambot playground";
  const box = /** @type {HTMLTextAreaElement} */ (byId("line"));
  box.placeholder = matchMedia("(max-width: 640px)").matches ? "Type / for commands" : `Message ${name || "this channel"}, or type / for commands`;
}
