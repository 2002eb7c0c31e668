"""The bot's gateway sessions: kept for RESUME after their socket has closed."""

import secrets
from collections.abc import Callable

from bot.playground.server.actions.state import SiteState
from bot.playground.server.gateway.identify_limit import IdentifyLimit
from bot.playground.server.gateway.session import GatewaySession
from bot.playground.server.world.json_types import Json
from bot.playground.server.world.record import Record

HEARTBEAT_MS = 41_250


class Sessions:
    """All sessions by id, and the limits and settings that apply to each."""

    def __init__(self, state: SiteState, record: Record) -> None:
        self.state = state
        self._record = record
        self._sessions: dict[str, tuple[GatewaySession, Callable[[], None]]] = {}
        self.listeners: list[Callable[[bool], None]] = []
        """Called with `online` after each change of it."""
        self.identifies = IdentifyLimit(state.clock)
        self.heartbeat_ms: float = HEARTBEAT_MS
        self.refuse_identify = 0
        """A close code that answers every IDENTIFY; 0 = accept them."""
        self.resume_url = "wss://gateway.discord.gg"
        """Where READY tells the bot to resume."""
        self.shards = 1
        """The number of shards that GET /gateway/bot recommends."""

        self.broken: list[tuple[Callable[[bytes], bytes], int | None]] = []
        """Each changes the bytes of one frame, as a broken proxy does, of a shard or of any connection (None)."""

    def garble(self, data: bytes, session: GatewaySession | None) -> bytes:
        """A frame as `broken` lets it arrive."""
        for change, shard in self.broken:
            if shard is None or (session is not None and session.shard[0] == shard):
                self.broken.remove((change, shard))
                return change(data)
        return data

    @property
    def online(self) -> bool:
        return bool(self.live_shards)

    @property
    def live_shards(self) -> set[int]:
        """Numbers of the shards that have a session with an open socket."""
        return {session.shard[0] for session, _ in self._sessions.values() if session.send is not None}

    def begin(self, intents: int, shard: tuple[int, int], send: Callable[[Json], None]) -> GatewaySession:
        """A new session whose frames go to *send*."""
        session = GatewaySession(self.state.world, self._record, intents, shard, send)
        self._sessions[session.id] = (session, self.state.hub.subscribe(session))
        return session

    def find(self, session_id: str) -> GatewaySession | None:
        return self._sessions[session_id][0] if session_id in self._sessions else None

    def drop(self, session: GatewaySession) -> None:
        """Forget a session, so that it can no longer be resumed. Idempotent."""
        _, unsubscribe = self._sessions.pop(session.id, (session, lambda: None))
        unsubscribe()

    def drop_shard(self, shard: int | None) -> None:
        """Drop the sessions of *shard*, all for None."""
        for session, _ in tuple(self._sessions.values()):
            if shard in (None, session.shard[0]):
                self.drop(session)

    def announce(self) -> None:
        for listener in self.listeners:
            listener(self.online)

    def reset_token(self) -> None:
        """End all sessions and change the token, as after too many IDENTIFYs in a day ("Rate Limiting")."""
        self.state.world.app.token = f"local.{secrets.token_urlsafe(24)}"
        for session, _ in tuple(self._sessions.values()):
            self.drop(session)
            if session.cut is not None:
                session.cut()
