"""The REST API v10: routing, bodies, rate limits, injected faults, and the handlers in `routes`.

Imports all other packages of the server.
"""
