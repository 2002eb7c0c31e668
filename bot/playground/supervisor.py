"""`python -m bot playground`: starts the local Discord, its page and the bot, and prints one address."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config.settings import CONFIG_VARIABLE, DATA_VARIABLE, TOKEN_VARIABLE, Config, load_config
from engine.errors import DreamError

if TYPE_CHECKING:
    from bot.playground.page_server import Page
    from bot.playground.server.world.record import Record

SCHEMAS_VARIABLE = "DREAMBOT_SCHEMAS"
PORTS = 50
"""Ports that are tried, starting with the configured one."""
INSTALL = "The playground needs more packages: python -m pip install 'dreambot[playground]'"
QUICK = """\
[delivery]
edit_seconds = 0.5

[queue]
cooldown_seconds = 0.0
costly_seconds = 0.0
"""
"""Settings without a config file: a local server needs no rate limiting."""


def main(config_path: Path | None) -> int:
    """Run until Ctrl-C; the exit status is 1 after an error."""
    try:
        import trustme  # noqa: F401 - checked first, for a clear message
    except ImportError:
        print(INSTALL, file=sys.stderr)
        return 1
    try:
        config = load_config(config_path, os.environ)
        with _folder() as folder:
            asyncio.run(_play(config, _settings(config_path, folder), folder))
    except DreamError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary data folder: each run has a new world, so old data would not fit it."""
    with tempfile.TemporaryDirectory(prefix="dreambot-playground-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def _settings(config_path: Path | None, folder: Path) -> Path:
    """The configured settings file, ./config.toml, or one with QUICK."""
    named = os.environ.get(CONFIG_VARIABLE, "").strip()
    if config_path or named:
        return config_path or Path(named)
    if Path("config.toml").is_file():
        return Path("config.toml")
    quick = folder / "config.toml"
    quick.write_text(QUICK, encoding="utf-8")
    return quick


async def _play(config: Config, settings: Path, folder: Path) -> None:
    from bot.interactions.connector import Link
    from bot.playground.child_process import Child, start_bot  # these need the extra packages
    from bot.playground.page_server import Page
    from bot.playground.processes import BotAndEngine
    from bot.playground.server.local import LocalDiscord

    started = time.monotonic()
    async with AsyncExitStack() as stack:
        site = await stack.enter_async_context(LocalDiscord())
        _check_schemas(site.record)
        link = folder / "link.json"
        Link(site.port, site.authority.pem, site.world.app.token).write(link)
        environ = _bot_environment(folder, link)

        async def start() -> Child:
            return await start_bot(environ, folder / "bot.log", settings)

        processes = BotAndEngine(start, site.gateway, folder / "data")
        page = Page(site, processes)
        await _open(page, config.playground.port)
        stack.push_async_callback(page.close)
        processes.changed = page.send_state
        stack.push_async_callback(processes.stop)
        site.gateway.listeners.append(_announcer(started))
        print(f"Open {page.url}\n(Ctrl-C stops the playground; log: {folder / 'bot.log'})", flush=True)
        await _first(processes.keep_running(), processes.watch(), _until_signal())


def _check_schemas(record: "Record") -> None:
    """Check the record by Discord's schemas in the folder $DREAMBOT_SCHEMAS; the page shows the findings."""
    named = os.environ.get(SCHEMAS_VARIABLE, "").strip()
    if not named:
        return
    try:
        from bot.playground.schema_check import check_against

        check_against(Path(named), record)
    except (ImportError, OSError) as error:
        raise DreamError(f"${SCHEMAS_VARIABLE} is {named}, but its schemas cannot be read: {error}.") from error


def _bot_environment(folder: Path, link: Path) -> dict[str, str]:
    """Our environment without a real token, so that the bot cannot reach the real Discord."""
    kept = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    return {**kept, "DREAMBOT_PLAYGROUND": str(link), DATA_VARIABLE: str(folder / "data"), "PYTHONUNBUFFERED": "1"}


async def _open(page: "Page", port: int) -> None:
    for candidate in range(port, port + PORTS):
        with contextlib.suppress(OSError):
            await page.start(candidate)
            return
    raise DreamError(f"No free port from {port} to {port + PORTS - 1} on 127.0.0.1; set another in [playground] port.")


def _announcer(started: float) -> Callable[[bool], None]:
    """Prints once how long the bot took to get online."""
    said = False

    def announce(online: bool) -> None:
        nonlocal said
        if online and not said:
            said = True
            print(f"The bot is online after {time.monotonic() - started:.1f} s.", flush=True)

    return announce


async def _first(*work: Coroutine[None, None, None]) -> None:
    """Run all until the first one ends or fails; cancel the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _until_signal() -> None:
    """Return at Ctrl-C or SIGTERM."""
    received, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, received.set)
    await received.wait()
