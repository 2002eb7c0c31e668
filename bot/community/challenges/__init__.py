"""Challenges: `course` takes entries and decides, `poster` keeps the messages up to date, `message` words them."""
