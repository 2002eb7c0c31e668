"""Discord's rules for the bodies of requests: limits, components, modals, commands. Raises `Refusal` with its codes.

Imports `world`.
"""
