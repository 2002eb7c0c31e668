"""The models and weights that the engine knows: names, sources, hashes, licences, sizes, settings.

    catalogue.toml   the published weights, as data
    registry         `Entry` and `Model`; reads and validates that file; finds an entry by name
    models           every model by name; turns an entry into a `Model`

Imports no torch, so a client may import it. May import `engine.nets.flags` and `engine.errors`.
"""
