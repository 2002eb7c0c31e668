/** The input history for the arrow keys, kept in the tab's session storage. */

const REMEMBERED = 50;
const KEY = "dreambot.lines";

export class InputHistory {
  /** Position in the history; 0 is the current input. */
  back = 0;

  constructor() {
    const stored = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    /** @type {string[]} oldest first */
    this.lines = Array.isArray(stored) ? stored.map(String) : [];
  }

  /** @param {string} line */
  remember(line) {
    this.lines = [...this.lines.filter((each) => each !== line), line].slice(-REMEMBERED);
    sessionStorage.setItem(KEY, JSON.stringify(this.lines));
  }

  /** @param {1|-1} step 1 is older, -1 newer @returns {string} */
  go(step) {
    this.back = Math.min(Math.max(this.back + step, 0), this.lines.length);
    return this.back ? this.lines[this.lines.length - this.back] : "";
  }
}
