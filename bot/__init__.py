"""The Discord bot. It never imports torch."""
