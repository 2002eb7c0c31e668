"""Networks only: no guidance, no schedules, no files."""
