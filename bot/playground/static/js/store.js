/** The page's copy of the server's state for one person. Only the event stream writes it; views listen. */

/** @typedef {import("./types.js").Snapshot} Snapshot */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").User} User */
/** @typedef {import("./types.js").Channel} Channel */
/** @typedef {import("./types.js").Option} Option */
/** @typedef {import("./types.js").Choice} Choice */
/** @typedef {import("./types.js").Component} Component */
/** @typedef {import("./types.js").SelectOption} SelectOption */
/** @typedef {import("./types.js").Command} Command */
/** @typedef {import("./types.js").RegisteredCommand} RegisteredCommand */

const EPHEMERAL = 1 << 6;
const LOADING = 1 << 7;
export const SLASH = 1;
const ON_USER = 2;
const ON_MESSAGE = 3;
const DIRECT = [1, 3];
const MANAGE_MESSAGES = 1n << 13n;
const ADMINISTRATOR = 1n << 3n;

/** @param {Message} message */
export const isEphemeral = (message) => ((message.flags ?? 0) & EPHEMERAL) !== 0;
/** @param {Message} message */
export const isThinking = (message) => ((message.flags ?? 0) & LOADING) !== 0;
/** @param {User} user */
export const displayName = (user) => user.global_name || user.username;

/**
 * Events: `snapshot`, `channel`, `message` (detail: Message), `removed` (detail: Message), `commands`, `state`,
 * `faults`, `modal` (detail: ModalData), `done` and `failed` (detail: {nonce, text?}), `unread`.
 */
export class Store extends EventTarget {
  /** @type {Snapshot} */
  state = { users: [], me: "", channels: [], messages: [], commands: [] };
  /** @type {Map<string, Message>} in order of arrival */
  messages = new Map();
  /** @type {Map<string, User>} */
  users = new Map();
  /** @type {Set<string>} ids of channels with something new */
  unread = new Set();
  /** @type {Set<string>} ids of messages that this person has dismissed */
  dismissed = new Set();
  channel = "";

  /** @type {Record<string, (data: any) => void>} */
  #on = {
    snapshot: (data) => this.#snapshot(data),
    message_create: (data) => this.#message(data, true),
    message_update: (data) => this.#message(data, false),
    message_delete: (data) => this.#remove(data.id),
    reaction: (data) => this.#reaction(data),
    commands: (data) => this.#commands(data),
    bot_state: (data) => this.#botState(data),
    faults: (data) => this.#faults(data.faults ?? data),
    modal: (data) => this.#tell("modal", data),
    interaction_done: (data) => this.#tell("done", data),
    interaction_failed: (data) => this.#tell("failed", data),
  };

  /** One event of the stream. @param {string} name @param {any} data */
  receive(name, data) {
    this.#on[name]?.(data);
  }

  /** @returns {User|undefined} */
  get me() {
    return this.users.get(this.state.me);
  }

  /** @returns {Channel|undefined} */
  get currentChannel() {
    return this.state.channels.find((channel) => channel.id === this.channel);
  }

  /** @returns {Message[]} of the channel that is open */
  get shown() {
    return [...this.messages.values()].filter((message) =>
      message.channel_id === this.channel && !this.dismissed.has(message.id));
  }

  /** @returns {Command[]} every command and subcommand by its full name; people, roles and channels are offered as choices */
  get commands() {
    const all = this.#offered(SLASH).flatMap((command) => flatten(command, "", Boolean(command.default_member_permissions)));
    return all.map((command) => ({ ...command, options: command.options.map((option) => this.#withChoices(option)) }));
  }

  /** @returns {string[]} the names of commands that belong to a message */
  get messageCommands() {
    return this.#offered(ON_MESSAGE).map((command) => command.name);
  }

  /** @returns {string[]} the names of commands that belong to a person */
  get userCommands() {
    return this.#offered(ON_USER).map((command) => command.name);
  }

  /** What this person can use in the channel that is open. @param {number} type */
  #offered(type) {
    const ids = this.state.offered?.[this.channel];
    return this.state.commands.filter((command) => (command.type ?? SLASH) === type && (!ids || ids.includes(command.id ?? "")));
  }

  /** @param {Option} option @returns {Option} */
  #withChoices(option) {
    const { 6: people, 7: channels, 8: roles } = this.#choices(option.channel_types);
    const choices = { 6: people, 7: channels, 8: roles, 9: [...people, ...roles] }[option.type];
    return choices ? { ...option, choices } : option;
  }

  /** People, channels and roles that can be chosen here. @param {number[]} [channelTypes] @returns {Record<6|7|8, Choice[]>} */
  #choices(channelTypes) {
    const fits = (/** @type {{type: number}} */ { type }) => !DIRECT.includes(type) && (!channelTypes?.length || channelTypes.includes(type));
    return {
      6: this.state.users.map((user) => ({ name: displayName(user), value: user.id })),
      7: this.state.channels.filter(fits).map((channel) => ({ name: channel.name ?? channel.id, value: channel.id })),
      8: (this.state.roles ?? []).map((role) => ({ name: role.name, value: role.id })),
    };
  }

  /** What a menu offers: its own words, or people, roles and channels. @param {Component} menu @returns {SelectOption[]} */
  optionsOf(menu) {
    const { 6: people, 7: channels, 8: roles } = this.#choices(menu.channel_types);
    const choices = { 5: people, 6: roles, 7: [...people, ...roles], 8: channels }[menu.type];
    const chosen = new Set((menu.default_values ?? []).map((each) => each.id));
    return choices?.map(({ name, value }) => ({ label: name, value: String(value), default: chosen.has(String(value)) })) ?? menu.options ?? [];
  }

  /** @param {string} id */
  selectChannel(id) {
    this.channel = id;
    this.unread.delete(id);
    this.#tell("channel");
  }

  /** @param {Message} message */
  mayDelete(message) {
    if (message.author.id === this.state.me) return true;
    const bits = BigInt(this.state.permissions?.[message.channel_id] ?? "0");
    return !isEphemeral(message) && (bits & (MANAGE_MESSAGES | ADMINISTRATOR)) !== 0n;
  }

  /** Puts away a message that only this person sees. @param {Message} message */
  dismiss(message) {
    this.dismissed.add(message.id);
    this.#tell("removed", message);
  }

  /** @param {string} name @param {unknown} [detail] */
  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** @param {Snapshot} data */
  #snapshot(data) {
    this.state = data;
    this.users = new Map(data.users.map((user) => [user.id, user]));
    this.messages = new Map(data.messages.map((message) => [message.id, message]));
    this.#learn(data.messages);
    if (!this.currentChannel) this.channel = data.channel ?? data.channels[0]?.id ?? "";
    this.unread = new Set([...this.unread].filter((id) => data.channels.some((channel) => channel.id === id)));
    this.#tell("snapshot");
  }

  /** @param {Message} message @param {boolean} isNew */
  #message(message, isNew) {
    const known = this.messages.get(message.id);
    this.messages.set(message.id, known?.reactions && !message.reactions ? { ...message, reactions: known.reactions } : message);
    this.#learn([message]);
    if (isNew && message.channel_id !== this.channel) {
      this.unread.add(message.channel_id);
      this.#tell("unread");
    }
    this.#tell("message", this.messages.get(message.id));
  }

  /** @param {string} id */
  #remove(id) {
    const message = this.messages.get(id);
    if (!message) return;
    this.messages.delete(id);
    this.#tell("removed", message);
  }

  /** @param {{message_id: string, reactions: import("./types.js").Reaction[]}} data */
  #reaction(data) {
    const message = this.messages.get(data.message_id);
    if (!message) return;
    const changed = { ...message, reactions: data.reactions };
    this.messages.set(message.id, changed);
    this.#tell("message", changed);
  }

  /** @param {{commands: RegisteredCommand[], offered?: Record<string, string[]>}} data */
  #commands({ commands, offered }) {
    this.state.commands = commands;
    this.state.offered = offered;
    this.#tell("commands");
  }

  /** @param {any} data */
  #botState(data) {
    this.state.bot = { online: Boolean(data.online) };
    if (data.engine) this.state.engine = data.engine;
    this.#tell("state");
  }

  /** @param {import("./types.js").Fault[]} faults */
  #faults(faults) {
    this.state.faults = faults;
    this.#tell("faults");
  }

  /** Remembers everyone who wrote or was mentioned, so that mentions have names. @param {Message[]} messages */
  #learn(messages) {
    for (const message of messages) {
      for (const user of [message.author, ...(message.mentions ?? [])]) {
        if (!this.users.has(user.id)) this.users.set(user.id, user);
      }
    }
  }
}

/** @param {RegisteredCommand|Option} command @param {string} before @param {boolean} special @returns {Command[]} */
function flatten(command, before, special) {
  const name = before ? `${before} ${command.name}` : command.name;
  const options = command.options ?? [];
  const nested = options.filter((option) => option.type === 1 || option.type === 2);
  if (nested.length) return nested.flatMap((option) => flatten(option, name, special));
  return [{ name, description: command.description, options, special }];
}
