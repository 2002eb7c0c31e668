/**
 * The shapes that cross the border between page and server. Messages, users, channels and commands are Discord's own
 * JSON objects; only the members that the page reads are named here.
 *
 * @typedef {{id: string, username: string, global_name?: string|null, bot?: boolean, role?: string}} User
 * @typedef {{id: string, name?: string, type: number, topic?: string|null, nsfw?: boolean, parent_id?: string|null,
 *            recipients?: User[]}} Channel
 * @typedef {{id?: string|null, name?: string|null, animated?: boolean}} Emoji
 * @typedef {{emoji: Emoji, count: number, me: boolean}} Reaction
 * @typedef {{id: string, filename: string, url: string, proxy_url?: string, content_type?: string, size?: number,
 *            width?: number|null, height?: number|null, description?: string|null}} Attachment
 * @typedef {{url?: string, proxy_url?: string, width?: number|null, height?: number|null, description?: string|null}} Media
 * @typedef {{title?: string, description?: string, url?: string, color?: number, timestamp?: string, image?: Media,
 *            thumbnail?: Media, author?: {name: string, icon_url?: string}, footer?: {text: string},
 *            fields?: {name: string, value: string, inline?: boolean}[]}} Embed
 * @typedef {{id: string, name: string}} Role
 * @typedef {{label: string, value: string, description?: string|null, default?: boolean, emoji?: Emoji}} SelectOption
 * @typedef {{type: number, id?: number, custom_id?: string, style?: number, label?: string|null, disabled?: boolean,
 *            url?: string, emoji?: Emoji|null, components?: Component[], component?: Component, accessory?: Component,
 *            options?: SelectOption[], default_values?: {id: string}[], channel_types?: number[], default?: boolean, placeholder?: string|null, min_values?: number, max_values?: number, required?: boolean,
 *            value?: string|null, min_length?: number, max_length?: number, content?: string,
 *            description?: string|null, media?: Media, items?: {media: Media, description?: string|null}[],
 *            file?: Media, name?: string, accent_color?: number|null, divider?: boolean, spoiler?: boolean}} Component
 * @typedef {{id: string, channel_id: string, author: User, content: string, timestamp: string, type?: number,
 *            edited_timestamp?: string|null, flags?: number, attachments?: Attachment[], embeds?: Embed[],
 *            components?: Component[], reactions?: Reaction[], mentions?: User[],
 *            message_reference?: {message_id?: string}|null, referenced_message?: Message|null,
 *            interaction?: {name: string, user: User}|null,
 *            interaction_metadata?: {user: User, name?: string, command_type?: number, type: number}|null}} Message
 * @typedef {string|number|boolean} OptionValue
 * @typedef {{name: string, value: string|number}} Choice
 * @typedef {{name: string, description: string, type: number, required?: boolean, choices?: Choice[],
 *            autocomplete?: boolean, channel_types?: number[], min_value?: number, max_value?: number, min_length?: number, max_length?: number,
 *            options?: Option[]}} Option
 * @typedef {{id?: string, name: string, description: string, type?: number, options?: Option[],
 *            default_member_permissions?: string|null}} RegisteredCommand
 * @typedef {{name: string, description: string, options: Option[], special?: boolean}} Command
 * @typedef {{online: boolean}} BotState
 * @typedef {{state: string, note?: string}} EngineState
 * @typedef {{id: string, label: string, help?: string, once?: boolean, on: boolean}} Fault
 * @typedef {{users: User[], me: string, guild?: {name: string}, channels: Channel[], channel?: string,
 *            messages: Message[], commands: RegisteredCommand[], offered?: Record<string, string[]>, roles?: Role[], bot?: BotState, engine?: EngineState,
 *            application?: User|null, permissions?: Record<string, string>, faults?: Fault[]}} Snapshot
 * @typedef {{nonce?: string, id?: string, custom_id: string, title: string, components: Component[]}} ModalData
 * @typedef {{n: number, at: number, method: string, route: string, status: number, seconds?: number, body?: unknown,
 *            findings: string[], note?: string}} RequestEntry
 * @typedef {{url: string, width: number|null, height: number|null, name: string, alt: string}} Picture
 */

export {};
