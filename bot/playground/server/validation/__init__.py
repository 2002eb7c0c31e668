"""Discord's rules for the bodies of requests: limits, components, modals, commands. Raises `ApiError` with its codes.

Imports `world`.
"""
