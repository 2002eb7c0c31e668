"""Weight files: where they are, whether they may be trusted, and the tensors that they hold.

    store      the folder: downloads, hashes, trust, the host's own models; imports no torch
    formats    the tensors of safetensors files and PyTorch files; runs no code that a file brings along

May import `engine.catalogue` and `engine.requests`.
"""
