/** Message components, both action rows and layout components. An unknown type is shown as such. */

import { announce, el, icon } from "./dom.js";
import { gallery, localPath, pictureOf } from "./embeds.js";
import { busy } from "./interactions.js";
import { markdown } from "./markdown.js";
import { drawMenu } from "./selects.js";

/** @typedef {import("./types.js").Component} Component */
/** @typedef {import("./markdown.js").Names} Names */
/** @typedef {import("./embeds.js").Frame} Frame */
/** @typedef {(component: Component, values?: string[]) => Promise<void>} Press resolves when the bot has answered */
/** @typedef {import("./types.js").SelectOption} SelectOption */
/** @typedef {{names: Names, frame: Frame, press: Press, optionsOf: (menu: Component) => SelectOption[]}} Drawing */

const LINK = 5;
const STYLES = ["", "primary", "secondary", "success", "danger", "link"];

/** @type {Record<number, (component: Component, drawing: Drawing) => HTMLElement>} */
const DRAW = {
  1: (row, drawing) => el("div", { class: "row" }, ...drawComponents(row.components ?? [], drawing)),
  2: drawButton,
  3: choose,
  5: choose,
  6: choose,
  7: choose,
  8: choose,
  9: (section, drawing) => el("div", { class: "section" },
    el("div", { class: "section-text" }, ...drawComponents(section.components ?? [], drawing)),
    ...drawComponents(section.accessory ? [section.accessory] : [], drawing)),
  10: (text, drawing) => el("div", { class: "prose" }, markdown(text.content ?? "", drawing.names)),
  11: (thumbnail, drawing) => el("div", { class: "embed-thumbnail" }, drawing.frame(pictureOf({ ...thumbnail.media, description: thumbnail.description }))),
  12: (pictures, drawing) => gallery((pictures.items ?? []).map((item) =>
    drawing.frame(pictureOf({ ...item.media, description: item.description })))),
  13: (file) => el("a", { class: "file", href: localPath(file.file?.url ?? ""), download: file.name ?? "" }, icon("save"), file.name ?? "file"),
  14: (separator) => el("hr", { class: separator.divider === false ? "separator bare" : "separator" }),
  17: drawContainer,
};

/** @param {Component[]} components @param {Drawing} drawing @returns {HTMLElement[]} */
export function drawComponents(components, drawing) {
  return components.map((component) => (DRAW[component.type] ?? drawUnknown)(component, drawing));
}

/** @param {Component} menu @param {Drawing} drawing */
function choose(menu, drawing) {
  return drawMenu({ ...menu, options: drawing.optionsOf(menu) }, drawing.press);
}

/** @param {Component} component */
function drawUnknown(component) {
  return el("span", { class: "unknown" }, `[component type ${component.type}: not drawn here]`);
}

/** @param {Component} component @param {Drawing} drawing */
function drawContainer(component, drawing) {
  const box = el("div", { class: "embed container" }, ...drawComponents(component.components ?? [], drawing));
  if (component.accent_color) box.style.setProperty("--stripe", `#${component.accent_color.toString(16).padStart(6, "0")}`);
  return box;
}

/** @param {Component} component @param {Drawing} drawing */
function drawButton(component, drawing) {
  const label = component.label ?? "";
  const button = el("button", {
    type: "button",
    class: `button ${STYLES[component.style ?? 2] ?? "secondary"}`,
    disabled: component.disabled,
    data: { customId: component.custom_id ?? "" },
    "aria-label": label ? null : emojiText(component.emoji) || "Button",
  }, component.emoji && el("span", { class: "emoji", "aria-hidden": label ? "true" : null }, emojiText(component.emoji)), label,
  component.style === LINK && icon("link"));
  button.addEventListener("click", () => component.style === LINK ? copyAddress(component.url ?? "") : void busy(button, drawing.press(component)));
  return button;
}

/** @param {import("./types.js").Emoji|null|undefined} emoji */
export function emojiText(emoji) {
  return emoji?.id ? `:${emoji.name}:` : emoji?.name ?? "";
}

/** The page leads nowhere else; an address can be copied. @param {string} url */
function copyAddress(url) {
  navigator.clipboard.writeText(url).then(() => announce(`Copied the address ${url}`), () => announce(url));
}
