"""The models and weights that the engine knows: names, sources, hashes, licences, sizes, settings.

    catalogue.toml   the published weights, as data
    registry         `Entry` and `Model`; reads and validates that file; finds an entry by name
    model_builder    turns an entry into a `Model`
    models           every model by name
    flops            cost of networks, for quotas

Imports no torch, so a client may import it. May import `engine.nets.*_flags` and `engine.errors`.
"""
