"""One Discord message per job: progress edits, the final update, deletions and the shared edit limiter.

Imports jobs, embeds, pictures, interactions and below. Never imports actions, views or cogs.
"""
