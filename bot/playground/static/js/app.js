/** The page: one store, one event stream, and the views. */

import { Api, Stream } from "./api.js";
import { showChannels, channelName } from "./channels.js";
import { Composer } from "./composer.js";
import { announce, byId, toast } from "./dom.js";
import { emojiText } from "./components.js";
import { showAgeGate } from "./age_gate.js";
import { Interactions } from "./interactions.js";
import { Lightbox } from "./lightbox.js";
import { Processes } from "./processes.js";
import { MessageList } from "./messages.js";
import { plain } from "./markdown.js";
import { Modal } from "./modal.js";
import { showPeople } from "./people.js";
import { RequestDrawer } from "./request_drawer.js";
import { Store, displayName } from "./store.js";
import { startTicking } from "./timestamps.js";
import { welcome } from "./welcome.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./message.js").MessageView} MessageView */
/** @typedef {import("./pictures.js").PictureFrame} PictureFrame */

const PERSON = "dreambot.person";

const store = new Store();
let api = new Api(sessionStorage.getItem(PERSON) ?? "");
const stream = new Stream((name, data) => store.receive(name, data), (problem) => {
  byId("connection").textContent = problem;
  byId("connection").hidden = !problem;
});
const interactions = new Interactions(store, () => api);

/** @type {import("./markdown.js").Names} */
const names = {
  user: (id) => {
    const user = store.users.get(id);
    return user && displayName(user);
  },
  channel: (id) => {
    const channel = store.state.channels.find((each) => each.id === id);
    return channel && channelName(channel);
  },
  command: (name) => composer.write(`/${name} `),
  jump: (channel, message) => {
    if (channel !== store.channel) store.selectChannel(channel);
    if (!list.jump(message)) toast("That message was deleted.");
  },
};

/** Runs a request and shows its error at the bottom of the page. @param {Promise<unknown>} request */
async function orSay(request) {
  try {
    await request;
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), "bad");
  }
}

/** @param {Record<string, unknown>} body */
async function control(body) {
  await api.control(body);
}

const lightbox = new Lightbox();

/** Opens a picture with the other pictures of the channel. @param {MessageView} _view @param {PictureFrame} frame */
function openPicture(_view, frame) {
  const slides = store.shown.flatMap((message) => {
    const view = list.views.get(message.id);
    return (view?.frames ?? []).map((each) => ({ frame: each, title: titleOf(message) }));
  });
  lightbox.open(slides, Math.max(slides.findIndex((slide) => slide.frame === frame), 0));
}

/** @param {Message} message */
function titleOf(message) {
  const embed = message.embeds?.[0];
  const text = embed?.title || embed?.description || message.content;
  return plain(text.split("\n")[0] ?? "", names);
}

const list = new MessageList(store, {
  names,
  mayDelete: (message) => store.mayDelete(message),
  press: async (message, component, values) => {
    const body = { type: "click", message: message.id, channel: message.channel_id, custom_id: component.custom_id, ...(values && { values }) };
    await interactions.send(body).catch((error) => list.views.get(message.id)?.fail(error.message));
  },
  react: (message, emoji, add) =>
    void orSay(api.act({ type: add ? "react" : "unreact", channel: message.channel_id, message: message.id, emoji: emojiText(emoji) })),
  commands: () => store.messageCommands,
  optionsOf: (menu) => store.optionsOf(menu),
  userCommands: () => store.userCommands,
  applyTo: async (message, command) => {
    const body = { type: "user", channel: message.channel_id, target: message.author.id, command };
    await interactions.send(body).catch((error) => list.views.get(message.id)?.fail(error.message));
  },
  apply: async (message, command) => {
    const body = { type: "context", channel: message.channel_id, message: message.id, command };
    await interactions.send(body).catch((error) => list.views.get(message.id)?.fail(error.message));
  },
  reply: (message) => composer.answer(message),
  remove: (message) => void orSay(api.act({ type: "delete", channel: message.channel_id, message: message.id })),
  dismiss: (message) => store.dismiss(message),
  open: openPicture,
  jump: (id) => list.jump(id),
}, () => welcome(store, (line) => composer.write(line)));

const composer = new Composer(store, {
  say: async (content, answered) => {
    await api.act({ type: "say", channel: store.channel, content, ...(answered && { reply_to: answered }) });
  },
  autocomplete: async (command, options, focused) => {
    const answer = await api.act({ type: "autocomplete", channel: store.channel, command: command.name, options, focused });
    return answer.choices ?? [];
  },
  run: (command, values, files) => {
    const who = store.me ? displayName(store.me) : "your";
    const line = list.pending(who, `/${command.name}`);
    list.toEnd();
    interactions.send({ type: "slash", command: command.name, options: values }, files).then(line.done, (error) => line.fail(error.message));
  },
});

const modal = new Modal(names, (menu) => store.optionsOf(menu), (data, values, files) =>
  interactions.send({ type: "submit", modal: data.id, custom_id: data.custom_id, values }, files));
store.addEventListener("modal", (event) => modal.open(/** @type {CustomEvent} */ (event).detail));

const drawer = new RequestDrawer(() => api, control);
for (const name of ["snapshot", "faults"]) store.addEventListener(name, () => drawer.showFaults(store.state.faults ?? []));

/** @param {string} id */
function become(id) {
  sessionStorage.setItem(PERSON, id);
  interactions.forget();
  api = new Api(id);
  stream.open(id);
  const user = store.users.get(id);
  if (user) announce(`You are now ${displayName(user)}.`);
}

/** Channels open as a sheet on narrow pages. @param {boolean} open */
function showSidebar(open) {
  document.body.classList.toggle("sidebar-open", open);
  byId("open-sidebar").setAttribute("aria-expanded", String(open));
}

/** @param {KeyboardEvent} event */
function shortcut(event) {
  const typing = event.target instanceof Element && event.target.closest("input:not([type=radio], [type=checkbox]), textarea, select, dialog[open]");
  if (event.altKey && /^[1-9]$/.test(event.key)) {
    event.preventDefault();
    const radio = byId("people").querySelectorAll("input")[Number(event.key) - 1];
    radio?.click();
  } else if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && event.key === "/") {
    event.preventDefault();
    composer.write("/");
  } else if (!typing && event.key === "?") /** @type {HTMLDialogElement} */ (byId("keys")).showModal();
  else if (event.key === "Escape") showSidebar(false);
}

function wire() {
  new Processes(store, control);
  showChannels(store);
  showAgeGate(store, () => composer.focus());
  store.addEventListener("snapshot", () => {
    if (api.user !== store.state.me) api = new Api(store.state.me);
    showPeople(store, become);
  });
  store.addEventListener("channel", () => {
    showSidebar(false);
    composer.focus();
  });
  byId("messages").addEventListener("seen", () => lightbox.refresh());
  byId("open-sidebar").addEventListener("click", () => showSidebar(!document.body.classList.contains("sidebar-open")));
  byId("veil").addEventListener("click", () => showSidebar(false));
  byId("open-keys").addEventListener("click", () => /** @type {HTMLDialogElement} */ (byId("keys")).showModal());
  document.addEventListener("keydown", shortcut);
}

// The cookie replaces the secret of the printed address.
if (location.search) history.replaceState(null, "", location.pathname);
wire();
startTicking();
stream.open(api.user);
composer.focus();
