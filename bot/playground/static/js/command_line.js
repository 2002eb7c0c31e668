/**
 * The one-line form of a command: `/dream a fox in fog seed:7 count:2`. Text that belongs to no option is the main
 * option's. This file has no access to the page.
 */

/** @typedef {import("./types.js").Command} Command */
/** @typedef {import("./types.js").Option} Option */
/** @typedef {import("./types.js").OptionValue} OptionValue */
/** @typedef {{kind: "say", content: string}|{kind: "unknown", name: string}|{kind: "command", command: Command,
 *   given: Record<string, string>, stray: string}} Line */
/** @typedef {{kind: "command", from: number, to: number, typed: string}
 *   |{kind: "option", command: Command, from: number, to: number, typed: string}
 *   |{kind: "value", command: Command, option: Option, from: number, to: number, typed: string}} Completion */

export const STRING = 3;
export const INTEGER = 4;
export const BOOLEAN = 5;
export const NUMBER = 10;
export const ATTACHMENT = 11;
/** Users, channels, roles, mentionables: their choices are names. */
const NAMED = [6, 7, 8, 9];

/**
 * The option that free text fills: a required text. One with suggestions only if it comes first, like the prompt of /dream.
 * @param {Command} command @returns {Option|undefined}
 */
export function mainOption(command) {
  const texts = command.options.filter((option) => option.type === STRING && !option.choices?.length);
  const plain = texts.filter((option) => !option.autocomplete);
  const leading = texts.find((option) => option.required && option === command.options[0]);
  return plain.find((option) => option.required) ?? leading ?? plain[0];
}

/** @param {string} text @param {Command[]} commands @returns {Command|undefined} the one whose full name begins the text */
function commandOf(text, commands) {
  return [...commands].sort((a, b) => b.name.length - a.name.length).find((command) =>
    text === `/${command.name}` || text.startsWith(`/${command.name} `) || text.startsWith(`/${command.name}\n`));
}

/** @param {string} text @param {Command[]} commands @returns {Line} */
export function parseLine(text, commands) {
  const trimmed = text.trim();
  if (!trimmed.startsWith("/")) return { kind: "say", content: trimmed };
  const command = commandOf(trimmed, commands);
  if (!command) return { kind: "unknown", name: trimmed.slice(1).split(/\s/)[0] };
  return { kind: "command", command, ...readOptions(trimmed.slice(command.name.length + 1), command) };
}

/** @param {string} text @param {Command} command @returns {{name: string, from: number, start: number, end: number}[]} */
function markers(text, command) {
  const known = new Set(command.options.map((option) => option.name));
  const found = [...text.matchAll(/(^|\s)([\p{L}\p{N}_-]+):/gu)].filter((match) => known.has(match[2]));
  return found.map((match, index) => ({
    name: match[2],
    from: match.index + match[1].length,
    start: match.index + match[0].length,
    end: found[index + 1]?.index ?? text.length,
  }));
}

/** @param {string} text @param {Command} command @returns {{given: Record<string, string>, stray: string}} */
function readOptions(text, command) {
  /** @type {Record<string, string>} */
  const given = {};
  const marks = markers(text, command);
  const free = [text.slice(0, marks[0]?.from ?? text.length)];
  const led = free[0].trim() !== "";
  for (const mark of marks) {
    const option = /** @type {Option} */ (command.options.find((each) => each.name === mark.name));
    const [value, rest] = takeValue(text.slice(mark.start, mark.end).trim(), option, isOneWord(option, command, led));
    given[mark.name] = value;
    free.push(rest);
  }
  const stray = free.map((part) => part.trim()).filter(Boolean).join(" ");
  const main = mainOption(command);
  if (!main || main.name in given || !stray) return { given, stray };
  return { given: { [main.name]: stray, ...given }, stray: "" };
}

/** Quoted text, a choice or one word; free text goes on to the next option. @param {string} text @param {Option} option @param {boolean} oneWord */
function takeValue(text, option, oneWord) {
  const quoted = /^"([^"]*)"\s*(.*)$/s.exec(text);
  if (quoted) return [quoted[1], quoted[2]];
  const choice = longestChoice(text, option);
  if (choice) return [choice, text.slice(choice.length)];
  if (!oneWord) return [text, ""];
  const [word] = text.split(/\s/, 1);
  return [word, text.slice(word.length)];
}

/**
 * A number or a choice is one word, a text may be several. A text with suggestions is several words only after the main
 * text: `/dream a fox more:eta=1 cutouts=8`, but `/dream size:256x256 a fox`.
 * @param {Option} option @param {Command} command @param {boolean} led whether the line begins with free text
 */
function isOneWord(option, command, led) {
  if (option.type !== STRING || option.choices?.length) return true;
  return Boolean(option.autocomplete) && !led && option.name !== mainOption(command)?.name;
}

/** @param {string} text @param {Option} option @returns {string} */
function longestChoice(text, option) {
  const low = bareName(option, text).toLowerCase();
  const names = (option.choices ?? []).map((choice) => choice.name).filter((name) => low.startsWith(name.toLowerCase()));
  const longest = names.sort((a, b) => b.length - a.length)[0];
  return longest ? text.slice(0, text.length - low.length + longest.length) : "";
}

/** A channel may be typed with #, a person or a role with @. @param {Option} option @param {string} text */
function bareName(option, text) {
  return NAMED.includes(option.type) ? text.replace(/^[#@]/, "") : text;
}

/**
 * Text → the value that Discord expects, or a sentence with the correct form.
 * @param {Option} option @param {string} text @returns {{value: OptionValue}|{error: string}}
 */
export function coerce(option, text) {
  if (option.choices?.length) return coerceChoice(option, text);
  if (option.type === ATTACHMENT) return { error: `${option.name} is a file; choose it with the button, paste it or drop it here.` };
  if (option.type === BOOLEAN) return coerceBoolean(option, text);
  if (option.type === INTEGER || option.type === NUMBER) return coerceNumber(option, text);
  const { min_length: least = 0, max_length: most = 6000 } = option;
  if (text.length < least) return { error: `${option.name} needs at least ${least} characters.` };
  if (text.length > most) return { error: `${option.name} can have at most ${most} characters, not ${text.length}.` };
  return { value: text };
}

/** @param {Option} option @param {string} text @returns {{value: OptionValue}|{error: string}} */
function coerceChoice(option, text) {
  const choices = option.choices ?? [];
  const low = bareName(option, text).toLowerCase();
  const found = choices.find((choice) => String(choice.value) === text || choice.name.toLowerCase() === low);
  if (found) return { value: found.value };
  return { error: `${option.name} must be one of ${choices.map((choice) => choice.name).join(", ")}, not “${text}”.` };
}

/** @param {Option} option @param {string} text @returns {{value: OptionValue}|{error: string}} */
function coerceBoolean(option, text) {
  const value = { true: true, yes: true, false: false, no: false }[text.toLowerCase()];
  return value === undefined ? { error: `${option.name} must be true or false, not “${text}”.` } : { value };
}

/** @param {Option} option @param {string} text @returns {{value: OptionValue}|{error: string}} */
function coerceNumber(option, text) {
  const whole = option.type === INTEGER;
  const value = Number(text);
  if (!text || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    return { error: `${option.name} must be a ${whole ? "whole " : ""}number, not “${text}”.` };
  }
  const { min_value: least = -Infinity, max_value: most = Infinity } = option;
  if (value < least) return { error: `${option.name} must be at least ${least}, not ${value}.` };
  if (value > most) return { error: `${option.name} must be at most ${most}, not ${value}.` };
  return { value };
}

/**
 * All given options → values, and a sentence for each mistake. An attachment counts as given when *files* has it.
 * @param {Command} command @param {Record<string, string>} given @param {Record<string, File>} [files]
 * @returns {{values: Record<string, OptionValue>, errors: {name: string, text: string}[]}}
 */
export function resolve(command, given, files = {}) {
  /** @type {Record<string, OptionValue>} */
  const values = {};
  const errors = [];
  for (const option of command.options) {
    const text = given[option.name];
    if (option.name in files) continue;
    if (text === undefined || text === "") {
      if (option.required) errors.push({ name: option.name, text: `/${command.name} needs ${article(option.name)}.` });
      continue;
    }
    const result = coerce(option, text);
    if ("error" in result) errors.push({ name: option.name, text: result.error });
    else values[option.name] = result.value;
  }
  return { values, errors };
}

/** @param {string} word */
function article(word) {
  return `${/^[aeiou]/.test(word) ? "an" : "a"} ${word}`;
}

/**
 * What can be completed at the caret.
 * @param {string} text @param {number} caret @param {Command[]} commands @returns {Completion|null}
 */
export function completionAt(text, caret, commands) {
  if (!text.startsWith("/")) return null;
  const command = commandOf(text, commands);
  if (!command || caret <= command.name.length + 1) return { kind: "command", from: 0, to: text.length, typed: text.slice(1) };
  const offset = command.name.length + 1;
  const body = text.slice(offset);
  const mark = markers(body, command).findLast((each) => each.start + offset <= caret);
  const option = command.options.find((each) => each.name === mark?.name);
  if (mark && option && isOffered(option)) {
    const typed = body.slice(mark.start, caret - offset);
    if (option.autocomplete || !/\S\s/.test(typed)) return { kind: "value", command, option, from: mark.start + offset, to: caret, typed: typed.trim().replace(/^"/, "") };
  }
  const word = /(?:^|\s)([\p{L}_-]*)$/u.exec(text.slice(offset, caret))?.[1] ?? "";
  return word.length < 2 ? null : { kind: "option", command, from: caret - word.length, to: caret, typed: word };
}

/** @param {Option} option whether there is a list to choose from */
function isOffered(option) {
  return Boolean(option.choices?.length || option.autocomplete || option.type === BOOLEAN);
}

/**
 * A chosen value as it is typed: several words in quotes, unless they are settings, which go on (`more:eta=1 cutouts=8`).
 * @param {Option} option @param {Command} command @param {string} value
 */
export function quoted(option, command, value) {
  const several = /\s/.test(value) && !/["=]/.test(value) && option.name !== mainOption(command)?.name;
  return several ? `"${value}"` : value;
}

/** @param {Command} command @param {Record<string, string>} given @returns {string} the one-line form, which parseLine reads back */
export function writeLine(command, given) {
  const main = mainOption(command);
  const rest = command.options.filter((option) => option.name !== main?.name && given[option.name]).map((option) =>
    `${option.name}:${/\s/.test(given[option.name]) ? `"${given[option.name]}"` : given[option.name]}`);
  return [`/${command.name}`, main ? given[main.name] : "", ...rest].filter(Boolean).join(" ");
}
