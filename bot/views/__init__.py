"""Buttons and forms. All their state is in the custom id, so they work after any restart and on any old message."""
