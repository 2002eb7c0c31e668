/** The suggestions while a person types: commands, options, and values of an option. */

import { ATTACHMENT, BOOLEAN, completionAt, parseLine, quoted, resolve } from "./command_line.js";

/** @typedef {import("./types.js").Command} Command */
/** @typedef {import("./types.js").Choice} Choice */
/** @typedef {import("./types.js").Option} Option */
/** @typedef {import("./types.js").OptionValue} OptionValue */
/** @typedef {import("./menu.js").Item} Item */
/** @typedef {(command: Command, options: Record<string, OptionValue>, focused: string) => Promise<Choice[]>} Autocomplete */
/**
 * The effects of a choice on the line.
 * @typedef {{replace: (range: {from: number, to: number}, text: string) => void,
 *   form: (command: Command, given: Record<string, string>) => void, run: (command: Command) => void, autocomplete: Autocomplete}} Effects
 */

/**
 * @param {string} text @param {number} caret @param {Command[]} commands @param {Effects} effects
 * @returns {Promise<{items: Item[], preselect: boolean}>}
 */
export async function suggest(text, caret, commands, effects) {
  const completion = completionAt(text, caret, commands);
  if (!completion) return { items: [], preselect: false };
  if (completion.kind === "command") return { items: commandItems(completion.typed, commands, effects), preselect: true };
  const line = parseLine(text, commands);
  const given = line.kind === "command" ? line.given : {};
  if (completion.kind === "option") return { items: optionItems(completion, given, effects), preselect: false };
  const choices = await valueChoices(completion, given, effects);
  const { command, option } = completion;
  const typed = (/** @type {Choice} */ choice) => `${quoted(option, command, String(choice.value))} `;
  return { items: choices.map((choice) => ({ name: choice.name, pick: () => effects.replace(completion, typed(choice)) })), preselect: false };
}

/**
 * Asks the bot; the request contains the other options that are already valid.
 * @param {Autocomplete} autocomplete @param {Command} command @param {Record<string, string>} given @param {Option} option @param {string} typed
 */
export function askFor(autocomplete, command, given, option, typed) {
  const { values } = resolve(command, { ...given, [option.name]: "" });
  return autocomplete(command, { ...values, [option.name]: typed }, option.name);
}

/** @param {string} typed @param {Command[]} commands @param {Effects} effects @returns {Item[]} */
function commandItems(typed, commands, effects) {
  const low = typed.trimEnd().toLowerCase();
  const known = commands.filter((command) => command.name.toLowerCase().includes(low));
  // Commands for everyone come before commands with required permissions.
  known.sort((a, b) => Number(b.name.startsWith(low)) - Number(a.name.startsWith(low))
    || Number(Boolean(a.special)) - Number(Boolean(b.special)) || a.name.localeCompare(b.name));
  return known.map((command) => ({ name: `/${command.name}`, detail: command.description,
    pick: () => command.options.length ? effects.form(command, {}) : effects.run(command) }));
}

/**
 * @param {Extract<import("./command_line.js").Completion, {kind: "option"}>} completion @param {Record<string, string>} given @param {Effects} effects
 * @returns {Item[]}
 */
function optionItems(completion, given, effects) {
  const { command, typed } = completion;
  const free = command.options.filter((option) => !(option.name in given) && option.name.startsWith(typed.toLowerCase()));
  return free.map((option) => ({ name: `${option.name}:`, detail: option.description, mark: option.required ? "required" : "",
    pick: () => option.type === ATTACHMENT ? effects.form(command, given) : effects.replace(completion, `${option.name}:`) }));
}

/**
 * @param {Extract<import("./command_line.js").Completion, {kind: "value"}>} completion @param {Record<string, string>} given @param {Effects} effects
 * @returns {Promise<Choice[]>}
 */
async function valueChoices({ command, option, typed }, given, effects) {
  const fixed = option.type === BOOLEAN ? ["true", "false"].map((word) => ({ name: word, value: word })) : option.choices;
  if (fixed?.length) return fixed.filter((choice) => choice.name.toLowerCase().includes(typed.toLowerCase()));
  return askFor(effects.autocomplete, command, given, option, typed).catch(() => []);
}
