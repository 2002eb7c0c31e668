"""A small Discord on loopback, for trying the bot and for testing it: no account, no token, no network."""
