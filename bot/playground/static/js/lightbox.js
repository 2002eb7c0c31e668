/** A large picture. Arrow keys go to the other pictures of the channel; the strip below shows earlier states. */

import { byId, el, icon, iconButton } from "./dom.js";

/** @typedef {import("./pictures.js").PictureFrame} PictureFrame */
/** @typedef {import("./pictures.js").Seen} Seen */
/** @typedef {{frame: PictureFrame, title: string}} Slide */

const REPLAY = 180;

export class Lightbox {
  /** @type {Slide[]} */
  slides = [];
  at = 0;
  /** Index of the shown state; the last one is the newest. */
  moment = 0;
  #replay = 0;

  constructor() {
    this.dialog = /** @type {HTMLDialogElement} */ (byId("lightbox"));
    this.image = el("img", { class: "lightbox-image", alt: "" });
    this.caption = el("p", { class: "lightbox-caption" });
    this.place = el("span", { class: "lightbox-place" });
    this.strip = el("div", { class: "strip", role: "group", "aria-label": "Earlier states" });
    this.save = el("a", { class: "icon-button", "aria-label": "Save this image", title: "Save this image" }, icon("save"));
    this.replayButton = iconButton("play", "Play earlier states", () => this.#toggleReplay());
    this.before = iconButton("left", "Previous image", () => this.#go(-1), { class: "icon-button side before" });
    this.after = iconButton("right", "Next image", () => this.#go(1), { class: "icon-button side after" });
    this.dialog.append(
      el("header", { class: "lightbox-bar" }, this.caption, this.place, this.replayButton, this.save,
        iconButton("close", "Close", () => this.dialog.close())),
      el("div", { class: "stage" }, this.before, this.image, this.after), this.strip);
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    this.dialog.addEventListener("close", () => this.#stop());
    this.dialog.addEventListener("click", (event) => this.#background(event));
  }

  /** @param {Slide[]} slides @param {number} at */
  open(slides, at) {
    this.slides = slides;
    this.at = at;
    this.moment = Infinity;
    this.#draw();
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Redraws after a picture of the page has changed. */
  refresh() {
    if (this.dialog.open && !this.#replay) this.#draw();
  }

  /** @returns {Seen[]} */
  get #seen() {
    return this.slides[this.at]?.frame.seen ?? [];
  }

  #draw() {
    const seen = this.#seen;
    const newest = this.moment >= this.strip.childElementCount - 1;
    this.moment = newest ? seen.length - 1 : this.moment;
    this.strip.replaceChildren(...seen.map((each, index) => this.#thumbnail(each, index, seen.length)));
    this.strip.hidden = this.replayButton.hidden = seen.length < 2;
    this.before.disabled = this.at === 0;
    this.after.disabled = this.at >= this.slides.length - 1;
    this.place.textContent = this.slides.length > 1 ? `${this.at + 1} of ${this.slides.length}` : "";
    this.#keepFocus();
    this.#showMoment();
  }

  /** A control that was just disabled would keep the focus and swallow the keys. */
  #keepFocus() {
    const lost = [this.before, this.after, this.replayButton].some((button) =>
      button === document.activeElement && (button.disabled || button.hidden));
    if (lost || !this.dialog.contains(document.activeElement)) this.dialog.focus();
  }

  /** @param {Seen} seen @param {number} index @param {number} count */
  #thumbnail(seen, index, count) {
    const label = index === count - 1 ? "Newest state" : `State ${index + 1} of ${count}`;
    const thumbnail = el("button", { type: "button", class: "thumbnail", "aria-label": label, title: label },
      el("img", { src: seen.blob, alt: "", draggable: "false" }));
    thumbnail.addEventListener("click", () => {
      this.#stop();
      this.#select(index);
    });
    return thumbnail;
  }

  /** @param {number} index */
  #select(index) {
    this.moment = Math.min(Math.max(index, 0), this.#seen.length - 1);
    this.#showMoment();
  }

  #showMoment() {
    const seen = this.#seen[this.moment];
    if (!seen) return;
    const { picture } = seen;
    this.image.src = seen.blob;
    this.image.alt = picture.alt || this.slides[this.at].title;
    this.caption.textContent = this.slides[this.at].title || picture.alt || picture.name;
    this.save.setAttribute("download", picture.name);
    this.save.setAttribute("href", seen.blob);
    for (const [index, thumbnail] of [...this.strip.children].entries()) {
      if (index === this.moment) thumbnail.setAttribute("aria-current", "true");
      else thumbnail.removeAttribute("aria-current");
    }
    this.strip.children[this.moment]?.scrollIntoView({ block: "nearest", inline: "center" });
  }

  /** @param {number} step */
  #go(step) {
    const next = this.at + step;
    if (next < 0 || next >= this.slides.length) return;
    this.#stop();
    this.at = next;
    this.moment = Infinity;
    this.#draw();
  }

  #toggleReplay() {
    if (this.#replay) this.#stop();
    else {
      let index = 0;
      this.#replay = setInterval(() => {
        this.#select(index);
        if (++index >= this.#seen.length) this.#stop();
      }, REPLAY);
      this.#replayLabel("stop", "Stop");
    }
  }

  #stop() {
    clearInterval(this.#replay);
    this.#replay = 0;
    this.#replayLabel("play", "Play earlier states");
  }

  /** @param {import("./dom.js").IconName} name @param {string} label */
  #replayLabel(name, label) {
    this.replayButton.replaceChildren(icon(name));
    this.replayButton.setAttribute("aria-label", label);
    this.replayButton.title = label;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    /** @type {Record<string, () => void>} */
    const keys = {
      ArrowLeft: () => this.#go(-1),
      ArrowRight: () => this.#go(1),
      ArrowUp: () => this.#select(this.moment - 1),
      ArrowDown: () => this.#select(this.moment + 1),
      p: () => this.#toggleReplay(),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    if (event.key !== "p") this.#stop();
    keys[event.key]();
  }

  /** Closes after a click outside the picture. @param {MouseEvent} event */
  #background(event) {
    const target = /** @type {Element} */ (event.target);
    if (target === this.dialog || target.classList.contains("stage")) this.dialog.close();
  }
}
