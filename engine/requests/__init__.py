"""Requests and their options: prompts, profiles, schedules, costs.

Imports catalogue only. Never imports torch.
"""
