"""Networks, and nothing but networks: they know no guidance, no schedule and no file."""
