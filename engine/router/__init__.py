"""The process between a client and several workers: one connection each, in the protocol of a single engine.

Imports client, protocol and environment. Never imports torch.
"""
