"""The parts of the local Discord's state that every action reads and changes."""

from dataclasses import dataclass

from bot.playground.server.actions.message_payload import MessagePayloads
from bot.playground.server.world.clock import Clock
from bot.playground.server.world.entities import Channel, World
from bot.playground.server.world.events import Event, EventBus, Intent, fixed
from bot.playground.server.world.files import Files
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.messages import Message, Messages
from bot.playground.server.world.payloads import channel_payload
from bot.playground.server.world.snowflakes import Snowflakes


@dataclass
class SiteState:
    """World, messages and files, with the clock, the ids and the event bus that changes go through."""

    clock: Clock
    ids: Snowflakes
    world: World
    files: Files
    messages: Messages
    hub: EventBus

    def show(self, message: Message, viewer: int, *, content: bool = True) -> Json:
        """The message object as the user *viewer* receives it; see `MessagePayloads.message`."""
        return MessagePayloads(self.world, self.files, self.messages).message(message, viewer, content=content)

    @property
    def reads_content(self) -> bool:
        """Whether the portal allows the app the MESSAGE_CONTENT intent."""
        return bool(self.world.app.privileged_intents & Intent.MESSAGE_CONTENT)

    def commands_changed(self) -> None:
        """Publish APPLICATION_COMMANDS_UPDATE to the clients of people; bots do not receive it."""
        self.hub.publish(Event("APPLICATION_COMMANDS_UPDATE", fixed({}), people_only=True))

    def channel_changed(self, channel: Channel) -> None:
        """Publish CHANNEL_UPDATE, or THREAD_UPDATE for a thread."""
        name = "THREAD_UPDATE" if channel.is_thread else "CHANNEL_UPDATE"
        data = channel_payload(self.world, channel)
        self.hub.publish(Event(name, fixed(data), channel.guild_id, channel.id, Intent.GUILDS))
