"""A throw-away certificate authority for Discord's host names; its private key never leaves memory."""

import ssl

import trustme

HOSTS = ("discord.com", "gateway.discord.gg", "cdn.discordapp.com", "media.discordapp.net")
"""All host names that a bot meets: REST, gateway, files, resized files."""


class Authority:
    """Signs one certificate for HOSTS. Making it takes about 0.05 s, so tests share one."""

    def __init__(self) -> None:
        ca = trustme.CA()
        self._certificate = ca.issue_cert(*HOSTS)
        self.pem: str = ca.cert_pem.bytes().decode()
        """What a client must trust."""

    def server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._certificate.configure_cert(context)
        return context
