"""The real bot, the real discord.py, a fake engine in a child of its own: what people see, step by step."""
