"""The life of a job: admission, queue registry, engine loop, state transitions, recovery, retention.

Imports scheduling, policy, storage and models. Never imports discord.
"""
