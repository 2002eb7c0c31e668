"""One options model per method, with ranges and defaults. No torch, no Discord."""
