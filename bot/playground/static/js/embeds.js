/** Embeds and attachments of a message. */

import { el, icon } from "./dom.js";
import { inline, markdown } from "./markdown.js";
import { clockTime } from "./timestamps.js";

/** @typedef {import("./types.js").Embed} Embed */
/** @typedef {import("./types.js").Attachment} Attachment */
/** @typedef {import("./types.js").Media} Media */
/** @typedef {import("./types.js").Picture} Picture */
/** @typedef {import("./markdown.js").Names} Names */
/** @typedef {(picture: Picture) => HTMLElement} Frame gives the place for the next picture of this message */

/** @param {Attachment} attachment */
const isPicture = (attachment) =>
  (attachment.content_type ?? "").startsWith("image/") || /\.(png|jpe?g|webp|gif)$/i.test(attachment.filename);

/** @param {Attachment} attachment */
const isVideo = (attachment) => attachment.content_type === "video/mp4";

/** @param {Media} media @param {string} [name] @returns {Picture} */
export function pictureOf(media, name = "") {
  const url = media.proxy_url || media.url || "";
  const file = name || decodeURIComponent(url.split("?")[0].split("/").pop() ?? "picture");
  return { url, width: media.width ?? null, height: media.height ?? null, name: file, alt: media.description ?? "" };
}

/** @param {Attachment[]} attachments @param {Frame} frame @returns {Node[]} */
export function drawAttachments(attachments, frame) {
  const pictures = attachments.filter(isPicture);
  const files = attachments.filter((attachment) => !isPicture(attachment));
  const parts = files.map((file) => isVideo(file) ? drawVideo(file) : drawFile(file));
  if (pictures.length) parts.unshift(gallery(pictures.map((each) => frame(pictureOf(each, each.filename)))));
  return parts;
}

/** @param {HTMLElement[]} frames */
export function gallery(frames) {
  return el("div", { class: "gallery", data: { count: String(Math.min(frames.length, 5)) } }, ...frames);
}

/** The film, and the file below it: not every browser plays H.264. @param {Attachment} attachment @returns {HTMLElement} */
function drawVideo(attachment) {
  const source = localPath(attachment.url);
  return el("div", { class: "video" },
    el("video", { src: source, controls: true, loop: true, preload: "metadata", title: attachment.filename }), drawFile(attachment));
}

/** @param {Attachment} attachment @returns {HTMLElement} */
function drawFile(attachment) {
  const size = attachment.size ? ` · ${Math.ceil(attachment.size / 1024)} kB` : "";
  return el("a", { class: "file", href: localPath(attachment.url), download: attachment.filename },
    icon("save"), el("span", {}, attachment.filename), el("span", { class: "quiet" }, size));
}

/** Only URLs of this server become links. @param {string} url @returns {string|null} */
export function localPath(url) {
  const parsed = new URL(url, location.href);
  return parsed.origin === location.origin ? parsed.pathname + parsed.search : null;
}

/** @param {Embed[]} embeds @param {Names} names @param {Frame} frame @returns {Node[]} */
export function drawEmbeds(embeds, names, frame) {
  return embeds.map((embed) => drawEmbed(embed, names, frame));
}

/** @param {Embed} embed @param {Names} names @param {Frame} frame */
function drawEmbed(embed, names, frame) {
  const text = el("div", { class: "embed-text" },
    embed.author && el("p", { class: "embed-author" }, embed.author.name),
    embed.title && el("h4", { class: "embed-title" }, ...inline(embed.title, names)),
    embed.description && el("div", { class: "prose" }, markdown(embed.description, names)),
    embed.fields?.length && drawFields(embed.fields, names));
  const card = el("div", { class: "embed" },
    text.childElementCount > 0 && text,
    embed.thumbnail?.url && el("div", { class: "embed-thumbnail" }, frame(pictureOf(embed.thumbnail))),
    embed.image?.url && el("div", { class: "embed-image" }, frame(pictureOf(embed.image))),
    drawFooter(embed));
  if (embed.color) card.style.setProperty("--stripe", `#${embed.color.toString(16).padStart(6, "0")}`);
  return card;
}

/** @param {NonNullable<Embed["fields"]>} fields @param {Names} names */
function drawFields(fields, names) {
  return el("dl", { class: "fields" }, ...fields.map((field) =>
    el("div", { class: field.inline ? "field inline" : "field" },
      el("dt", {}, ...inline(field.name, names)),
      el("dd", { class: "prose" }, markdown(field.value, names)))));
}

/** @param {Embed} embed */
function drawFooter(embed) {
  if (!embed.footer && !embed.timestamp) return null;
  return el("p", { class: "embed-footer" }, embed.footer?.text, embed.footer && embed.timestamp && " · ",
    embed.timestamp && clockTime(embed.timestamp));
}
