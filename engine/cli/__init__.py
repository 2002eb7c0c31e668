"""One command of the shell per file; what several of them need is in `console.py`."""
