"""The models that the engine knows: names, published files, hashes, licences and sizes.

Imports no torch. A client may import it.
"""
