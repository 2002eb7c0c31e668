"""`dreambot health`: asks the running bot's /health, for container health checks."""

from __future__ import annotations

import http.client
import json

from bot.config.sections import MonitorSection

_SECONDS = 8.0
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not bound


def ask_health(monitor: MonitorSection) -> tuple[bool, str]:
    """(whether the bot is well, one line that says why or why not)."""
    if not monitor.port:
        return False, "There is nothing to ask: set [monitor] port, or DREAMBOT_MONITOR."
    host = "127.0.0.1" if monitor.host in _EVERYWHERE else monitor.host
    connection = http.client.HTTPConnection(host, monitor.port, timeout=_SECONDS)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        status = str(json.loads(answer.read())["status"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        return False, f"{host}:{monitor.port} does not answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return answer.status == http.client.OK, status
