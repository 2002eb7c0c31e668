"""What a member or moderator can do: create, delete, report, moderate, save, erase.

Imports delivery and every package below it. Never imports cogs or views.
"""
