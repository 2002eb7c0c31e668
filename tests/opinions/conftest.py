"""The second opinion needs nothing but the certificate authority of the first."""

from __future__ import annotations

import pytest

from bot.playground.server.tls import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
