"""One afternoon with the bot, told without saying which Discord it happens on."""

from __future__ import annotations

from typing import Any, Protocol

from tests.opinions.looks import Recipe, same


class Stage(Protocol):
    """A Discord with Max (a member), Mo (a moderator), one channel, the bot, and an engine that paints when told to."""

    async def slash(self, who: str, command: str, **options: Any) -> int:
        """Use a command; the id of the message that answers."""
        ...

    async def click(self, who: str, message: int, label: str) -> int:
        """Press a button; the id of the message that answers, or 0 where a form opens."""
        ...

    def form(self) -> dict[str, str]:
        """The fields of the open form by label, with what they hold."""
        ...

    async def submit(self, who: str, **values: str) -> int:
        """Send the open form."""
        ...

    async def choose(self, who: str, message: int, action: str, value: str) -> int:
        """Choose from a menu, by the action in its custom id; the id of the message that answers."""
        ...

    async def react(self, who: str, message: int, emoji: str) -> None: ...

    async def suggestions(self, who: str, command: str, option: str, typed: str, **options: Any) -> list[str]: ...

    async def paint(self) -> None:
        """Let the engine finish everything, and wait until the bot has told about it."""
        ...

    async def forward(self, seconds: float) -> None:
        """Let time pass for the bot, and wait until it has dealt with it."""
        ...

    def look(self, message: int) -> Recipe:
        """How a message looks now."""
        ...

    async def shown(self, words: str, message: int = 0) -> int:
        """Wait until *message*, or the newest one that everybody sees, has these words; its id."""
        ...

    def newest(self) -> int:
        """The newest message that everybody sees."""
        ...

    def gone(self, message: int) -> bool: ...


async def afternoon(stage: Stage) -> list[object]:
    """Everything that was seen, in order."""
    seen: list[object] = []
    fox = await stage.slash("max", "dream", prompt="a red boat on the sea:2 | fog:-0.3", seed=7)
    await stage.paint()
    seen.append(stage.look(fox))

    seen.append(stage.look(await stage.click("mo", fox, "Info")))
    again = await stage.click("mo", fox, "Again")
    await stage.paint()
    seen += [stage.look(fox), stage.look(again)]

    await stage.click("max", fox, "Remix")
    seen.append(stage.form())
    remix = await stage.submit("max", prompt="two owls @everyone")
    await stage.paint()
    seen.append(stage.look(remix))

    await stage.react("mo", fox, "⬆️")
    await stage.paint()
    seen.append(stage.look(stage.newest()))

    waiting = await stage.slash("max", "dream", prompt="a house", count=4)
    seen.append(stage.look(await stage.slash("mo", "queue")))
    seen.append(stage.look(await stage.click("mo", waiting, "Cancel")))
    seen.append(stage.look(waiting))

    seen.append(stage.look(await stage.slash("max", "dream", prompt="castle:2 | fog:")))
    seen.append(stage.look(await stage.slash("max", "dream", prompt="a tree", size="13x13")))
    seen.append(stage.look(await stage.slash("max", "quota")))
    seen += [same(name) for name in await stage.suggestions("max", "dream", "size", "25", prompt="an owl")]
    seen.append(stage.look(await stage.click("max", remix, "Info")))
    await stage.click("max", remix, "Delete")
    seen.append(stage.gone(remix))
    return seen


async def evening(stage: Stage) -> list[object]:
    """What people do together: compare, vote, star, look through the gallery, find again."""
    seen: list[object] = []
    sheet = await stage.slash("max", "compare", prompt="a [red|blue] fox", first="steps=5", seed=7)
    await stage.paint()
    await stage.paint()
    seen.append(stage.look(sheet))

    question = await stage.click("mo", sheet, "Vote")
    seen.append(stage.look(question))
    await stage.click("mo", question, "10 minutes")
    vote = await stage.shown("Press a letter")
    seen += [stage.look(vote), stage.look(await stage.shown("labels are hidden", sheet))]
    seen.append(stage.look(await stage.click("max", vote, "A")))
    seen.append(stage.look(await stage.click("mo", vote, "B")))
    seen.append(stage.look(await stage.click("mo", vote, "A")))

    owl = await stage.slash("max", "dream", prompt="an owl", seed=7)
    await stage.paint()
    seen.append(stage.look(await stage.click("mo", owl, "Star")))
    await stage.react("max", owl, "⭐")
    seen.append(stage.look(await stage.slash("mo", "favorites")))
    seen.append(stage.look(await stage.slash("max", "gallery", order="starred")))
    seen.append(stage.look(await stage.slash("max", "find", words="owl")))
    seen.append(stage.look(await stage.choose("mo", owl, "edges", "tile")))

    await stage.forward(601)
    seen.append(stage.look(await stage.shown("Winner", vote)))
    seen.append(stage.look(await stage.shown("2 pictures", sheet)))
    seen.append(stage.look(await stage.shown("won this vote")))
    seen.append(stage.look(await stage.slash("max", "insights")))
    return seen
