"""Checkpoints that others have published, and your own: where they come from, what they are, and how to trust them.

    entry, table       what there is: sources, hashes, sizes, licences, model flags (no torch)
    own                your own files, from config.toml's `[models.<name>]` (no torch)
    folder, pins       where files lie, and the hashes of those that nobody has published one for (no torch)
    disk               disk errors in words (no torch)
    download           sources in turn, resumed, hashed; a file gets its name only after its hash matched (no torch)
    opened             a file that was hashed through the very handle from which it is read (no torch)
    tensors, convert   safetensors, PyTorch archives, and foreign pickles, which a process of their own converts
    diffusion, vqgan, clip   a checkpoint as a net; `fitting` says in one sentence why it does not fit

Nothing here runs code that a file brings along.
"""
