"""The life of a job: admission, queue registry, engine loop, state transitions, recovery, retention.

Imports pictures, scheduling, policy, storage and models. Never imports discord.
"""
