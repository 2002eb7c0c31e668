/**
 * Pictures that change without a flicker, and their earlier states.
 *
 * Each URL is fetched once and kept as a blob, so that a progress image stays available after the server has replaced it.
 */

import { el } from "./dom.js";

/** @typedef {import("./types.js").Picture} Picture */
/** @typedef {{url: string, blob: string, picture: Picture}} Seen */

const HISTORY = 60;

/** @type {Map<string, Promise<string>>} address → blob address */
const blobs = new Map();

/** @param {string} url @returns {Promise<string>} a blob address; rejects where the picture cannot be had */
export function load(url) {
  let blob = blobs.get(url);
  if (!blob) {
    blob = fetchBlob(url);
    blob.catch(() => blobs.delete(url));
    blobs.set(url, blob);
  }
  return blob;
}

/** @param {string} url @returns {Promise<string>} */
async function fetchBlob(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The image request answered ${response.status}.`);
  return URL.createObjectURL(await response.blob());
}

/** An address without its signature, which the server renews while the picture stays the same. @param {string} url */
function bare(url) {
  return url.split("?")[0];
}

/** The frame of one picture in a message. The element stays while the picture changes. */
export class PictureFrame {
  /** @type {Seen[]} in the order of asking; the blob of one that has not arrived is empty */
  #asked = [];
  /** @type {Picture|null} */
  picture = null;

  /** @param {(frame: PictureFrame) => void} open */
  constructor(open) {
    this.element = el("button", { type: "button", class: "picture", on: { click: () => open(this) } });
  }

  /** @returns {Seen[]} oldest first; what arrived too late to be shown is there too */
  get seen() {
    return this.#asked.filter((seen) => seen.blob);
  }

  /** @param {Picture} picture */
  show(picture) {
    const before = this.picture;
    this.picture = picture;
    this.#describe(picture);
    if (!before || bare(before.url) !== bare(picture.url)) void this.#replace(picture);
  }

  /** Releases the blobs of this frame. */
  forget() {
    for (const { url, blob } of this.#asked) {
      blobs.delete(url);
      if (blob) URL.revokeObjectURL(blob);
    }
    this.#asked = [];
  }

  /** @param {Picture} picture */
  #describe(picture) {
    this.element.setAttribute("aria-label", `Open image: ${picture.alt || picture.name}`);
    if (picture.width && picture.height) this.#proportion(picture.width / picture.height);
  }

  /** @param {number} ratio width : height */
  #proportion(ratio) {
    this.element.style.setProperty("--ratio", String(ratio));
  }

  /** The new picture is decoded first and laid over the old one. @param {Picture} picture */
  async #replace(picture) {
    const seen = { url: picture.url, blob: "", picture };
    this.#asked = [...this.#asked.filter((each) => bare(each.url) !== bare(picture.url)), seen].slice(-HISTORY);
    try {
      const blob = await load(picture.url);
      seen.blob = blob;
      const image = el("img", { src: blob, alt: picture.alt, draggable: "false" });
      await image.decode();
      if (this.#isCurrent(picture)) this.#lay(image, picture);
    } catch {
      if (this.#isCurrent(picture) && !this.element.querySelector("img")) this.#missing();
    }
  }

  /** @param {Picture} picture whether nothing newer has been asked for meanwhile */
  #isCurrent(picture) {
    return this.picture !== null && bare(this.picture.url) === bare(picture.url);
  }

  /** @param {HTMLImageElement} image @param {Picture} picture */
  #lay(image, picture) {
    if (!picture.width || !picture.height) this.#proportion(image.naturalWidth / image.naturalHeight);
    this.element.classList.remove("missing");
    for (const note of this.element.querySelectorAll(".missing-note")) note.remove();
    const old = this.element.querySelectorAll("img");
    this.element.append(image);
    if (old.length) image.classList.add("arriving");
    this.element.dispatchEvent(new CustomEvent("seen", { bubbles: true }));
    const settle = () => {
      image.classList.remove("arriving");
      for (const each of old) each.remove();
    };
    if (old.length && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
      image.addEventListener("animationend", settle, { once: true });
      setTimeout(settle, 600);
    } else settle();
  }

  #missing() {
    this.element.classList.add("missing");
    this.element.replaceChildren(el("span", { class: "missing-note" }, "This image could not be loaded."));
  }
}
