"""Messages between client and engine process, their framing, and the replay record.

Imports requests only. Never imports torch.
"""
