"""The folder of weight files: download, hashes, trust, custom models.

Imports no torch.
"""
