"""Starts the engine process and talks to it: transport, supervision, event queue.

Imports protocol, requests and catalogue. Never imports torch.
"""
