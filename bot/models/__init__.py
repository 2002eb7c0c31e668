"""Values that the whole bot shares: jobs, updates, comparisons.

Imports the engine's request models only.
"""
