"""The gateway: WebSocket connections, sessions with RESUME, shards (docs: events/gateway.mdx).

Imports `actions`, `validation` and `world`.
"""
