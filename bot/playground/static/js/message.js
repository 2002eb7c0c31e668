/** One message. An update redraws only the parts that have changed. */

import { drawComponents } from "./components.js";
import { onContextMenu } from "./context_menu.js";
import { clockTime } from "./timestamps.js";
import { el, icon, iconButton, present } from "./dom.js";
import { drawAttachments, drawEmbeds } from "./embeds.js";
import { markdown } from "./markdown.js";
import { avatar } from "./people.js";
import { PictureFrame } from "./pictures.js";
import { openPopover } from "./popover.js";
import { addReactionButton, drawReactions, openPalette } from "./reactions.js";
import { SLASH, displayName, isEphemeral, isThinking } from "./store.js";

/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Picture} Picture */
/** @typedef {import("./types.js").Component} Component */
/** @typedef {import("./dom.js").Child} Child */
/**
 * The page's functions that a message uses.
 * @typedef {{names: import("./markdown.js").Names, mayDelete: (message: Message) => boolean,
 *   press: (message: Message, component: Component, values?: string[]) => Promise<void>,
 *   react: (message: Message, emoji: import("./types.js").Emoji, add: boolean) => void,
 *   commands: () => string[], apply: (message: Message, command: string) => void, reply: (message: Message) => void,
 *   optionsOf: (menu: Component) => import("./types.js").SelectOption[],
 *   userCommands: () => string[], applyTo: (message: Message, command: string) => void, remove: (message: Message) => void, dismiss: (message: Message) => void,
 *   open: (view: MessageView, frame: PictureFrame) => void, jump: (id: string) => void}} Surroundings
 */

const PARTS = ["reference", "head", "body", "embeds", "files", "components", "reactions", "notes", "tools"];

export class MessageView {
  /** @type {PictureFrame[]} in drawing order */
  frames = [];
  /** @type {Map<string, string>} part → what it was drawn from */
  #drawn = new Map();
  #next = 0;

  /** @param {Message} message @param {Surroundings} around */
  constructor(message, around) {
    this.message = message;
    this.around = around;
    /** @type {Record<string, HTMLElement>} */
    this.parts = Object.fromEntries(PARTS.map((name) => [name, el("div", { class: `part ${name}` })]));
    this.element = el("article", { class: "message", tabindex: "-1", data: { id: message.id } }, this.parts.reference,
      avatar(message.author), el("div", { class: "column" }, ...PARTS.slice(1, -1).map((name) => this.parts[name])), this.parts.tools);
    onContextMenu(this.element, (at) => this.#openMenu(at));
    this.update(message);
  }

  /** @param {Message} message */
  update(message) {
    this.message = message;
    const focused = this.#focusedControl();
    this.element.classList.toggle("ephemeral", isEphemeral(message));
    this.element.classList.toggle("thinking", isThinking(message));
    this.element.setAttribute("aria-label", `${displayName(message.author)}, ${new Date(message.timestamp).toLocaleTimeString()}`);
    this.#text(message);
    this.#media(message);
    this.#part("reactions", [message.reactions, isEphemeral(message)], () => this.#reactions(message));
    this.#part("notes", [isEphemeral(message)], () => this.#notes(message));
    this.#part("tools", [isEphemeral(message), this.around.mayDelete(message), this.around.commands()], () => this.#toolbar(message));
    if (focused) this.#control(focused)?.focus();
  }

  /** Says next to the message why a press came to nothing. @param {string} text */
  fail(text) {
    for (const old of this.parts.notes.querySelectorAll(".failure")) old.remove();
    const note = el("p", { class: "failure", role: "alert" }, icon("warn"), el("span", {}, text),
      iconButton("close", "Dismiss", () => note.remove()));
    this.parts.notes.append(note);
  }

  forget() {
    for (const frame of this.frames) frame.forget();
  }

  /** @param {string} name @param {unknown} from @param {() => Child[]} draw */
  #part(name, from, draw) {
    const key = JSON.stringify(from) ?? "";
    if (this.#drawn.get(name) === key) return;
    this.#drawn.set(name, key);
    this.parts[name].replaceChildren(...present(draw()));
  }

  /** @param {Message} message */
  #text(message) {
    const used = message.interaction ?? message.interaction_metadata;
    this.#part("reference", [used, message.referenced_message?.id, message.message_reference], () => this.#reference(message));
    this.#part("head", [message.author, message.timestamp, edited(message) && !message.content, this.around.userCommands()], () => [
      this.#author(message), message.author.bot && el("span", { class: "badge" }, "app"),
      clockTime(message.timestamp), edited(message) && !message.content && editedMark(message)]);
    this.#part("body", [message.content, message.edited_timestamp, message.flags], () => this.#body(message));
  }

  /** Embeds, files and components share one row of picture places, so a picture keeps its place when it moves. @param {Message} message */
  #media(message) {
    const { names, press, optionsOf } = this.around;
    /** @param {Picture} picture */
    const frame = (picture) => this.#frame(picture);
    const key = [message.embeds, message.attachments, message.components];
    if (this.#drawn.get("media") === JSON.stringify(key)) return;
    this.#drawn.set("media", JSON.stringify(key));
    this.#next = 0;
    this.parts.embeds.replaceChildren(...drawEmbeds(message.embeds ?? [], names, frame));
    this.parts.files.replaceChildren(...drawAttachments(message.attachments ?? [], frame));
    this.parts.components.replaceChildren(...drawComponents(message.components ?? [], {
      names, frame, optionsOf, press: (component, values) => press(this.message, component, values) }));
    for (const unused of this.frames.splice(this.#next)) unused.forget();
  }

  /** @param {Picture} picture */
  #frame(picture) {
    const frame = this.frames[this.#next] ?? new PictureFrame((opened) => this.around.open(this, opened));
    this.frames[this.#next++] = frame;
    frame.show(picture);
    return frame.element;
  }

  /** The name; a button where there are commands for people. @param {Message} message */
  #author(message) {
    const name = displayName(message.author);
    const commands = this.around.userCommands();
    if (!commands.length) return el("span", { class: "author" }, name);
    const label = `Commands for ${name}`;
    const button = el("button", { type: "button", class: "author", title: label, on: { click: () =>
      openPopover(button, "apps", label, commands.map((command) =>
        el("button", { type: "button", on: { click: () => this.around.applyTo(this.message, command) } }, command)), 1) } }, name);
    return button;
  }

  /** @param {Message} message @returns {Child[]} */
  #reference(message) {
    const metadata = message.interaction_metadata;
    const user = message.interaction?.user ?? metadata?.user;
    const name = message.interaction?.name ?? metadata?.name;
    const slash = (metadata?.command_type ?? SLASH) === SLASH ? "/" : "";
    if (user && name) return [icon("reply"), el("b", {}, displayName(user)), " used ", el("span", { class: "mention" }, `${slash}${name}`)];
    const original = message.referenced_message;
    if (!message.message_reference) return [];
    if (!original) return [icon("reply"), el("i", {}, "The original message was deleted.")];
    const text = original.content || (original.attachments?.length || original.embeds?.length ? "an image" : "a message");
    return [icon("reply"), el("b", {}, displayName(original.author)),
      el("button", { type: "button", class: "excerpt", on: { click: () => this.around.jump(original.id) } }, text)];
  }

  /** @param {Message} message @returns {Child[]} */
  #body(message) {
    if (isThinking(message)) {
      return [el("p", { class: "waiting" }, el("span", { class: "dots", "aria-hidden": "true" }, el("i"), el("i"), el("i")),
        `${displayName(message.author)} is thinking…`)];
    }
    if (!message.content) return [];
    return [el("div", { class: "prose" }, markdown(message.content, this.around.names), edited(message) && editedMark(message))];
  }

  /** @param {Message} message @returns {Child[]} */
  #reactions(message) {
    if (isEphemeral(message) || !message.reactions?.length) return [];
    const react = this.#react;
    const add = addReactionButton(() => openPalette(add, react));
    return [...drawReactions(message.reactions, react), add];
  }

  /** @param {import("./types.js").Emoji} emoji @param {boolean} add */
  #react = (emoji, add) => this.around.react(this.message, emoji, add);

  /** @param {Message} message @returns {Child[]} */
  #notes(message) {
    if (!isEphemeral(message)) return [];
    const dismiss = el("button", { type: "button", class: "text-button", on: { click: () => this.around.dismiss(this.message) } }, "Dismiss message");
    return [el("p", { class: "private" }, icon("eye"), "Only you can see this", el("span", { "aria-hidden": "true" }, "·"), dismiss)];
  }

  /** @param {Message} message @returns {Child[]} */
  #toolbar(message) {
    if (isEphemeral(message)) return [];
    const react = addReactionButton(() => openPalette(react, this.#react));
    const remove = this.around.mayDelete(message) && iconButton("trash", "Delete this message", () => this.around.remove(this.message));
    const answer = iconButton("reply", "Reply", () => this.around.reply(this.message));
    const names = this.around.commands();
    const apps = iconButton("more", "Commands for this message", () => this.#openCommands(apps));
    return [react, answer, names.length > 0 && apps, remove];
  }

  /** @param {HTMLElement} anchor @param {import("./popover.js").Point} [at] */
  #openCommands(anchor, at) {
    const buttons = this.around.commands().map((name) =>
      el("button", { type: "button", on: { click: () => this.around.apply(this.message, name) } }, name));
    openPopover(anchor, "apps", "Commands for this message", buttons, 1, at);
  }

  /** The menu of a right-click, a long press or the menu key. @param {import("./popover.js").Point} at @returns {boolean} */
  #openMenu(at) {
    if (isEphemeral(this.message) || !this.around.commands().length) return false;
    this.#openCommands(this.element, at);
    return true;
  }

  /** @returns {string} the custom id of the control that has the focus, if it is ours */
  #focusedControl() {
    const active = document.activeElement;
    if (!(active instanceof HTMLElement) || !this.element.contains(active)) return "";
    return active.dataset.customId ?? "";
  }

  /** @param {string} customId @returns {HTMLElement|null} */
  #control(customId) {
    return this.element.querySelector(`[data-custom-id="${CSS.escape(customId)}"]`);
  }
}

/** @param {Message} message */
function edited(message) {
  return Boolean(message.edited_timestamp) && !isThinking(message);
}

/** @param {Message} message the mark stands at the end of its words, or beside its time where it has none */
function editedMark(message) {
  return el("span", { class: "edited", title: new Date(message.edited_timestamp ?? 0).toLocaleString() }, "(edited)");
}
