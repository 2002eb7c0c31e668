"""`/mydata` and `/forget`: a copy of everything stored about a person, and its deletion."""

from __future__ import annotations

from discord import app_commands

from bot.interactions.commands import everywhere
from bot.interactions.message_api import EphemeralPayload
from bot.interactions.responder import AnyInteraction, InteractionResponder
from bot.services import BotCog
from bot.text import count
from bot.views.confirm import erasure_payload


class PrivacyCog(BotCog):
    @app_commands.command(name="mydata", description="Get a copy of everything stored about you.")
    @everywhere
    async def mydata(self, interaction: AnyInteraction) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        copy = await self.services.privacy.copy(interaction.user.id, responder.upload_limit)
        words = f"Your jobs, prompts, settings, votes and ledger, with {count(copy.pictures, 'picture')}."
        if copy.left_out:
            missing = count(copy.left_out, "older picture does", "older pictures do")
            words += f" {missing} not fit into the file; see /history."
        await responder.send_private_payload(EphemeralPayload(words, files=(("dreambot-mydata.zip", copy.data),)))

    @app_commands.command(name="forget", description="Delete everything stored about you; asks first.")
    @everywhere
    async def forget(self, interaction: AnyInteraction) -> None:
        responder = InteractionResponder.of(interaction, private=True)
        await responder.send_private_payload(
            erasure_payload(await self.services.privacy.belongings(interaction.user.id))
        )
