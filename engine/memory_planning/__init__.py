"""Counts the memory of an image before it begins: dry runs on the meta device, estimates, memory levels, refusals.

Imports methods, guidance, loaders, runtime, requests and catalogue.
"""
