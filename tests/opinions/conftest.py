"""The tests on SimCord need only the certificate authority of the local Discord."""

from __future__ import annotations

import pytest

from bot.playground.server.tls import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()
