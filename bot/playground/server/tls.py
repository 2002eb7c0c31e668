"""A temporary certificate authority for Discord's host names; its private key exists only in memory."""

import ssl
from functools import cached_property

import trustme

HOSTS = ("discord.com", "gateway.discord.gg", "cdn.discordapp.com", "media.discordapp.net")
"""The host names of REST, gateway, files and resized files."""


class Authority:
    """A certificate authority with one certificate for HOSTS. Creation takes 0.05 s, so tests share one."""

    def __init__(self) -> None:
        ca = trustme.CA()
        self._certificate = ca.issue_cert(*HOSTS)
        self.pem: str = ca.cert_pem.bytes().decode()
        """The CA certificate (PEM) that a client must trust."""

    @cached_property
    def server_context(self) -> ssl.SSLContext:
        """One for all servers of this process."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._certificate.configure_cert(context)
        return context
