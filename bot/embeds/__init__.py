"""Builds what messages say: embeds and texts for jobs, queue, history, engine and moderation.

Imports models, policy, scheduling and storage. Sends nothing.
"""
