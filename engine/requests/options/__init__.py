"""One options model per method: what may be asked for, in which range, and what it is usually. No torch, no Discord."""
